// Law: whatever routes were added, a path finds the route with the most segments of all that serve
// it, as a naive search over every route does; every literal route serves its own path.
//
// Input: lines. The first is the path that is asked for, the others are routes.
#include "http/router.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

using namespace peer_cdn;

namespace {

void check(bool law) {
  if (!law) std::abort();
}

// Stands in for the host: a regexp matches the segment that begins as it is written.
bool matches(std::string_view pattern, std::string_view segment) {
  return segment.substr(0, 1) == pattern.substr(0, 1);
}

std::vector<std::string_view> segments(std::string_view path) {
  std::vector<std::string_view> list;
  while (!path.empty()) {
    const std::string_view segment = path.substr(0, path.find('/'));
    if (!segment.empty()) list.push_back(segment);
    path.remove_prefix(std::min(path.size(), segment.size() + 1));
  }
  return list;
}

// A route whose segments are all letters, digits and dots, and so literal and as URLs write them.
bool is_literal(std::string_view route) {
  return std::all_of(route.begin(), route.end(), [](char c) {
    return c == '/' || c == '.' || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::string> lines(1);
  for (std::size_t i = 0; i < size; ++i) {
    if (data[i] == '\n') {
      lines.emplace_back();
    } else {
      lines.back().push_back(static_cast<char>(data[i]));
    }
  }
  const std::string path = lines[0];
  const auto asked = segments(path);

  Router router;
  std::vector<std::string> routes;  // by id
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const auto id = router.add(lines[i]);
    if (!id) continue;
    check(id->value == routes.size());
    routes.push_back(lines[i]);
  }
  const auto test = [&](std::uint32_t pattern, std::string_view segment) {
    check(pattern < router.patterns().size() && !router.patterns()[pattern].empty());
    check(!segment.empty() && segment.find('/') == std::string_view::npos);
    return matches(router.patterns()[pattern], segment);
  };
  const auto found = router.match(path, test);
  check(!found || found->value < routes.size());

  std::size_t longest = 0;
  bool any = false;
  for (const std::string& route : routes) {
    if (!is_literal(route)) continue;
    const auto own = segments(route);
    const auto self = router.match(route, test);
    check(self.has_value());
    if (is_literal(routes[self->value])) check(segments(routes[self->value]) == own);
    if (own.size() > asked.size() || !std::equal(own.begin(), own.end(), asked.begin())) continue;
    any = true;
    longest = std::max(longest, own.size());
  }
  if (any) check(found.has_value());
  if (found && is_literal(routes[found->value])) {
    check(any && segments(routes[found->value]).size() == longest);
  }
  return 0;
}
