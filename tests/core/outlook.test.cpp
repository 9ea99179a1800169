#include "http/outlook.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace peer_cdn;
using namespace std::chrono_literals;

namespace {

constexpr Instant at(Duration time) {
  return Instant(time);
}

// A response of so many bytes on the documented route, where the network may help peers out.
Wish wish_of(std::uint64_t bytes, double patience = limits::patience) {
  Wish wish;
  wish.bytes = bytes;
  wish.patience = patience;
  wish.is_hedged = true;
  return wish;
}

Wish unknown(Wish wish) {
  wish.known = false;
  return wish;
}

Wish alone(Wish wish) {
  wish.is_hedged = false;
  return wish;
}

// The network begins after 20 ms, connected peers after `first`; both bring 10 MB/s.
Outlook with_peers(Duration first) {
  Outlook outlook;
  outlook.handle_warm(true);
  for (Estimate* each : {&outlook.network(), &outlook.peers()}) {
    each->handle_first(each == &outlook.network() ? Duration(20ms) : first, at(0ms));
    each->handle_body(limits::mib, at(0ms), at(100ms));
  }
  return outlook;
}

Outlook cold() {
  return {};
}

Outlook sooner() {
  return with_peers(15ms);
}

Outlook later() {
  return with_peers(300ms);
}

// Sooner by what was measured, but the page has no pair open any more.
Outlook parted() {
  Outlook outlook = sooner();
  outlook.handle_warm(false);
  return outlook;
}

}  // namespace

TEST_CASE("what is large is asked of peers, what is small only where they are known to be sooner") {
  constexpr std::uint64_t small = limits::small_bytes;
  constexpr std::uint64_t large = limits::small_bytes + 1;
  struct Case {
    std::string name;
    Outlook (*outlook)();
    Wish wish;
    bool first;   // the first time
    bool second;  // and a moment later
  };
  const Case cases[] = {
      {"large", cold, wish_of(large), true, true},
      {"large, and nobody is known to have it", cold, unknown(wish_of(large)), true, true},
      {"small, nothing is known: a probe", cold, wish_of(small), true, false},
      {"small, peers are sooner", sooner, wish_of(1000), true, true},
      {"small, peers are later: a probe", later, wish_of(1000), true, false},
      {"small, the pair is closed: a probe", parted, wish_of(1000), true, false},
      {"small, and nobody is known to have it", sooner, unknown(wish_of(1000)), false, false},
      {"the same with all patience", cold, unknown(wish_of(1000, 1e300)), false, false},
      {"small, with a patience of 1", later, wish_of(1000, 1), true, true},
      {"small, with a patience below 1", later, wish_of(1000, 0.99), true, false},
      {"small, and no network behind it", later, alone(wish_of(1000)), true, true},
  };
  for (const Case& each : cases) {
    CAPTURE(each.name);
    Outlook outlook = each.outlook();
    CHECK(outlook.asks_peers(each.wish, at(0ms)) == each.first);
    CHECK(outlook.asks_peers(each.wish, at(1ms)) == each.second);
  }
}

TEST_CASE("a probe is made now and then, and large or patient responses are none") {
  Outlook outlook = later();
  CHECK(outlook.asks_peers(wish_of(10 * limits::mib), at(0ms)));
  CHECK(outlook.asks_peers(wish_of(1000, 1), at(0ms)));
  CHECK(outlook.asks_peers(wish_of(1000), at(10ms)));
  CHECK_FALSE(outlook.asks_peers(wish_of(1000), at(20ms)));
  CHECK_FALSE(outlook.asks_peers(wish_of(1000), at(10ms + limits::probe_wait - 1us)));
  CHECK(outlook.asks_peers(wish_of(1000), at(10ms + limits::probe_wait)));
}

TEST_CASE("a gallery is asked of whoever has less to bring") {
  Outlook outlook = with_peers(25ms);
  Wish wish = wish_of(100000);
  CHECK(outlook.asks_peers(wish, at(0ms)));  // a probe
  CHECK_FALSE(outlook.asks_peers(wish, at(1ms)));
  wish.before_of_network = 100000;
  CHECK(outlook.asks_peers(wish, at(2ms)));
  wish.before_of_peers = 100000;
  CHECK_FALSE(outlook.asks_peers(wish, at(3ms)));
}

TEST_CASE("the network waits for a page's word only where peers are worth waiting for") {
  struct Case {
    std::string name;
    Wish wish;
    bool waits;
  };
  const Case cases[] = {
      {"large", wish_of(10 * limits::mib), true},
      {"large, without patience", wish_of(10 * limits::mib, 0), true},
      {"large, and nobody is known to have it", unknown(wish_of(10 * limits::mib)), false},
      {"the same with patience", unknown(wish_of(10 * limits::mib, 1)), true},
      {"small", wish_of(1000), false},
      {"small, with patience", wish_of(1000, 1), true},
  };
  for (const Case& each : cases) {
    CAPTURE(each.name);
    CHECK(Outlook::waits_for_word(each.wish) == each.waits);
  }
}

TEST_CASE("how long the network is held back") {
  const Duration small = sooner().network().expected(1000);
  struct Case {
    std::string name;
    Outlook (*outlook)();
    Wish wish;
    Duration wait;
  };
  const Case cases[] = {
      {"small, nothing is known", cold, wish_of(100000), 0ms},
      {"small, peers are later", later, wish_of(100000), 0ms},
      {"small, the pair is closed", parted, wish_of(1000), 0ms},
      {"small, peers are sooner: as long as the network would take", sooner, wish_of(1000), small},
      {"small, with patience", later, wish_of(1000, 3), 3 * small},
      {"large: the page asks the origin itself before that", cold, wish_of(100 * limits::mib, 1),
       2 * limits::hedge_delay},
      {"large, without patience", cold, wish_of(100 * limits::mib, 0), limits::hedge_delay},
      {"large, and nobody is known to have it", cold, unknown(wish_of(100 * limits::mib)), 0ms},
  };
  for (const Case& each : cases) {
    CAPTURE(each.name);
    CHECK(each.outlook().hedge_wait(each.wish) == each.wait);
  }
  // But never longer than that, however far the origin is.
  Outlook far = sooner();
  far.network().handle_first(100s, at(0ms));
  CHECK(far.hedge_wait(wish_of(1000)) == limits::hedge_delay);
}

TEST_CASE("a page that is asked for a large file may use the origin, after a share of its time") {
  Outlook outlook;
  outlook.network().handle_first(40ms, at(0ms));
  outlook.network().handle_body(limits::mib, at(0ms), at(200ms));
  const Wish large = wish_of(10 * limits::mib);
  CHECK(outlook.terms(large).slower == 1);
  CHECK(outlook.terms(large).patience == (40ms + 2000ms) / 5);
  CHECK(outlook.hedge_wait(large) == outlook.terms(large).patience + limits::hedge_delay);
}

TEST_CASE("what a page may do, by how patient the site is") {
  struct Case {
    std::string name;
    Wish wish;
    std::uint32_t slower;
    Duration patience;
  };
  constexpr std::uint64_t large = 100 * limits::mib;
  const auto most = static_cast<std::uint32_t>(limits::peers_slower_max);
  const Case cases[] = {
      {"none", wish_of(large, 0), 1, 0ms},
      {"the usual one, at most the hedge delay", wish_of(large), 1, limits::hedge_delay},
      {"1", wish_of(large, 1), 1, limits::hedge_delay},
      {"between", wish_of(large, 2.5), 2, limits::hedge_delay},
      {"endless", wish_of(large, 1e300), most, limits::hedge_delay},
      {"small: the worker asks the origin itself", wish_of(1000, 2.5), 0, 0ms},
      {"no network behind it", alone(wish_of(large)), 0, limits::hedge_delay},
  };
  for (const Case& each : cases) {
    CAPTURE(each.name);
    const Terms terms = Outlook().terms(each.wish);
    CHECK(terms.slower == each.slower);
    if (each.wish.bytes == large) CHECK(terms.patience == each.patience);
  }
}

TEST_CASE("the second window is what the origin has lately sent in a fifth of a second") {
  const auto window_at = [](std::uint64_t bytes_per_second) {
    Outlook outlook;
    outlook.network().handle_body(bytes_per_second, at(0s), at(1s));
    return outlook.second_window();
  };
  // Unknown, or slow: twice the first. Otherwise the next power of two, up to the longest.
  CHECK(Outlook().second_window() == 2 * limits::window_first_bytes);
  CHECK(window_at(limits::mib) == 2 * limits::window_first_bytes);
  CHECK(window_at(4 * limits::mib) == 4 * limits::window_first_bytes);
  CHECK(window_at(1000 * limits::mib) == limits::window_bytes_max);
}
