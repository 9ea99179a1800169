#include "base/range.hpp"

#include <string>

#include "vectors.hpp"

namespace peer_cdn {
namespace {

TEST_CASE("a Range header asks for what RFC 9110 says") {
  for (const auto& row : read_vectors("ranges", "range")) {
    const auto header = row["header"].get<std::string>();
    const auto bytes = row["bytes"].get<std::uint64_t>();
    CAPTURE(row["case"].get<std::string>());
    CAPTURE(header);
    const auto range = parse_range(header, bytes);
    REQUIRE(range.has_value() == (row["status"] == 206));
    if (range) CHECK(content_range(*range, bytes) == row["contentRange"].get<std::string>());
  }
}

TEST_CASE("an origin's Content-Range is taken exactly or refused") {
  for (const auto& row : read_vectors("ranges", "contentRange")) {
    CAPTURE(row["case"].get<std::string>());
    const auto parsed = parse_content_range(row["header"].get<std::string>());
    if (row.contains("error")) {
      CHECK(code(parsed.error()) == row["error"].get<std::string>());
      continue;
    }
    REQUIRE(parsed);
    CHECK(parsed->range.begin == row["begin"].get<std::uint64_t>());
    CHECK(parsed->range.end == row["end"].get<std::uint64_t>());
    REQUIRE(parsed->total.has_value() == !row["total"].is_null());
    if (parsed->total) CHECK(*parsed->total == row["total"].get<std::uint64_t>());
  }
}

TEST_CASE("a Content-Length is a number and nothing else") {
  CHECK(parse_length("0") == 0U);
  CHECK(parse_length(" 7015 ") == 7015U);
  for (const char* header : {"", "-1", "7, 7", "7x", "0x7", "+7"})
    CHECK_FALSE(parse_length(header));
}

TEST_CASE("the largest numbers are still numbers") {
  const std::uint64_t most = ~std::uint64_t{0};
  CHECK(content_range({most - 1, most}, most) ==
        "bytes 18446744073709551614-18446744073709551614/18446744073709551615");
  CHECK(parse_content_range(content_range({most - 1, most}, most))->total == most);
  CHECK(*parse_range("bytes=0-18446744073709551615", most) == ByteRange{0, most});
  CHECK_FALSE(parse_range("bytes=18446744073709551615-", most));
}

}  // namespace
}  // namespace peer_cdn
