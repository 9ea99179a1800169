#include "base/path.hpp"

namespace peer_cdn {

namespace {

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
  std::size_t digits = 0;  // of an escape that stays encoded
  for (; !rest.empty() && rest[0] != '?'; rest.remove_prefix(1)) {
    char c = rest[0];
    if (digits > 0) {
      --digits;
      c = to_lower(c);
    }
    if (c == '%') {
      const char plain = decoded(rest);
      digits = plain ? 0 : 2;
      if (plain) {
        c = plain;
        rest.remove_prefix(2);
      }
    }
    key.push_back(c);
  }
  key += rest;
  return key;
}

}  // namespace peer_cdn
