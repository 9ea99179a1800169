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
  // What a request that comes now leads to, once the manifest is known to be the same still.
  std::string said_of(std::string_view path, std::string_view range = {}) {
    said();
    const auto refresh = [this] {
      if (is_fetching_manifest) manifest_fetched(true, false);
      said();
    };
    refresh();
    now += 1ms;  // the last answer is older
    last = open(path, range);
    if (!is_fetching_manifest) return said();
    said();
    manifest_fetched(true, false);
    return said();
  }
  ExchangeId last{};

  // Whether a request is answered by the manifest's entry.
  bool is_listed(std::string_view path, std::string_view range = {},
                 std::string_view destination = {}) {
    const ExchangeId id = open(path, range, {}, destination);
    return requests.at(id.value).geometry.has_value();
  }
};

// As a worker before this one kept it.
std::string stored_record(const std::string& type) {
  Record record;
  record.learn(Text("content-type\n") += type, true);
  return std::string(std::string_view(record.text()));
}

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
  site.engine.name_site("/", "/my.json");
  CHECK(site.whose("/my.json") == Whose::browser);
  CHECK(site.whose("/my.json?x") == Whose::browser);
}

TEST_CASE("a site at /peer-cdn/ has its files answered, and ours are nobody's") {
  Listed site({Host::file("/peer-cdn/model.bin", 5)});
  CHECK(site.whose("/peer-cdn/model.bin") == Whose::ours);
  CHECK(site.whose("/peer-cdn/sw.js") == Whose::unlisted);
  CHECK(site.whose("/peer-cdn/peer-cdn/digests/x") == Whose::unlisted);
}

TEST_CASE("a site with names of its own takes no page that cannot hear them") {
  Listed site({Host::file("/a", 5)});
  const auto takes = [&](PageId page, bool knows_end) {
    site.engine.handle_hello(page, knows_end, site.now);
    site.hear();
    return site.engine.pages().has(page);
  };
  CHECK(site.engine.name_site("/", names::manifest_path) == "");
  CHECK(takes({1}, false));
  CHECK(site.engine.name_site("/shop/", names::manifest_path) == " /shop/");
  CHECK_FALSE(takes({2}, false));
  CHECK(takes({2}, true));
}

TEST_CASE("the switch turns every route off until a later manifest") {
  Listed site({Host::file("/a", 5)});
  site.list({}, true);
  CHECK(site.whose("/a") == Whose::unlisted);
  CHECK_FALSE(site.try_open("/a"));
  CHECK_FALSE(site.is_fetching_manifest);
  // A page that stays open navigates nowhere.
  site.now += limits::manifest_age;
  CHECK_FALSE(site.try_open("/a"));
  CHECK(site.is_fetching_manifest);
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

TEST_CASE("several ranges, and what is no range, are the origin's to understand") {
  Listed site({Host::file("/a", 5)});
  CHECK(site.is_listed("/a"));
  for (const char* range :
       {"bytes=0-0,2-3", "bytes=3-2", "bytes=", "bytes = 0-1", "items=0-1", "bytes=0-1x"}) {
    CAPTURE(range);
    CHECK_FALSE(site.is_listed("/a", range));
  }
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
    const char* headers;
    const char* code;  // that is told
    bool lasts;
    bool is_old;  // the manifest is asked for anew
  };
  const Case cases[] = {
      {"it has grown", 200, "content-length\n6", "origin-changed", true, true},
      {"gone", 404, "", "origin-changed", true, true},
      {"refused", 403, "", "origin-unusable", true, false},
      {"private", 200, "cache-control\nprivate", "origin-unusable", true, false},
      {"too many requests", 429, "", "origin-unreachable", false, false},
      {"in trouble", 500, "", "origin-unreachable", false, false},
  };
  for (const Case& each : cases) {
    CAPTURE(each.name);
    Listed site({Host::file("/a", 5), Host::file("/b", 5, 'b')}, {PluginKind::network});
    const ExchangeId id = site.open("/a");
    // Whole, and past the HTTP cache if it is asked for again.
    while (!site.streams.empty()) {
      site.head_of(site.streams.begin()->first, each.status, each.headers);
    }
    CHECK(site.requests.at(id.value).is_over);
    const std::string first = site.said();
    CHECK(first.find(std::string("report x1 ") + each.code) != std::string::npos);
    CHECK((first.find("keep manifest") != std::string::npos) == each.lasts);
    CHECK(first.find("pass s") != std::string::npos);
    CHECK((first.find("fetch manifest") != std::string::npos) == each.is_old);
    CHECK(site.whose("/a") == Whose::ours);
    // It is asked for once, by the page, and the same word is not told again.
    CHECK(site.said_of("/a") == "through x2 plugin 0 own listed");
    site.passed(site.last, each.status, each.headers);
    site.answer(site.last, 0, true);
    CHECK(site.said() == "respond x2 plugin 0; over x2");
    site.wait(limits::busy_memory);
    CHECK((site.said_of("/a") == "through x3 plugin 0 own listed") == each.lasts);
    site.list({Host::file("/a", 5)});
    CHECK(site.said_of("/a").substr(0, 6) == "open s");
  }
}

TEST_CASE("what a worker before this one was told of an origin holds") {
  Listed site({Host::file("/a", 5), Host::file("/b", 5, 'b')});
  site.lose("/a", Error::origin_changed);
  site.lose("/b", Error::origin_unreachable);
  site.lose("/not-listed", Error::origin_changed);
  site.open("/a");
  CHECK(site.said() == "through x1 plugin 1 own listed");
  site.open("/b");
  CHECK(site.said() == "open s1 of b1 for 0-1 whole");
}

TEST_CASE("what was learned of an origin is forgotten by the opposite of what made it") {
  for (const Error error : {Error::origin_changed, Error::origin_unusable}) {
    CAPTURE(code(error));
    Listed site({Host::file("/a", 5)}, {PluginKind::network});
    site.lose("/a", error);
    const ExchangeId id = site.open("/a");
    CHECK(site.said() == "through x1 plugin 0 own listed");
    SUBCASE("a good answer") {
      site.passed(id, 200, "content-length\n5");
      CHECK(site.said() == "keep manifest");
      site.open("/a");
      CHECK(site.said() == "open s1 of b1 for 0-1 whole");
    }
    SUBCASE("what says nothing of it") {
      site.passed(id, 0);
      site.answer(id, 0, false);
      CHECK(site.said() == "fall through x1; over x1");
    }
  }
}

TEST_CASE("that the whole is of no use is not denied by a part, and that a part is by any") {
  for (const bool whole : {true, false}) {
    CAPTURE(whole);
    Listed site({Host::file("/a", 5)}, {PluginKind::network});
    site.lose("/a", Error::origin_unusable);
    if (whole) {
      CHECK(site.said_of("/a") == "through x1 plugin 0 own listed");
      site.passed(site.last, 403);
      CHECK(site.said().empty());
    }
    CHECK(site.said_of("/a", "bytes=0-1").substr(0, 7) == "through");
    site.passed(site.last, 206, "content-range\nbytes 0-1/5");
    CHECK(site.said() == (whole ? "" : "keep manifest"));
    if (!whole) continue;
    CHECK(site.said_of("/a").substr(0, 7) == "through");
    site.passed(site.last, 200, "content-length\n5");
    CHECK(site.said() == "keep manifest");
  }
}

TEST_CASE("one word on a resource is told once, whatever was behind it") {
  Listed site({Host::file("/a", limits::checked_bytes + 1)}, {PluginKind::network});
  site.lose("/a", Error::wrong_digest);
  CHECK(site.said_of("/a") == "through x1 plugin 0 own listed");
  site.passed(site.last, 404);
  // What is kept is another matter.
  CHECK(site.said() == "keep manifest; fetch manifest");
}

TEST_CASE("a busy origin is left alone as long as it says, and no longer than an hour") {
  struct Case {
    const char* retry_after;
    Duration wait;
  };
  const Case cases[] = {{"", limits::busy_memory},
                        {"tomorrow", limits::busy_memory},
                        {"5", 5s},
                        {"86400", limits::busy_memory_max}};
  for (const Case& each : cases) {
    CAPTURE(each.retry_after);
    Listed site({Host::file("/a", 5)}, {PluginKind::network});
    site.open("/a");
    site.head_of(site.stream(1), 503, std::string("retry-after\n") + each.retry_after);
    site.wait(each.wait - 2ms);
    CHECK(site.said_of("/a") == "through x2 plugin 0 own listed");
    site.answer(site.last, 0, true);
    site.wait(1ms);
    CHECK(site.said_of("/a") == "open s2 of b2 for 0-1 whole");
  }
}

TEST_CASE("a file with other bytes passes through, and is compared until they are the right ones") {
  Listed site({Host::file("/a", 4 * 65536)}, {PluginKind::network});
  site.lose("/a", Error::wrong_digest);
  ExchangeId id = site.open("/a");
  CHECK(site.said() == "open s1 of b1 for 0-4 whole; need list x1");
  site.list_came(id);
  site.head(site.stream(1));
  CHECK(site.said() == "pass s1 as b1 shared; respond x1 plugin 0 with b1");
  SUBCASE("they are: it is stored, and shared from here on") {
    site.bring(site.stream(1));
    CHECK(site.said() ==
          "store b1 0-4; close s1; finish b1; over x1; keep manifest; drop unlisted");
  }
  SUBCASE("they are not: nothing is said, and the page has its answer") {
    site.stream_piece(site.stream(1), 0, 2);
    CHECK(site.said() == "close s1; break b1 origin-changed; over x1; drop unlisted");
    CHECK(site.is_empty());
    id = site.open("/a");
    CHECK(site.said() == "open s2 of b2 for 0-4 whole");
    site.cancel(site.body(2));
    site.said();
    // A part can be compared with nothing.
    site.open("/a", "bytes=0-9");
    CHECK(site.said() == "through x3 plugin 0 own listed");
    return;
  }
  CHECK(site.is_empty());
  CHECK(site.said_of("/a") == "read b2 run 0-4 for 0-4");
}

TEST_CASE(
    "what a page may have changed is asked of the origin, and compared before it is given again") {
  Listed site({Host::file("/a", 5), Host::file("/b", 5, 'b')},
              {PluginKind::cache, PluginKind::network});
  for (const char digit : {'a', 'b'}) site.hold(digit, {0, 1});
  for (const char* method : {"PUT", "DELETE", "POST"}) {
    CAPTURE(method);
    site.said();
    FetchEvent event;
    event.fields.method = method;
    event.path = "/a";
    CHECK_FALSE(site.try_open(event));
    CHECK(site.said() == "keep manifest");
    CHECK(site.said_of("/b").find("read ") != std::string::npos);
  }
  site.wait(limits::write_memory);
  site.manifest_fetched(true, false);
  site.said();
  site.open("/a");
  const StreamId stream = site.streams.begin()->first;
  CHECK(site.said().find("open s" + std::to_string(stream)) != std::string::npos);
  site.head(stream);
  site.bring(stream);
  site.said();
  site.open("/a");
  CHECK(site.said().find("read ") != std::string::npos);
}

TEST_CASE(
    "right bytes that come while a write is on its way do not show what lies there after it") {
  Listed site({Host::file("/a", 5)}, {PluginKind::cache, PluginKind::network});
  site.hold('a', {0, 1});
  FetchEvent event;
  event.fields.method = "PUT";
  event.path = "/a";
  site.try_open(event);
  site.said();
  CHECK(site.said_of("/a") == "through x1 plugin 1 own listed");
  site.wait(limits::write_memory);
  site.said();
  CHECK(site.said_of("/a") == "open s1 of b1 for 0-1 whole");
}

TEST_CASE("what is safe, or is of another origin, is no write") {
  Listed site({Host::file("/a", 5)}, {PluginKind::cache, PluginKind::network});
  site.hold('a', {0, 1});
  FetchEvent event;
  event.path = "/a";
  for (const char* method : {"OPTIONS", "TRACE"}) {
    event.fields.method = method;
    CHECK_FALSE(site.try_open(event));
    CHECK(site.said().empty());
  }
  event.fields.method = "PUT";
  event.fields.same_origin = false;
  const auto none = [](std::uint32_t, std::string_view) { return false; };
  CHECK_FALSE(site.engine.open(event, none, site.now, 0));
  CHECK(site.said_of("/a").find("read ") != std::string::npos);
}

TEST_CASE("an answer that is compared is asked for as the page asks, and once") {
  Listed site({Host::file("/a", 200 * 65536)}, {PluginKind::cache, PluginKind::network});
  site.lose("/a", Error::wrong_digest);
  site.hold('a', {0, 16});
  site.hello({1});
  const ExchangeId id = site.open("/a");
  CHECK(site.said() == "open s1 of b1 for 0-200 whole; need list x1");
  site.list_came(id);
  site.head(site.stream(1));
  CHECK(site.said() == "pass s1 as b1 shared; respond x1 plugin 1 with b1");
  SUBCASE("company does not cut it") {
    site.bring(site.stream(1), 4);
    site.company('a');
    site.bring(site.stream(1));
    CHECK(site.said().find("finish b1; over x1; keep manifest") != std::string::npos);
  }
  SUBCASE("where it breaks off, the page's does") {
    site.bring(site.stream(1), 4);
    site.stream_end(site.stream(1), Error::origin_unreachable);
    CHECK(site.said().find("open s2") == std::string::npos);
  }
  SUBCASE("the page goes away") {
    site.cancel(site.body(1));
  }
  CHECK(site.is_empty());
}

TEST_CASE("an answer that is compared is the page's own Request, where peers are known too") {
  Listed site({Host::file("/a", 200 * 65536)},
              {PluginKind::cache, PluginKind::delegate, PluginKind::network});
  site.lose("/a", Error::wrong_digest);
  site.hello({1});
  site.open("/a");
  CHECK(site.said() == "open s1 of b1 for 0-200 whole; need list x1");
}

TEST_CASE("two pages that ask at once for what is compared have an answer each") {
  Listed site({Host::file("/a", 4 * 65536)}, {PluginKind::network});
  site.lose("/a", Error::wrong_digest);
  const ExchangeId id = site.open("/a");
  site.open("/a");
  CHECK(site.said() == "open s1 of b1 for 0-4 whole; need list x1; open s2 of b2 for 0-4 whole");
  site.list_came(id);
  site.head(site.stream(1));
  site.head(site.stream(2));
  CHECK(site.said().find("open s3") == std::string::npos);
  site.bring(site.stream(1));
  site.bring(site.stream(2));
  CHECK(site.is_empty());
}

// --- Validators ----------------------------------------------------------------------------------

TEST_CASE("tag and date stay as this browser gave them first, whatever the origin gives later") {
  Listed site({Host::file("/a", 5)}, {PluginKind::network});
  const auto fetch = [&](const std::string& headers) {
    const ExchangeId id = site.open("/a");
    site.head_of(site.streams.rbegin()->first, 200, headers);
    const Text head = site.engine.exchange(id)->head().headers;
    const std::string tag(header_of(head, "etag"));
    site.cancel({site.bodies.rbegin()->first});
    return tag;
  };
  CHECK(fetch("etag\n\"one\"\nlast-modified\nMonday") == "\"one\"");
  CHECK(fetch("etag\n\"two\"") == "\"one\"");
  site.said();
  SUBCASE("each of them is known in a condition") {
    for (const char* each : {"\n\n\n\n\"one\"", "\n\n\n\n\"two\"", "\n\n\n\n\nMonday"}) {
      CAPTURE(each);
      site.ask("GET", "/a", each);
      const std::string said = site.said();
      CHECK(said.find(" empty 304; over x") != std::string::npos);
    }
  }
  SUBCASE("another one is the origin's to judge") {
    site.ask("GET", "/a", "\n\n\n\n\"three\"");
    CHECK(site.said() == "through x3 plugin 0 own listed");
  }
  SUBCASE("HEAD has the head that was seen") {
    site.ask("HEAD", "/a");
    CHECK(site.said() == "answer x3 empty 200; over x3");
    // Of a part nothing was seen.
    site.ask("HEAD", "/a", "bytes=0-1");
    CHECK(site.said() == "through x4 plugin 0 own listed");
  }
  SUBCASE("a manifest with the same bytes changes nothing, and one with others all") {
    site.list({Host::file("/a", 5)});
    CHECK(fetch("etag\n\"four\"") == "\"one\"");
    site.list({Host::file("/a", 5, 'b')});
    CHECK(fetch("etag\n\"four\"") == "\"four\"");
  }
}

TEST_CASE("an answer that is only passed on teaches no other validators than right bytes had") {
  Listed site({Host::file("/a", 5)}, {PluginKind::network});
  const auto is_known = [&](const std::string& tag) {
    site.ask("GET", "/a", "\n\n\n\n" + tag);
    return site.said().find("empty 304") != std::string::npos;
  };
  const auto pass = [&](const std::string& headers) {
    site.said();
    site.passed(site.ask("HEAD", "/a", "bytes=0-1"), 200, headers);
  };
  const auto headers = [&] { return site.engine.listed(site.open("/a"))->record.headers(); };
  // A server, or a cache, that still has the version before.
  pass("etag\n\"old\"");
  CHECK_FALSE(is_known("\"old\""));
  site.open("/a");
  site.head_of(site.streams.rbegin()->first, 200, "etag\n\"one\"");
  site.bring(site.streams.rbegin()->first);
  pass("etag\n\"two\"\nx-own\ntwo");
  CHECK_FALSE(is_known("\"two\""));
  CHECK(header_of(headers(), "x-own").empty());
  pass("etag\n\"one\"\nx-own\none");
  CHECK(is_known("\"one\""));
  CHECK(header_of(headers(), "x-own") == "one");
}

TEST_CASE("a tag that went with a 304 stays too") {
  Listed site({Host::file("/a", 5)}, {PluginKind::network});
  const std::string own(std::string_view(entity_tag(*parse_resource(Host::file("/a", 5)))));
  site.ask("GET", "/a", "\n\n\n\n" + own);
  CHECK(site.said() == "answer x1 empty 304; over x1");
  const ExchangeId next = site.open("/a");
  site.head_of(site.stream(1), 200, "etag\n\"one\"");
  CHECK(header_of(site.engine.exchange(next)->head().headers, "etag") == own);
}

TEST_CASE("HEAD of what was never seen, and what is not listed, are the origin's") {
  Listed site({Host::file("/a", 5)});
  site.ask("HEAD", "/a");
  CHECK(site.said() == "through x1 plugin 1 own listed");
  FetchEvent event;
  event.fields.method = "HEAD";
  event.path = "/other";
  CHECK_FALSE(site.try_open(event));
}

TEST_CASE("what the store has of how the origin sends a file is read before it is answered") {
  Listed site({Host::file("/a", 5)});
  site.hold('a', {0, 1});
  site.reads_records = false;
  const ExchangeId id = site.open("/a");
  site.open("/a");
  CHECK(site.said() == "need record x1");
  Record record;
  record.learn("etag\n\"one\"\ncontent-type\nvideo/mp4", true);
  site.records[site.key_of(id)] = std::string_view(record.text());
  site.record_came(id);
  CHECK(site.said() == "read b1 run 0-1 for 0-1; read b2 run 0-1 for 0-1");
  const Text head = site.engine.exchange(id)->head().headers;
  CHECK(header_of(head, "etag") == "\"one\"");
  CHECK(header_of(head, "content-type") == "video/mp4");
  // It is known from here on.
  site.open("/a");
  CHECK(site.said() == "read b3 run 0-1 for 0-1");
}

TEST_CASE("a record that comes when the manifest has other bytes at its path is not theirs") {
  const auto later = Host::file("/a", 5, 'b');
  for (const bool is_held : {false, true}) {
    CAPTURE(is_held);
    Listed site({Host::file("/a", 5)});
    site.hold('a', {0, 1});
    site.reads_records = false;
    const ExchangeId id = site.open("/a");
    site.records[site.key_of(id)] = "1\n\"one\"\n\n\n";
    if (is_held) site.hold('b', {0, 1});
    site.list({later});
    site.manifest_fetched(true, true);
    const std::string next = is_held ? "need record x1" : "open s1 of b1 for 0-1 whole";
    CHECK(site.said() == "need record x1; drop unlisted; " + next);
    site.record_came(id);
    CHECK_FALSE(site.engine.listed(id)->record.is_given());
    if (!is_held) continue;
    CHECK(site.said().empty());
    site.record_came(id);
    CHECK(site.said() == "read b1 run 0-1 for 0-1");
  }
}

TEST_CASE("a record is read anew where the request for which it was read has gone") {
  ResourceFields fields = Host::file("/app.js", 5);
  fields.type = "text/javascript";
  Listed site({fields});
  site.open("/app.js");
  site.head_of(site.stream(1), 200, "etag\n\"one\"");
  site.bring(site.stream(1));
  const ExchangeId head = site.ask("HEAD", "/app.js", "bytes=0-1");
  site.list({fields});
  site.hold('a', {0, 1});
  site.manifest_fetched(true, true);
  site.reads_records = false;
  const ExchangeId script = site.open("/app.js", {}, {}, "script");
  const ExchangeId other = site.open("/app.js");
  site.said();
  site.passed(head, 200, "etag\n\"one\"\ncontent-type\ntext/plain");
  site.manifest_fetched(true, false);
  CHECK(site.requests.at(script.value).is_over);
  site.hear();
  site.said();
  site.record_came(script);
  CHECK(site.said() == "need record x4");
  site.record_came(other);
  CHECK(site.said() == "read b2 run 0-1 for 0-1");
}

TEST_CASE("a record that the store has in pieces, or of something else, harms nobody") {
  for (const char* each : {"", "\n", "1", "0\n\n\n\n", "\n\n\n\n\n\n\n", "1\na\nb\nc\nd"}) {
    CAPTURE(each);
    Listed site({Host::file("/a", 5)});
    site.hold('a', {0, 1});
    site.records[Host::text_of(Host::root_of('a')) + "?/a"] = each;
    const ExchangeId id = site.open("/a");
    site.read(site.body(1));
    CHECK(site.requests.at(id.value).is_over);
    CHECK(site.is_empty());
  }
}

// --- Types ---------------------------------------------------------------------------------------

TEST_CASE("what the store has under a type that a browser would block is left to the origin") {
  ResourceFields fields = Host::file("/app.js", 5);
  fields.type = "text/javascript";
  Listed site({fields});
  site.hold('a', {0, 1});
  site.reads_records = false;
  const ExchangeId id = site.open("/app.js", {}, {}, "script");
  CHECK(site.said() == "need record x1");
  site.records[site.key_of(id)] = stored_record("text/plain");
  site.record_came(id);
  CHECK(site.said() == "fall through x1; over x1");
}

TEST_CASE("the type under which the store has it at another path says nothing of this one") {
  ResourceFields fields = Host::file("/app.js", 5);
  fields.type = "text/javascript";
  Listed site({fields});
  site.hold('a', {0, 1});
  site.records[Host::text_of(Host::root_of('a')) + "?/app.txt"] = stored_record("text/plain");
  const ExchangeId id = site.open("/app.js", {}, {}, "script");
  site.read(site.body(1));
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
  host.engine.handle_store_begin(0, 0);
  host.open("/a");
  host.open("/other");
  host.wait(1h);
  CHECK(host.said().empty());
  host.list({Host::file("/a", 5)});
  host.engine.handle_manifest_loaded(ManifestFetch::other, host.wall + to_ms(host.now), {},
                                     host.now);
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
  host.engine.handle_manifest_loaded(ManifestFetch::other, host.wall, {}, host.now);
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
    // And nobody after it waits for the same.
    old.open("/a");
    CHECK(old.bodies.size() == 2);
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

TEST_CASE("where no manifest can be had nothing is listed, and the site is asked now and then") {
  for (const ManifestFetch came :
       {ManifestFetch::failed, ManifestFetch::unusable, ManifestFetch::malformed}) {
    CAPTURE(static_cast<int>(came));
    Site host;
    host.route({PluginKind::cache, PluginKind::network});
    host.engine.handle_manifest_loaded(ManifestFetch::failed, 0, {}, host.now);
    host.open("/a");
    CHECK(host.said() == "fetch manifest");
    host.is_fetching_manifest = false;
    host.engine.handle_manifest_fetched(came, host.wall, host.now);
    host.hear();
    CHECK(host.said().find("fall through x1; over x1") != std::string::npos);
    CHECK_FALSE(host.try_open("/a"));
    CHECK(host.said().empty());
    host.wait(limits::manifest_wait);
    CHECK_FALSE(host.try_open("/a"));
    CHECK(host.said() == "fetch manifest");
    host.list({Host::file("/a", 5)});
    host.manifest_fetched(true, true);
    CHECK(host.try_open("/a"));
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
  host.engine.handle_manifest_loaded(ManifestFetch::other, host.wall, {}, host.now);
  host.hear();
  host.open("/a");
  host.open("/b");
  CHECK(host.said() == "list store");
  host.engine.handle_store_listed(false, host.now);
  host.hear();
  CHECK(host.said() == "open s1 of b1 for 0-1 whole; open s2 of b2 for 0-1 whole");
  host.head(host.stream(1));
  host.bring(host.stream(1));
  // It is written all the same: where that fails too, that is told.
  CHECK(host.said() ==
        "open b1; respond x1 plugin 0 with b1; store b1 0-1; close s1; finish b1; over x1");
  CHECK(host.engine.handle_store_done({1}, Host::root_of('a'), {0, 1}, StoreOutcome::failed) ==
        Error::storage_full);
  host.open("/a");
  CHECK(host.said() == "list store; open s3 of b3 for 0-1 whole");
}

TEST_CASE("while the store is listed the record of a file that is one run says that it is held") {
  Site host;
  host.reads_records = false;
  host.route({PluginKind::cache, PluginKind::network});
  const double segment = limits::segment_bytes;
  host.list({Host::file("/a", segment), Host::file("/b", 5, 'b'),
             Host::file("/c", segment + 1, 'c'), Host::file("/d", 5, 'd')});
  host.engine.handle_store_begin(0, 0);
  host.engine.handle_manifest_loaded(ManifestFetch::other, host.wall, {}, host.now);
  host.hear();
  const ExchangeId a = host.open("/a"), b = host.open("/b");
  host.open("/c");
  CHECK(host.said() == "list store; need record x1; need record x2");
  host.engine.handle_record(a, Host::root_of('a'), "x\n", host.now);
  host.hear();
  CHECK(host.said() == "need list x1; read b1 run 0-16 for 0-16");
  // One that has no record waits on.
  host.engine.handle_record(b, Host::root_of('b'), "", host.now);
  host.hear();
  CHECK(host.said().empty());
  host.engine.handle_store_listed(true, host.now);
  host.hear();
  CHECK(host.said().find("open s1 of b2") != std::string::npos);
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
  site.engine.handle_store_begin(20 * 65536, 0);
  site.hold('a', {0, 10});
  site.hold('b', {0, 10});
  site.open("/a");
  List<Root> dropped;
  const Root b = Host::root_of('b');
  CHECK(site.engine.make_room(b, {0, 10}, false, dropped) == Error::storage_full);
  site.cancel(site.body(1));
  dropped.clear();
  CHECK(site.engine.make_room(b, {0, 10}, false, dropped) == Error::none);
  CHECK(dropped == List<Root>{Host::root_of('a')});
}

TEST_CASE("room for what the browser refused is made once, whoever made it") {
  Listed site({Host::file("/a", 655360, 'a'), Host::file("/b", 655360, 'b')},
              {PluginKind::network});
  site.hold('a', {0, 10});
  List<Root> dropped;
  CHECK(site.engine.make_room(Host::root_of('b'), {0, 10}, false, dropped) == Error::none);
  CHECK(dropped.empty());
  CHECK(site.engine.make_room(Host::root_of('b'), {0, 10}, true, dropped) == Error::none);
  CHECK(dropped == List<Root>{Host::root_of('a')});
}

TEST_CASE("a store that is full is told of once, until something is stored again") {
  Listed site({Host::file("/a", 5)});
  const auto done = [&site](char digit, StoreOutcome outcome) {
    return site.engine.handle_store_done({}, Host::root_of(digit), {0, 1}, outcome);
  };
  CHECK(done('a', StoreOutcome::failed) == Error::storage_full);
  CHECK(done('a', StoreOutcome::full) == Error::none);
  CHECK(done('b', StoreOutcome::full) == Error::none);
  CHECK(done('b', StoreOutcome::stored) == Error::none);
  CHECK(done('b', StoreOutcome::full) == Error::storage_full);
}

TEST_CASE("of one file storage-full is told once, though some of it fits") {
  Listed site({Host::file("/a", 5)});
  const auto done = [&site](PieceRange run, StoreOutcome outcome) {
    return site.engine.handle_store_done({}, Host::root_of('a'), run, outcome);
  };
  CHECK(done({0, 16}, StoreOutcome::full) == Error::storage_full);
  CHECK(done({16, 17}, StoreOutcome::stored) == Error::none);
  CHECK(done({17, 33}, StoreOutcome::full) == Error::none);
}

TEST_CASE("what a page stores makes others go, where the manifest says which") {
  Site host;
  host.route({PluginKind::network});
  host.engine.handle_store_begin(10 * 65536, 0);
  host.stored('a', {0, 10});
  CHECK(host.said().empty());
  // Of what no manifest lists a run takes a segment.
  host.list({Host::file("/a", 5)});
  host.engine.handle_manifest_loaded(ManifestFetch::other, host.wall, {}, host.now);
  host.hear();
  CHECK(host.said().empty());
  host.stored('a', {10, 12});
  CHECK(host.said() == "make room");
}

TEST_CASE("pages are told why the worker answers nothing, when that changes") {
  Site host;
  host.route({PluginKind::network});
  host.engine.handle_manifest_loaded(ManifestFetch::failed, 0, {}, host.now);
  host.hear();
  CHECK(host.said().empty());
  host.engine.fetch_manifest(host.now);
  host.hear();
  CHECK(host.said() == "fetch manifest");
  host.engine.handle_manifest_fetched(ManifestFetch::unusable, host.wall, host.now);
  host.is_fetching_manifest = false;
  host.hear();
  CHECK(host.said() == "announce no-manifest");
  host.hello({1});
  CHECK(host.said() == "announce no-manifest");
  host.engine.handle_script_ran();
  CHECK(host.engine.handle_registered() == Error::registered_late);
  host.hear();
  CHECK(host.said() == "announce registered-late");
}
