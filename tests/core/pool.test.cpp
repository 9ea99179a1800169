#include "swarm/pool.hpp"

#include <doctest/doctest.h>

#include "base/limits.hpp"

namespace peer_cdn::swarm {
namespace {

using namespace std::chrono_literals;
constexpr Instant start = Instant(1s);

}  // namespace

TEST_CASE("a page has a bounded number of pairs, open or not") {
  Pool pool;
  for (std::uint32_t i = 0; i < limits::pairs_per_page; ++i) {
    CHECK(pool.admit({i}, true, false, start));
    pool.handle_open({i}, start);
  }
  CHECK_FALSE(pool.admit({100}, true, false, start));
  pool.handle_closed({3}, start);
  CHECK(pool.admit({100}, true, false, start));
  CHECK_FALSE(pool.admit({100}, true, false, start));
}

TEST_CASE("after so many failures in a row none is tried for a minute") {
  Pool pool;
  for (std::uint32_t i = 0; i < limits::pair_failures; ++i) {
    CHECK(pool.admit({i}, true, false, start));
    pool.handle_closed({i}, start);
  }
  CHECK_FALSE(pool.admit({50}, true, false, start + 59s));
  CHECK(pool.admit({50}, true, false, start + 60s));
}

TEST_CASE("a success forgives the failures before it") {
  Pool pool;
  for (std::uint32_t i = 0; i < 100; ++i) {
    CHECK(pool.admit({i}, true, false, start));
    if (i % 4 == 3) pool.handle_open({i}, start);
    pool.handle_closed({i}, start);
  }
}

TEST_CASE(
    "after three failures in a row peers are out of reach, for a minute, then for two, up to ten") {
  Pool pool;
  Instant now = start;
  std::uint32_t peer = 0;
  const auto fail = [&](bool asked) {
    pool.admit({++peer}, asked, !asked, now);
    pool.handle_closed({peer}, now);
  };
  for (int i = 0; i < 5; ++i) fail(false);  // pairs that others wanted
  fail(true);
  fail(true);
  CHECK(pool.is_reachable(now));
  fail(true);
  fail(true);  // a failure of the same moment does not make the pause longer
  for (const Duration pause : {60s, 120s, 240s, 480s, 600s, 600s}) {
    CHECK_FALSE(pool.is_reachable(now + pause - 1ms));
    now += pause;
    CHECK(pool.is_reachable(now));
    fail(true);  // one failure is enough now
  }
  CHECK_FALSE(pool.is_reachable(now));
  pool.handle_open({1000}, now);
  CHECK(pool.is_reachable(now));
  pool.handle_closed({1000}, now);
  fail(true);
  fail(true);
  CHECK(pool.is_reachable(now));
  fail(true);
  CHECK_FALSE(pool.is_reachable(now + 60s - 1ms));
  CHECK(pool.is_reachable(now + 60s));
}

TEST_CASE("while a pair takes long to come up, and none is open, peers are out of reach") {
  Pool pool;
  pool.admit({1}, true, false, start);
  pool.admit({2}, false, true, start);
  const Instant late = start + limits::introduction_wait;
  CHECK(pool.is_reachable(late - 1ms));
  CHECK_FALSE(pool.is_reachable(late));
  SUBCASE("another is open") {
    pool.handle_open({2}, late);
  }
  SUBCASE("it comes up after all") {
    pool.handle_open({1}, late);
  }
  SUBCASE("it is given up, and was the first") {
    pool.handle_closed({1}, late);
  }
  CHECK(pool.is_reachable(late));
}

TEST_CASE("a pair that does not open in time is given up") {
  Pool pool;
  pool.admit({1}, true, false, start);
  CHECK(pool.next_timeout() == start + limits::pair_open_wait);
  CHECK(pool.expired(start + limits::pair_open_wait - 1ms) == std::nullopt);
  CHECK(pool.expired(start + limits::pair_open_wait) == PeerId{1});
}

TEST_CASE("an idle pair goes after minutes, sooner when there are many, the longest idle first") {
  Pool pool;
  pool.handle_open({1}, start);
  pool.handle_used({1}, start + 1min);
  CHECK(pool.expired(start + limits::pair_idle) == std::nullopt);
  CHECK(pool.expired(start + 1min + limits::pair_idle) == PeerId{1});
  for (std::uint32_t i = 2; i <= limits::pairs_warm + 2; ++i)
    pool.handle_open({i}, start + Duration(i));
  CHECK(pool.expired(start + limits::pair_idle_spare + 1s) == PeerId{2});
}

TEST_CASE("a liar is never admitted again, and the list of liars is bounded") {
  Pool pool;
  pool.ban({7});
  CHECK(pool.is_banned({7}));
  CHECK_FALSE(pool.admit({7}, true, false, start));
  for (std::uint32_t i = 100; i < 100 + limits::banned_peers; ++i) pool.ban({i});
  CHECK_FALSE(pool.is_banned({7}));
}

TEST_CASE("a lost pair is started again by the side that offered, some times, and given up") {
  Pool pool;
  pool.admit({1}, false, true, start);
  pool.admit({2}, true, false, start);
  for (const PeerId peer : {PeerId{1}, PeerId{2}}) {
    pool.handle_lost(peer, start);  // not open yet
    pool.handle_open(peer, start);
  }
  CHECK_FALSE(pool.take_restart(start));
  for (const PeerId peer : {PeerId{1}, PeerId{2}}) {
    pool.handle_lost(peer, start);
    pool.handle_lost(peer, start + 1s);
  }
  for (Duration passed{}; passed < limits::pair_lost_wait; passed += limits::pair_restart_wait) {
    CHECK(pool.next_timeout() == start + passed);
    CHECK(pool.take_restart(start + passed) == PeerId{1});
    CHECK_FALSE(pool.take_restart(start + passed));
  }
  CHECK(pool.expired(start + limits::pair_lost_wait));
  pool.handle_found({1});
  CHECK_FALSE(pool.take_restart(start + limits::pair_lost_wait));
  CHECK(pool.expired(start + limits::pair_lost_wait) == PeerId{2});
}

TEST_CASE("signals that come back restart lost pairs at once, another network restarts all") {
  Pool pool;
  pool.admit({1}, false, true, start);
  pool.handle_open({1}, start);
  pool.handle_open({2}, start);
  pool.handle_resumed({1}, start);
  CHECK_FALSE(pool.take_restart(start));
  pool.handle_lost({1}, start);
  CHECK(pool.take_restart(start));
  pool.handle_resumed({1}, start + 1s);
  CHECK(pool.take_restart(start + 1s));
  pool.handle_found({1});
  pool.handle_network_changed(start + 2s);
  CHECK(pool.take_restart(start + 2s));
  CHECK(pool.take_restart(start + 2s));
  CHECK_FALSE(pool.take_restart(start + 2s));
  CHECK(pool.open_pairs() == List<PeerId>{{1}, {2}});
}

}  // namespace peer_cdn::swarm
