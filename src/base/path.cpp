#include "base/path.hpp"

namespace peer_cdn {
namespace {

bool is_hex_digit(char c) {
  return is_digit(c) || (to_lower(c) >= 'a' && to_lower(c) <= 'f');
}

// The character that an escape at the front stands for, where it is decoded; else 0.
char decoded(std::string_view rest) {
  // Also a space and DEL, which no URL shows.
  constexpr std::string_view kept = "/\\%?# \x7f";
  if (rest.size() < 3 || rest[1] < '2' || rest[1] > '7') return 0;
  const std::size_t low = std::string_view("0123456789abcdef").find(to_lower(rest[2]));
  const char c = static_cast<char>((rest[1] - '0') * 16 + static_cast<int>(low));
  return low < 16 && kept.find(c) == std::string_view::npos ? c : '\0';
}

}  // namespace

Text path_key(std::string_view rest) {
  Text key;
  for (;;) {
    std::size_t plain = 0;
    while (plain < rest.size() && rest[plain] != '%' && rest[plain] != '?') ++plain;
    key += {rest.data(), plain};
    rest.remove_prefix(plain);
    if (rest.empty() || rest[0] == '?') break;
    if (const char c = decoded(rest)) {
      key.push_back(c);
      rest.remove_prefix(3);
      continue;
    }
    key.push_back('%');
    rest.remove_prefix(1);
    for (int digit = 0; digit < 2 && !rest.empty() && is_hex_digit(rest[0]); ++digit) {
      key.push_back(to_lower(rest[0]));
      rest.remove_prefix(1);
    }
  }
  key += rest;
  return key;
}

}  // namespace peer_cdn
