#include "http/site_manifest.hpp"

#include "base/judge.hpp"

namespace peer_cdn {

ManifestAnswer judge_manifest(std::uint32_t status) {
  if (is_gone(status)) return ManifestAnswer::none;
  return status / 100 == 2 ? ManifestAnswer::read : ManifestAnswer::unusable;
}

}  // namespace peer_cdn
