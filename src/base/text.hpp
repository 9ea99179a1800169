// Texts, and the few kinds of characters of HTTP's grammar (RFC 9110 section 5.6). ASCII only,
// whatever the locale.
#pragma once

#include <cstddef>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "base/list.hpp"

namespace peer_cdn {

// A text that somebody owns. std::string keeps short texts inside of itself, so whoever reads,
// grows or moves one has code for two forms: 1.8 KB gzip of the worker.
class Text : public List<char> {
 public:
  Text() = default;
  template <class T>
  requires std::is_convertible_v<const T&, std::string_view> Text(const T& text) {  // NOLINT
    *this += std::string_view(text);
  }
  Text(Text&&) = default;
  Text(const Text&) = default;
  Text& operator=(Text&&) = default;
  Text& operator=(const Text&) = default;
  template <class T>
  requires std::is_convertible_v<const T&, std::string_view> Text& operator=(const T& text) {
    clear();
    return *this += std::string_view(text);
  }
  // Not of its own bytes, which may move.
  Text& operator+=(std::string_view more) {
    if (!more.empty()) std::memcpy(add(1, more.size()), more.data(), more.size());
    return *this;
  }
  // Makes it so long at the least. The bytes that it gains are not set.
  void grow_to(std::size_t bytes) {
    if (bytes > size_) add(1, bytes - size_);
  }
  operator std::string_view() const { return {begin(), size()}; }  // NOLINT: implicit
  template <class T>
  requires std::is_convertible_v<const T&, std::string_view>
  bool operator==(const T& other) const {
    return std::string_view(*this) == std::string_view(other);
  }
};

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
constexpr char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}
constexpr bool is_alphanumeric(char c) {
  return is_digit(c) || (to_lower(c) >= 'a' && to_lower(c) <= 'z');
}
// tchar (5.6.2)
constexpr bool is_token_char(char c) {
  return is_alphanumeric(c) ||
         (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
}
constexpr bool is_token(std::string_view text) {
  for (const char c : text) {
    if (!is_token_char(c)) return false;
  }
  return !text.empty();
}
// Space or tab (5.6.3).
constexpr bool is_space(char c) {
  return c == ' ' || c == '\t';
}

constexpr std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// Takes the next line off the front, without its end. "a\nb" is two lines, and so is "a\nb\n".
// A loop of its own, because most lines are shorter than what find() and substr() take to begin.
constexpr std::string_view take_line(std::string_view& rest) {
  std::size_t size = 0;
  while (size < rest.size() && rest[size] != '\n') ++size;
  const std::string_view line(rest.data(), size);
  rest.remove_prefix(size < rest.size() ? size + 1 : size);
  return line;
}

// Which of the lines it is, from 0 on; npos if it is none. A table of texts is such lines: an array
// of views would be eight bytes more for each.
constexpr std::size_t line_of(std::string_view lines, std::string_view line) {
  for (std::size_t at = 0; !lines.empty(); ++at) {
    if (take_line(lines) == line) return at;
  }
  return std::string_view::npos;
}
constexpr bool has_line(std::string_view lines, std::string_view line) {
  return line_of(lines, line) != std::string_view::npos;
}

constexpr bool equals_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (to_lower(a[i]) != to_lower(b[i])) return false;
  }
  return true;
}

}  // namespace peer_cdn
