// Which route a request belongs to: a trie of path segments.
//
//   /js                 /js, /js/main.js, /js/a/b.js: a route also serves what is below it
//   /                   everything
//   /static/:name       one segment, whatever it is (and what is below it); "*" is the same
//   /img/:id([0-9]+)    one segment that the whole regexp matches
//
// The longest match wins (most segments). Among equally long ones the first segment that differs
// decides: a literal before a regexp (the one added first), a regexp before ":name". Empty segments
// do not count: "/js/", "//js" and "/js" are one. Paths are compared as URL.pathname writes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/ids.hpp"
#include "base/list.hpp"
#include "base/result.hpp"
#include "base/text.hpp"

namespace peer_cdn {

using RouteId = Id<struct RouteTag>;  // counts up from 0

// Whether it lies where our own files do: then it is only routed if the manifest lists it.
bool is_own(std::string_view path);

class Router {
 public:
  // Adds a route and names it; the same path again replaces the older one. Refused as
  // malformed_route: too long or too many (limits), "?" or "#" outside a regexp, "*" inside a
  // segment, ":" without a name, an unclosed or empty "(...)", a whole URL.
  Result<RouteId> add(std::string_view path);

  // The regexps, by number, as written between the parentheses. The host compiles them anchored:
  // ^(?:pattern)$. A regexp engine of our own would be a third of the worker's size budget, and the
  // host has one.
  const OwnedList<Text>& patterns() const { return patterns_; }

  // The routes as URLPattern has pathnames, a line each, for a browser that asks whether a path may
  // be ours. They are wider than ours where URLPattern has no words: a regexp and what follows it.
  // Empty segments, which do not count, are the last line.
  Text url_patterns() const;

  // The route for a request's path (no query). `test(pattern, segment)` asks the host, with the
  // number of a pattern and a std::string_view, whether the regexp matches; only candidates are
  // asked about. Visits each node of the trie at most once.
  template <class Test>
  std::optional<RouteId> match(std::string_view path, Test&& test) const {
    Search search;
    if (!nodes_.empty()) visit(0, path, 1, search, test);
    return search.best;
  }

 private:
  // In order of preference.
  enum class Kind : std::uint8_t { literal, regexp, any };
  struct Step {
    Kind kind = Kind::literal;
    std::string_view text;  // of a literal or a regexp, as it is written
  };
  // Nodes hold numbers only: a table of them grows with the least of code. 0 is no node, because
  // nobody's child is the root.
  struct Node {
    Kind kind = Kind::literal;
    std::uint32_t text = 0;  // of a literal, its place in texts_; of a regexp, in patterns_
    std::uint32_t parent = 0;
    std::uint32_t first_child = 0;  // of those that are no literals, in order of preference
    std::uint32_t next = 0;         // of a literal, in its bucket; of others, of the same parent
    std::optional<RouteId> route;
  };
  struct Search {
    std::optional<RouteId> best;
    std::size_t best_depth = 0;  // 1 is the root's, so that 0 is none
  };

  // Takes the next segment off the front, without the slashes around it.
  static bool take_segment(std::string_view& rest, std::string_view& segment);
  // The same in a route, where a regexp may contain slashes. False: it is malformed.
  static bool take_step(std::string_view& rest, Step& step);
  std::uint32_t child(std::uint32_t parent, const Step& step);
  // The steps to a node. False: a regexp ended it.
  bool write_url_pattern(std::uint32_t at, Text& into) const;
  static std::uint32_t bucket(std::uint32_t parent, std::string_view text);
  // The literal child of that text, or 0.
  std::uint32_t literal(std::uint32_t parent, std::string_view text) const;

  template <class Test>
  void visit(std::uint32_t at, std::string_view rest, std::size_t depth, Search& search,
             Test& test) const {
    if (nodes_[at].route && depth > search.best_depth) search = {nodes_[at].route, depth};
    std::string_view segment;
    if (!take_segment(rest, segment)) return;
    if (const std::uint32_t same = literal(at, segment)) visit(same, rest, depth + 1, search, test);
    for (at = nodes_[at].first_child; at != 0; at = nodes_[at].next) {
      const Node& node = nodes_[at];
      if (node.kind == Kind::any || test(node.text, segment)) {
        visit(at, rest, depth + 1, search, test);
      }
    }
  }

  List<Node> nodes_;             // 0 is the root, which comes with the first route
  List<std::uint32_t> buckets_;  // by hash of parent and text: the first literal of each
  OwnedList<Text> texts_;        // of literals, percent-encoded
  OwnedList<Text> patterns_;
  std::uint32_t routes_added_ = 0;
};

}  // namespace peer_cdn
