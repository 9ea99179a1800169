// Time as the core knows it: told by the host with every event, never asked for.
#pragma once

#include <chrono>
#include <cstdint>

namespace peer_cdn {

// A clock without now(): the type keeps instants and durations apart, and nothing here can read
// one.
struct Clock {
  using duration = std::chrono::microseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<Clock>;
  static constexpr bool is_steady = true;
};

using Duration = Clock::duration;
using Instant = Clock::time_point;

// The border speaks milliseconds as a double (performance.now()).
constexpr Instant instant_from_ms(double ms) {
  return Instant(Duration(static_cast<std::int64_t>(ms * 1000.0)));
}
constexpr double to_ms(Duration duration) {
  return static_cast<double>(duration.count()) / 1000.0;
}
constexpr double to_ms(Instant instant) {
  return to_ms(instant.time_since_epoch());
}

}  // namespace peer_cdn
