// What one source has needed lately: how soon it began, and how fast it went on.
//
// The first byte as a smoothed mean, as RFC 6298 does a round trip; but a new sample weighs a
// quarter, since a worker sees few in its short life. The rate as bytes over the time in which any
// came: two windows side by side share one line.
#pragma once

#include <cstdint>

#include "base/limits.hpp"
#include "base/time.hpp"

namespace peer_cdn {

class Estimate {
 public:
  void handle_first(Duration wait, Instant now);
  // It had not begun by then, and is not waited for any more: it needs at least so long.
  void handle_given_up(Duration wait, Instant now);
  // So many bytes came between these. Bodies may overlap, and are told in the order they end.
  void handle_body(std::uint64_t bytes, Instant begin, Instant end);

  // Whether anything is known of how soon it begins.
  bool measured() const { return counts_until_.has_value(); }
  Duration first() const { return mean_; }
  // How long so many bytes will take.
  [[gnu::noinline]] Duration expected(std::uint64_t bytes) const;

 private:
  Duration mean_ = limits::first_byte_unknown;
  Deadline counts_until_;  // the mean, if anything was measured
  std::uint64_t bytes_ = 0;
  Duration span_{};
  Instant end_{};  // of the last body
};

}  // namespace peer_cdn
