#include "base/ids.hpp"

namespace peer_cdn {
namespace {

constexpr char digits[] = "0123456789abcdef";

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
  std::string hex(2 * Digest::bytes_size, '0');
  for (std::size_t i = 0; i < hex.size(); ++i) {
    const std::uint8_t byte = digest.bytes[i / 2];
    hex[i] = digits[i % 2 == 0 ? byte >> 4 : byte & 15];
  }
  return hex;
}

}  // namespace peer_cdn
