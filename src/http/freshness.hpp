// How old the manifest is, and who waits for a newer one.
#pragma once

#include "base/limits.hpp"
#include "base/time.hpp"

namespace peer_cdn {

// When a manifest came is kept in the store, over the lives of workers, so it is told by the
// computer's clock (`wall`, milliseconds as Date.now() has them). All else is told by ours.
class Freshness {
 public:
  // The stored manifest is in use, or there is none (fetched_at: 0).
  void handle_loaded(double fetched_wall) {
    is_loaded_ = true;
    fetched_wall_ = fetched_wall > 0 ? fetched_wall : 0;  // nor if it is no number
  }
  void handle_fetch(Instant now) {
    is_fetching_ = true;
    tried_at_ = now;
  }
  void handle_fetched(bool ok, double wall) {
    is_fetching_ = false;
    has_failed_ = !ok;
    if (ok) fetched_wall_ = wall;
  }
  // Who waited for it waited long enough for all.
  void handle_silent() { has_failed_ = true; }
  // When the manifest came; 0 if it is known to be old.
  double fetched_wall() const { return fetched_wall_; }
  // The manifest is known to be old: the origin has other bytes.
  void expire() { fetched_wall_ = 0; }

  bool is_loaded() const { return is_loaded_; }
  bool is_fetching() const { return is_fetching_; }
  // A clock that was set back makes it seem younger than new.
  bool is_old(double wall) const {
    const double age = wall - fetched_wall_;
    return !(age >= 0 && age < to_ms(limits::manifest_age));
  }
  // Whoever is offline has waited once: the next requests use what is stored at once, and the site
  // is asked again only now and then.
  bool may_ask(Instant now) const {
    return !is_fetching_ && (!has_failed_ || now - tried_at_ >= limits::manifest_wait);
  }
  bool is_worth_waiting() const { return is_fetching_ && !has_failed_; }

 private:
  bool is_loaded_ = false;
  bool is_fetching_ = false;
  bool has_failed_ = false;
  double fetched_wall_ = 0;
  Instant tried_at_{};
};

}  // namespace peer_cdn
