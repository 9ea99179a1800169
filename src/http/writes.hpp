// Runs on their way into the store: when each is written, and whether once more.
//
// Writing keeps the worker's thread and the browser from answering. So runs wait, in the host's
// memory, until no response is open, and go one after another. What the worker's death loses of
// them is fetched again.
#pragma once

#include <cstdint>

#include "base/limits.hpp"
#include "base/time.hpp"

namespace peer_cdn {

// What came of writing a run.
enum class StoreOutcome : std::uint8_t {
  stored,
  full,    // the browser has no room
  failed,  // the store does not work, or no room can be made
};

// Room is made once for what the browser had no room for: then the run is written once more.
constexpr bool is_written_again(StoreOutcome outcome, unsigned attempts) {
  return outcome == StoreOutcome::full && attempts == 1;
}

class Writes {
 public:
  // A run is to be written: at once, or when its turn comes.
  void add(bool waits) { ++(waits ? waiting_ : writing_); }
  // A run was written, or cannot be.
  void handle_done() {
    if (writing_ > 0) --writing_;
  }
  std::size_t size() const { return waiting_ + writing_; }

  // Whether the first run that waits is written now. `is_calm`: no response is open.
  bool next(bool is_calm, Instant now) {
    if (waiting_ == 0 || writing_ > 0) {
      until_.reset();
      return false;
    }
    if (!until_) until_ = now + limits::calm_wait;
    if (!is_calm && !until_.has_passed(now)) return false;
    until_.reset();
    --waiting_;
    ++writing_;
    return true;
  }
  Deadline next_timeout() const { return until_; }

 private:
  std::uint32_t waiting_ = 0;
  std::uint32_t writing_ = 0;
  Deadline until_;  // the first one waits for calm
};

}  // namespace peer_cdn
