#include "http/writes.hpp"

#include <doctest/doctest.h>

using namespace peer_cdn;
using namespace std::chrono_literals;

namespace {

constexpr Instant start{5s};
constexpr bool calm = true;

TEST_CASE("runs that wait are written one after another while no response is open") {
  Writes writes;
  CHECK_FALSE(writes.next(calm, start));
  writes.add(true);
  writes.add(true);
  CHECK(writes.size() == 2);
  CHECK(writes.next(calm, start));
  CHECK_FALSE(writes.next(calm, start + 1h));
  CHECK_FALSE(writes.next_timeout());
  writes.handle_done();
  CHECK(writes.size() == 1);
  CHECK(writes.next(calm, start));
  writes.handle_done();
  CHECK(writes.size() == 0);
  CHECK_FALSE(writes.next(calm, start));
}

TEST_CASE("while responses are open each run waits a while") {
  Writes writes;
  writes.add(true);
  writes.add(true);
  for (Instant now = start; writes.size() > 0; now += 1h) {
    CHECK_FALSE(writes.next(!calm, now));
    CHECK(writes.next_timeout() == Deadline(now + limits::calm_wait));
    CHECK_FALSE(writes.next(!calm, now + limits::calm_wait - 1us));
    CHECK(writes.next(!calm, now + limits::calm_wait));
    CHECK_FALSE(writes.next_timeout());
    writes.handle_done();
  }
}

TEST_CASE("what does not wait is written at once, and others go behind it") {
  Writes writes;
  writes.add(true);
  writes.add(false);
  CHECK_FALSE(writes.next(calm, start));
  writes.handle_done();
  CHECK(writes.next(calm, start));
  // What nobody was told to write is no write.
  writes.handle_done();
  writes.handle_done();
  CHECK(writes.size() == 0);
}

TEST_CASE("only what the browser had no room for is written again, and once") {
  struct Case {
    StoreOutcome outcome;
    unsigned attempts;
    bool again;
  };
  const Case cases[] = {
      {StoreOutcome::stored, 1, false}, {StoreOutcome::full, 1, true},
      {StoreOutcome::full, 2, false},   {StoreOutcome::failed, 1, false},
      {StoreOutcome::failed, 2, false},
  };
  for (const Case& each : cases) {
    CAPTURE(each.attempts);
    CHECK(is_written_again(each.outcome, each.attempts) == each.again);
  }
}

}  // namespace
