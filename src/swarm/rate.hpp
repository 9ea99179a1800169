// How many bytes a second go by, over the last few tenths of a second.
#pragma once

#include <cstdint>

#include "base/limits.hpp"
#include "base/time.hpp"

namespace peer_cdn::swarm {

class Rate {
 public:
  // There is work from now on. A long pause before this is not measured. A short one is, because a
  // fast line is idle between any two messages.
  void resume(Instant now) {
    if (now - last_ > limits::rate_span) restart(now);
    last_ = now;
  }

  // From now on, without what came before.
  void restart(Instant now) {
    begin_ = now;
    bytes_ = 0;
  }

  void add(std::uint64_t bytes, Instant now) {
    bytes_ += bytes;
    last_ = now;
    const Duration span = now - begin_;
    if (span < limits::rate_span) return;
    const auto us = static_cast<std::uint64_t>(span.count());
    const std::uint64_t measured = bytes_ * 1'000'000 / us;
    per_second_ = per_second_ == 0 ? measured : (per_second_ + measured) / 2;
    restart(now);
  }

  // 0: not measured yet.
  std::uint64_t per_second() const { return per_second_; }
  std::uint64_t in(Duration span) const { return limits::amount_in(span, per_second_); }

 private:
  Instant begin_{};
  Instant last_{};
  std::uint64_t bytes_ = 0;
  std::uint64_t per_second_ = 0;
};

}  // namespace peer_cdn::swarm
