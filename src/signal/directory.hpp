// Which peer can serve which root, on one site: root -> holders and peer -> roots, kept in step.
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
  // How a change changed the marks that the site's members are told.
  enum class Change : std::uint8_t { nothing, mark_came, mark_went };

  // If a bound is reached (limits::roots_per_peer, roots_per_site, holdings_per_site) nothing
  // changes, and this peer is not named for this root.
  Change add(PeerId peer, const Root& root);
  Change remove(PeerId peer, const Root& root);
  // Takes out every root of the peer, and appends the marks that went.
  void remove(PeerId peer, std::vector<Mark>& went);

  // In no particular order. Valid until the next change.
  const std::vector<PeerId>& holders(const Root& root) const;
  bool holds(PeerId peer, const Root& root) const;
  std::vector<Mark> marks() const;

  std::size_t roots() const { return holders_.size(); }
  std::size_t peers() const { return holdings_.size(); }
  std::size_t holdings() const { return holdings_count_; }

 private:
  // The peer's index in holders_[root], so that taking it out costs no search.
  using Positions = std::unordered_map<Root, std::uint32_t>;

  Change forget_holder(const Root& root, std::uint32_t position);

  std::unordered_map<Root, std::vector<PeerId>> holders_;
  std::unordered_map<PeerId, Positions> holdings_;
  std::unordered_map<Mark, std::uint32_t> marks_;  // how many roots have it
  std::size_t holdings_count_ = 0;
};

}  // namespace peer_cdn::signal
