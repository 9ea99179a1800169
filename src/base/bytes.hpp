// Reads and writes little-endian frames. The one place that turns bytes into numbers and texts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/ids.hpp"

namespace peer_cdn {

using Bytes = std::vector<std::uint8_t>;
using ByteSpan = std::span<const std::uint8_t>;

// The bytes of what came as a text, and the text of what came as bytes.
inline ByteSpan bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Takes numbers off the front of a frame. A read past the end gives zeros, and ok() is false from
// then on. So a parser reads all its fields and checks once.
class FrameReader {
 public:
  explicit FrameReader(ByteSpan bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  std::size_t remaining() const { return rest_.size(); }
  ByteSpan rest() const { return rest_; }

  template <class T>
  T number() {
    static_assert(std::is_unsigned_v<T>);
    std::uint64_t value = 0;
    const ByteSpan field = take(sizeof(T));
    for (std::size_t i = 0; i < field.size(); ++i) value |= std::uint64_t{field[i]} << (8 * i);
    return static_cast<T>(value);
  }

  Digest digest() {
    Digest digest;
    const ByteSpan field = take(Digest::bytes_size);
    for (std::size_t i = 0; i < field.size(); ++i) digest.bytes[i] = field[i];
    return digest;
  }

  ByteSpan take(std::size_t count) {
    if (count > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const ByteSpan front = rest_.first(count);
    rest_ = rest_.subspan(count);
    return front;
  }

 private:
  ByteSpan rest_;
  bool ok_ = true;
};

class FrameWriter {
 public:
  template <class T>
  FrameWriter& number(T value) {
    static_assert(std::is_unsigned_v<T>);
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      bytes_.push_back(static_cast<std::uint8_t>(static_cast<std::uint64_t>(value) >> (8 * i)));
    }
    return *this;
  }

  FrameWriter& digest(const Digest& digest) { return bytes(digest.bytes); }

  FrameWriter& bytes(ByteSpan bytes) {
    for (const std::uint8_t byte : bytes) bytes_.push_back(byte);
    return *this;
  }

  Bytes finish() { return std::move(bytes_); }

 private:
  Bytes bytes_;
};

}  // namespace peer_cdn
