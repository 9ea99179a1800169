#include "swarm/wire.hpp"

#include <doctest/doctest.h>

namespace peer_cdn::swarm::wire {
namespace {

Root root_of(std::uint8_t byte) {
  Root root;
  root.bytes.fill(byte);
  return root;
}

std::vector<Message> examples() {
  return {
      Hello{version},
      Want{7, root_of(0xAB)},
      Have{7, {0xFF, 0x01}},
      Not{7},
      Update{7, {3, 5}},
      Request{7, {{1, 0, limits::block_bytes}, {2, limits::block_bytes, 17}}},
      Cancel{7, {{1, 0, limits::block_bytes}}},
      Reject{7, {{1, 0, limits::block_bytes}}},
      Done{7},
      Claim{7, {3, 5}, 8},
  };
}

}  // namespace

TEST_CASE("a message that was encoded is parsed as itself") {
  for (const Message& message : examples()) {
    CAPTURE(message.index());
    const Bytes frame = encode(message);
    const auto parsed = parse_message(frame);
    REQUIRE(parsed);
    CHECK(parsed->index() == message.index());
    CHECK(encode(*parsed) == frame);
  }
}

TEST_CASE("the type of a message is its place in the variant, its numbers are little-endian") {
  CHECK(encode(Message(Hello{0x01020304})) == Bytes{0, 4, 3, 2, 1});
  CHECK(encode(Message(Update{1, {2, 3}})) == Bytes{4, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0});
  CHECK(encode(Message(Done{9})) == Bytes{8, 9, 0, 0, 0});
}

TEST_CASE("a message that is cut anywhere is malformed") {
  for (const Message& message : examples()) {
    const Bytes frame = encode(message);
    // A list or a bitfield may be shorter; then it is another message, and a valid one.
    for (std::size_t bytes = 0; bytes < frame.size(); ++bytes) {
      CAPTURE(message.index());
      CAPTURE(bytes);
      const auto parsed = parse_message(ByteSpan(frame).first(bytes));
      if (parsed)
        CHECK(encode(*parsed) ==
              Bytes(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(bytes)));
    }
  }
}

TEST_CASE("a frame that is no message is refused by its reason") {
  struct Case {
    const char* what;
    Bytes frame;
    Error error;
  };
  Bytes flood = {5, 0, 0, 0, 0};
  flood.resize(5 + 12 * (blocks_max + 1));
  const Case cases[] = {
      {"nothing", {}, Error::malformed_message},
      {"a type of a later version", {10, 0, 0, 0, 0}, Error::unknown_message},
      {"a want with half a root", {1, 0, 0, 0, 0, 1, 2, 3}, Error::malformed_message},
      {"a have without pieces", {2, 0, 0, 0, 0}, Error::malformed_message},
      {"a bitfield of more pieces than there can be", Bytes(5 + bitfield_bytes_max + 1, 2),
       Error::malformed_message},
      {"a not with something behind it", {3, 0, 0, 0, 0, 0}, Error::malformed_message},
      {"an update of no piece", {4, 0, 0, 0, 0, 5, 0, 0, 0, 5, 0, 0, 0}, Error::malformed_message},
      {"coming, and nothing comes",
       {9, 0, 0, 0, 0, 5, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0},
       Error::malformed_message},
      {"a request for nothing", {5, 0, 0, 0, 0}, Error::malformed_message},
      {"a request that ends inside a block",
       {5, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4},
       Error::malformed_message},
      {"a request for more than one may", flood, Error::malformed_message},
      {"a frame beyond the limit", Bytes(limits::message_bytes + 1, 0), Error::message_too_long},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    CHECK(parse_message(c.frame).error() == c.error);
  }
}

TEST_CASE("a hello of a later version may be longer") {
  const auto parsed = parse_message(Bytes{0, 2, 0, 0, 0, 1, 2, 3});
  REQUIRE(parsed);
  CHECK(get<Hello>(*parsed).version == 2);
}

TEST_CASE("a block's header says how long its message is") {
  const BlockHeader header{3, {4, limits::block_bytes, 100}};
  const Bytes frame = encode(header);
  CHECK(frame.size() == block_header_bytes);
  const auto parsed = parse_block_header(frame, block_header_bytes + 100);
  REQUIRE(parsed);
  CHECK(parsed->handle == 3);
  CHECK(parsed->block == header.block);
  CHECK(parse_block_header(frame, block_header_bytes + 99).error() == Error::wrong_length);
  CHECK(parse_block_header(frame, block_header_bytes + 101).error() == Error::wrong_length);
  CHECK(parse_block_header(ByteSpan(frame).first(15), 15).error() == Error::malformed_message);
  const Bytes empty = encode(BlockHeader{3, {4, 0, 0}});
  CHECK(parse_block_header(empty, block_header_bytes).error() == Error::wrong_length);
  const Bytes huge = encode(BlockHeader{3, {4, 0, limits::block_bytes + 1}});
  CHECK(parse_block_header(huge, block_header_bytes + limits::block_bytes + 1).error() ==
        Error::wrong_length);
}

TEST_CASE("the last block of a piece is as long as what is left") {
  CHECK(block_at(1, 0, 80000) == Block{1, 0, 65536});
  CHECK(block_at(1, 65536, 80000) == Block{1, 65536, 14464});
}

}  // namespace peer_cdn::swarm::wire
