#include "http/exchange.hpp"

#include <doctest/doctest.h>

#include <initializer_list>
#include <string>

#include "base/limits.hpp"
#include "site.hpp"

using namespace peer_cdn;
using namespace std::chrono_literals;

namespace {

constexpr auto user = PluginKind::user;
constexpr auto cache = PluginKind::cache;
constexpr auto delegate = PluginKind::delegate;
constexpr auto network = PluginKind::network;

constexpr PageId page{7};

// The page was told that somebody has the file of root a..., or that nobody has anything.
void tell_present(Site& site, bool known) {
  site.hello(page);
  List<Mark> marks;
  if (known) marks.push_back(mark_of(Host::root_of('a')));
  site.engine.pages().handle_present(page, marks, marks.size());
  site.said();
}

// The digest list and the head of the first stream. What was said of the head.
std::string answer_first(Site& site, ExchangeId id) {
  site.list_came(id);
  site.said();
  site.head(site.stream(1));
  return site.said();
}

}  // namespace

// --- The chain -----------------------------------------------------------------------------------

TEST_CASE("what the store has is read, and nobody else is asked") {
  Site site({cache, delegate, network}, file_of(4));
  tell_present(site, true);
  site.hold('a', {0, 4});
  const ExchangeId id = site.open("/f");
  CHECK(site.said() == "need list x1; read b1 run 0-4 for 0-4");
  site.list_came(id);
  site.read(site.body(1));
  CHECK(site.said() ==
        "open b1; respond x1 plugin 0 with b1; close b1 job 1; finish b1; over x1; drop unlisted");
  CHECK(site.counts == "262144 cache, 0 peers, 0 origin, 0 wasted");
  CHECK(site.is_empty());
}

TEST_CASE("what nobody has comes from the origin in one request, and is stored") {
  Site site({cache, delegate, network}, file_of(4));
  const ExchangeId id = site.open("/f");
  CHECK(site.said() == "open s1 of b1 for 0-4 whole; need list x1");
  site.list_came(id);
  site.head(site.stream(1));
  site.bring(site.stream(1));
  CHECK(site.said() ==
        "open b1; respond x1 plugin 2 with b1; store b1 0-4; close s1; finish b1; over x1; "
        "drop unlisted");
  CHECK(site.counts == "0 cache, 0 peers, 262144 origin, 0 wasted");
  CHECK(site.is_empty());
}

TEST_CASE("reload asks the origin, past all that is held, and stores what comes") {
  for (const bool is_held : {true, false}) {
    Site site({cache, delegate, network}, file_of(4));
    tell_present(site, true);
    if (is_held) site.hold('a', {0, 4});
    site.asks.fields.cache = "reload";
    const ExchangeId id = site.open("/f");
    CHECK(site.said() == "open s1 of b1 for 0-4 whole; need list x1");
    answer_first(site, id);
    site.bring(site.stream(1));
    CHECK(site.said().find("store b1 0-4") != std::string::npos);
    CHECK(site.counts == "0 cache, 0 peers, 262144 origin, 0 wasted");
    CHECK(site.is_empty());
  }
}

TEST_CASE("no-store may come from peers, but not from what is held, and nothing of it is stored") {
  Site site(List<Plugin>{{cache}, {delegate, {}, 1}, {network}}, file_of(4));
  tell_present(site, true);
  site.asks.fields.cache = "no-store";
  const ExchangeId first = site.open("/f");
  CHECK(site.said() == "ask page 7 of b1 for 0-4");
  site.page_end(site.body(1), Error::nobody_has_it);
  CHECK(site.said() ==
        "close b1 job 1; break b1 nobody-has-it; open s1 of b2 for 0-4 whole; need list x1");
  answer_first(site, first);
  site.bring(site.stream(1));
  CHECK(site.said().find("store") == std::string::npos);
  site.hold('a', {0, 4});
  site.open("/f");
  CHECK(site.said().find("open s2 of b3 for 0-4 whole") != std::string::npos);
}

TEST_CASE("what brings something to be stored holds the worker, and nothing else does") {
  const auto holds = [](bool is_held, const char* mode) {
    Site site({cache, network}, file_of(1));
    if (is_held) site.hold('a', {0, 1});
    site.asks.fields.cache = mode;
    site.open("/f");
    if (is_held) {
      site.read(site.body(1));
    } else {
      site.head(site.stream(1));
      site.bring(site.stream(1));
    }
    REQUIRE(site.said().find("respond x1") != std::string::npos);
    return site.holds;
  };
  CHECK(holds(false, "default"));
  CHECK_FALSE(holds(false, "no-store"));
  CHECK_FALSE(holds(true, "default"));
}

TEST_CASE("a put() of a request that reloads gets what was stored") {
  Site site({user, network}, file_of(4));
  site.asks.fields.cache = "reload";
  const ExchangeId id = site.open("/f");
  site.answer(id, 0, false);
  answer_first(site, id);
  site.bring(site.stream(1));
  CHECK(site.said().find("read b2 run 0-4 for 0-4") != std::string::npos);
}

TEST_CASE("of a range only the pieces that hold it are asked for, and only its bytes passed on") {
  Site site({network}, file_of(4));
  const ExchangeId id = site.open("/f", "bytes=65530-65539");
  CHECK(site.said() == "open s1 of b1 for 0-2; need list x1");
  answer_first(site, id);
  site.bring(site.stream(1));
  CHECK(site.counts == "0 cache, 0 peers, 10 origin, 0 wasted");
  CHECK(site.is_empty());
}

TEST_CASE("middlewares of the site's are asked in order, and their answer goes to the page") {
  Site site({user, user, network}, file_of(1));
  const ExchangeId id = site.open("/other");
  CHECK(site.said() == "ask x1 plugin 0");
  CHECK(site.answer(id, 0, false));
  CHECK(site.said() == "ask x1 plugin 1");
  CHECK(site.answer(id, 1, true));
  CHECK(site.said() == "respond x1 plugin 1; put x1 plugin 1; put x1 plugin 0; over x1");
  // What comes later is nobody's.
  CHECK_FALSE(site.answer(id, 0, true));
  CHECK_FALSE(site.answer(id, 9, true));
  CHECK(site.said().empty());
  CHECK(site.is_empty());
}

TEST_CASE(
    "a middleware that never answers is given up in time, and what it gives then is nobody's") {
  Site site({user, network}, file_of(1));
  const ExchangeId id = site.open("/other");
  site.wait(limits::plugin_wait - 1us);
  CHECK(site.said() == "ask x1 plugin 0");
  site.wait(1us);
  CHECK(site.said() == "give up x1 plugin 0; through x1 plugin 1");
  CHECK(site.answer(id, 1, true));
  CHECK(site.said() == "respond x1 plugin 1; put x1 plugin 0; over x1");
  CHECK_FALSE(site.answer(id, 0, true));
  CHECK(site.is_empty());
}

TEST_CASE("a middleware that answers under a number that the route has not is not heard") {
  Site site({user}, file_of(1));
  const ExchangeId id = site.open("/f");
  CHECK_FALSE(site.answer(id, 1, true));
  CHECK_FALSE(site.answer({id.value + 100}, 0, true));
  CHECK(site.answer(id, 0, false));
  CHECK(site.said() == "ask x1 plugin 0; fall through x1; over x1");
  CHECK(site.is_empty());
}

TEST_CASE(
    "the network's answer to what is not listed is passed on; without one, as nobody gave any") {
  for (const bool is_there : {true, false}) {
    CAPTURE(is_there);
    Site site({user, network}, file_of(1));
    const ExchangeId id = site.open("/other");
    site.answer(id, 0, false);
    CHECK(site.said() == "ask x1 plugin 0; through x1 plugin 1");
    site.answer(id, 1, is_there);
    CHECK(site.said() == (is_there ? "respond x1 plugin 1; put x1 plugin 0; over x1"
                                   : "fall through x1; over x1"));
    CHECK(site.is_empty());
  }
}

TEST_CASE("fastest: all are asked, the first one answers, and the others are broken off") {
  Site site({delegate, network}, file_of(40), Strategy::fastest);
  tell_present(site, true);
  const ExchangeId id = site.open("/f");
  CHECK(site.said() ==
        "ask page 7 of b1 for 0-40; open s1 of b2 for 0-40 whole remade; need list x1");
  SUBCASE("peers") {
    site.page_piece(site.body(1), 0);
    CHECK(site.said() == "open b1; respond x1 plugin 0 with b1; close s1; break b2 cancelled");
    site.cancel(site.body(1));
  }
  SUBCASE("the network") {
    CHECK(answer_first(site, id) ==
          "open b2; respond x1 plugin 1 with b2; close b1 job 1; break b1 cancelled");
    site.cancel(site.body(2));
  }
  CHECK(site.is_empty());
}

// --- Peers and the network -----------------------------------------------------------------------

TEST_CASE("what somebody has comes from peers alone, as long as they begin in time") {
  Site site({cache, delegate, network}, file_of(40));
  tell_present(site, true);
  site.open("/f");
  CHECK(site.said() == "ask page 7 of b1 for 0-40");
  site.page_alive(site.body(1));
  site.page_pending(site.body(1), true);
  site.page_piece(site.body(1), 0);
  CHECK(site.said() == "open b1; respond x1 plugin 1 with b1");
  for (PieceIndex piece = 1; piece < 40; ++piece) {
    site.pull(site.body(1), limits::stream_bytes);
    site.page_piece(site.body(1), piece);
  }
  site.pull(site.body(1), limits::stream_bytes);
  CHECK(site.said() == "close b1 job 1; finish b1; over x1; drop unlisted");
  CHECK(site.counts == "0 cache, 2621440 peers, 0 origin, 0 wasted");
  CHECK(site.is_empty());
}

TEST_CASE("an origin that is to be left alone is not asked by a page either, only its peers are") {
  Site site({delegate, network}, file_of(40));
  tell_present(site, true);
  // What it said to a request of the page's own.
  const ExchangeId own = site.open("/f", "bytes=0-0,2-2");
  site.said();
  site.passed(own, 502, "");
  site.answer(own, 0, true);
  site.said();
  site.open("/f");
  CHECK(site.said() == "ask page 7 of b1 for 0-40");
  CHECK(site.terms.slower == 0);
  site.page_end(site.body(1), Error::nobody_has_it);
  CHECK(site.said() ==
        "close b1 job 1; break b1 nobody-has-it; through x2 plugin 1 own listed; drop unlisted");
}

TEST_CASE("peers that take long: the network joins their body, and they go on where it is") {
  Site site({cache, delegate, network}, file_of(40));
  tell_present(site, true);
  const ExchangeId id = site.open("/f");
  site.page_alive(site.body(1));
  site.page_pending(site.body(1), false);
  CHECK(site.said() == "ask page 7 of b1 for 0-40");
  site.wait(site.terms.patience + limits::hedge_delay);
  CHECK(site.said() == "open s1 of b1 for 0-4; need list x1");
  answer_first(site, id);
  site.bring(site.stream(1), 1);
  // The delegate's own get is answered first: it is the one whose body it is.
  CHECK(site.said() == "open b1; respond x1 plugin 1 with b1");
  SUBCASE("they begin behind it") {
    site.page_piece(site.body(1), 0, PieceSource::peers, 1000);
    CHECK(site.said() == "close b1 job 1; ask page 7 of b1 for 4-40");
    site.bring(site.stream(1));
    for (PieceIndex piece = 4; piece < 40; ++piece) {
      site.pull(site.body(1), limits::mib);
      site.page_piece(site.body(1), piece);
    }
    CHECK(site.counts == "0 cache, 2359296 peers, 262144 origin, 66536 wasted");
  }
  SUBCASE("they give nothing") {
    site.page_end(site.body(1), Error::peer_gone);
    CHECK(site.said() == "close b1 job 1; open s2 of b1 for 4-40");
    site.bring(site.stream(1));
    site.head(site.stream(2));
    site.pull(site.body(1), 4 * limits::mib);
    site.bring(site.stream(2));
    CHECK(site.counts == "0 cache, 0 peers, 2621440 origin, 0 wasted");
  }
  CHECK(site.is_empty());
}

TEST_CASE(
    "peers and the origin gave nothing to the body that both were asked for: it is passed on") {
  Site site({delegate, network}, file_of(40));
  tell_present(site, true);
  const ExchangeId id = site.open("/f");
  site.page_alive(site.body(1));
  site.page_pending(site.body(1), false);
  site.wait(10s);
  site.head(site.stream(1), 400);
  site.said();
  site.page_end(site.body(1), Error::peer_gone);
  // It said 400 to a range, which says little of the whole.
  CHECK(site.said() ==
        "close b1 job 1; break b1 origin-unusable; report x1 origin-unusable; through x1 "
        "plugin 1 own listed; keep manifest; drop unlisted");
  site.answer(id, 1, true);
  CHECK(site.said() == "respond x1 plugin 1; over x1");
  CHECK(site.is_empty());
}

TEST_CASE("what nobody is known to have is asked of a page and of the origin at once") {
  Site site({delegate, network}, file_of(160));
  tell_present(site, false);
  const ExchangeId id = site.open("/f");
  CHECK(site.said() == "ask page 7 of b1 for 0-160; open s1 of b1 for 0-128; need list x1");
  answer_first(site, id);
  site.bring(site.stream(1), 6);
  site.page_end(site.body(1), Error::nobody_has_it);
  CHECK(site.said() == "open b1; respond x1 plugin 0 with b1; store b1 0-4; close b1 job 1");
  SUBCASE("company comes: the long answer is cut, and a page shares the rest") {
    site.company('a');
    CHECK(site.said() == "store b1 4-6; close s1; ask page 7 of b1 for 6-160");
    site.company('a');
    CHECK(site.said().empty());
    site.page_piece(site.body(1), 6);
    site.pull(site.body(1), limits::mib);
    site.cancel(site.body(1));
    CHECK(site.counts == "0 cache, 65536 peers, 393216 origin, 0 wasted");
  }
  SUBCASE("company of another file changes nothing") {
    site.company('b');
    CHECK(site.said().empty());
    site.cancel(site.body(1));
  }
  CHECK(site.is_empty());
}

TEST_CASE("an origin that does not answer holds nobody up whose peers have come to have it") {
  Site site({delegate, network}, file_of(160));
  tell_present(site, false);
  site.open("/f");
  site.page_end(site.body(1), Error::nobody_has_it);
  site.said();
  site.company('a');
  CHECK(site.said() == "ask page 7 of b1 for 4-160");
  site.page_alive(site.body(1));
  site.wait(limits::hedge_delay);
  CHECK(site.said() == "close b1 job 3; ask page 7 of b1 for 0-160");
  site.page_piece(site.body(1), 0);
  CHECK(site.said() == "close s1; open b1; respond x1 plugin 0 with b1");
  site.cancel(site.body(1));
  CHECK(site.counts == "0 cache, 65536 peers, 0 origin, 0 wasted");
  CHECK(site.is_empty());
}

TEST_CASE("a delegate that takes longer than it may is given up, and the network begins") {
  Site site(List<Plugin>{{delegate, 500ms}, {network}}, file_of(40));
  tell_present(site, true);
  const ExchangeId id = site.open("/f");
  site.page_alive(site.body(1));
  site.wait(499ms);
  CHECK(site.said() == "ask page 7 of b1 for 0-40");
  site.wait(1ms);
  CHECK(site.said() ==
        "close b1 job 1; break b1 cancelled; open s1 of b2 for 0-40 whole remade; need list x1");
  CHECK(answer_first(site, id) == "open b2; respond x1 plugin 1 with b2");
  site.cancel(site.body(2));
  CHECK(site.is_empty());
}

TEST_CASE("a delegate's time is no bound once it has begun, or once the network has joined it") {
  SUBCASE("begun") {
    Site site(List<Plugin>{{delegate, 500ms}, {network}}, file_of(40));
    tell_present(site, true);
    site.open("/f");
    site.page_piece(site.body(1), 0);
    site.said();
    site.wait(5s);
    CHECK(site.said().empty());
    site.cancel(site.body(1));
    CHECK(site.is_empty());
  }
  SUBCASE("joined") {
    Site site(List<Plugin>{{delegate, 5s}, {network}}, file_of(40));
    tell_present(site, true);
    site.open("/f");
    site.page_alive(site.body(1));
    site.page_pending(site.body(1), false);
    site.wait(4s);
    CHECK(site.said() == "ask page 7 of b1 for 0-40; open s1 of b1 for 0-4; need list x1");
    site.wait(2s);
    CHECK(site.said().empty());
    site.page_piece(site.body(1), 0);
    site.cancel(site.body(1));
    CHECK(site.is_empty());
  }
}

TEST_CASE("a small response is asked of both now and then, and whoever begins answers") {
  Site site({delegate, network}, file_of(2));
  tell_present(site, true);
  const ExchangeId first = site.open("/f");
  CHECK(site.said() ==
        "ask page 7 of b1 for 0-2; open s1 of b1 for 0-2 whole remade; need list x1");
  answer_first(site, first);
  site.bring(site.stream(1));
  CHECK(site.is_empty());
  site.said();
  site.list(file_of(2));
  site.open("/f");
  CHECK(site.said().find("ask page") == std::string::npos);
}

// --- Pages ---------------------------------------------------------------------------------------

TEST_CASE("a long response waits for a hello that may be on its way, and no longer") {
  Site site({delegate, network}, file_of(40));
  site.engine.pages().handle_start(site.now);
  const ExchangeId id = site.open("/f");
  CHECK(site.said().empty());
  SUBCASE("it comes") {
    site.wait(limits::ack_wait - 1us);
    site.hello(page);
    // By all that was told until then nobody has it.
    CHECK(site.said() == "ask page 7 of b1 for 0-40; open s1 of b1 for 0-40 whole; need list x1");
    site.page_piece(site.body(1), 0);
    site.cancel(site.body(1));
  }
  SUBCASE("it does not: nobody keeps the worker alive") {
    site.wait(limits::ack_wait);
    CHECK(site.said() == "through x1 plugin 1 own listed");
    site.answer(id, 1, true);
    CHECK(site.said() == "respond x1 plugin 1; over x1");
  }
  CHECK(site.is_empty());
}

TEST_CASE(
    "a long response of the store that no page attends is given where nobody else gives any") {
  Site site({cache, network}, file_of(40));
  site.hold('a', {0, 40});
  const ExchangeId id = site.open("/f");
  CHECK(site.said() == "through x1 plugin 1 own listed");
  SUBCASE("the network gives it") {
    site.answer(id, 1, true);
    CHECK(site.said() == "respond x1 plugin 1; over x1");
  }
  SUBCASE("the network fails") {
    site.answer(id, 1, false);
    CHECK(site.said() == "need list x1; read b1 run 0-40 for 0-16");
    site.cancel(site.body(1));
  }
  CHECK(site.is_empty());
}

TEST_CASE("a short response does not wait for a page") {
  Site site({network}, file_of(2));
  site.engine.pages().handle_start(site.now);
  const ExchangeId id = site.open("/f");
  CHECK(site.said() == "open s1 of b1 for 0-2 whole; need list x1");
  answer_first(site, id);
  site.bring(site.stream(1));
  CHECK(site.is_empty());
}

// --- get() of a middleware of the site's ---------------------------------------------------------

TEST_CASE("a middleware calls get() of ours, and gives its response") {
  Site site({user}, file_of(8));
  const ExchangeId id = site.open("/f");
  site.get(id, {network});
  CHECK(site.said() == "ask x1 plugin 0; open s1 of b1 for 0-8 whole; need list x1");
  CHECK(answer_first(site, id) == "open b1; settle g1 with b1");
  site.bring(site.stream(1), 1);
  CHECK(site.answer(id, 0, true, site.body(1)));
  CHECK(site.said() == "respond x1 plugin 0 with b1");
  site.pull(site.body(1), limits::mib);
  site.bring(site.stream(1));
  // Its own put() gets what was stored.
  CHECK(site.said() == "store b1 0-8; close s1; finish b1; read b2 run 0-8 for 0-8");
  site.pull(site.body(2), limits::mib);
  site.read(site.body(2));
  CHECK(site.said() ==
        "open b2; put x1 plugin 0 with b2; close b2 job 1; finish b2; over x1; drop unlisted");
  CHECK(site.is_empty());
}

TEST_CASE("a middleware that gives a response of ours when all of it came is put to all the same") {
  Site site({user}, file_of(1));
  const ExchangeId id = site.open("/f");
  site.get(id, {network});
  site.head(site.stream(1));
  site.bring(site.stream(1));
  site.said();
  site.wait(limits::plugin_wait - 1us);
  CHECK(site.answer(id, 0, true, site.body(1)));
  CHECK(site.said() == "respond x1 plugin 0 with b1; read b2 run 0-1 for 0-1");
  site.read(site.body(2));
  CHECK(site.said() == "open b2; close b2 job 1; finish b2; put x1 plugin 0 with b2; over x1");
  CHECK(site.is_empty());
}

TEST_CASE("a get() after the exchange is over says nothing") {
  Site site({user}, file_of(2));
  const ExchangeId id = site.open("/f");
  site.answer(id, 0, true);
  CHECK(site.said() == "ask x1 plugin 0; respond x1 plugin 0; put x1 plugin 0; over x1");
  for (const PluginKind kind : {cache, delegate, network}) {
    CHECK(site.get(id, {kind}) == GetId{});
  }
  CHECK(site.said().empty());
}

TEST_CASE("a middleware's get() of the delegate asks a page, on a route without a delegate too") {
  Site site({user}, file_of(40));
  tell_present(site, true);
  const ExchangeId id = site.open("/f");
  site.get(id, {delegate});
  CHECK(site.said() == "ask x1 plugin 0; ask page 7 of b1 for 0-40");
  site.page_end(site.body(1), Error::nobody_has_it);
  CHECK(site.said() ==
        "close b1 job 1; break b1 nobody-has-it; settle g1 with null; drop unlisted");
  site.answer(id, 0, false);
  CHECK(site.said() == "fall through x1; over x1");
  CHECK(site.is_empty());
}

TEST_CASE("a get() that can give nothing is null, and the network's is passed on") {
  struct Case {
    const char* path;
    PluginKind kind;
    const char* said;
  };
  const Case cases[] = {
      {"/f", cache, "settle g1 with null"},     {"/f", delegate, "settle g1 with null"},
      {"/other", cache, "settle g1 with null"}, {"/other", delegate, "settle g1 with null"},
      {"/other", network, "through x1 g1"},
  };
  for (const Case& each : cases) {
    Site site({user}, file_of(2));
    const ExchangeId id = site.open(each.path);
    site.said();
    site.get(id, {each.kind});
    CHECK(site.said() == each.said);
    site.answer(id, 0, true);
    CHECK(site.said() == "respond x1 plugin 0; put x1 plugin 0; over x1");
    CHECK(site.is_empty());
  }
}

TEST_CASE("the origin's refusal is the result of a get()") {
  Site site({user}, file_of(2));
  const ExchangeId id = site.open("/f");
  site.get(id, {network});
  site.said();
  site.head(site.stream(1), 403);
  CHECK(site.said() ==
        "pass s1 as b1; report x1 origin-unusable; settle g1 with b1; keep manifest; drop "
        "unlisted");
  site.answer(id, 0, true);
  CHECK(site.said() == "respond x1 plugin 0; put x1 plugin 0; over x1");
  CHECK(site.is_empty());
}

TEST_CASE(
    "a refusal is the result of all gets that have joined, and the last one's is the original") {
  Site site({user, network}, file_of(1));
  tell_present(site, true);
  const ExchangeId id = site.open("/f");
  site.get(id, {delegate, {}, 1});
  site.get(id, {network});
  CHECK(site.said() ==
        "ask x1 plugin 0; ask page 7 of b1 for 0-1; open s1 of b1 for 0-1 whole remade");
  SUBCASE("two of a middleware's") {
    site.head(site.stream(1), 429);
    site.page_end(site.body(1), Error::nobody_has_it);
    CHECK(site.said() ==
          "close b1 job 1; pass s1 as b1; report x1 origin-unreachable; settle g1 with b1 "
          "copied; settle g2 with b1; drop unlisted");
    site.answer(id, 0, true);
  }
  SUBCASE("and the chain's") {
    site.answer(id, 0, false);
    site.head(site.stream(1), 429);
    site.page_end(site.body(1), Error::nobody_has_it);
    CHECK(site.said() ==
          "close b1 job 1; pass s1 as b1; report x1 origin-unreachable; settle g1 with b1 "
          "copied; settle g2 with b1 copied; respond x1 plugin 1 with b1; put x1 plugin 0; over "
          "x1; drop unlisted");
  }
  CHECK(site.is_empty());
}

// --- put() ---------------------------------------------------------------------------------------

TEST_CASE("a put() gets what was passed on, read back from the store") {
  Site site({user, user, network}, file_of(4));
  const ExchangeId id = site.open("/f");
  site.answer(id, 0, false);
  site.answer(id, 1, false);
  answer_first(site, id);
  site.bring(site.stream(1));
  CHECK(site.said() ==
        "store b1 0-4; close s1; finish b1; read b2 run 0-4 for 0-4; read b3 run 0-4 for 0-4");
  site.read(site.body(2));
  site.read(site.body(3));
  CHECK(site.said() ==
        "open b2; put x1 plugin 1 with b2; close b2 job 1; finish b2; "
        "open b3; put x1 plugin 0 with b3; close b3 job 1; finish b3; over x1; drop unlisted");
  CHECK(site.is_empty());
}

namespace {

// A file of which peers gave the body of a route whose first plugin is the site's; all was passed
// on.
struct Given : Site {
  Given() : Site({user, delegate}, file_of(20)) {
    tell_present(*this, true);
    answer(open("/f"), 0, false);
    for (PieceIndex piece = 0; piece < 20; ++piece) {
      page_piece(body(1), piece);
      pull(body(1), limits::mib);
    }
    said();
  }
};

}  // namespace

TEST_CASE("a put() of what came from peers waits until their page has stored it") {
  Given site;
  site.stored('a', {0, 16});
  CHECK(site.said() == "release");
  site.stored('a', {16, 20});
  CHECK(site.said() == "release; need list x1; read b2 run 0-16 for 0-16");
  CHECK_FALSE(site.is_empty());
  site.list_came(ExchangeId{site.requests.begin()->first});
  site.pull(site.body(2), 4 * limits::mib);
  site.read(site.body(2));
  site.read(site.body(2));
  CHECK(site.counts == "1310720 cache, 0 peers, 0 origin, 0 wasted");
  CHECK(site.is_empty());
}

TEST_CASE("a put() of what is never stored does not come, and the exchange is over in time") {
  Given site;
  site.stored('a', {0, 16});
  site.said();
  site.wait(limits::put_held_wait - 1us);
  CHECK(site.said().empty());
  site.wait(1us);
  CHECK(site.said() == "over x1");
  CHECK(site.is_empty());
}

TEST_CASE("a put() of a body that breaks off does not come") {
  Site site({user, network}, file_of(20));
  site.hello(page);
  const ExchangeId id = site.open("/f");
  site.answer(id, 0, false);
  answer_first(site, id);
  site.bring(site.stream(1), 2);
  site.cancel(site.body(1));
  CHECK(site.said() == "store b1 0-2; close s1; break b1 cancelled; over x1; drop unlisted");
  CHECK(site.is_empty());
}

// --- The origin's own answer ---------------------------------------------------------------------

TEST_CASE("a refusal goes to each of its readers untouched, and the last one gets the original") {
  Site site({network}, file_of(4));
  site.open("/f");
  site.open("/f");
  CHECK(site.said() == "open s1 of b1 for 0-4 whole; need list x1");
  site.head(site.stream(1), 403);
  CHECK(site.said() ==
        "pass s1 as b1 shared; report x1 origin-unusable; pass s1 as b2; respond x1 plugin 0 "
        "with b1; over x1; respond x2 plugin 0 with b2; over x2; keep manifest; drop unlisted");
  CHECK(site.is_empty());
}

TEST_CASE("a refusal that one reader does not need any more is there for the other") {
  Site site({delegate, network}, file_of(40));
  tell_present(site, false);
  site.open("/f");
  site.open("/f");
  site.said();
  site.head(site.stream(1), 429);
  CHECK(site.said().empty());  // peers may come yet
  site.page_piece(site.body(1), 0);
  CHECK(site.said() == "open b1; respond x1 plugin 0 with b1");
  site.page_end(site.body(2), Error::nobody_has_it);
  CHECK(site.said().find("pass s1 as b2; ") != std::string::npos);
  site.cancel(site.body(1));
  CHECK(site.is_empty());
}

TEST_CASE(
    "an origin that cannot be reached: the request goes on by itself, and may fail as it would") {
  Site site({network}, file_of(4));
  const ExchangeId id = site.open("/f");
  site.stream_end(site.stream(1), Error::origin_unreachable);
  CHECK(
      site.said() ==
      "open s1 of b1 for 0-4 whole; need list x1; close s1; break b1 origin-unreachable; report x1 "
      "origin-unreachable; through x1 plugin 0 own listed; drop unlisted");
  site.answer(id, 0, false);
  CHECK(site.said() == "fall through x1; over x1");
  CHECK(site.is_empty());
}

TEST_CASE("bodies share an answer only where their pages asked in the same manner") {
  Site site({network}, file_of(4));
  site.open("/f");
  CHECK(site.said() == "open s1 of b1 for 0-4 whole; need list x1");
  site.asks.manner = "omit";
  site.open("/f");
  CHECK(site.said() == "open s2 of b2 for 0-4 whole");
  site.open("/f");
  CHECK(site.said() == "");
  site.asks.manner = {};
  site.open("/f");
  CHECK(site.said() == "");
}
