// A file without bytes: a 64-bit tag stands for the payload of each block.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.hpp"
#include "base/manifest.hpp"
#include "base/pieces.hpp"

namespace peer_cdn::sim {

using Tag = std::uint64_t;      // a block's payload
using Tags = std::vector<Tag>;  // a piece's

struct File {
  File(std::uint64_t seed, std::uint64_t bytes, std::uint64_t piece_bytes);
  std::size_t blocks_of(PieceIndex piece) const;
  Tag tag(PieceIndex piece, std::size_t block) const;
  Tags tags(PieceIndex piece) const;
  bool is(PieceIndex piece, const Tags& tags) const;

  std::uint64_t seed;
  Geometry geometry;
  Bytes digests;
  Root root;
};

Digest digest_of(const Tags& tags);

}  // namespace peer_cdn::sim
