// Which pairs to keep, and whether one more may be made.
//
// Connections cost: a page has at most limits::pairs_per_page, idle ones go after a while, and
// after so many failures in a row no new one is tried for a minute (Chromium dies at 500, closed
// ones counted). Where none ever opens (no UDP, two symmetric NATs), asking for peers is paused.
#pragma once

#include <optional>
#include <vector>

#include "base/ids.hpp"
#include "base/time.hpp"

namespace peer_cdn::swarm {

class Pool {
 public:
  // Whether a connection to this peer may be created; if so it counts from now on. `asked`: we want
  // something of it. What others want of us says nothing about our own network when it fails.
  bool admit(PeerId peer, bool asked, Instant now);
  void handle_open(PeerId peer, Instant now);
  void handle_closed(PeerId peer, Instant now);
  void handle_used(PeerId peer, Instant now);
  // The path of an open pair is gone: its ICE is started again, by the side that offered, for a
  // while. A new path, also one that comes by itself, ends it.
  void handle_lost(PeerId peer, Instant now);
  void handle_found(PeerId peer);
  // What it takes to start again is there (again).
  void handle_resumed(PeerId peer, Instant now);
  // Every path may be gone without a sign: all are started again, by this side.
  void handle_network_changed(Instant now);
  // The next pair to start again now.
  std::optional<PeerId> take_restart(Instant now);
  bool has(PeerId peer) const;
  bool is_open(PeerId peer) const;
  std::size_t size() const { return pairs_.size(); }
  std::vector<PeerId> open_pairs() const;
  // False while no pair is open and it is not likely that one will be soon: those that we asked for
  // failed, or take longer than limits::introduction_wait. A success ends it.
  bool is_reachable(Instant now) const;

  // Never again in the life of this page: it sent wrong bytes, broke the protocol, stalled
  // too often, or is of another version.
  void ban(PeerId peer);
  bool is_banned(PeerId peer) const;

  // A pair that did not open in time, was lost or idle for long. The caller closes it and says so.
  std::optional<PeerId> expired(Instant now) const;
  std::optional<Instant> next_timeout() const;

 private:
  struct Pair {
    PeerId peer;
    bool open = false;
    bool asked = false;
    bool offered = false;
    Instant used{};
    std::optional<Instant> lost = {};     // since
    std::optional<Instant> restart = {};  // due
  };
  const Pair* find(PeerId peer) const;
  Pair* find(PeerId peer);
  Instant expiry(const Pair& pair) const;

  std::vector<Pair> pairs_;
  std::vector<Instant> tries_;  // since the last success
  std::size_t failures_ = 0;    // of pairs that we asked for, since the last success
  Duration pause_{};            // the last one; it ends at:
  Instant paused_until_{};
  std::vector<PeerId> banned_;
};

}  // namespace peer_cdn::swarm
