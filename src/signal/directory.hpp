// Who can serve what, on one site: root -> holders and peer -> roots, kept in step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/ids.hpp"
#include "signal/message.hpp"

namespace peer_cdn::signal {

class Directory {
 public:
  // What a change did to the marks that the site's members are told.
  enum class Change : std::uint8_t { nothing, mark_came, mark_went };

  // Nothing, also, if it was listed already or if a bound is reached (limits::roots_per_peer,
  // roots_per_site, holdings_per_site): then this peer is not named for this root.
  Change add(PeerId peer, const Root& root);
  Change remove(PeerId peer, const Root& root);
  // Takes out all that the peer holds; appends the marks that went.
  void remove(PeerId peer, std::vector<Mark>& went);

  // In no order. Valid until the next change.
  const std::vector<PeerId>& holders(const Root& root) const;
  bool holds(PeerId peer, const Root& root) const;
  std::vector<Mark> marks() const;

  std::size_t roots() const { return holders_.size(); }
  std::size_t peers() const { return holdings_.size(); }
  std::size_t holdings() const { return holdings_count_; }

 private:
  // Where in holders_[root] the peer stands, so that taking it out costs no search.
  using Positions = std::unordered_map<Root, std::uint32_t>;

  Change forget_holder(const Root& root, std::uint32_t position);

  std::unordered_map<Root, std::vector<PeerId>> holders_;
  std::unordered_map<PeerId, Positions> holdings_;
  std::unordered_map<Mark, std::uint32_t> marks_;  // how many roots have it
  std::size_t holdings_count_ = 0;
};

}  // namespace peer_cdn::signal
