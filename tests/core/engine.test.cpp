#include "http/engine.hpp"

#include <doctest/doctest.h>

#include <string>

#include "base/limits.hpp"

using namespace peer_cdn;

namespace {

constexpr auto no_regexps = [](std::uint32_t, std::string_view) { return false; };

ResourceFields fields_of(std::string path, double bytes, char digit = 'a') {
  ResourceFields fields;
  fields.path = std::move(path);
  fields.bytes = bytes;
  fields.piece_bytes = 65536;
  fields.root = std::string(64, digit);
  return fields;
}

RequestFields get() {
  return {"GET", true, "", "default", false, false, false};
}

Engine engine_with(std::initializer_list<ResourceFields> resources) {
  Engine engine;
  REQUIRE(engine.add_route("/", Strategy::ordered, {PluginKind::cache, PluginKind::network}));
  engine.begin_manifest();
  for (const auto& fields : resources) REQUIRE(engine.add_resource(fields) == Error::none);
  engine.commit_manifest(false);
  return engine;
}

PieceSet all() {
  PieceSet set(limits::pieces_per_resource);
  set.add(PieceRange{0, limits::pieces_per_resource});
  return set;
}

}  // namespace

TEST_CASE("a route needs a plugin, and not too many") {
  Engine engine;
  CHECK(engine.add_route("/", Strategy::ordered, {}).error() == Error::malformed_route);
  const std::vector<PluginKind> many(limits::plugins_per_route + 1, PluginKind::user);
  CHECK(engine.add_route("/", Strategy::ordered, many).error() == Error::malformed_route);
}

TEST_CASE("the site's own manifest path is reserved") {
  Engine engine = engine_with({});
  CHECK(engine.route(get(), "/my.json", no_regexps));
  engine.set_manifest_path("/my.json");
  CHECK_FALSE(engine.route(get(), "/my.json", no_regexps));
}

TEST_CASE("the switch turns every route off until a later manifest") {
  Engine engine = engine_with({});
  engine.begin_manifest();
  engine.commit_manifest(true);
  CHECK_FALSE(engine.route(get(), "/a", no_regexps));
  engine.begin_manifest();
  engine.commit_manifest(false);
  CHECK(engine.route(get(), "/a", no_regexps));
}

TEST_CASE("a manifest with a bad entry leaves the one in use alone") {
  Engine engine = engine_with({fields_of("/a", 5)});
  engine.begin_manifest();
  CHECK(engine.add_resource(fields_of("/a", 0)) == Error::malformed_manifest);
  const ExchangeId id = engine.open(RouteId{0}, "/a", "", "");
  CHECK(engine.exchange(id)->resource);
}

TEST_CASE("an exchange that has begun keeps the entry it began with") {
  Engine engine = engine_with({fields_of("/a", 5, 'a')});
  const ExchangeId id = engine.open(RouteId{0}, "/a", "", "");
  engine.begin_manifest();
  CHECK(engine.add_resource(fields_of("/a", 7, 'b')) == Error::none);
  engine.commit_manifest(false);
  CHECK(engine.exchange(id)->resource->geometry.bytes() == 5);
  CHECK(engine.exchange(engine.open(RouteId{0}, "/a", "", ""))->resource->geometry.bytes() == 7);
}

TEST_CASE("who may open a body") {
  struct Case {
    const char* name;
    const char* path;
    const char* range;
    PluginKind opener;
    bool held;
    bool attended;
    bool opens;
  };
  const Case cases[] = {
      {"the network, listed", "/small", "", PluginKind::network, false, false, true},
      {"nobody, unlisted", "/other", "", PluginKind::network, false, true, false},
      {"nobody, beyond the end", "/small", "bytes=9999999-", PluginKind::network, false, true,
       false},
      {"the cache, all held", "/small", "", PluginKind::cache, true, false, true},
      {"the cache, not held", "/small", "", PluginKind::cache, false, true, false},
      {"a long body with a page", "/big", "", PluginKind::network, false, true, true},
      {"a long body without a page", "/big", "", PluginKind::network, false, false, false},
      {"a short part without a page", "/big", "bytes=0-9", PluginKind::network, false, false, true},
  };
  for (const Case& each : cases) {
    CAPTURE(each.name);
    Engine engine = engine_with({fields_of("/small", 1000), fields_of("/big", 5e6, 'b')});
    const ExchangeId id = engine.open(RouteId{0}, each.path, each.range, "");
    const auto body = engine.open_body(
        id, each.opener, each.held ? all() : PieceSet(limits::pieces_per_resource), each.attended);
    CHECK(body.has_value() == each.opens);
  }
}

TEST_CASE("what is not listed any more may go, unless a body reads it") {
  Engine engine =
      engine_with({fields_of("/a", 5, 'a'), fields_of("/b", 5, 'b'), fields_of("/c", 5, 'c')});
  const ExchangeId id = engine.open(RouteId{0}, "/b", "", "");
  const auto body =
      engine.open_body(id, PluginKind::network, PieceSet(limits::pieces_per_resource), true);
  REQUIRE(body);
  engine.begin_manifest();
  CHECK(engine.add_resource(fields_of("/c", 5, 'c')) == Error::none);
  engine.commit_manifest(false);
  const Root a = *parse_digest(std::string(64, 'a'));
  const Root b = *parse_digest(std::string(64, 'b'));
  const Root c = *parse_digest(std::string(64, 'c'));
  CHECK(engine.unlisted({a, b, c}) == std::vector<Root>{a});
  engine.close(*body);
  CHECK(engine.unlisted({a, b, c}).size() == 2);
}
