#include "base/site.hpp"

#include "base/names.hpp"

namespace peer_cdn {

Text site_end(std::string_view scope, std::string_view manifest) {
  const bool is_usual = manifest == names::manifest_path;
  Text end;
  if (scope != "/" || !is_usual) (end += " ") += scope;
  if (!is_usual) (end += " ") += manifest;
  return end;
}

}  // namespace peer_cdn
