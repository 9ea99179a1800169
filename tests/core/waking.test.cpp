#include "peer/waking.hpp"

#include <doctest/doctest.h>

namespace peer_cdn::peer {

using namespace std::chrono_literals;

TEST_CASE("the time that a machine slept does not pass") {
  constexpr Instant start = Instant(10s);
  WakingClock clock;
  CHECK(clock.at(start + 1h, std::nullopt) == start + 1h);
  CHECK(clock.at(start + 1s, start) == start + 1s);
  CHECK_FALSE(clock.woke());
  CHECK(clock.at(start + limits::sleep_min, start) == start);
  CHECK(clock.woke());
  CHECK_FALSE(clock.woke());
  CHECK(clock.at(start + limits::sleep_min + 1s, start) == start + 1s);
  CHECK(clock.at(start + 2 * limits::sleep_min + 5s, start + 1s) == start + 1s);
  CHECK(clock.woke());
}

}  // namespace peer_cdn::peer
