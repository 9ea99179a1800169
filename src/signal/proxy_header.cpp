#include "signal/proxy_header.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "base/limits.hpp"

namespace peer_cdn::signal {
namespace {

using Read = Result<std::optional<ProxyHeader>>;

// --- Addresses -----------------------------------------------------------------------------------

constexpr std::size_t v4_bytes = 4, v6_bytes = 16;
using V4 = std::array<std::uint8_t, v4_bytes>;
using V6 = std::array<std::uint8_t, v6_bytes>;

void append_number(Text& text, unsigned number, unsigned base) {
  char digits[5];
  std::size_t count = 0;
  do {
    digits[count++] = "0123456789abcdef"[number % base];
    number /= base;
  } while (number > 0);
  while (count > 0) text += std::string_view(&digits[--count], 1);
}

Text text_of(const V4& address) {
  Text text;
  for (std::size_t i = 0; i < v4_bytes; ++i) {
    if (i > 0) text += ".";
    append_number(text, address[i], 10);
  }
  return text;
}

Text text_of(const V6& address) {
  // An IPv4 visitor at a socket for both families.
  constexpr std::size_t mapped = v6_bytes - v4_bytes;
  constexpr std::array<std::uint8_t, mapped> mapping{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::equal(mapping.begin(), mapping.end(), address.begin())) {
    V4 inner;
    std::copy(address.begin() + mapped, address.end(), inner.begin());
    return text_of(inner);
  }
  Text text;
  for (std::size_t i = 0; i < v6_bytes; i += 2) {
    if (i > 0) text += ":";
    append_number(text, unsigned{address[i]} << 8 | address[i + 1], 16);
  }
  return text;
}

// Takes a word up to `end`, which it takes too, or all that is left.
std::string_view take_word(std::string_view& text, char end) {
  const std::size_t at = text.find(end);
  const std::string_view word = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return word;
}

// A whole number without zeros in front.
std::optional<unsigned> parse_decimal(std::string_view text, unsigned max) {
  if (text.empty() || text.size() > 5 || (text[0] == '0' && text.size() > 1)) return std::nullopt;
  unsigned number = 0;
  for (const char c : text) {
    if (!is_digit(c)) return std::nullopt;
    number = 10 * number + static_cast<unsigned>(c - '0');
  }
  if (number > max) return std::nullopt;
  return number;
}

std::optional<V4> parse_v4(std::string_view text) {
  if (std::count(text.begin(), text.end(), '.') != v4_bytes - 1) return std::nullopt;
  V4 address;
  for (std::uint8_t& byte : address) {
    const auto number = parse_decimal(take_word(text, '.'), 255);
    if (!number) return std::nullopt;
    byte = static_cast<std::uint8_t>(*number);
  }
  return address;
}

std::optional<unsigned> parse_group(std::string_view text) {
  if (text.empty() || text.size() > 4) return std::nullopt;
  unsigned number = 0;
  for (const char c : text) {
    const char lower = to_lower(c);
    if (!is_digit(c) && (lower < 'a' || lower > 'f')) return std::nullopt;
    number = 16 * number + static_cast<unsigned>(is_digit(c) ? c - '0' : lower - 'a' + 10);
  }
  return number;
}

// Groups between colons, the last two of which may be an IPv4 address. The bytes, or nothing if a
// group is none or there are more than 16 bytes.
std::optional<List<std::uint8_t>> parse_groups(std::string_view text) {
  List<std::uint8_t> bytes;
  if (text.empty()) return bytes;
  for (bool more = true; more;) {
    more = text.find(':') != std::string_view::npos;
    const std::string_view word = take_word(text, ':');
    if (const auto v4 = more ? std::nullopt : parse_v4(word)) {
      for (const std::uint8_t byte : *v4) bytes.push_back(byte);
    } else if (const auto group = parse_group(word)) {
      bytes.push_back(static_cast<std::uint8_t>(*group >> 8));
      bytes.push_back(static_cast<std::uint8_t>(*group));
    } else {
      return std::nullopt;
    }
    if (bytes.size() > v6_bytes) return std::nullopt;
  }
  return bytes;
}

std::optional<V6> parse_v6(std::string_view text) {
  const std::size_t gap = text.find("::");
  const bool has_gap = gap != std::string_view::npos;
  const std::string_view tail = has_gap ? text.substr(gap + 2) : std::string_view();
  // An IPv4 address ends the whole.
  const bool is_cut = has_gap && text.substr(0, gap).find('.') != std::string_view::npos;
  const auto front = parse_groups(text.substr(0, gap));
  const auto back = parse_groups(tail);
  if (!front || !back || is_cut) return std::nullopt;
  const std::size_t count = front->size() + back->size();
  if (has_gap ? count > v6_bytes - 2 : count != v6_bytes) return std::nullopt;
  V6 address{};
  std::copy(front->begin(), front->end(), address.begin());
  std::copy(back->begin(), back->end(), address.end() - static_cast<std::ptrdiff_t>(back->size()));
  return address;
}

// --- Version 1: a line of text -------------------------------------------------------------------

// With the end of the line.
constexpr std::size_t line_bytes_max = 107;
constexpr std::string_view line_start = "PROXY ";

// "TCP4 <from> <to> <port> <port>"; the rest of "UNKNOWN" may be anything.
std::optional<Text> parse_line(std::string_view line) {
  const std::string_view family = take_word(line, ' ');
  if (family == "UNKNOWN") return Text();
  const std::string_view from = take_word(line, ' ');
  const std::string_view to = take_word(line, ' ');
  const auto from_port = parse_decimal(take_word(line, ' '), 65535);
  const auto to_port = parse_decimal(line, 65535);
  if (!from_port || !to_port) return std::nullopt;
  if (family == "TCP4") {
    const auto address = parse_v4(from);
    return address && parse_v4(to) ? std::optional(text_of(*address)) : std::nullopt;
  }
  if (family == "TCP6") {
    const auto address = parse_v6(from);
    return address && parse_v6(to) ? std::optional(text_of(*address)) : std::nullopt;
  }
  return std::nullopt;
}

Read read_line(std::string_view text) {
  if (text.substr(0, line_start.size()) != line_start.substr(0, text.size())) {
    return Error::malformed_message;
  }
  const std::string_view longest = text.substr(0, line_bytes_max);
  const std::size_t end = longest.find('\n');
  if (end == std::string_view::npos) {
    if (text.size() >= line_bytes_max) return Error::message_too_long;
    return std::optional<ProxyHeader>();
  }
  if (text[end - 1] != '\r') return Error::malformed_message;
  auto address = parse_line(text.substr(line_start.size(), end - 1 - line_start.size()));
  if (!address) return Error::malformed_message;
  return std::optional(ProxyHeader{end + 1, std::move(*address)});
}

// --- Version 2: binary ---------------------------------------------------------------------------

constexpr std::string_view signature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t binary_head = 16;
// The higher half of a byte is the version, and the lower one the command.
constexpr std::uint8_t command_local = 0x20, command_proxy = 0x21;
// The family, and TCP.
constexpr std::uint8_t over_v4 = 0x11, over_v6 = 0x21, over_unix = 0x31, unspecified = 0x00;
constexpr std::size_t ports_bytes = 4, unix_bytes = 216;

template <class Address>
Address address_at(ByteSpan bytes) {
  Address address;
  std::copy_n(bytes.begin(), address.size(), address.begin());
  return address;
}

Read read_binary(ByteSpan bytes) {
  const std::string_view text = as_text(bytes);
  if (text.substr(0, signature.size()) != signature.substr(0, text.size())) {
    return Error::malformed_message;
  }
  if (bytes.size() < binary_head) return std::optional<ProxyHeader>();
  const std::uint8_t command = bytes[12], family = bytes[13];
  const std::size_t length = std::size_t{bytes[14]} << 8 | bytes[15];
  if (command != command_local && command != command_proxy) return Error::malformed_message;
  if (binary_head + length > limits::proxy_header_bytes) return Error::message_too_long;
  ProxyHeader header{binary_head + length, {}};
  std::size_t addresses = 0;
  if (command == command_proxy) {
    switch (family) {
      case over_v4:
        addresses = 2 * v4_bytes + ports_bytes;
        break;
      case over_v6:
        addresses = 2 * v6_bytes + ports_bytes;
        break;
      case over_unix:
        addresses = unix_bytes;
        break;
      case unspecified:
        break;
      default:
        return Error::malformed_message;
    }
  }
  if (length < addresses) return Error::malformed_message;
  // What follows the addresses tells more of the connection: nothing that we need.
  if (bytes.size() < header.bytes) return std::optional<ProxyHeader>();
  const ByteSpan from = bytes.subspan(binary_head);
  if (command == command_proxy && family == over_v4) header.address = text_of(address_at<V4>(from));
  if (command == command_proxy && family == over_v6) header.address = text_of(address_at<V6>(from));
  return std::optional(std::move(header));
}

}  // namespace

Result<std::optional<ProxyHeader>> read_proxy_header(ByteSpan bytes) {
  if (bytes.empty()) return std::optional<ProxyHeader>();
  return as_text(bytes).front() == signature.front() ? read_binary(bytes)
                                                     : read_line(as_text(bytes));
}

}  // namespace peer_cdn::signal
