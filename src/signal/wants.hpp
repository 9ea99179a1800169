// What a page could want, as it says it once to the coordinator: the marks of its manifest, each
// cut to its first bits. From then on it is told one bit for each, and of nothing else.
//
// Cut marks collide: a listed file that nobody has looks present if another root of the site begins
// with the same bits. With as many roots as a site may have that is one file in a hundred
// (wants_bits below), and costs that file's reader a question that is answered with 0.
//
// The text of a list is base64 digits. The first says a number k. What follows are the gaps between
// the sorted cut marks, in a Rice code: gap >> k as that many ones and a zero, then the low k bits;
// ones fill the last digit. web/wants.js writes it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "base/limits.hpp"
#include "base/result.hpp"
#include "signal/message.hpp"

namespace peer_cdn::signal {

using CutMark = std::uint32_t;
constexpr CutMark cut(Mark mark) {
  return mark >> (32 - limits::wants_bits);
}

// The cut marks, sorted. Errors: malformed_message, message_too_long (more than a manifest has).
Result<std::vector<CutMark>> read_wants(std::string_view text);

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
  // Of 24 files each: four base64 digits.
  std::vector<std::uint32_t> cells_of(const Presence& presence) const;

  std::vector<PeerId> members_;
  bool wants_all_ = true;
  std::vector<CutMark> wanted_;
  std::vector<std::uint32_t> told_;
  std::vector<std::uint32_t> newest_;  // what newcomers are told: the same, and what came since
  std::vector<bool> came_;             // the cells in which something came since
};

}  // namespace peer_cdn::signal
