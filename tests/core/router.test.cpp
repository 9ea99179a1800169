#include "http/router.hpp"

#include <algorithm>
#include <iterator>
#include <random>
#include <regex>
#include <string>
#include <vector>

#include "base/limits.hpp"
#include "vectors.hpp"

namespace peer_cdn {
namespace {

// The host's half: whole-segment regexps, in the ECMAScript grammar that JavaScript has too.
std::optional<RouteId> match(const Router& router, std::string_view path) {
  return router.match(path, [&](std::uint32_t pattern, std::string_view segment) {
    return std::regex_match(std::string(segment),
                            std::regex(std::string(router.patterns()[pattern])));
  });
}

TEST_CASE("a path is served by the route that the documentation promises") {
  for (const auto& row : read_vectors("routes", "match")) {
    CAPTURE(row["case"].get<std::string>());
    Router router;
    std::vector<std::string> routes;
    for (const auto& route : row["routes"]) {
      routes.push_back(route.get<std::string>());
      const auto id = router.add(routes.back());
      REQUIRE(id);
      CHECK(id->value + 1 == routes.size());
    }
    for (const auto& item : row["paths"].items()) {
      const std::string& path = item.key();
      const auto& expected = item.value();
      CAPTURE(path);
      const auto id = match(router, path);
      CHECK(id.has_value() == !expected.is_null());
      if (id && !expected.is_null()) CHECK(routes[id->value] == expected.get<std::string>());
    }
  }
}

TEST_CASE("a malformed route is refused and changes nothing") {
  Router router;
  for (const auto& route : read_vectors("routes", "refused")) {
    CAPTURE(route.get<std::string>());
    CHECK(router.add(route.get<std::string>()).error() == Error::malformed_route);
    CHECK(router.add("/x/:n(r)" + route.get<std::string>()).error() == Error::malformed_route);
  }
  CHECK(router.patterns().empty());
  CHECK(!match(router, "/x/r"));
  CHECK(router.add("/")->value == 0);
}

TEST_CASE("our own files lie below a path of theirs") {
  for (const char* path : {"/peer-cdn/ws", "/peer-cdn/store/x", "/peer-cdn/"}) CHECK(is_own(path));
  for (const char* path : {"/peer-cdn", "/peer-cdnx", "/x/peer-cdn/", "/peer-cdn.json", "/"}) {
    CAPTURE(path);
    CHECK_FALSE(is_own(path));
  }
}

TEST_CASE("the same route added again replaces the older one") {
  Router router;
  REQUIRE(router.add("/a/:x"));
  const auto again = router.add("/a/:other/");
  REQUIRE(again);
  CHECK(match(router, "/a/b") == *again);
}

TEST_CASE("a regexp that is used twice is compiled once") {
  Router router;
  REQUIRE(router.add("/a/:x([0-9]+)"));
  REQUIRE(router.add("/b/:y([0-9]+)/:z([a-z])"));
  REQUIRE(router.patterns().size() == 2);
  CHECK(router.patterns()[0] == "[0-9]+");
  CHECK(router.patterns()[1] == "[a-z]");
}

TEST_CASE("only candidates are asked about") {
  Router router;
  REQUIRE(router.add("/img/:id([0-9]+)"));
  REQUIRE(router.add("/static"));
  int asked = 0;
  const auto count = [&](std::uint32_t, std::string_view segment) {
    ++asked;
    CHECK(segment == "42");
    return true;
  };
  CHECK(router.match("/static/42", count));
  CHECK(router.match("/img", count) == std::nullopt);
  CHECK(asked == 0);
  CHECK(router.match("/img/42/43", count));
  CHECK(asked == 1);
}

TEST_CASE("a route has limits, and so has their number") {
  std::string deep;
  for (std::size_t i = 0; i < limits::segments_per_route; ++i) deep += "/a";
  Router router;
  CHECK(router.add(deep));
  CHECK(match(router, deep + deep));
  CHECK(router.add(deep + "/a").error() == Error::malformed_route);
  CHECK(router.add("/" + std::string(limits::path_bytes, 'a')).error() == Error::malformed_route);
  for (std::size_t i = 1; i < limits::routes; ++i) {
    REQUIRE(router.add("/r" + std::to_string(i)));
  }
  CHECK(router.add("/one-more").error() == Error::malformed_route);
  for (std::size_t i = 1; i < limits::routes; ++i) {
    const auto id = match(router, "/r" + std::to_string(i) + "/a");
    REQUIRE(id.has_value());
    CHECK(id->value == i);
  }
  CHECK(!match(router, "/r0"));
}

// A route as the documentation describes it, without a trie.
struct Model {
  std::vector<std::vector<std::string>> routes;  // in order of adding; segments

  static int kind(const std::string& step) { return step[0] != ':' ? 0 : step.size() > 2 ? 1 : 2; }
  static bool matches(const std::string& step, const std::string& segment) {
    // ":x(ab)" stands for :x([ab]).
    if (kind(step) == 1) return step.find(segment, 2) != std::string::npos;
    return kind(step) == 2 || step == segment;
  }
  bool serves(std::size_t route, const std::vector<std::string>& path) const {
    const auto& steps = routes[route];
    return steps.size() <= path.size() &&
           std::equal(steps.begin(), steps.end(), path.begin(), matches);
  }
  // The route in which the first `count` steps of this one stood first.
  std::size_t first_with(std::size_t route, std::size_t count) const {
    const auto& steps = routes[route];
    const auto end = steps.begin() + static_cast<std::ptrdiff_t>(count);
    for (std::size_t i = 0;; ++i) {
      if (routes[i].size() >= count && std::equal(steps.begin(), end, routes[i].begin())) return i;
    }
  }
  bool is_better(std::size_t a, std::size_t b) const {
    if (routes[a].size() != routes[b].size()) return routes[a].size() > routes[b].size();
    for (std::size_t i = 0; i < routes[a].size(); ++i) {
      if (routes[a][i] == routes[b][i]) continue;
      const int kind_a = kind(routes[a][i]), kind_b = kind(routes[b][i]);
      return kind_a != kind_b ? kind_a < kind_b : first_with(a, i + 1) < first_with(b, i + 1);
    }
    return a > b;  // the same route: the newer one
  }
};

TEST_CASE("any routes serve any path as the documentation says, with a trie or without") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  const char* const steps[] = {"a", "b", "c", ":x", ":x(ab)", ":x(bc)"};
  for (int round = 0; round < 1000; ++round) {
    Router router;
    Model model;
    const std::size_t count = 1 + random() % 8;
    for (std::size_t i = 0; i < count; ++i) {
      model.routes.emplace_back(random() % 4);
      std::string route;
      for (std::string& step : model.routes.back()) {
        step = steps[random() % std::size(steps)];
        route += "/" + step;
      }
      REQUIRE(router.add(route)->value == i);
    }
    for (int asked = 0; asked < 20; ++asked) {
      std::vector<std::string> path(random() % 5);
      std::string text;
      for (std::string& segment : path) {
        segment = steps[random() % 3];
        text += "/" + segment;
      }
      CAPTURE(text);
      std::optional<std::size_t> best;
      for (std::size_t i = 0; i < model.routes.size(); ++i) {
        if (model.serves(i, path) && (!best || model.is_better(i, *best))) best = i;
      }
      const auto found = router.match(text, [&](std::uint32_t p, std::string_view segment) {
        return std::string_view(router.patterns()[p]).find(segment) != std::string::npos;
      });
      REQUIRE(found.has_value() == best.has_value());
      if (best) CHECK(found->value == *best);
    }
  }
}

TEST_CASE("routes as URLPattern has them are as wide, or wider") {
  Router router;
  CHECK(router.url_patterns() == "*//*");
  for (const char* path :
       {"/static", "/img/:id([0-9]+)/large", "/a(1)/*/:b", "//static/", "/ \xc3\xa4"}) {
    REQUIRE(router.add(path));
  }
  CHECK(router.url_patterns() ==
        "/static{/*}?\n/img{/*}?\n/a\\(1\\)/:s6/:s7{/*}?\n/%20%C3%A4{/*}?\n*//*");
}

TEST_CASE("matching visits a node once, however many names there are") {
  // Every level offers a literal and a name: 2^20 ways through, were they not cut at the trie.
  Router router;
  std::string path;
  for (int i = 0; i < 20; ++i) {
    REQUIRE(router.add(path + "/a/:x([ab])"));
    REQUIRE(router.add(path + "/:y"));
    path += "/a";
  }
  int asked = 0;
  std::string request;
  for (int i = 0; i < 500; ++i) request += "/a";
  CHECK(router.match(request, [&](std::uint32_t, std::string_view) { return ++asked > 0; }));
  CHECK(asked <= 20);
}

}  // namespace
}  // namespace peer_cdn
