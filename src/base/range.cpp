#include "base/range.hpp"

#include <algorithm>
#include <cassert>
#include <limits>

#include "base/text.hpp"

namespace peer_cdn {
namespace {

constexpr std::uint64_t number_max = std::numeric_limits<std::uint64_t>::max();

// Takes the digits off the front. False if there are none. A number that does not fit into 64 bits
// becomes the largest, because both are past the end of every resource.
bool take_number(std::string_view& text, std::uint64_t& number) {
  const std::size_t before = text.size();
  number = 0;
  for (; !text.empty() && is_digit(text.front()); text.remove_prefix(1)) {
    const auto digit = static_cast<std::uint64_t>(text.front() - '0');
    number = number > (number_max - digit) / 10 ? number_max : number * 10 + digit;
  }
  return text.size() < before;
}

bool take(std::string_view& text, std::string_view front) {
  if (text.substr(0, front.size()) != front) return false;
  text.remove_prefix(front.size());
  return true;
}

// Takes "bytes", in upper or lower case (RFC 9110 14.1), and the character after it.
bool take_unit(std::string_view& text, char after) {
  constexpr std::string_view unit = "bytes";
  if (text.size() <= unit.size() || text[unit.size()] != after) return false;
  if (!equals_ignoring_case(text.substr(0, unit.size()), unit)) return false;
  text.remove_prefix(unit.size() + 1);
  return true;
}

// The only range of a range-set; empty if there are two ranges or none. A list may have empty
// members (RFC 9110 5.6.1).
std::string_view only_member(std::string_view list) {
  std::string_view only;
  while (true) {
    const std::size_t comma = list.find(',');
    const std::string_view member = trim(list.substr(0, comma));
    if (!member.empty()) {
      if (!only.empty()) return {};
      only = member;
    }
    if (comma == std::string_view::npos) return only;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace

std::optional<ByteRange> parse_range(std::string_view header, std::uint64_t resource_bytes) {
  header = trim(header);
  if (!take_unit(header, '=')) return std::nullopt;
  std::string_view text = only_member(header);
  const bool is_suffix = take(text, "-");
  ByteRange range{0, resource_bytes};
  if (!take_number(text, range.begin)) return std::nullopt;
  if (is_suffix) {
    range.begin = resource_bytes - std::min(range.begin, resource_bytes);
  } else {
    if (!take(text, "-")) return std::nullopt;
    // A last position past the end means the end. It is not an error.
    std::uint64_t last;
    if (take_number(text, last) && last < resource_bytes) range.end = last + 1;
  }
  if (!text.empty() || range.begin >= range.end) return std::nullopt;
  return range;
}

Result<ContentRange> parse_content_range(std::string_view header) {
  std::string_view text = trim(header);
  std::uint64_t first;
  std::uint64_t last;
  std::uint64_t total = number_max;
  const bool is_range = take_unit(text, ' ') && take_number(text, first) && take(text, "-") &&
                        take_number(text, last) && take(text, "/") && first <= last;
  if (!is_range) return Error::malformed_message;
  const bool is_known = !take(text, "*");
  if ((is_known && !take_number(text, total)) || !text.empty() || last >= total) {
    return Error::malformed_message;
  }
  return ContentRange{{first, last + 1}, is_known ? std::optional(total) : std::nullopt};
}

std::optional<std::uint64_t> parse_length(std::string_view header) {
  std::string_view text = trim(header);
  std::uint64_t length;
  return take_number(text, length) && text.empty() ? std::optional(length) : std::nullopt;
}

void append_decimal(Text& text, std::uint64_t number) {
  if (number >= 10) append_decimal(text, number / 10);
  text.push_back(static_cast<char>('0' + number % 10));
}

Text content_range(ByteRange range, std::uint64_t total) {
  assert(range.begin < range.end);
  Text text = "bytes ";
  append_decimal(text, range.begin);
  text.push_back('-');
  append_decimal(text, range.end - 1);
  text.push_back('/');
  append_decimal(text, total);
  return text;
}

}  // namespace peer_cdn
