// What two peers say to each other. Little-endian; every frame is at most limits::message_bytes.
//
// clang-format off
//   `control`  type u8, then                                    from    meaning
//   -----------------------------------------------------------------------------------------------
//   hello   0  version u32                                      both    first, once
//   want    1  handle u32, root 32                              asker   what do you have of it?
//   have    2  handle u32, bitfield                             holder  this; updates will follow
//   not     3  handle u32                                       holder  nothing; the handle is over
//   update  4  handle u32, begin u32, end u32                   holder  these pieces as well
//   request 5  handle u32, n x (piece, offset, bytes) u32       asker   send these blocks
//   cancel  6  as request                                       asker   do not, if you still can
//   reject  7  as request                                       holder  these will not come
//   done    8  handle u32                                       asker   the handle is over
//   claim   9  as update, rank u32                              holder  on their way from the origin
// clang-format on
//
//   `data`             handle u32, piece u32, offset u32, bytes u32, then that many bytes
//
// The asker chooses a handle for each want, and never uses it twice. Law of a pair: the holder
// answers every request with exactly one block or one reject, so both know what is still to come.
#pragma once

#include <cstdint>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/limits.hpp"
#include "base/list.hpp"
#include "base/pieces.hpp"
#include "base/result.hpp"
#include "base/variant.hpp"

namespace peer_cdn::swarm::wire {

inline constexpr std::uint32_t version = limits::protocol_version;
inline constexpr std::size_t block_header_bytes = 16;
inline constexpr std::size_t block_reference_bytes = 12;  // in a request, cancel or reject
inline constexpr std::size_t bitfield_bytes_max = limits::pieces_per_resource / 8;
static_assert(block_header_bytes + limits::block_bytes == limits::message_bytes);
static_assert(bitfield_bytes_max == 256 &&
                  1 + 4 + block_reference_bytes * limits::unanswered_blocks <= limits::kib,
              "limits::control_buffered_max counts on these sizes");

using Handle = std::uint32_t;

// limits::block_bytes of a piece. The last block of a piece may be shorter.
struct Block {
  PieceIndex piece = 0;
  std::uint32_t offset = 0;
  std::uint32_t bytes = 0;
  bool operator==(const Block&) const = default;
};

struct Hello {
  std::uint32_t version = 0;
};
struct Want {
  Handle handle = 0;
  Root root;
};
struct Have {
  Handle handle = 0;
  Bytes bitfield;
};
struct Not {
  Handle handle = 0;
};
struct Update {
  Handle handle = 0;
  PieceRange pieces;
};
// This peer, or one that it heard of, fetches these pieces from the origin, so nobody else needs
// to. If two peers fetch the same piece, the one with the lower rank goes on. The rank is drawn for
// each fetch.
struct Claim {
  Handle handle = 0;
  PieceRange pieces;
  std::uint32_t rank = 0;
};
struct Request {
  Handle handle = 0;
  List<Block> blocks;
};
struct Cancel {
  Handle handle = 0;
  List<Block> blocks;
};
struct Reject {
  Handle handle = 0;
  List<Block> blocks;
};
struct Done {
  Handle handle = 0;
};
// In the order of the types on the wire.
using Message = Variant<Hello, Want, Have, Not, Update, Request, Cancel, Reject, Done, Claim>;

// Errors: unknown_message; malformed_message (too short, too long, an empty list or range);
// message_too_long.
Result<Message> parse_message(ByteSpan frame);
Bytes encode(const Message& message);

struct BlockHeader {
  Handle handle = 0;
  Block block;
};
// Errors: malformed_message if the header is too short; wrong_length if the message does not have
// the bytes that the header says.
Result<BlockHeader> parse_block_header(ByteSpan header, std::size_t message_bytes);
Bytes encode(const BlockHeader& header);

// The block at this offset of a piece of `piece_bytes`. Requires offset < piece_bytes.
inline Block block_at(PieceIndex piece, std::uint32_t offset, std::uint32_t piece_bytes) {
  const std::uint32_t rest = piece_bytes - offset;
  return {piece, offset, rest < limits::block_bytes ? rest : limits::block_bytes};
}

// The most blocks of one request, cancel or reject.
inline constexpr std::size_t blocks_max = limits::requests_from_peer;
static_assert(1 + 4 + block_reference_bytes * blocks_max <= limits::message_bytes,
              "type, handle and blocks fit");

}  // namespace peer_cdn::swarm::wire
