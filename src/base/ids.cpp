#include "base/ids.hpp"

namespace peer_cdn {
namespace {

constexpr char hex_digits[] = "0123456789abcdef";

int nibble(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::optional<Digest> parse_digest(std::string_view hex) {
  if (hex.size() != 2 * Digest::bytes_size) return std::nullopt;
  Digest digest;
  for (std::size_t i = 0; i < Digest::bytes_size; ++i) {
    const int high = nibble(hex[2 * i]);
    const int low = nibble(hex[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    digest.bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return digest;
}

std::string to_hex(const Digest& digest) {
  Text hex;
  append_hex(hex, digest);
  return std::string(std::string_view(hex));
}

void append_hex(Text& text, const Digest& digest) {
  for (const std::uint8_t byte : digest.bytes) {
    text.push_back(hex_digits[byte >> 4]);
    text.push_back(hex_digits[byte & 15]);
  }
}

}  // namespace peer_cdn
