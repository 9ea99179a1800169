#include "http/router.hpp"

#include <algorithm>

#include "base/limits.hpp"
#include "base/text.hpp"

namespace peer_cdn {
namespace {

// Where the parenthesis that opens at `open` closes, or npos. Inside a regexp, an escaped character
// and one in brackets is only itself.
std::size_t closing(std::string_view text, std::size_t open) {
  std::size_t depth = 0;
  bool in_class = false;
  for (std::size_t i = open; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\') {
      ++i;
    } else if (in_class) {
      in_class = c != ']';
    } else if (c == '[') {
      in_class = true;
    } else if (c == '(') {
      ++depth;
    } else if (c == ')' && --depth == 0) {
      return i;
    }
  }
  return std::string_view::npos;
}

// The URL standard's path percent-encode set, so that a route may be written as people read it.
std::string encode(std::string_view segment) {
  constexpr char digits[] = "0123456789ABCDEF";
  std::string text;
  for (const char c : segment) {
    const bool plain =
        c > ' ' && c < '\x7f' && std::string_view("\"<>^`{}").find(c) == std::string_view::npos;
    if (plain) {
      text.push_back(c);
      continue;
    }
    const auto byte = static_cast<std::uint8_t>(c);
    text.push_back('%');
    text.push_back(digits[byte >> 4]);
    text.push_back(digits[byte & 15]);
  }
  return text;
}

}  // namespace

bool is_reserved(std::string_view path, std::string_view manifest_path) {
  constexpr std::string_view ours = "/peer-cdn/";
  return path.substr(0, ours.size()) == ours || path == manifest_path;
}

bool Router::take_segment(std::string_view& rest, std::string_view& segment) {
  const std::size_t begin = rest.find_first_not_of('/');
  if (begin == std::string_view::npos) return false;
  const std::size_t end = std::min(rest.find('/', begin), rest.size());
  segment = rest.substr(begin, end - begin);
  rest.remove_prefix(end);
  return true;
}

std::optional<Router::Step> Router::take_step(std::string_view& rest) {
  const std::size_t begin = rest.find_first_not_of('/');
  if (rest[begin] == ':') {
    std::size_t end = begin + 1;
    while (end < rest.size() && (is_alphanumeric(rest[end]) || rest[end] == '_')) ++end;
    if (end == begin + 1) return std::nullopt;
    Step step{Kind::any, {}};
    if (end < rest.size() && rest[end] == '(') {
      const std::size_t close = closing(rest, end);
      if (close == std::string_view::npos || close == end + 1) return std::nullopt;
      step = {Kind::regexp, std::string(rest.substr(end + 1, close - end - 1))};
      end = close + 1;
    }
    rest.remove_prefix(end);
    if (!rest.empty() && rest.front() != '/') return std::nullopt;
    return step;
  }
  std::string_view segment;
  take_segment(rest, segment);
  if (segment == "*") return Step{Kind::any, {}};
  if (segment.find_first_of("*?#") != std::string_view::npos) return std::nullopt;
  return Step{Kind::literal, encode(segment)};
}

Result<RouteId> Router::add(std::string_view method, std::string_view path) {
  if (path.size() > limits::path_bytes || routes_added_ >= limits::routes || !is_token(method)) {
    return Error::malformed_route;
  }
  // All of it is read before any of it is added.
  std::vector<Step> steps;
  while (path.find_first_not_of('/') != std::string_view::npos) {
    auto step = take_step(path);
    if (!step || steps.size() >= limits::segments_per_route) return Error::malformed_route;
    steps.push_back(std::move(*step));
  }
  std::uint32_t at = 0;
  for (const Step& step : steps) at = child(at, step);

  const RouteId id{routes_added_++};
  auto& routes = nodes_[at].routes;
  const auto same = std::find_if(routes.begin(), routes.end(),
                                 [&](const auto& route) { return route.first == method; });
  if (same != routes.end()) {
    same->second = id;
  } else {
    routes.emplace_back(method, id);
  }
  return id;
}

std::uint32_t Router::child(std::uint32_t parent, const Step& step) {
  for (const std::uint32_t index : nodes_[parent].children) {
    if (nodes_[index].step == step) return index;
  }
  const auto index = static_cast<std::uint32_t>(nodes_.size());
  Node node{step, 0, {}, {}};
  if (step.kind == Kind::regexp) {
    const auto known = std::find(patterns_.begin(), patterns_.end(), step.text);
    node.pattern = static_cast<std::uint32_t>(known - patterns_.begin());
    if (known == patterns_.end()) patterns_.push_back(step.text);
  }
  nodes_.push_back(std::move(node));
  // In order of preference: behind those of its kind.
  auto& children = nodes_[parent].children;
  const auto place = std::find_if(children.begin(), children.end(), [&](std::uint32_t other) {
    return nodes_[other].step.kind > step.kind;
  });
  children.insert(place, index);
  return index;
}

void Router::note(const Node& node, std::size_t depth, Search& search) {
  if (depth <= search.best_depth) return;
  for (const auto& [method, route] : node.routes) {
    if (method != search.method) continue;
    search.best = route;
    search.best_depth = depth;
  }
}

}  // namespace peer_cdn
