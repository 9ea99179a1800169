#include "http/engine.hpp"

#include <doctest/doctest.h>

#include <initializer_list>
#include <string>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "site.hpp"

using namespace peer_cdn;
using namespace std::chrono_literals;

namespace {

constexpr auto no_regexps = [](std::uint32_t, std::string_view) { return false; };

using Whose = Routed::Whose;

struct Listed : Site {
  explicit Listed(const std::vector<ResourceFields>& files,
                  std::initializer_list<PluginKind> kinds = {PluginKind::cache,
                                                             PluginKind::network})
      : Site(kinds, files) {}
  Whose whose(std::string_view path, std::string_view destination = {}) const {
    RequestFields request = asks.fields;
    request.destination = destination;
    return engine.route(request, path, no_regexps).whose;
  }
  // Whether a request is answered by the manifest's entry.
  bool is_listed(std::string_view path, std::string_view range = {},
                 std::string_view destination = {}) {
    const ExchangeId id = open(path, range, {}, destination);
    return requests.at(id.value).geometry.has_value();
  }
};

}  // namespace

// --- Routes --------------------------------------------------------------------------------------

TEST_CASE("a route needs a plugin, and not too many") {
  Engine engine;
  CHECK(engine.add_route("/", Strategy::ordered, {}).error() == Error::malformed_route);
  List<Plugin> many;
  for (std::size_t i = 0; i <= limits::plugins_per_route; ++i) many.push_back({});
  CHECK(engine.add_route("/", Strategy::ordered, many).error() == Error::malformed_route);
  many.pop_back();
  CHECK(engine.add_route("/", Strategy::ordered, many));
}

TEST_CASE("the site's own manifest path is reserved") {
  Listed site({Host::file("/my.json", 5)});
  CHECK(site.whose("/my.json") == Whose::ours);
  site.engine.set_manifest_path("/my.json");
  CHECK(site.whose("/my.json") == Whose::browser);
  CHECK(site.whose("/my.json?x") == Whose::browser);
}

TEST_CASE("the switch turns every route off until a later manifest") {
  Listed site({Host::file("/a", 5)});
  site.list({}, true);
  CHECK(site.whose("/a") == Whose::browser);
  CHECK_FALSE(site.try_open("/a"));
  site.list({Host::file("/a", 5)});
  CHECK(site.whose("/a") == Whose::ours);
}

TEST_CASE("what need not be answered is the browser's") {
  Listed site({});
  site.route({PluginKind::user, PluginKind::network}, Strategy::ordered, "/own");
  Site fresh;
  fresh.route({PluginKind::cache, PluginKind::network});
  // Nobody knows yet what is listed; a document never is.
  CHECK(fresh.try_open("/a"));
  CHECK_FALSE(fresh.try_open("/a", {}, {}, "document"));
  CHECK(site.whose("/own/a", "document") == Whose::ours);

  ResourceFields any = Host::file("/any", 5, 'b');
  any.any_query = true;
  ResourceFields script = Host::file("/app.dat", 5, 'c');
  script.type = "application/octet-stream";
  ResourceFields module = Host::file("/app.js", 5, 'd');
  module.type = "text/javascript; charset=utf-8";
  site.list({Host::file("/a", 5), any, script, module});
  struct Case {
    const char* path;
    const char* destination;
    Whose whose;
  };
  const Case cases[] = {
      {"/a", "", Whose::ours},
      {"/a", "iframe", Whose::browser},
      {"/a?v=1", "", Whose::unlisted},
      {"/any?v=1", "", Whose::ours},
      {"/b", "image", Whose::unlisted},
      {"/own/b", "image", Whose::ours},
      // A script under a type that a browser would block is the origin's.
      {"/app.dat", "script", Whose::unlisted},
      {"/app.dat", "", Whose::ours},
      {"/app.js", "script", Whose::ours},
      {"/app.js", "style", Whose::unlisted},
  };
  for (const Case& each : cases) {
    CAPTURE(each.path);
    CAPTURE(each.destination);
    CHECK(site.whose(each.path, each.destination) == each.whose);
    CHECK(site.try_open(each.path, {}, {}, each.destination).has_value() ==
          (each.whose == Whose::ours));
  }
}

TEST_CASE(
    "a request that is not to follow redirects is the browser's, or passes through as it is") {
  Listed site({Host::file("/a", 5)});
  site.route({PluginKind::user, PluginKind::network}, Strategy::ordered, "/own");
  site.list({Host::file("/a", 5), Host::file("/own/a", 5)});
  site.asks.fields.is_followed = false;
  CHECK(site.whose("/a") == Whose::browser);
  CHECK(site.whose("/own/a") == Whose::ours);
  CHECK_FALSE(site.is_listed("/own/a"));
  Site fresh;
  fresh.route({PluginKind::cache, PluginKind::network});
  fresh.asks.fields.is_followed = false;
  CHECK_FALSE(fresh.try_open("/a"));
}

TEST_CASE("no-cache waits for a manifest that is asked for now, however young the one in use is") {
  Listed site({Host::file("/a", 5)});
  site.asks.fields.cache = "no-cache";
  site.open("/a");
  CHECK(site.said() == "fetch manifest");
  site.manifest_fetched(true, false);
  CHECK(site.said().find("open s1") != std::string::npos);
}

// --- What is listed ------------------------------------------------------------------------------

TEST_CASE("a range behind the end is the origin's: the file may have grown") {
  Listed site({Host::file("/a", 5)});
  CHECK(site.is_listed("/a", "bytes=0-"));
  CHECK(site.is_listed("/a", "bytes=4-"));
  CHECK_FALSE(site.is_listed("/a", "bytes=5-"));
}

TEST_CASE("a manifest with a bad entry leaves the one in use alone") {
  Listed site({Host::file("/a", 5)});
  site.engine.begin_manifest();
  CHECK(site.engine.add_resource(Host::file("/a", 0)) == Error::malformed_manifest);
  CHECK(site.is_listed("/a"));
}

TEST_CASE("what becomes a document is not listed; what a document uses is") {
  Listed site({Host::file("/a.svg", 5)}, {PluginKind::user, PluginKind::network});
  for (const char* destination : {"document", "iframe", "frame", "embed", "object"}) {
    CAPTURE(destination);
    CHECK_FALSE(site.is_listed("/a.svg", "", destination));
  }
  for (const char* destination : {"", "image", "font", "video", "track"}) {
    CAPTURE(destination);
    CHECK(site.is_listed("/a.svg", "", destination));
  }
}

TEST_CASE("an exchange that has begun keeps the entry it began with") {
  Listed site({Host::file("/a", 5, 'a')});
  const auto bytes_of = [&site](ExchangeId id) {
    return site.engine.exchange(id)->asked().resource->geometry.bytes();
  };
  const ExchangeId id = site.open("/a");
  for (double bytes = 7; bytes < 10; ++bytes) site.list({Host::file("/a", bytes, 'b')});
  CHECK(bytes_of(id) == 5);
  CHECK(bytes_of(site.open("/a")) == 9);
  // Its answer is held against the entry that it has.
  site.head(site.stream(1));
  site.bring(site.stream(1));
  CHECK(site.requests.at(id.value).is_over);
}

TEST_CASE("what an origin turned out to be is told once, and lasts until the manifest changes") {
  struct Case {
    std::string name;
    std::uint32_t status;
    const char* length;
    const char* cache_control;
    const char* code;  // that is told
    bool lasts;
    bool is_old;  // the manifest is asked for anew
  };
  const Case cases[] = {
      {"it has grown", 200, "6", "", "origin-changed", true, true},
      {"gone", 404, "", "", "origin-changed", true, true},
      {"refused", 403, "", "", "origin-unusable", true, false},
      {"private", 200, "", "private", "origin-unusable", true, false},
      {"too many requests", 429, "", "", "origin-unreachable", false, false},
  };
  for (const Case& each : cases) {
    CAPTURE(each.name);
    Listed site({Host::file("/a", 5), Host::file("/b", 5, 'b')}, {PluginKind::network});
    // Its only window, whole, and past the HTTP cache if it is asked for again.
    const auto ask = [&] {
      const ExchangeId id = site.open("/a");
      while (!site.streams.empty()) {
        OriginAnswer answer;
        answer.status = each.status;
        answer.type = "basic";
        answer.content_length = each.length;
        answer.cache_control = each.cache_control;
        const StreamId stream = site.streams.begin()->first;
        site.streams.begin()->second.has_head = true;
        site.engine.handle_stream_head(stream, answer, site.now);
        site.hear();
      }
      CHECK(site.requests.at(id.value).is_over);
      return site.said();
    };
    const std::string first = ask();
    CHECK(first.find(std::string("lose x1 ") + each.code) != std::string::npos);
    CHECK(first.find("pass s") != std::string::npos);
    CHECK((first.find("fetch manifest") != std::string::npos) == each.is_old);
    CHECK(site.whose("/a") == (each.lasts ? Whose::unlisted : Whose::ours));
    CHECK(site.whose("/b") == Whose::ours);
    if (!each.lasts) CHECK(ask().find("lose") == std::string::npos);
    site.list({Host::file("/a", 5)});
    CHECK(site.whose("/a") == Whose::ours);
  }
}

TEST_CASE("what a worker before this one was told of an origin holds") {
  Listed site({Host::file("/a", 5), Host::file("/b", 5, 'b')});
  site.engine.lose("/a", Error::origin_changed);
  site.engine.lose("/b", Error::origin_unreachable);
  site.engine.lose("/not-listed", Error::origin_changed);
  CHECK(site.whose("/a") == Whose::unlisted);
  CHECK(site.whose("/b") == Whose::ours);
}

// --- Types ---------------------------------------------------------------------------------------

TEST_CASE("what the store has under a type that a browser would block is left to the origin") {
  ResourceFields fields = Host::file("/app.js", 5);
  fields.type = "text/javascript";
  Listed site({fields});
  site.hold('a', {0, 1});
  site.open("/app.js", {}, {}, "script");
  site.said();
  site.run_read(site.body(1), site.store_job(site.body(1)), true, "/app.js text/plain");
  CHECK(site.said() ==
        "close b1 job 1; break b1 storage-lost; through x1 plugin 1 own listed; drop unlisted");
}

TEST_CASE("the type under which the store has it at another path says nothing of this one") {
  ResourceFields fields = Host::file("/app.js", 5);
  fields.type = "text/javascript";
  Listed site({fields});
  site.hold('a', {0, 1});
  const ExchangeId id = site.open("/app.js", {}, {}, "script");
  site.read(site.body(1), "/app.txt text/plain");
  CHECK(site.requests.at(id.value).is_over);
  CHECK(site.whose("/app.js", "script") == Whose::ours);
}

TEST_CASE("the origin's type is a response's where it was seen, and decides who may use it") {
  ResourceFields fields = Host::file("/app.dat", 5);
  fields.type = "application/octet-stream";
  Listed site({fields});
  const auto type_now = [&site] {
    const ExchangeId id = site.open("/app.dat");
    const ResponseHead head = site.engine.exchange(id)->head();
    for (std::string_view rest = head.headers; !rest.empty();) {
      const std::string_view name = take_line(rest);
      const std::string_view value = take_line(rest);
      if (name == "content-type") return std::string(value);
    }
    return std::string("(none)");
  };
  CHECK(type_now() == "application/octet-stream");
  site.head(site.stream(1), 200, {}, "text/javascript");
  CHECK(type_now() == "text/javascript");
  CHECK(site.whose("/app.dat", "script") == Whose::ours);
  // As a store remembers it.
  site.hold('a', {0, 1});
  const auto read_as = [&site](const std::string& type) {
    site.open("/app.dat");
    const BodyId body{site.bodies.rbegin()->first};
    site.run_read(body, site.store_job(body), true, "/app.dat " + type);
  };
  read_as("text/plain");
  CHECK(type_now() == "text/plain");
  CHECK(site.whose("/app.dat", "script") == Whose::unlisted);
  read_as("");
  CHECK(type_now() == "(none)");
}

// --- Who may open a body -------------------------------------------------------------------------

TEST_CASE("who may open a body") {
  struct Case {
    std::string name;
    const char* path;
    const char* range;
    PluginKind opener;
    bool is_held;
    bool has_page;
    bool opens;
  };
  const Case cases[] = {
      {"the network, listed", "/small", "", PluginKind::network, false, false, true},
      {"nobody, unlisted", "/other", "", PluginKind::network, false, true, false},
      {"nobody, beyond the end", "/small", "bytes=9999999-", PluginKind::network, false, true,
       false},
      {"the cache, all held", "/small", "", PluginKind::cache, true, false, true},
      {"the cache, not held", "/small", "", PluginKind::cache, false, true, false},
      {"the delegate with a page", "/small", "", PluginKind::delegate, false, true, true},
      {"the delegate without a page", "/small", "", PluginKind::delegate, false, false, false},
      {"a long body with a page", "/big", "", PluginKind::network, false, true, true},
      {"a long body without a page", "/big", "", PluginKind::network, false, false, false},
      {"a long body of the store without a page", "/big", "", PluginKind::cache, true, false,
       false},
      {"a short part without a page", "/big", "bytes=0-9", PluginKind::network, false, false, true},
  };
  for (const Case& each : cases) {
    CAPTURE(each.name);
    Listed site({Host::file("/small", 1000), Host::file("/big", 5e6, 'b')},
                {PluginKind::user, each.opener});
    if (each.is_held) {
      for (PieceIndex begin = 0; begin < 80; begin += 16) site.hold('b', {begin, begin + 16});
      site.hold('a', {0, 1});
    }
    if (each.has_page) site.hello({1});
    const ExchangeId id = site.open(each.path, each.range);
    site.answer(id, 0, false);
    CHECK(site.bodies.size() == (each.opens ? 1 : 0));
  }
}

// --- What a request waits for --------------------------------------------------------------------

TEST_CASE("a request waits until the stored manifest is in memory") {
  Site host;
  host.route({PluginKind::network});
  host.engine.handle_store_begin(true, 0, 0);
  host.open("/a");
  host.open("/other");
  host.wait(1h);
  CHECK(host.said().empty());
  host.list({Host::file("/a", 5)});
  host.engine.handle_manifest_loaded(host.wall + to_ms(host.now), host.now);
  host.hear();
  // What is listed waits for what is stored, what is not turns out to be the browser's.
  CHECK(host.said() == "list store; fall through x2; over x2");
  host.engine.handle_store_listed(true, host.now);
  host.hear();
  CHECK(host.said() == "open s1 of b1 for 0-1 whole");
}

TEST_CASE("a request of a switched-off site goes to the network as it is") {
  Site host;
  host.route({PluginKind::user, PluginKind::network});
  host.open("/a");
  host.list({}, true);
  host.engine.handle_manifest_loaded(host.wall, host.now);
  host.hear();
  CHECK(host.said() == "fall through x1; over x1");
  CHECK(host.is_empty());
}

namespace {

// A manifest that is old, and one request that it lists.
struct Old : Site {
  Old() {
    route({PluginKind::network});
    start({file("/a", 5)});
    wait(limits::manifest_age);
    open("/a");
    CHECK(said() == "fetch manifest");
  }
};

}  // namespace

TEST_CASE("a request that an old manifest lists waits for a newer one, but not for long") {
  SUBCASE("it comes") {
    Old old;
    old.wait(limits::manifest_wait - 1us);
    CHECK(old.said().empty());
    old.manifest_fetched(true, false);
    CHECK(old.said() == "open s1 of b1 for 0-1 whole");
    old.open("/a");
    CHECK(old.said().empty());  // it joins; nothing else is asked for
  }
  SUBCASE("it comes, and lists it no more") {
    Old old;
    old.list({});
    old.manifest_fetched(true, true);
    CHECK(old.said() == "fall through x1; over x1");
  }
  SUBCASE("it takes too long: the one in memory holds") {
    Old old;
    old.wait(limits::manifest_wait);
    CHECK(old.said() == "open s1 of b1 for 0-1 whole");
    old.manifest_fetched(true, false);
    CHECK(old.said().empty());
  }
  SUBCASE(
      "the site cannot be reached: the next request does not wait, and asks only now and then") {
    Old old;
    old.manifest_fetched(false, false);
    CHECK(old.said() == "open s1 of b1 for 0-1 whole");
    old.open("/a");
    CHECK(old.said().empty());
    old.wait(limits::manifest_wait);
    old.open("/a");
    CHECK(old.said() == "fetch manifest");
    CHECK(old.bodies.size() == 3);
  }
  SUBCASE("two requests ask once") {
    Old old;
    old.open("/a");
    CHECK(old.said().empty());
    old.manifest_fetched(true, false);
    CHECK(old.said() == "open s1 of b1 for 0-1 whole");
    CHECK(old.bodies.size() == 2);
  }
}

TEST_CASE("a navigation asks for the manifest, and so does what an old one does not list") {
  Listed site({Host::file("/a", 5)});
  CHECK_FALSE(site.try_open("/", {}, {}, "document", true));
  CHECK(site.said() == "fetch manifest");
  Listed old({Host::file("/a", 5)});
  CHECK_FALSE(old.try_open("/b"));
  CHECK(old.said().empty());
  old.wait(limits::manifest_age);
  CHECK_FALSE(old.try_open("/b"));
  CHECK(old.said() == "fetch manifest");
}

TEST_CASE("the store is listed for the first listed request, and again if it could not be") {
  Site host;
  host.route({PluginKind::network});
  host.list({Host::file("/a", 5), Host::file("/b", 5, 'b')});
  host.engine.handle_manifest_loaded(host.wall, host.now);
  host.hear();
  host.open("/a");
  host.open("/b");
  CHECK(host.said() == "list store");
  host.engine.handle_store_listed(false, host.now);
  host.hear();
  // Without a store nothing is stored.
  CHECK(host.said() == "open s1 of b1 for 0-1 whole; open s2 of b2 for 0-1 whole");
  host.head(host.stream(1));
  host.bring(host.stream(1));
  CHECK(host.said() == "open b1; close s1; finish b1; respond x1 plugin 0 with b1; over x1");
  host.open("/a");
  CHECK(host.said() == "list store");
}

// --- The store -----------------------------------------------------------------------------------

TEST_CASE("what is not listed any more may go, unless a body reads it") {
  Listed site({Host::file("/a", 5, 'a'), Host::file("/b", 5, 'b'), Host::file("/c", 5, 'c')},
              {PluginKind::network});
  for (const char each : {'a', 'b', 'c'}) site.hold(each, {0, 1});
  site.open("/b");
  site.said();
  site.list({Host::file("/c", 5, 'c')});
  site.manifest_fetched(true, true);
  CHECK(site.said() == "drop unlisted");
  CHECK(site.engine.drop_unlisted() == List<Root>{Host::root_of('a')});
  // What was open is dropped when nothing is any more.
  site.cancel(site.body(1));
  CHECK(site.said().find("drop unlisted") != std::string::npos);
  CHECK(site.engine.drop_unlisted() == List<Root>{Host::root_of('b')});
}

TEST_CASE("a manifest that lists nothing drops nothing") {
  Listed site({Host::file("/a", 5)});
  site.list({});
  site.manifest_fetched(true, true);
  CHECK(site.said().empty());
}

TEST_CASE("what a response has open is never dropped for another") {
  Listed site({Host::file("/a", 655360, 'a'), Host::file("/b", 655360, 'b')},
              {PluginKind::network});
  site.engine.handle_store_begin(true, 20 * 65536, 0);
  site.hold('a', {0, 10});
  site.hold('b', {0, 10});
  site.open("/a");
  CHECK(site.engine.make_room(Host::root_of('b'), {0, 10}, false).error() == Error::storage_full);
  site.cancel(site.body(1));
  CHECK(site.engine.make_room(Host::root_of('b'), {0, 10}, false).value() ==
        List<Root>{Host::root_of('a')});
}

TEST_CASE("a store that is full is told of once, until something is stored again") {
  Listed site({Host::file("/a", 5)});
  const auto done = [&site](bool ok) {
    return site.engine.handle_store_done({}, Host::root_of('a'), {0, 1}, ok);
  };
  CHECK(done(false));
  CHECK_FALSE(done(false));
  CHECK_FALSE(done(true));
  CHECK(done(false));
}
