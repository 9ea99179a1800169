// Time without sleep. A machine that wakes up finds timers that fire minutes late: were that time
// real to the core, every peer had stalled and every wait was over. So it is not told of it.
#pragma once

#include <optional>
#include <utility>

#include "base/limits.hpp"
#include "base/time.hpp"

namespace peer_cdn::peer {

class WakingClock {
 public:
  // The time for the core, by the host's clock. `due`: when, by this one, the timer that is set
  // should have fired.
  Instant at(Instant host, std::optional<Instant> due) {
    const Instant now = host - slept_;
    if (!due || now - *due < limits::sleep_min) return now;
    slept_ += now - *due;
    woke_ = true;
    return *due;
  }
  // True once after each sleep: the network may be another one.
  bool woke() { return std::exchange(woke_, false); }

 private:
  Duration slept_{};
  bool woke_ = false;
};

}  // namespace peer_cdn::peer
