#include "base/pieces.hpp"

#include <algorithm>
#include <bit>
#include <cassert>

#include "base/limits.hpp"

namespace peer_cdn {

Result<Geometry> Geometry::parse(std::uint64_t bytes, std::uint64_t piece_bytes) {
  if (bytes == 0 || bytes > limits::resource_bytes_max) return Error::malformed_manifest;
  if (piece_bytes < limits::piece_bytes_min || piece_bytes > limits::piece_bytes_max ||
      !std::has_single_bit(piece_bytes)) {
    return Error::malformed_manifest;
  }
  const std::uint64_t count = (bytes + piece_bytes - 1) / piece_bytes;
  if (count > limits::pieces_per_resource) return Error::malformed_manifest;
  return Geometry(bytes, static_cast<std::uint32_t>(piece_bytes),
                  static_cast<std::uint32_t>(count));
}

std::uint32_t Geometry::bytes_of(PieceIndex piece) const {
  assert(piece < count_);
  const std::uint64_t begin = std::uint64_t{piece} * piece_bytes_;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(piece_bytes_, bytes_ - begin));
}

ByteRange Geometry::range_of(PieceRange pieces) const {
  assert(pieces.begin <= pieces.end && pieces.end <= count_);
  return {std::min(bytes_, std::uint64_t{pieces.begin} * piece_bytes_),
          std::min(bytes_, std::uint64_t{pieces.end} * piece_bytes_)};
}

PieceRange Geometry::covering(ByteRange range) const {
  assert(range.begin < range.end && range.end <= bytes_);
  return {piece_at(range.begin), piece_at(range.end - 1) + 1};
}

PieceIndex Geometry::piece_at(std::uint64_t byte) const {
  assert(byte < bytes_);
  return static_cast<PieceIndex>(byte / piece_bytes_);
}

std::uint32_t Geometry::pieces_in(std::uint64_t bytes) const {
  return std::max<std::uint32_t>(1, static_cast<std::uint32_t>(bytes / piece_bytes_));
}

std::uint32_t Geometry::pieces_per_segment() const {
  return pieces_in(limits::segment_bytes);
}

PieceIndex Geometry::segment_begin(PieceIndex piece) const {
  return piece - piece % pieces_per_segment();
}

PieceIndex Geometry::segment_end(PieceIndex piece) const {
  return std::min(count_, segment_begin(piece) + pieces_per_segment());
}

Result<PieceSet> PieceSet::parse(const std::vector<std::uint8_t>& bitfield, std::uint32_t count) {
  if (bitfield.size() != (count + 7) / 8) return Error::malformed_message;
  if (count % 8 != 0 && (bitfield.back() >> (count % 8)) != 0) return Error::malformed_message;
  PieceSet set(count);
  for (const std::uint8_t byte : bitfield) {
    set.held_count_ += static_cast<std::uint32_t>(std::popcount(byte));
  }
  std::copy(bitfield.begin(), bitfield.end(), set.held_.begin());
  return set;
}

bool PieceSet::has_all(PieceRange pieces) const {
  return pieces.empty() || (pieces.end <= count_ && next_missing(pieces.begin) >= pieces.end);
}

bool PieceSet::add(PieceIndex piece) {
  if (piece >= count_ || has(piece)) return false;
  held_[piece / 8] = static_cast<std::uint8_t>(held_[piece / 8] | (1U << (piece % 8)));
  ++held_count_;
  return true;
}

bool PieceSet::add(PieceRange pieces) {
  bool added = false;
  for (PieceIndex piece = pieces.begin; piece < std::min(pieces.end, count_); ++piece) {
    added |= add(piece);
  }
  return added;
}

void PieceSet::remove(PieceIndex piece) {
  if (!has(piece)) return;
  held_[piece / 8] = static_cast<std::uint8_t>(held_[piece / 8] & ~(1U << (piece % 8)));
  --held_count_;
}

PieceIndex PieceSet::next_held(PieceIndex from) const {
  while (from < count_ && !has(from)) ++from;
  return std::min(from, count_);
}

PieceIndex PieceSet::next_missing(PieceIndex from) const {
  while (from < count_ && has(from)) ++from;
  return std::min(from, count_);
}

}  // namespace peer_cdn
