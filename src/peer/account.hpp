// What a page reports to the site's owner, where the site asks for it: bytes by their source, and
// how many connections opened, by their route.
//
// The service worker tells all tabs of each transfer, so one tab counts them at a time
// (handle_counting). The others follow them all the same, so that a tab which takes over counts
// only what comes from then on. A connection is counted when its end is known: it opened, or the
// browser gave it up, or it took too long. One whose peer left meanwhile says nothing.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/figures.hpp"
#include "base/ids.hpp"
#include "base/list.hpp"
#include "base/text.hpp"

namespace peer_cdn::peer {

class Account {
 public:
  void handle_counting() { is_counting_ = true; }
  // What a response has taken so far: from peers, the origin and the store, and for nothing.
  using Sources = std::array<std::uint64_t, 4>;
  void handle_transfer(std::string_view id, const Sources& sources, bool done);

  void handle_try(PeerId peer);
  // The try of peer 0 is this peer's.
  void handle_given(PeerId peer);
  // A candidate of ours, or of the peer's.
  void handle_candidate(PeerId peer, bool is_ours, std::string_view candidate);
  // It is open, and goes this way: what is told last holds, because browsers learn the kind of the
  // peer's candidate after they used it.
  void handle_open(PeerId peer, Route route);
  void handle_failed(PeerId peer);
  // It is over. If it never opened nothing is known of it.
  void handle_over(PeerId peer);

  // The report; nothing while there is nothing to report.
  Text report() const;

 private:
  struct Transfer {
    Text id;
    Sources sources{};
  };
  struct Try {
    PeerId peer;
    std::uint8_t ours = 0;  // kinds of candidates, a bit each
    std::uint8_t theirs = 0;
    std::optional<Route> route = {};
  };
  Try* find(PeerId peer);
  static void count(Figures& figures, const Try& what);

  Figures figures_{};
  OwnedList<Transfer> transfers_;  // that are not over
  List<Try> tries_;
  bool is_counting_ = false;
};

}  // namespace peer_cdn::peer
