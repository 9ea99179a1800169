#include "http/windows.hpp"

#include <algorithm>

namespace peer_cdn {

void Windows::handle_asked() {
  bytes_ = next_bytes_;
  next_bytes_ = std::min(2 * next_bytes_, bytes_max_);
}

void Windows::handle_short(const Geometry& geometry, std::uint32_t pieces) {
  at_once_ = pieces;
  bytes_max_ = std::min(bytes_max_, std::uint64_t{pieces} * geometry.piece_bytes());
  next_bytes_ = std::min(next_bytes_, bytes_max_);
  bytes_ = std::min(bytes_, bytes_max_);
}

PieceIndex Windows::first_end(const Geometry& geometry, PieceIndex from) {
  return from + geometry.pieces_in(limits::window_first_bytes);
}

PieceIndex Windows::window_end(const Geometry& geometry, PieceIndex from, PieceIndex end,
                               PieceIndex ahead_end) const {
  if (geometry.bytes() <= limits::small_bytes && bytes_max_ == limits::window_bytes_max) return end;
  end = std::min(std::min(end, ahead_end), from + geometry.pieces_in(bytes_));
  // Whole segments, once it reaches beyond its first: what is stored is cut there. Where the origin
  // sends less than a segment at once, that would be a request more for each.
  if (bytes_max_ < limits::segment_bytes) return end;
  PieceIndex aligned = geometry.segment_end(from);
  while (aligned < end && geometry.segment_end(aligned) <= end) {
    aligned = geometry.segment_end(aligned);
  }
  return std::min(end, aligned);
}

PieceIndex Windows::stretch_end(const Geometry& geometry, PieceIndex begin, PieceIndex from,
                                PieceIndex end) const {
  const PieceIndex first = geometry.pieces_in(limits::stretch_bytes_min);
  const PieceIndex later = limits::stretch_factor * (from - begin);
  return std::min(end, from + std::min(at_once_, std::max(first, later)));
}

}  // namespace peer_cdn
