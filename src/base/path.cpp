#include "base/path.hpp"

namespace peer_cdn {

Text path_key(std::string_view rest) {
  // Also a space and DEL, which no URL shows.
  constexpr std::string_view kept = "/\\%?# \x7f";
  Text key;
  std::size_t digits = 0;  // of an escape that stays encoded
  for (; !rest.empty() && rest[0] != '?'; rest.remove_prefix(1)) {
    char c = rest[0];
    if (digits > 0) {
      --digits;
      c = to_lower(c);
    }
    if (c == '%') {
      digits = 2;
      if (rest.size() > 2 && rest[1] >= '2' && rest[1] <= '7') {
        const std::size_t low = std::string_view("0123456789abcdef").find(to_lower(rest[2]));
        const char decoded = static_cast<char>((rest[1] - '0') * 16 + static_cast<int>(low));
        if (low < 16 && kept.find(decoded) == std::string_view::npos) {
          digits = 0;
          c = decoded;
          rest.remove_prefix(2);
        }
      }
    }
    key.push_back(c);
  }
  key += rest;
  return key;
}

}  // namespace peer_cdn
