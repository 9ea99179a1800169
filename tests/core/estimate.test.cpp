#include "http/estimate.hpp"

#include <doctest/doctest.h>

using namespace peer_cdn;
using namespace std::chrono_literals;

namespace {

Instant at(Duration time) {
  return Instant(time);
}

}  // namespace

TEST_CASE("before anything was measured, a slow line and a far origin are assumed") {
  const Estimate estimate;
  CHECK_FALSE(estimate.measured());
  CHECK(estimate.expected(limits::rate_unknown) == limits::first_byte_unknown + 1s);
}

TEST_CASE("the first sample is the mean, and the next ones move it a little") {
  Estimate estimate;
  estimate.handle_first(40ms, at(0s));
  CHECK(estimate.expected(0) == 40ms);
  estimate.handle_first(80ms, at(1s));
  CHECK(estimate.expected(0) == 50ms);
}

TEST_CASE("after a minute without a sample the next one counts alone") {
  Estimate estimate;
  estimate.handle_first(2s, at(0s));
  estimate.handle_first(10ms, at(61s));
  CHECK(estimate.expected(0) == 10ms);
}

TEST_CASE("what was given up counts only if it had taken longer than usual") {
  Estimate estimate;
  estimate.handle_given_up(100ms, at(0s));
  CHECK(estimate.expected(0) == 100ms);
  estimate.handle_given_up(50ms, at(1s));
  CHECK(estimate.expected(0) == 100ms);
  estimate.handle_given_up(900ms, at(2s));
  CHECK(estimate.expected(0) == 300ms);
}

TEST_CASE("windows side by side share the line: their time counts once") {
  Estimate estimate;
  estimate.handle_first(0ms, at(0s));
  //   |------ 1 MiB ------|
  //             |------ 1 MiB ------|         2 MiB in 3 s
  estimate.handle_body(limits::mib, at(0s), at(2s));
  estimate.handle_body(limits::mib, at(1s), at(3s));
  CHECK(estimate.expected(2 * limits::mib) == 3s);
  CHECK(estimate.expected(4 * limits::mib) == 6s);
}

TEST_CASE("small bodies say nothing of the rate, and a body in no time is not infinitely fast") {
  Estimate estimate;
  estimate.handle_first(0ms, at(0s));
  estimate.handle_body(1000, at(0s), at(9s));
  CHECK(estimate.expected(limits::rate_unknown) == 1s);
  estimate.handle_body(limits::mib, at(10s), at(10s));
  CHECK(estimate.expected(limits::mib) == 1ms);
}

TEST_CASE("the rate is that of the last windows: a line that became slow is noticed") {
  Estimate estimate;
  estimate.handle_first(0ms, at(0s));
  for (int i = 0; i < 100; ++i) estimate.handle_body(limits::mib, at(i * 1s), at(i * 1s + 100ms));
  for (int i = 0; i < 16; ++i) {
    estimate.handle_body(limits::mib, at(200s + i * 2s), at(201s + i * 2s));
  }
  CHECK(estimate.expected(limits::mib) > 600ms);
}
