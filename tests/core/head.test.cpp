#include "http/head.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "base/text.hpp"

using namespace peer_cdn;

namespace {

Resource resource() {
  ResourceFields fields;
  fields.path = "/a";
  fields.bytes = 1000;
  fields.piece_bytes = 65536;
  fields.root = std::string(64, 'a');
  fields.type = "video/mp4";
  fields.headers = "cache-control\nmax-age=600";
  return parse_resource(fields).value();
}

std::string value_of(const ResponseHead& head, std::string_view name) {
  for (std::string_view rest = head.headers; !rest.empty();) {
    const std::string_view key = take_line(rest);
    const std::string_view value = take_line(rest);
    if (key == name) return std::string(value);
  }
  return "(none)";
}

}  // namespace

TEST_CASE("a whole answer has the manifest's length, type, tag and headers, and no encoding") {
  const ResponseHead head = response_head(resource(), 200, std::nullopt);
  CHECK(head.status == 200);
  CHECK(value_of(head, "content-length") == "1000");
  CHECK(value_of(head, "content-type") == "video/mp4");
  CHECK(value_of(head, "etag") == '"' + std::string(64, 'a') + '"');
  CHECK(value_of(head, "accept-ranges") == "bytes");
  CHECK(value_of(head, "x-content-type-options") == "(none)");
  CHECK(value_of(head, "cache-control") == "max-age=600");
  CHECK(value_of(head, "content-range") == "(none)");
  CHECK(value_of(head, "content-encoding") == "(none)");
}

TEST_CASE("a part says which part of how much") {
  const ResponseHead head = response_head(resource(), 206, ByteRange{10, 20});
  CHECK(head.status == 206);
  CHECK(value_of(head, "content-length") == "10");
  CHECK(value_of(head, "content-range") == "bytes 10-19/1000");
}

TEST_CASE("a header without a value is repeated") {
  Resource seen = resource();
  seen.record.learn("x-none\n\nx-own\na\nx-last\n", true);
  const ResponseHead head = response_head(seen, 200, std::nullopt);
  CHECK(value_of(head, "x-none").empty());
  CHECK(value_of(head, "x-own") == "a");
  CHECK(value_of(head, "x-last").empty());
  CHECK(value_of(head, "etag") == "(none)");
}

TEST_CASE(
    "a status has the origin's phrase where it was seen, and the usual one where only another "
    "was") {
  const auto reasons = [](const Resource& of) {
    std::string all;
    for (const std::uint32_t status : {200U, 206U, 304U}) {
      const auto range = status == 206 ? std::optional(ByteRange{0, 9}) : std::nullopt;
      (all += response_head(of, status, range).reason) += ", ";
    }
    return all;
  };
  Resource seen = resource();
  CHECK(reasons(seen) == ", , , ");
  seen.record.learn("x\ny", false, "Partly");
  CHECK(reasons(seen) == "OK, Partly, Not Modified, ");
  seen.record.learn("x\ny", true, "Very Fine");
  CHECK(reasons(seen) == "Very Fine, Partial Content, Not Modified, ");
  seen.record.learn("x\ny", true);
  CHECK(reasons(seen) == ", , , ");
}

TEST_CASE("without a type there is none") {
  Resource nameless = resource();
  nameless.type.clear();
  CHECK(value_of(response_head(nameless, 200, std::nullopt), "content-type") == "(none)");
}
