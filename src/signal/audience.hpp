// The coordinator's side of signal/wants.hpp: which marks anybody has, and who is told what of
// that.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/limits.hpp"
#include "signal/message.hpp"
#include "signal/wants.hpp"

namespace peer_cdn::signal {

// Which cut marks anybody has: a bit for each there may be.
class Presence {
 public:
  void add(Mark mark) { bits_[cut(mark)] = true; }
  bool has(CutMark mark) const { return bits_[mark]; }

 private:
  std::vector<bool> bits_ = std::vector<bool>(std::size_t{1} << limits::wants_bits);
};

// Peers that are told the same: those that could want the same, or those that did not say.
class Audience {
 public:
  // Of those that did not say: they are told all marks.
  Audience() = default;
  Audience(std::vector<CutMark> wanted, const Presence& presence);

  // Its position among the members.
  std::uint32_t add(PeerId peer);
  // Gives the member that has the position from now on.
  PeerId remove(std::uint32_t position);
  const std::vector<PeerId>& members() const { return members_; }

  bool wants_all() const { return wants_all_; }
  // Somebody has it since the members were told last: newcomers are told at once, the members with
  // the next changes.
  void handle_came(Mark mark);
  // What a newcomer must be told.
  std::string all() const;
  // What all members must be told since they were told last; empty: nothing.
  std::string changes(const Presence& presence);

 private:
  // The bits of each cell.
  std::vector<std::uint32_t> cells_of(const Presence& presence) const;

  std::vector<PeerId> members_;
  bool wants_all_ = true;
  std::vector<CutMark> wanted_;
  std::vector<std::uint32_t> told_;
  std::vector<std::uint32_t> newest_;  // what newcomers are told: the same, and what came since
  std::vector<bool> came_;             // the cells in which something came since
};

}  // namespace peer_cdn::signal
