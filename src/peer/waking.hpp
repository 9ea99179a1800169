// Time without sleep. When a machine wakes up, timers fire minutes late. If the core saw that time
// pass, every peer would have stalled and every wait would be over. So the core is not told of it.
#pragma once

#include <optional>
#include <utility>

#include "base/limits.hpp"
#include "base/time.hpp"

namespace peer_cdn::peer {

class WakingClock {
 public:
  // The time for the core. `host`: by the host's clock. `due`: when the timer that is set should
  // have fired, by the core's.
  Instant at(Instant host, std::optional<Instant> due) {
    const Instant now = host - slept_;
    if (!due || now - *due < limits::sleep_min) return now;
    slept_ += now - *due;
    woke_ = true;
    return *due;
  }
  // True once after each sleep: the network may be a different one.
  bool woke() { return std::exchange(woke_, false); }

 private:
  Duration slept_{};
  bool woke_ = false;
};

}  // namespace peer_cdn::peer
