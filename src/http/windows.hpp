// How much of a resource one request asks the origin for.
//
//   window    beside peers: as much as hides the origin's latency, twice as much each time
//   stretch   where nobody else serves: 8 MiB, then twice as much as came before
#pragma once

#include <cstdint>

#include "base/limits.hpp"
#include "base/pieces.hpp"

namespace peer_cdn {

class Windows {
 public:
  // In bytes: the second window; the first one is always as long.
  explicit Windows(std::uint64_t second) : next_bytes_(second) {}

  // A request was made: the next one is longer.
  void handle_asked();
  // The origin sends only so many pieces at once, whatever it is asked for.
  void handle_short(const Geometry& geometry, std::uint32_t pieces);

  // Where a first window ends that begins at `from`, if all of it is there.
  static PieceIndex first_end(const Geometry& geometry, PieceIndex from);
  // Where a window ends that begins at `from`: at `end` at the latest, and no further than may be
  // read ahead. Of a small resource it is all of it: one request.
  PieceIndex window_end(const Geometry& geometry, PieceIndex from, PieceIndex end,
                        PieceIndex ahead_end) const;
  // The same of a stretch, in a body that began at `begin`.
  PieceIndex stretch_end(const Geometry& geometry, PieceIndex begin, PieceIndex from,
                         PieceIndex end) const;

 private:
  std::uint64_t bytes_ = limits::window_first_bytes;
  std::uint64_t next_bytes_;
  std::uint64_t bytes_max_ = limits::window_bytes_max;  // less where the origin sends less at once
  PieceIndex at_once_ = limits::pieces_per_resource;    // what it sends in one answer
};

}  // namespace peer_cdn
