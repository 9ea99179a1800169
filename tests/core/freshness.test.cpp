#include "http/freshness.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>

using namespace peer_cdn;
using namespace std::chrono_literals;

TEST_CASE("a manifest is old after a minute, if the clock was set back, and if there is none") {
  constexpr double fetched = 1e12;
  const double age = to_ms(limits::manifest_age);
  struct Case {
    std::string name;
    double wall;
    bool is_old;
  };
  const Case cases[] = {
      {"just now", fetched, false},
      {"nearly a minute", fetched + age - 1, false},
      {"a minute", fetched + age, true},
      {"from the future", fetched - 1, true},
      {"no clock", std::numeric_limits<double>::quiet_NaN(), true},
  };
  for (const Case& each : cases) {
    CAPTURE(each.name);
    Freshness freshness;
    CHECK_FALSE(freshness.is_loaded());
    CHECK(freshness.is_old(each.wall));
    freshness.handle_loaded(fetched);
    CHECK(freshness.is_loaded());
    CHECK(freshness.is_old(each.wall) == each.is_old);
    freshness.expire();
    CHECK(freshness.is_old(each.wall));
    freshness.handle_fetch(Instant(1s));
    freshness.handle_fetched(true, fetched);
    CHECK(freshness.is_old(each.wall) == each.is_old);
  }
}

TEST_CASE("a manifest is asked for once at a time, and after a failure only now and then") {
  Freshness freshness;
  freshness.handle_loaded(0);
  CHECK(freshness.may_ask(Instant(0s)));
  freshness.handle_fetch(Instant(0s));
  CHECK(freshness.is_fetching());
  CHECK_FALSE(freshness.may_ask(Instant(1h)));
  CHECK(freshness.is_worth_waiting());
  freshness.handle_fetched(false, 1e12);
  CHECK(freshness.is_old(1e12));
  CHECK_FALSE(freshness.may_ask(Instant(limits::manifest_wait - 1us)));
  CHECK(freshness.may_ask(Instant(limits::manifest_wait)));
  // Whoever is offline has waited once.
  freshness.handle_fetch(Instant(limits::manifest_wait));
  CHECK_FALSE(freshness.is_worth_waiting());
  freshness.handle_fetched(true, 1e12);
  CHECK_FALSE(freshness.is_old(1e12));
  CHECK(freshness.may_ask(Instant(limits::manifest_wait)));
  CHECK_FALSE(freshness.is_worth_waiting());
}
