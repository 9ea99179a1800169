#include "signal/audience.hpp"

#include <algorithm>
#include <utility>

namespace peer_cdn::signal {

Audience::Audience(std::vector<CutMark> wanted, const Presence& presence)
    : wants_all_(false),
      wanted_(std::move(wanted)),
      told_(cells_of(presence)),
      newest_(told_),
      came_(told_.size()) {}

std::uint32_t Audience::add(PeerId peer) {
  members_.push_back(peer);
  return static_cast<std::uint32_t>(members_.size() - 1);
}

PeerId Audience::remove(std::uint32_t position) {
  const PeerId last = members_.back();
  members_[position] = last;
  members_.pop_back();
  return last;
}

std::vector<std::uint32_t> Audience::cells_of(const Presence& presence) const {
  std::vector<std::uint32_t> cells((wanted_.size() + files_per_cell - 1) / files_per_cell);
  for (std::size_t i = 0; i < wanted_.size(); ++i) {
    if (presence.has(wanted_[i])) cells[i / files_per_cell] |= bit_of(i);
  }
  return cells;
}

void Audience::handle_came(Mark mark) {
  const auto same = std::equal_range(wanted_.begin(), wanted_.end(), cut(mark));
  for (auto each = same.first; each != same.second; ++each) {
    const auto i = static_cast<std::size_t>(each - wanted_.begin());
    newest_[i / files_per_cell] |= bit_of(i);
    came_[i / files_per_cell] = true;
  }
}

std::string Audience::all() const {
  List<Cell> cells;
  for (std::size_t i = 0; i < newest_.size(); ++i) {
    if (newest_[i] != 0) cells.push_back({static_cast<std::uint32_t>(i), newest_[i]});
  }
  return write_cells(cells);
}

std::string Audience::changes(const Presence& presence) {
  const std::vector<std::uint32_t> before = std::exchange(told_, cells_of(presence));
  const std::vector<std::uint32_t> newest = std::exchange(newest_, told_);
  const std::vector<bool> came = std::exchange(came_, std::vector<bool>(told_.size()));
  List<Cell> cells;
  // What came and went again only newcomers were told. What went and came again is told once more:
  // who asked for it in between heard that nobody has it.
  for (std::size_t i = 0; i < told_.size(); ++i) {
    if (told_[i] != before[i] || told_[i] != newest[i] || came[i]) {
      cells.push_back({static_cast<std::uint32_t>(i), told_[i]});
    }
  }
  return write_cells(cells);
}

}  // namespace peer_cdn::signal
