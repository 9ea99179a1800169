#include "http/engine.hpp"

#include <doctest/doctest.h>

#include <string>

#include "base/limits.hpp"

using namespace peer_cdn;

namespace {

constexpr auto no_regexps = [](std::uint32_t, std::string_view) { return false; };

using Whose = Routed::Whose;

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
  Engine engine = engine_with({fields_of("/my.json", 5)});
  CHECK(engine.route(get(), "/my.json", no_regexps).whose == Whose::ours);
  engine.set_manifest_path("/my.json");
  CHECK(engine.route(get(), "/my.json", no_regexps).whose == Whose::browser);
  CHECK(engine.route(get(), "/my.json?x", no_regexps).whose == Whose::browser);
}

TEST_CASE("the switch turns every route off until a later manifest") {
  Engine engine = engine_with({fields_of("/a", 5)});
  engine.begin_manifest();
  engine.commit_manifest(true);
  CHECK(engine.route(get(), "/a", no_regexps).whose == Whose::browser);
  engine.begin_manifest();
  CHECK(engine.add_resource(fields_of("/a", 5)) == Error::none);
  engine.commit_manifest(false);
  CHECK(engine.route(get(), "/a", no_regexps).whose == Whose::ours);
}

TEST_CASE("what need not be answered is the browser's") {
  Engine engine;
  REQUIRE(engine.add_route("/", Strategy::ordered, {PluginKind::cache, PluginKind::network}));
  REQUIRE(engine.add_route("/own", Strategy::ordered, {PluginKind::user, PluginKind::network}));
  const auto whose = [&engine](const char* path, const char* destination) {
    RequestFields request = get();
    request.destination = destination;
    return engine.route(request, path, no_regexps).whose;
  };
  // Nobody knows yet what is listed; a document never is.
  CHECK(whose("/a", "") == Whose::ours);
  CHECK(whose("/a", "document") == Whose::browser);
  CHECK(whose("/own/a", "document") == Whose::ours);

  engine.begin_manifest();
  ResourceFields any = fields_of("/any", 5, 'b');
  any.any_query = true;
  ResourceFields script = fields_of("/app.dat", 5, 'c');
  script.type = "application/octet-stream";
  ResourceFields module = fields_of("/app.js", 5, 'd');
  module.type = "text/javascript; charset=utf-8";
  for (const auto& fields : {fields_of("/a", 5), any, script, module}) {
    REQUIRE(engine.add_resource(fields) == Error::none);
  }
  engine.commit_manifest(false);
  CHECK(whose("/a", "") == Whose::ours);
  CHECK(whose("/a", "iframe") == Whose::browser);
  CHECK(whose("/a?v=1", "") == Whose::unlisted);
  CHECK(whose("/any?v=1", "") == Whose::ours);
  CHECK(whose("/b", "image") == Whose::unlisted);
  CHECK(whose("/own/b", "image") == Whose::ours);
  // A script under a type that a browser would block is the origin's.
  CHECK(whose("/app.dat", "script") == Whose::unlisted);
  CHECK(whose("/app.dat", "") == Whose::ours);
  CHECK(whose("/app.js", "script") == Whose::ours);
  CHECK(whose("/app.js", "style") == Whose::unlisted);
}

TEST_CASE("a range behind the end is the origin's: the file may have grown") {
  Engine engine = engine_with({fields_of("/a", 5)});
  CHECK(engine.exchange(engine.open(RouteId{0}, "/a", "bytes=0-", ""))->resource);
  CHECK_FALSE(engine.exchange(engine.open(RouteId{0}, "/a", "bytes=5-", ""))->resource);
}

namespace {

OriginAnswer answer_of(std::uint32_t status, std::string_view length = {},
                       std::string_view type = {}) {
  OriginAnswer answer;
  answer.status = status;
  answer.type = "basic";
  answer.content_length = length;
  answer.content_type = type;
  return answer;
}

// Its only window, whole, and past the HTTP cache if it is asked for again.
Error close_after(Engine& engine, std::string_view path, const OriginAnswer& answer) {
  const ExchangeId exchange = engine.open(RouteId{0}, path, {}, {});
  const auto id = engine.open_body(exchange, PluginKind::network, PieceSet(1), true);
  REQUIRE(id);
  engine.body(*id)->start({});
  engine.handle_head(*id, JobId{1}, answer, {});
  engine.handle_head(*id, JobId{2}, answer, {});
  const Error told = engine.close(*id);
  // The next plugin does not ask a second time.
  CHECK(engine.open_body(exchange, PluginKind::network, PieceSet(1), true).has_value() ==
        (told == Error::none));
  engine.close(exchange);
  return told;
}

}  // namespace

TEST_CASE("what an origin turned out to be is told once, and lasts until the manifest changes") {
  struct Case {
    const char* name;
    OriginAnswer answer;
    Error error;
    bool lasts;
  };
  OriginAnswer personal = answer_of(200);
  personal.cache_control = "private";
  const Case cases[] = {
      {"it has grown", answer_of(200, "6"), Error::origin_changed, true},
      {"gone", answer_of(404), Error::origin_changed, true},
      {"refused", answer_of(403), Error::origin_unusable, true},
      {"private", personal, Error::origin_unusable, true},
      {"too many requests", answer_of(429), Error::origin_unreachable, false},
  };
  for (const Case& each : cases) {
    CAPTURE(each.name);
    Engine engine = engine_with({fields_of("/a", 5), fields_of("/b", 5, 'b')});
    CHECK(close_after(engine, "/a", each.answer) == each.error);
    CHECK(engine.route(get(), "/a", no_regexps).whose ==
          (each.lasts ? Whose::unlisted : Whose::ours));
    CHECK(static_cast<bool>(engine.exchange(engine.open(RouteId{0}, "/a", "", ""))->resource) ==
          !each.lasts);
    CHECK(engine.route(get(), "/b", no_regexps).whose == Whose::ours);
    if (!each.lasts) {
      const ExchangeId again = engine.open(RouteId{0}, "/a", {}, {});
      const auto id = engine.open_body(again, PluginKind::network, PieceSet(1), true);
      engine.body(*id)->start({});
      engine.handle_head(*id, JobId{1}, each.answer, {});
      CHECK(engine.close(*id) == Error::none);
    }
    engine.begin_manifest();
    REQUIRE(engine.add_resource(fields_of("/a", 5)) == Error::none);
    engine.commit_manifest(false);
    CHECK(engine.route(get(), "/a", no_regexps).whose == Whose::ours);
  }
}

TEST_CASE("what the store has under a type that a browser would block is left to the origin") {
  ResourceFields fields = fields_of("/app.js", 5);
  fields.type = "text/javascript";
  Engine engine = engine_with({fields});
  const ExchangeId exchange = engine.open(RouteId{0}, "/app.js", {}, {}, "script");
  const auto id = engine.open_body(exchange, PluginKind::cache, all(), true);
  REQUIRE(id);
  engine.body(*id)->start({});
  engine.handle_type(*id, "text/plain", {});
  CHECK(engine.body(*id)->finished());
  CHECK_FALSE(engine.open_body(exchange, PluginKind::network, all(), true));
}

TEST_CASE("what a worker before this one was told of an origin holds") {
  Engine engine = engine_with({fields_of("/a", 5), fields_of("/b", 5, 'b')});
  engine.lose("/a", Error::origin_changed);
  engine.lose("/b", Error::origin_unreachable);
  engine.lose("/not-listed", Error::origin_changed);
  CHECK(engine.route(get(), "/a", no_regexps).whose == Whose::unlisted);
  CHECK(engine.route(get(), "/b", no_regexps).whose == Whose::ours);
}

TEST_CASE("the origin's type is a response's where it was seen, and decides who may use it") {
  ResourceFields fields = fields_of("/app.dat", 5);
  fields.type = "application/octet-stream";
  Engine engine = engine_with({fields});
  const auto type_now = [&engine] {
    const ExchangeId id = engine.open(RouteId{0}, "/app.dat", {}, {});
    for (const auto& [name, value] : engine.exchange(id)->head().headers) {
      if (name == "content-type") return value;
    }
    return std::string("(none)");
  };
  RequestFields script = get();
  script.destination = "script";
  CHECK(type_now() == "application/octet-stream");
  const ExchangeId exchange = engine.open(RouteId{0}, "/app.dat", {}, {});
  const auto id = engine.open_body(exchange, PluginKind::network, PieceSet(1), true);
  engine.body(*id)->start({});
  engine.handle_head(*id, JobId{1}, answer_of(200, "5", "text/javascript"), {});
  CHECK(type_now() == "text/javascript");
  CHECK(engine.route(script, "/app.dat", no_regexps).whose == Whose::ours);
  // As a store remembers it.
  engine.handle_type(*id, "text/plain", {});
  CHECK(type_now() == "text/plain");
  CHECK(engine.route(script, "/app.dat", no_regexps).whose == Whose::unlisted);
  engine.handle_type(*id, "", {});
  CHECK(type_now() == "(none)");
}

TEST_CASE("a manifest with a bad entry leaves the one in use alone") {
  Engine engine = engine_with({fields_of("/a", 5)});
  engine.begin_manifest();
  CHECK(engine.add_resource(fields_of("/a", 0)) == Error::malformed_manifest);
  const ExchangeId id = engine.open(RouteId{0}, "/a", "", "");
  CHECK(engine.exchange(id)->resource);
}

TEST_CASE("what becomes a document is not listed; what a document uses is") {
  Engine engine = engine_with({fields_of("/a.svg", 5)});
  for (const char* destination : {"document", "iframe", "frame", "embed", "object"}) {
    CAPTURE(destination);
    const ExchangeId id = engine.open(RouteId{0}, "/a.svg", "", "", destination);
    CHECK_FALSE(engine.exchange(id)->resource);
    CHECK_FALSE(
        engine.open_body(id, PluginKind::network, PieceSet(limits::pieces_per_resource), true));
  }
  for (const char* destination : {"", "image", "font", "video", "track"}) {
    CAPTURE(destination);
    CHECK(engine.exchange(engine.open(RouteId{0}, "/a.svg", "", "", destination))->resource);
  }
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

TEST_CASE("the second window is what the origin has lately sent in a fifth of a second") {
  Engine engine = engine_with({fields_of("/big", 64.0 * limits::mib)});
  // Where it ends: behind the first, and with a whole segment if it reaches one's end.
  const auto second_window_end = [&engine] {
    const ExchangeId exchange = engine.open(RouteId{0}, "/big", {}, {});
    Body& body =
        *engine.body(*engine.open_body(exchange, PluginKind::delegate, PieceSet(1024), true));
    const std::vector<std::uint8_t> zeros(std::size_t{body.geometry().count()} *
                                          Digest::bytes_size);
    body.handle_digests(*DigestList::parse(body.geometry(), zeros));
    body.start(Instant{});
    body.handle_hedge(Instant{});
    std::vector<Body::Fetch> windows;
    while (windows.size() < 2) {
      const auto output = body.poll_output();
      REQUIRE(output);
      const auto* fetch = std::get_if<Body::Fetch>(&*output);
      if (!fetch) continue;
      windows.push_back(*fetch);
      const JobId job = fetch->job;
      body.handle_head(job, {206, "basic", {}, {}, "bytes 0-262143/67108864", {}, {}, {}, {}}, {});
      for (PieceIndex piece = 0; piece < 4; ++piece) {
        body.handle_digest(job, piece, 65536, Digest{}, Instant{});
      }
    }
    engine.close(exchange);
    return windows[1].pieces.end * std::uint64_t{65536};
  };
  const auto goes_on_at = [&engine](std::uint64_t bytes_per_second) {
    engine.network() = {};
    engine.network().handle_body(bytes_per_second, Instant{}, Instant{} + std::chrono::seconds(1));
  };
  // Unknown, or slow: twice the first. Otherwise the next power of two, up to the longest.
  CHECK(second_window_end() == 3 * limits::window_first_bytes);
  goes_on_at(limits::mib);
  CHECK(second_window_end() == 3 * limits::window_first_bytes);
  goes_on_at(4 * limits::mib);
  CHECK(second_window_end() == 4 * limits::window_first_bytes);
  goes_on_at(1000 * limits::mib);
  CHECK(second_window_end() == limits::window_bytes_max);
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

namespace {

Root root_of(char digit) {
  return *parse_digest(std::string(64, digit));
}

// Three of ten pieces each, stored in the order a, b, c, under a quota of 32 pieces.
Engine engine_with_three_stored() {
  Engine engine = engine_with(
      {fields_of("/a", 655360, 'a'), fields_of("/b", 655360, 'b'), fields_of("/c", 655360, 'c')});
  engine.set_quota(32 * 65536);
  for (const char each : {'a', 'b', 'c'}) engine.add_stored(root_of(each), {0, 10});
  return engine;
}

}  // namespace

TEST_CASE("the store is counted in bytes of runs, the last piece with its own length") {
  Engine engine = engine_with({fields_of("/a", 65536 + 5, 'a')});
  engine.set_quota(65536 + 5);
  CHECK(engine.fits(root_of('a'), {0, 2}));
  engine.add_stored(root_of('a'), {0, 1});
  CHECK(engine.fits(root_of('a'), {1, 2}));
  CHECK_FALSE(engine.fits(root_of('a'), {0, 1}));
  engine.add_stored(root_of('a'), {1, 99});
  CHECK(engine.fits(root_of('a'), {0, 0}));
  CHECK(engine.fits(root_of('a'), {7, 3}));
  engine.set_quota(65536 + 4);
  CHECK_FALSE(engine.fits(root_of('a'), {0, 0}));
  engine.clear_stored();
  CHECK(engine.fits(root_of('a'), {0, 1}));
}

TEST_CASE("room is made by the oldest roots, and what was named is forgotten") {
  Engine engine = engine_with_three_stored();
  CHECK(engine.fits(root_of('c'), {0, 2}));
  CHECK_FALSE(engine.fits(root_of('c'), {0, 3}));
  CHECK(engine.make_room(root_of('c'), {0, 3}, false).value() == std::vector{root_of('a')});
  CHECK(engine.fits(root_of('c'), {0, 3}));
  CHECK(engine.make_room(root_of('c'), {0, 3}, false).value().empty());
}

TEST_CASE("a browser that is full makes room below the quota") {
  Engine engine = engine_with_three_stored();
  CHECK(engine.make_room(root_of('c'), {0, 1}, true).value() == std::vector{root_of('a')});
}

TEST_CASE("what the manifest does not list goes first, and what a body has open never") {
  Engine engine = engine_with_three_stored();
  const ExchangeId id = engine.open(RouteId{0}, "/a", "", "");
  const auto body = engine.open_body(id, PluginKind::cache, all(), true);
  REQUIRE(body);
  engine.add_stored(root_of('d'), {0, 1});
  CHECK(engine.make_room(root_of('c'), {0, 2}, false).value() == std::vector{root_of('d')});
  // Who is stored does not give way to itself.
  CHECK(engine.make_room(root_of('b'), {0, 10}, false).value() == std::vector{root_of('c')});
  engine.set_quota(9 * 65536);
  CHECK(engine.make_room(root_of('c'), {0, 0}, false).error() == Error::storage_full);
  engine.close(*body);
  CHECK(engine.make_room(root_of('c'), {0, 0}, false).value().size() == 2);
}

namespace {

using namespace std::chrono_literals;

// A site with the documented route, and one exchange for a file of so many bytes.
struct Choice {
  Engine engine;
  ExchangeId id{};

  explicit Choice(double bytes, double patience = limits::patience) {
    REQUIRE(engine.add_route("/", Strategy::ordered, {PluginKind::delegate, PluginKind::network}));
    engine.begin_manifest();
    REQUIRE(engine.add_resource(fields_of("/f", bytes)) == Error::none);
    engine.commit_manifest(false);
    id = engine.open(RouteId{0}, "/f", "", "");
    engine.exchange(id)->patience = patience;
    engine.exchange(id)->chain.start(at(0ms));
  }
  static Instant at(Duration time) { return Instant(time); }
  Terms terms() { return engine.terms(*engine.exchange(id)); }
  bool asks(Duration now, bool known = true, double patience = limits::patience) {
    return engine.asks_peers(id, known, patience, at(now));
  }
  // When the network is started beside peers that are asked; none: it was, at once.
  std::optional<Duration> asked() {
    engine.handle_asked(id, 0, at(0ms));
    return wakes();
  }
  // The same, once a page said that somebody has it.
  std::optional<Duration> hedge(bool warm, Duration now = 1ms) {
    engine.handle_pending(id, 0, warm, at(now));
    return wakes();
  }
  std::optional<Duration> wakes() {
    const auto wakes = engine.exchange(id)->chain.next_timeout();
    if (!wakes) return std::nullopt;
    return wakes->time_since_epoch();
  }
};

}  // namespace

TEST_CASE("a large response: the page may use the origin, after a share of the network's time") {
  Choice choice(10.0 * limits::mib);
  choice.engine.network().handle_first(40ms, choice.at(0ms));
  choice.engine.network().handle_body(limits::mib, choice.at(0ms), choice.at(200ms));
  CHECK(choice.terms().origin == 1);
  CHECK(choice.terms().patience == (40ms + 2000ms) / 5);
  CHECK(choice.hedge(false) == choice.terms().patience + limits::hedge_delay);
}

TEST_CASE("patience is at most the hedge delay, however large the share or slow the network") {
  for (const double share : {0.2, 1.0, 1e300}) {
    Choice choice(100.0 * limits::mib, share);
    CHECK(choice.terms().patience == limits::hedge_delay);
  }
  CHECK(Choice(100.0 * limits::mib, 0).terms().patience == Duration(0));
}

TEST_CASE("with a patience of more than 1 peers may be so many times slower than the origin") {
  const auto slower = [](double share) {
    return Choice(100.0 * limits::mib, share).terms().origin;
  };
  CHECK(slower(0) == 1);
  CHECK(slower(0.2) == 1);
  CHECK(slower(2.5) == 2);
  CHECK(slower(1e300) == limits::peers_slower_max);
}

namespace {

// Peers that begin so late, and bring 10 MB/s like the network, which begins after 20 ms.
Choice with_peers(double bytes, Duration first) {
  Choice choice(bytes);
  choice.engine.handle_warm();
  choice.engine.network().handle_first(20ms, choice.at(0ms));
  choice.engine.network().handle_body(limits::mib, choice.at(0ms), choice.at(100ms));
  choice.engine.peers().handle_first(first, choice.at(0ms));
  choice.engine.peers().handle_body(limits::mib, choice.at(0ms), choice.at(100ms));
  return choice;
}

}  // namespace

TEST_CASE("a small response: the network begins at once unless peers are known to be sooner") {
  Choice cold(100000);
  CHECK(cold.terms().origin == 0);
  CHECK_FALSE(cold.asked());
  CHECK_FALSE(Choice(100000).hedge(true));
  Choice late = with_peers(100000, 300ms);
  CHECK_FALSE(late.asked());
  Choice warm = with_peers(100000, 15ms);
  CHECK(warm.asked() == warm.engine.network().expected(100000));
  // Its page says that it is connected to nobody: there is no more to wait for.
  CHECK_FALSE(warm.hedge(false));
}

TEST_CASE("a small response waits no longer for peers than the network would have taken") {
  Choice choice = with_peers(1000, 15ms);
  CHECK(choice.hedge(true) == choice.engine.network().expected(1000));
  Choice far = with_peers(1000, 15ms);
  far.engine.network().handle_first(100s, far.at(0ms));
  CHECK(far.hedge(true) == limits::hedge_delay);
}

TEST_CASE("a gallery is asked of whoever has less to bring") {
  Choice choice = with_peers(100000, 25ms);
  CHECK(choice.asks(0ms));  // a probe
  CHECK_FALSE(choice.asks(1ms));
  const ExchangeId other = choice.engine.open(RouteId{0}, "/f", "", "");
  const auto open = [&](PluginKind opener) {
    const auto id =
        choice.engine.open_body(other, opener, PieceSet(limits::pieces_per_resource), true);
    choice.engine.body(*id)->start(choice.at(0ms));
  };
  open(PluginKind::network);
  CHECK(choice.asks(2ms));
  open(PluginKind::delegate);
  CHECK_FALSE(choice.asks(3ms));
}

TEST_CASE(
    "small responses that the network brings sooner are not asked of peers, but for a probe") {
  Choice choice = with_peers(1000, 300ms);
  CHECK(choice.asks(10ms));
  CHECK_FALSE(choice.asks(20ms));
  CHECK_FALSE(choice.asks(10ms + limits::probe_wait - 1us));
  CHECK(choice.asks(10ms + limits::probe_wait));
  CHECK_FALSE(choice.asked());
  CHECK(choice.asks(20ms, true, 1));
}

TEST_CASE("what nobody is known to have: a small response is not asked for, a large one of both") {
  Choice small(1000);
  CHECK_FALSE(small.asks(0ms, false, 1e300));
  Choice large(10.0 * limits::mib);
  CHECK(large.asks(0ms, false));
  CHECK_FALSE(large.asked());
  Choice known(10.0 * limits::mib);
  CHECK(known.asks(0ms, true));
  known.engine.handle_asked(known.id, 0, known.at(0ms));
  CHECK_FALSE(known.engine.exchange(known.id)->chain.poll_output() ==
              Chain::Output(Chain::Start{1}));
}

TEST_CASE("with a patience of 1 and more, small responses wait for peers too") {
  Choice choice(1000, 3);
  choice.engine.network().handle_first(20ms, choice.at(0ms));
  choice.engine.peers().handle_first(300ms, choice.at(0ms));
  CHECK(choice.hedge(false) == 3 * choice.engine.network().expected(1000));
}

TEST_CASE("without a network plugin of ours behind it, a delegate is all there is") {
  Engine engine;
  REQUIRE(engine.add_route("/", Strategy::ordered, {PluginKind::delegate, PluginKind::user}));
  engine.begin_manifest();
  REQUIRE(engine.add_resource(fields_of("/f", 1000)) == Error::none);
  engine.commit_manifest(false);
  const ExchangeId id = engine.open(RouteId{0}, "/f", "", "");
  engine.network().handle_first(1ms, Instant{});
  engine.peers().handle_first(300ms, Instant{});
  CHECK(engine.asks_peers(id, true, limits::patience, Instant{}));
  CHECK(engine.terms(*engine.exchange(id)).origin == 0);
}
