// When the pages hear how it goes, and records are written: together, because each message takes
// time of the worker and of every page; and when no response waits for its first byte.
#pragma once

#include "base/limits.hpp"
#include "base/time.hpp"

namespace peer_cdn {

class News {
 public:
  // There is something to be told.
  void handle(Instant now) {
    if (!due_) due_ = now + limits::progress_wait;
  }
  // Whether it is told now; then there is nothing more to be told. `is_calm`: no response waits for
  // its first byte.
  bool goes_out(bool is_calm, Instant now) {
    const bool is_due = due_.has_passed(now);
    if (!is_due && !(is_late_ && is_calm)) return false;
    if (!is_calm && !is_late_) {
      is_late_ = true;
      due_ = now + limits::calm_wait;
      return false;
    }
    is_late_ = false;
    due_.reset();
    return true;
  }
  Deadline next_timeout() const { return due_; }

 private:
  Deadline due_;
  bool is_late_ = false;  // it waits for calm
};

}  // namespace peer_cdn
