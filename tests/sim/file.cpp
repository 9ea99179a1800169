#include "file.hpp"

#include "base/limits.hpp"
#include "random.hpp"

namespace peer_cdn::sim {
namespace {

template <class T>
Digest hash(const std::vector<T>& values) {
  Digest digest;
  for (std::size_t lane = 0; lane < 4; ++lane) {
    std::uint64_t h = mix(lane + 1);
    for (const T value : values) h = mix(h ^ value);
    for (std::size_t i = 0; i < 8; ++i) {
      digest.bytes[lane * 8 + i] = static_cast<std::uint8_t>(h >> (8 * i));
    }
  }
  return digest;
}

}  // namespace

Digest digest_of(const Tags& tags) {
  return hash(tags);
}

File::File(std::uint64_t file_seed, std::uint64_t bytes, std::uint64_t piece_bytes)
    : seed(file_seed), geometry(*Geometry::parse(bytes, piece_bytes)) {
  for (PieceIndex piece = 0; piece < geometry.count(); ++piece) {
    const Digest digest = digest_of(tags(piece));
    digests.insert(digests.end(), digest.bytes.begin(), digest.bytes.end());
    root = digest;
  }
  if (geometry.count() > 1) root = hash(digests);
}

std::size_t File::blocks_of(PieceIndex piece) const {
  return (geometry.bytes_of(piece) + limits::block_bytes - 1) / limits::block_bytes;
}

Tag File::tag(PieceIndex piece, std::size_t block) const {
  return mix(seed ^ mix(piece * 1000ULL + block));
}

Tags File::tags(PieceIndex piece) const {
  Tags tags(blocks_of(piece));
  for (std::size_t i = 0; i < tags.size(); ++i) tags[i] = tag(piece, i);
  return tags;
}

bool File::is(PieceIndex piece, const Tags& tags) const {
  if (tags.size() != blocks_of(piece)) return false;
  for (std::size_t i = 0; i < tags.size(); ++i) {
    if (tags[i] != tag(piece, i)) return false;
  }
  return true;
}

}  // namespace peer_cdn::sim
