// Which pairs to keep, and whether one more may be made.
//
// Connections cost: a page has at most limits::pairs_per_page, idle ones go after a while, and
// after so many failures in a row no new one is tried for a minute (Chromium dies at 500, closed
// ones counted).
#pragma once

#include <optional>
#include <vector>

#include "base/ids.hpp"
#include "base/time.hpp"

namespace peer_cdn::swarm {

class Pool {
 public:
  // Whether a connection to this peer may be created; if so it counts from now on.
  bool admit(PeerId peer, Instant now);
  void handle_open(PeerId peer, Instant now);
  void handle_closed(PeerId peer);
  void handle_used(PeerId peer, Instant now);
  bool has(PeerId peer) const;
  bool is_open(PeerId peer) const;
  std::size_t size() const { return pairs_.size(); }

  // Never again in the life of this page: it sent wrong bytes.
  void ban(PeerId peer);
  bool is_banned(PeerId peer) const;

  // A pair that did not open in time, or was idle for long. The caller closes it and says so.
  std::optional<PeerId> expired(Instant now) const;
  std::optional<Instant> next_timeout() const;

 private:
  struct Pair {
    PeerId peer;
    bool open = false;
    Instant used{};
  };
  const Pair* find(PeerId peer) const;
  Instant expiry(const Pair& pair) const;

  std::vector<Pair> pairs_;
  std::vector<Instant> tries_;  // since the last success
  std::vector<PeerId> banned_;
};

}  // namespace peer_cdn::swarm
