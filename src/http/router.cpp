#include "http/router.hpp"

#include <algorithm>
#include <utility>

#include "base/limits.hpp"
#include "base/names.hpp"
#include "base/range.hpp"
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
Text encode(std::string_view segment) {
  constexpr char digits[] = "0123456789ABCDEF";
  Text text;
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

bool is_own(std::string_view path) {
  constexpr std::string_view ours = names::own_path;
  return path.substr(0, ours.size()) == ours;
}

bool Router::take_segment(std::string_view& rest, std::string_view& segment) {
  while (!rest.empty() && rest.front() == '/') rest.remove_prefix(1);
  std::size_t size = 0;
  while (size < rest.size() && rest[size] != '/') ++size;
  segment = {rest.data(), size};
  rest.remove_prefix(size);
  return size > 0;
}

bool Router::take_step(std::string_view& rest, Step& step) {
  const std::size_t begin = rest.find_first_not_of('/');
  if (rest[begin] == ':') {
    std::size_t end = begin + 1;
    while (end < rest.size() && (is_alphanumeric(rest[end]) || rest[end] == '_')) ++end;
    if (end == begin + 1) return false;
    step.kind = Kind::any;
    if (end < rest.size() && rest[end] == '(') {
      const std::size_t close = closing(rest, end);
      if (close == std::string_view::npos || close == end + 1) return false;
      step = {Kind::regexp, rest.substr(end + 1, close - end - 1)};
      end = close + 1;
    }
    rest.remove_prefix(end);
    return rest.empty() || rest.front() == '/';
  }
  take_segment(rest, step.text);
  step.kind = step.text == "*" ? Kind::any : Kind::literal;
  // A whole URL would never be asked for, because requests are told apart by their paths.
  if (step.text.back() == ':' && rest.substr(0, 2) == "//") return false;
  return step.kind == Kind::any || step.text.find_first_of("*?#") == std::string_view::npos;
}

Result<RouteId> Router::add(std::string_view path) {
  if (path.size() > limits::path_bytes || routes_added_ >= limits::routes) {
    return Error::malformed_route;
  }
  // All of it is read before any of it is added.
  Step step;
  std::size_t count = 0;
  for (std::string_view rest = path; rest.find_first_not_of('/') != std::string_view::npos;) {
    if (!take_step(rest, step) || ++count > limits::segments_per_route) {
      return Error::malformed_route;
    }
  }
  if (nodes_.empty()) {
    nodes_.push_back({});
    buckets_ = List<std::uint32_t>(limits::routes, 0);
  }
  std::uint32_t at = 0;
  for (; count > 0; --count) {
    take_step(path, step);
    at = child(at, step);
  }
  return *(nodes_[at].route = RouteId{routes_added_++});
}

Text Router::url_patterns() const {
  Text all;
  for (std::uint32_t at = 0; at < nodes_.size(); ++at) {
    if (!nodes_[at].route) continue;
    write_url_pattern(at, all);
    all += "{/*}?\n";
  }
  return all += "*//*";
}

bool Router::write_url_pattern(std::uint32_t at, Text& into) const {
  if (at == 0) return true;
  const Node& node = nodes_[at];
  if (!write_url_pattern(node.parent, into) || node.kind == Kind::regexp) return false;
  into += "/";
  if (node.kind == Kind::any) {
    into += ":s";
    append_decimal(into, at);
    return true;
  }
  for (const char c : std::string_view(texts_[node.text])) {
    if (std::string_view("+:?{}()\\").find(c) != std::string_view::npos) into.push_back('\\');
    into.push_back(c);
  }
  return true;
}

std::uint32_t Router::bucket(std::uint32_t parent, std::string_view text) {
  // FNV-1a.
  std::uint32_t hash = parent;
  for (const char c : text) hash = (hash ^ static_cast<std::uint8_t>(c)) * 16777619;
  return hash % limits::routes;
}

std::uint32_t Router::literal(std::uint32_t parent, std::string_view text) const {
  std::uint32_t at = buckets_[bucket(parent, text)];
  while (at != 0 && (nodes_[at].parent != parent || texts_[nodes_[at].text] != text)) {
    at = nodes_[at].next;
  }
  return at;
}

// The child of that step, which is made if there is none.
std::uint32_t Router::child(std::uint32_t parent, const Step& step) {
  std::uint32_t text = 0;
  std::uint32_t* link;
  if (step.kind == Kind::literal) {
    const Text encoded = encode(step.text);
    if (const std::uint32_t same = literal(parent, encoded)) return same;
    text = static_cast<std::uint32_t>(texts_.size());
    texts_.add(new Text(encoded));
    link = &buckets_[bucket(parent, encoded)];
  } else {
    if (step.kind == Kind::regexp) {
      while (text < patterns_.size() && patterns_[text] != step.text) ++text;
      if (text == patterns_.size()) patterns_.add(new Text(step.text));
    }
    // In order of preference: behind those of its kind.
    link = &nodes_[parent].first_child;
    for (; *link != 0 && nodes_[*link].kind <= step.kind; link = &nodes_[*link].next) {
      if (nodes_[*link].kind == step.kind && nodes_[*link].text == text) return *link;
    }
  }
  const auto made = static_cast<std::uint32_t>(nodes_.size());
  const std::uint32_t next = std::exchange(*link, made);
  nodes_.push_back({step.kind, text, parent, 0, next, {}});
  return made;
}

}  // namespace peer_cdn
