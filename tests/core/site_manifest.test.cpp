#include "http/site_manifest.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace peer_cdn;

namespace {

TEST_CASE("a site has no manifest when it said so, or when it was asked and nothing is in use") {
  using Fetch = ManifestFetch;
  struct Case {
    std::string name;
    std::vector<int> used;  // 0: nothing came into use; 1: a manifest; 2: one that stands for none
    std::vector<Fetch> fetches;
    Error error;
  };
  const Case cases[] = {
      {"nothing is known", {}, {}, Error::none},
      {"no answer, with nothing stored", {0}, {Fetch::failed}, Error::no_manifest},
      {"a page of HTML, with nothing stored", {0}, {Fetch::malformed}, Error::malformed_manifest},
      {"a page of HTML, then no answer",
       {0, 0},
       {Fetch::malformed, Fetch::failed},
       Error::malformed_manifest},
      {"a refusal, then a page of HTML",
       {0, 0},
       {Fetch::unusable, Fetch::malformed},
       Error::malformed_manifest},
      {"a page of HTML, then a manifest", {0, 1}, {Fetch::malformed, Fetch::other}, Error::none},
      {"a refusal, with nothing stored", {0}, {Fetch::unusable}, Error::no_manifest},
      {"a refusal, then a manifest", {0, 1}, {Fetch::unusable, Fetch::other}, Error::none},
      {"gone", {2}, {Fetch::other}, Error::no_manifest},
      {"gone, and offline since", {2, 0}, {Fetch::other, Fetch::failed}, Error::no_manifest},
      {"gone, and still so", {2, 0}, {Fetch::other, Fetch::same}, Error::no_manifest},
      {"gone, and back", {2, 1}, {Fetch::other, Fetch::other}, Error::none},
      {"a manifest, then a refusal", {1, 0}, {Fetch::other, Fetch::unusable}, Error::none},
      {"a manifest, then a page of HTML", {1, 0}, {Fetch::other, Fetch::malformed}, Error::none},
      {"a manifest, then none", {1, 2}, {Fetch::other, Fetch::other}, Error::no_manifest},
  };
  for (const Case& each : cases) {
    CAPTURE(each.name);
    SiteManifest site;
    for (std::size_t i = 0; i < each.fetches.size(); ++i) {
      if (each.used[i] > 0) site.handle_used(each.used[i] == 2);
      site.handle_fetched(each.fetches[i]);
    }
    CHECK(site.error() == each.error);
    const bool is_used =
        std::any_of(each.used.begin(), each.used.end(), [](int it) { return it > 0; });
    CHECK(site.is_used() == is_used);
  }
}

}  // namespace
