// Time as the core knows it. The host tells it with every event; the core never asks for it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

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

// Until when something is waited for, if anything is. Half of what an optional Instant takes, and
// the sooner of two, or whether it has passed, is one comparison. No clock of ours goes below 0.
class Deadline {
 public:
  constexpr Deadline() = default;
  constexpr Deadline(Instant at)  // NOLINT: implicit, as std::optional's
      : at_(static_cast<std::uint64_t>(at.time_since_epoch().count())) {}
  constexpr Deadline(std::nullopt_t /*none*/) {}  // NOLINT: the same
  constexpr explicit operator bool() const { return has_value(); }
  constexpr bool has_value() const { return at_ != never; }
  constexpr Instant value() const { return Instant(Duration(static_cast<Duration::rep>(at_))); }
  constexpr Instant operator*() const { return value(); }
  constexpr void reset() { at_ = never; }
  constexpr bool has_passed(Instant now) const { return Deadline(now).at_ >= at_; }
  friend constexpr Deadline sooner(Deadline a, Deadline b) { return a.at_ < b.at_ ? a : b; }
  constexpr bool operator==(const Deadline&) const = default;
  constexpr operator std::optional<Instant>() const {  // NOLINT: implicit
    return has_value() ? std::optional(value()) : std::nullopt;
  }

 private:
  // Later than any time, and one byte of wasm.
  static constexpr std::uint64_t never = ~std::uint64_t{0};
  std::uint64_t at_ = never;
};

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
