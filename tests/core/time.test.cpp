#include "base/time.hpp"

#include <doctest/doctest.h>

namespace peer_cdn {
namespace {

using namespace std::chrono_literals;

TEST_CASE("a deadline has passed at its time, and one that is none never has") {
  const Deadline deadline = Instant(5s);
  CHECK(deadline);
  CHECK(*deadline == Instant(5s));
  CHECK_FALSE(deadline.has_passed(Instant(5s) - Duration(1)));
  CHECK(deadline.has_passed(Instant(5s)));
  const Deadline none;
  CHECK_FALSE(none);
  CHECK(none == std::nullopt);
  CHECK_FALSE(none.has_passed(Instant::max()));
}

TEST_CASE("of two deadlines the sooner one holds, and none gives way to any") {
  CHECK(sooner(Deadline(Instant(1s)), Instant(2s)) == Instant(1s));
  CHECK(sooner(Deadline(Instant(2s)), Instant(1s)) == Instant(1s));
  CHECK(sooner(Deadline(), Instant(2s)) == Instant(2s));
  CHECK(sooner(Instant(2s), Deadline()) == Instant(2s));
  CHECK(sooner(Deadline(), Deadline()) == std::nullopt);
}

TEST_CASE("a deadline that is reset is none, also as an optional instant") {
  Deadline deadline = Instant(0s);
  CHECK(std::optional<Instant>(deadline) == Instant(0s));
  deadline.reset();
  CHECK(std::optional<Instant>(deadline) == std::nullopt);
}

}  // namespace
}  // namespace peer_cdn
