#include "http/losses.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "base/limits.hpp"

using namespace peer_cdn;

namespace {

void add(Manifest& manifest, const std::string& path, bool any_query = false) {
  ResourceFields fields;
  fields.path = path;
  fields.bytes = 5;
  fields.piece_bytes = 65536;
  fields.root = std::string(64, 'a');
  fields.any_query = any_query;
  REQUIRE(manifest.add(std::move(parse_resource(fields).value())));
}

// Files "/a", "/b" and "/any", which takes any query.
Manifest three() {
  Manifest manifest;
  add(manifest, "/a");
  add(manifest, "/b");
  add(manifest, "/any", true);
  return manifest;
}

// As the store has it: with spaces between.
std::string spaced(const Text& lines) {
  std::string all{std::string_view(lines)};
  std::replace(all.begin(), all.end(), '\n', ' ');
  if (!all.empty()) all.pop_back();
  return all;
}

TEST_CASE("what lasts is kept, and trouble that passes is not") {
  struct Case {
    Error a;
    Error b;
    std::string kept;
  };
  const Case cases[] = {
      {Error::none, Error::none, ""},
      {Error::origin_changed, Error::none, "origin-changed /a"},
      {Error::none, Error::origin_unusable, "origin-unusable /b"},
      {Error::wrong_digest, Error::malformed_message, "wrong-digest /a"},
      {Error::digests_mismatch, Error::origin_unreachable, "digests-mismatch /a"},
      {Error::origin_unreachable, Error::timed_out, ""},
  };
  for (const Case& each : cases) {
    CAPTURE(each.kept);
    const Manifest manifest = three();
    manifest.find("/a")->lost = each.a;
    manifest.find("/b")->lost = each.b;
    CHECK(spaced(losses_of(manifest)) == each.kept);
  }
}

TEST_CASE("the next worker reads what was kept, and passes over what it does not know") {
  struct Case {
    std::string text;
    std::string kept;
  };
  const Case cases[] = {
      {"", ""},
      {"origin-changed /a", "origin-changed /a"},
      {"origin-changed /b digests-mismatch /a", "digests-mismatch /a origin-changed /b"},
      {"wrong-digest /any?x=1", "wrong-digest /any"},
      {"origin-changed /gone origin-unusable /b", "origin-unusable /b"},
      {"from-the-future /a origin-unusable /b", "origin-unusable /b"},
      {"origin-unreachable /a", ""},
      {"origin-changed", ""},
      {"origin-changed ", ""},
      {"  ", ""},
      {"origin-changed /a /b", "origin-changed /a"},
  };
  for (const Case& each : cases) {
    CAPTURE(each.text);
    const Manifest manifest = three();
    std::string lines = each.text;
    std::replace(lines.begin(), lines.end(), ' ', '\n');
    read_losses(lines, manifest);
    CHECK(spaced(losses_of(manifest)) == each.kept);
  }
}

TEST_CASE("of too many the first ones are kept") {
  Manifest manifest;
  for (std::size_t i = 0; i <= limits::lost_resources; ++i) {
    const std::string path = "/" + std::to_string(i);
    add(manifest, path);
    manifest.find(path)->lost = Error::origin_changed;
  }
  const std::string kept = spaced(losses_of(manifest));
  const std::string last = " /" + std::to_string(limits::lost_resources - 1);
  CHECK(kept.substr(0, 17) == "origin-changed /0");
  CHECK(kept.substr(kept.size() - last.size()) == last);
}

}  // namespace
