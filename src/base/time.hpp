// Time as the core knows it. The host tells it with every event; the core never asks for it.
#pragma once

#include <chrono>
#include <cstdint>

namespace peer_cdn {

// A clock without now(). The type keeps instants and durations apart, and the core has no clock to
// read.
struct Clock {
  using duration = std::chrono::microseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<Clock>;
  static constexpr bool is_steady = true;
};

using Duration = Clock::duration;
using Instant = Clock::time_point;

// JavaScript's times are milliseconds as a double (performance.now()).
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
