// Peers or the network: which one is asked, and how long one waits for the other, by what either
// has needed lately.
#pragma once

#include <cstdint>

#include "http/estimate.hpp"

namespace peer_cdn {

// A response that peers may give.
struct Wish {
  std::uint64_t bytes = 0;  // of the response
  // DelegatePlugin's: the share of the network's time that peers may take to begin.
  double patience = limits::patience;
  bool known = true;       // by all that was told, somebody may have it
  bool is_hedged = false;  // the network may help peers out in the same body
  // What the open responses have yet to bring, each at most as long as this one.
  std::uint64_t before_of_peers = 0;
  std::uint64_t before_of_network = 0;

  bool is_small() const { return bytes <= limits::small_bytes; }
};

// What a page may do that is asked for pieces.
struct Terms {
  std::uint32_t slower;  // 0, or: fetch from the origin too, what peers do not have, or bring so
                         // many times slower than it would
  Duration patience;     // for peers that have not begun, before it does
};

class Outlook {
 public:
  Estimate& network() { return network_; }
  // From the request to the first piece, by pages that were connected already; the rate of small
  // responses that came from peers whole.
  Estimate& peers() { return peers_; }
  // Whether a page has an open pair: it said so, or a peer brought something.
  void handle_warm(bool warm) { warm_ = warm; }
  bool is_warm() const { return warm_; }

  // Whether a page is asked. It looks out for others who want a large response too. A small one is
  // asked of peers only when they are known to be sooner than the network; now and then one is
  // asked of both, or nobody would notice that they are.
  bool asks_peers(const Wish& wish, Instant now);
  // Whether the network waits for the page's word: not when nothing says that peers are sooner.
  static bool waits_for_word(const Wish& wish);
  // From the start of the delegate, until the network is asked as well.
  Duration hedge_wait(const Wish& wish) const;
  Terms terms(const Wish& wish) const;
  // How long the second window of a body is, in bytes: what the origin has lately sent in
  // limits::window_span.
  std::uint64_t second_window() const;

 private:
  bool are_peers_sooner(const Wish& wish) const;

  Estimate network_;
  Estimate peers_;
  bool warm_ = false;
  Deadline spares_until_;  // peers that seem slower, since they were tried
};

}  // namespace peer_cdn
