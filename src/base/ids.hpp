// Numbers and digests that name things. Each has a type of its own, so that a peer's number is
// never taken for a reader's.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/text.hpp"

namespace peer_cdn {

template <class Tag>
struct Id {
  std::uint32_t value = 0;
  auto operator<=>(const Id&) const = default;
};

using PeerId = Id<struct PeerTag>;      // issued by the coordinator; one page of one browser
using ReaderId = Id<struct ReaderTag>;  // issued by the host; one consumer of one range
using FetchId = Id<struct FetchTag>;    // issued by the core; one request to the origin
using PieceIndex = std::uint32_t;

// A SHA-256 digest: of a piece, or of a digest list.
struct Digest {
  static constexpr std::size_t bytes_size = 32;
  std::array<std::uint8_t, bytes_size> bytes{};
  std::strong_ordering operator<=>(const Digest& other) const {
    return std::memcmp(bytes.data(), other.bytes.data(), bytes_size) <=> 0;
  }
  bool operator==(const Digest& other) const { return (*this <=> other) == 0; }
};

// A resource's identity: the digest of its only piece, or the digest of its digest list.
using Root = Digest;

// The first 32 bits of a root (limits::mark_digits): enough for a hint that somebody has it.
using Mark = std::uint32_t;
inline Mark mark_of(const Root& root) {
  Mark mark = 0;
  for (std::size_t i = 0; i < sizeof mark; ++i) mark = mark << 8 | root.bytes[i];
  return mark;
}

// The first 64 bits of a root: enough to say which ones are meant.
using RootKey = std::uint64_t;
inline RootKey key_of(const Root& root) {
  RootKey key = 0;
  std::memcpy(&key, root.bytes.data(), sizeof key);
  return key;
}

// Exactly 64 lower-case hex digits, or nothing.
std::optional<Digest> parse_digest(std::string_view hex);
std::string to_hex(const Digest& digest);
void append_hex(Text& text, const Digest& digest);

}  // namespace peer_cdn

template <class Tag>
struct std::hash<peer_cdn::Id<Tag>> {
  std::size_t operator()(const peer_cdn::Id<Tag>& id) const noexcept { return id.value; }
};

template <>
struct std::hash<peer_cdn::Digest> {
  // A digest is uniform already: any eight bytes of it are a hash.
  std::size_t operator()(const peer_cdn::Digest& digest) const noexcept {
    std::size_t h = 0;
    std::memcpy(&h, digest.bytes.data(), sizeof h);
    return h;
  }
};
