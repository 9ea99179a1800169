// How fast bytes go by, over the last few tenths of a second.
#pragma once

#include <cstdint>

#include "base/time.hpp"

namespace peer_cdn::swarm {

class Rate {
 public:
  // Work begins after a pause: the pause is not part of the measure.
  void restart(Instant now) {
    begin_ = now;
    bytes_ = 0;
  }

  void add(std::uint64_t bytes, Instant now) {
    bytes_ += bytes;
    const Duration span = now - begin_;
    if (span < sample) return;
    const auto us = static_cast<std::uint64_t>(span.count());
    const std::uint64_t measured = bytes_ * 1'000'000 / us;
    per_second_ = per_second_ == 0 ? measured : (per_second_ + measured) / 2;
    restart(now);
  }

  // 0: not known yet.
  std::uint64_t per_second() const { return per_second_; }
  std::uint64_t in(Duration span) const {
    return per_second_ * static_cast<std::uint64_t>(span.count()) / 1'000'000;
  }

 private:
  static constexpr Duration sample = std::chrono::milliseconds(100);
  Instant begin_{};
  std::uint64_t bytes_ = 0;
  std::uint64_t per_second_ = 0;
};

}  // namespace peer_cdn::swarm
