#include "base/ids.hpp"

#include <doctest/doctest.h>

#include <type_traits>

namespace peer_cdn {
namespace {

static_assert(!std::is_convertible_v<PeerId, ReaderId>, "a peer's number is no reader's");

const std::string hex = "00ff0123456789abcdef00000000000000000000000000000000000000000010";

TEST_CASE("a digest is written as it was read") {
  const auto digest = parse_digest(hex);
  REQUIRE(digest);
  CHECK(digest->bytes[1] == 255);
  CHECK(digest->bytes[31] == 16);
  CHECK(to_hex(*digest) == hex);
}

TEST_CASE("only 64 lower-case hex digits are a digest") {
  CHECK(!parse_digest(""));
  CHECK(!parse_digest(hex.substr(1)));
  CHECK(!parse_digest(hex + "0"));
  for (const char c : {'A', 'F', 'g', ' ', '-', '/', ':', '`', '\0', '\xff'}) {
    for (const std::size_t at : {0U, 31U, 63U}) {
      std::string wrong = hex;
      wrong[at] = c;
      CAPTURE(wrong);
      CHECK(!parse_digest(wrong));
    }
  }
}

TEST_CASE("digests are ordered by their bytes") {
  Digest low, high;
  low.bytes[31] = 255;
  high.bytes[0] = 1;
  CHECK(low < high);
  CHECK(low != high);
  CHECK(std::hash<Digest>{}(high) != std::hash<Digest>{}(Digest{}));
}

}  // namespace
}  // namespace peer_cdn
