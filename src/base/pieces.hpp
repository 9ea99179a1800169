// How a resource is cut into pieces: how many there are, how long they are, which of them cover a
// range, and which of them are held.
//
//   bytes   0                                              bytes
//           |-------- segment 0 --------|-------- segment 1 --...
//           | p0 | p1 | p2 | ... | p15  | p16 | ...      | last |    piece_bytes each; last: less
//
// A segment is the aligned span of about 1 MiB that storage works in. A *run* is a stretch of
// consecutive pieces inside one segment: what one entry of the store holds.
#pragma once

#include <cstdint>
#include <vector>

#include "base/ids.hpp"
#include "base/list.hpp"
#include "base/result.hpp"

namespace peer_cdn {

// Half-open, in bytes of the resource's identity representation.
struct ByteRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint64_t bytes() const { return end - begin; }
  bool operator==(const ByteRange&) const = default;
};

// Half-open, in pieces.
struct PieceRange {
  PieceIndex begin = 0;
  PieceIndex end = 0;
  std::uint32_t count() const { return end - begin; }
  bool empty() const { return begin >= end; }
  bool contains(PieceIndex piece) const { return piece >= begin && piece < end; }
  bool operator==(const PieceRange&) const = default;
};

// Where a piece came from. Page and worker tell each other the number.
enum class PieceSource : std::uint8_t {
  store,  // this visitor had it
  peers,
  origin,
};

// How one resource is cut. parse() is the only way to make one, so 1 <= count <= 2,048 always
// holds.
class Geometry {
 public:
  // malformed_manifest unless piece_bytes is a power of two within limits and the count fits. An
  // empty resource is refused, because there is nothing to share.
  static Result<Geometry> parse(std::uint64_t bytes, std::uint64_t piece_bytes);

  std::uint64_t bytes() const { return bytes_; }
  std::uint32_t piece_bytes() const { return piece_bytes_; }
  std::uint32_t count() const { return count_; }
  PieceRange all() const { return {0, count_}; }
  // The bytes of one piece. Only the last piece is shorter. Requires piece < count().
  std::uint32_t bytes_of(PieceIndex piece) const;
  ByteRange range_of(PieceRange pieces) const;
  // The pieces that hold any byte of a non-empty range inside the resource.
  PieceRange covering(ByteRange range) const;
  PieceIndex piece_at(std::uint64_t byte) const;
  // How many whole pieces fit into so many bytes; at least one.
  std::uint32_t pieces_in(std::uint64_t bytes) const;
  std::uint32_t pieces_per_segment() const;
  // The pieces of the segment that this piece is in; the end is at most count().
  PieceIndex segment_end(PieceIndex piece) const;
  PieceIndex segment_begin(PieceIndex piece) const;
  bool operator==(const Geometry&) const = default;

 private:
  Geometry(std::uint64_t bytes, std::uint32_t piece_bytes, std::uint32_t count)
      : bytes_(bytes), piece_bytes_(piece_bytes), count_(count) {}

  std::uint64_t bytes_;
  std::uint32_t piece_bytes_;
  std::uint32_t count_;
};

// Which pieces of one resource are held.
class PieceSet {
 public:
  explicit PieceSet(std::uint32_t count = 0) : held_((count + 7) / 8, 0), count_(count) {}
  // A bitfield as it is on the wire: piece i is bit i%8 of byte i/8 (least significant first).
  // malformed_message if the length is not right, or a bit beyond the count is set.
  static Result<PieceSet> parse(const std::vector<std::uint8_t>& bitfield, std::uint32_t count);

  std::uint32_t count() const { return count_; }
  std::uint32_t held() const { return held_count_; }
  bool empty() const { return held_count_ == 0; }
  bool complete() const { return held_count_ == count_; }
  bool has(PieceIndex piece) const {
    return piece < count_ && (held_[piece / 8] >> (piece % 8) & 1);
  }
  bool has_all(PieceRange pieces) const;
  // Pieces outside the resource are ignored. True if any piece was new.
  bool add(PieceIndex piece);
  bool add(PieceRange pieces);
  void remove(PieceIndex piece);
  // The first piece from `from` on that is held (or is missing), or count().
  PieceIndex next_held(PieceIndex from) const;
  PieceIndex next_missing(PieceIndex from) const;
  std::vector<std::uint8_t> bitfield() const { return {held_.begin(), held_.end()}; }
  bool operator==(const PieceSet&) const = default;

 private:
  List<std::uint8_t> held_;
  std::uint32_t count_;
  std::uint32_t held_count_ = 0;
};

}  // namespace peer_cdn
