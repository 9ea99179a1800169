#include "base/site.hpp"

#include <doctest/doctest.h>

#include <string>

#include "base/names.hpp"

namespace peer_cdn {
namespace {

std::string end_of(std::string_view scope, std::string_view manifest = names::manifest_path) {
  return std::string(std::string_view(site_end(scope, manifest)));
}

}  // namespace

TEST_CASE("the site of a whole origin with the usual manifest has the published names") {
  CHECK(end_of("/").empty());
}

TEST_CASE("sites of one origin have no name in common, whether scope or manifest is another") {
  CHECK(end_of("/a/") == " /a/");
  CHECK(end_of("/b/") == " /b/");
  CHECK(end_of("/", "/a.json") == " / /a.json");
  CHECK(end_of("/a/", "/a.json") == " /a/ /a.json");
  CHECK(end_of("/a/", "/b.json") == " /a/ /b.json");
}

}  // namespace peer_cdn
