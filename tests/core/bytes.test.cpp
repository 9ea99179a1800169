#include "base/bytes.hpp"

#include <doctest/doctest.h>

namespace peer_cdn {
namespace {

TEST_CASE("numbers are little-endian") {
  const Bytes bytes =
      FrameWriter().number<std::uint16_t>(0x0102).number<std::uint32_t>(0x03040506).finish();
  CHECK(bytes == Bytes{0x02, 0x01, 0x06, 0x05, 0x04, 0x03});
}

TEST_CASE("numbers that are written are read back") {
  Digest digest;
  digest.bytes[0] = 1;
  digest.bytes[31] = 255;
  const Bytes bytes = FrameWriter()
                          .number<std::uint8_t>(255)
                          .number<std::uint64_t>(~std::uint64_t{1})
                          .digest(digest)
                          .bytes(Bytes{7, 8, 9})
                          .finish();
  FrameReader reader(bytes);
  CHECK(reader.number<std::uint8_t>() == 255);
  CHECK(reader.number<std::uint64_t>() == ~std::uint64_t{1});
  CHECK(reader.digest() == digest);
  CHECK(reader.remaining() == 3);
  CHECK(reader.take(3).back() == 9);
  CHECK(reader.ok());
  CHECK(reader.remaining() == 0);
}

TEST_CASE("a read past the end gives zeros, and is remembered") {
  const Bytes bytes = {1, 2, 3};
  FrameReader reader(bytes);
  CHECK(reader.number<std::uint16_t>() == 0x0201);
  CHECK(reader.number<std::uint32_t>() == 0);
  CHECK(!reader.ok());
  // The byte that was there is not read as something else.
  CHECK(reader.number<std::uint8_t>() == 0);
  CHECK(reader.digest() == Digest{});
  CHECK(reader.take(0).empty());
  CHECK(!reader.ok());
}

TEST_CASE("nothing can be taken from an empty frame") {
  FrameReader reader({});
  CHECK(reader.take(0).empty());
  CHECK(reader.ok());
  CHECK(reader.take(1).empty());
  CHECK(!reader.ok());
}

}  // namespace
}  // namespace peer_cdn
