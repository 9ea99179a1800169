// Which pairs to keep, and whether one more may be made.
//
// Connections cost. A page has at most limits::pairs_per_page, and closes idle ones after a while.
// After limits::pair_failures in a row it tries no new one for a minute, because Chromium ends at
// 500, closed ones counted. Where none ever opens (no UDP, two symmetric NATs), the page stops
// asking for peers for a while.
#pragma once

#include <optional>
#include <vector>

#include "base/ids.hpp"
#include "base/list.hpp"
#include "base/time.hpp"

namespace peer_cdn::swarm {

class Pool {
 public:
  // Whether a connection to this peer may be created. If so it counts from now on. `asked`: this
  // page wants something of the peer. Only the failure of such a pair says something about our own
  // network. `offered`: this side sends the offer. Peer 0: whoever gets an offer that goes with an
  // ask.
  bool admit(PeerId peer, bool asked, bool offered, Instant now);
  // The connection of peer 0 is this peer's, of which this page wants something. False: there is
  // none, or it must not be this peer's.
  bool give(PeerId peer, Instant now);
  void handle_open(PeerId peer, Instant now);
  void handle_closed(PeerId peer, Instant now);
  void handle_used(PeerId peer, Instant now);
  // The path of an open pair is gone. The side that offered restarts ICE, again and again for a
  // while, until there is a path: a new one, or the old one by itself.
  void handle_lost(PeerId peer, Instant now);
  void handle_found(PeerId peer);
  // Whether an offer of this peer, on the pair that it has, is answered.
  bool takes_offer(PeerId peer, Instant now);
  // Signals reach this peer again: an ICE restart that had to wait may go ahead.
  void handle_resumed(PeerId peer, Instant now);
  // Every path may be gone without a sign, so this side restarts ICE on all pairs.
  void handle_network_changed(Instant now);
  // The next pair whose ICE is to be restarted now.
  std::optional<PeerId> take_restart(Instant now);
  bool has(PeerId peer) const;
  bool is_open(PeerId peer) const;
  std::size_t size() const { return pairs_.size(); }
  List<PeerId> open_pairs() const;
  // False while no pair is open and none is likely to open soon, because the pairs that we asked
  // for failed or take longer than limits::introduction_wait. A pair that opens ends this.
  bool is_reachable(Instant now) const;

  // No pair with this peer again in the life of this page: it sent wrong bytes, broke the protocol,
  // or speaks another version.
  void ban(PeerId peer);
  bool is_banned(PeerId peer) const;

  // A pair that did not open in time, or was lost or idle for too long. The caller closes it and
  // says so with handle_closed().
  std::optional<PeerId> expired(Instant now) const;
  std::optional<Instant> next_timeout() const;

 private:
  struct Pair {
    PeerId peer;
    bool open = false;
    bool asked = false;
    bool offered = false;
    Instant used{};
    std::optional<Instant> lost = {};     // since when the path is gone
    std::optional<Instant> restart = {};  // when ICE is to be restarted
    Instant offers_until{};               // when all that it offered is worn off
  };
  const Pair* find(PeerId peer) const;
  Pair* find(PeerId peer);
  Instant expiry(const Pair& pair) const;

  List<Pair> pairs_;
  List<Instant> tries_;       // since the last pair that opened
  std::size_t failures_ = 0;  // of pairs that we asked for, since the last pair that opened
  Duration pause_{};          // how long the last pause is
  Instant paused_until_{};    // when it ends
  List<PeerId> banned_;
};

}  // namespace peer_cdn::swarm
