#include "signal/directory.hpp"

#include <cassert>

#include "base/limits.hpp"

namespace peer_cdn::signal {

Directory::Change Directory::add(PeerId peer, const Root& root) {
  if (holdings_count_ >= limits::holdings_per_site || holds(peer, root)) return Change::nothing;
  auto holders = holders_.find(root);
  if (holders == holders_.end() && holders_.size() >= limits::roots_per_site) {
    return Change::nothing;
  }
  Positions& positions = holdings_[peer];
  if (positions.size() >= limits::roots_per_peer) return Change::nothing;
  const bool first = holders == holders_.end();
  if (first) holders = holders_.emplace(root, std::vector<PeerId>()).first;
  positions.emplace(root, static_cast<std::uint32_t>(holders->second.size()));
  holders->second.push_back(peer);
  ++holdings_count_;
  return first && ++marks_[mark_of(root)] == 1 ? Change::mark_came : Change::nothing;
}

Directory::Change Directory::remove(PeerId peer, const Root& root) {
  const auto positions = holdings_.find(peer);
  if (positions == holdings_.end()) return Change::nothing;
  const auto found = positions->second.find(root);
  if (found == positions->second.end()) return Change::nothing;
  const std::uint32_t position = found->second;
  positions->second.erase(found);
  if (positions->second.empty()) holdings_.erase(positions);
  return forget_holder(root, position);
}

void Directory::remove(PeerId peer, std::vector<Mark>& went) {
  const auto found = holdings_.find(peer);
  if (found == holdings_.end()) return;
  const Positions positions = std::move(found->second);
  holdings_.erase(found);
  for (const auto& [root, position] : positions) {
    if (forget_holder(root, position) == Change::mark_went) went.push_back(mark_of(root));
  }
}

// The last holder in the list takes the place of the one that goes.
Directory::Change Directory::forget_holder(const Root& root, std::uint32_t position) {
  const auto found = holders_.find(root);
  assert(found != holders_.end() && position < found->second.size());
  std::vector<PeerId>& holders = found->second;
  --holdings_count_;
  if (position + 1 < holders.size()) {
    holders[position] = holders.back();
    holdings_.at(holders[position]).at(root) = position;
  }
  holders.pop_back();
  if (!holders.empty()) return Change::nothing;
  holders_.erase(found);
  const auto mark = marks_.find(mark_of(root));
  if (--mark->second > 0) return Change::nothing;
  marks_.erase(mark);
  return Change::mark_went;
}

const std::vector<PeerId>& Directory::holders(const Root& root) const {
  static const std::vector<PeerId> nobody;
  const auto found = holders_.find(root);
  return found == holders_.end() ? nobody : found->second;
}

bool Directory::holds(PeerId peer, const Root& root) const {
  const auto positions = holdings_.find(peer);
  return positions != holdings_.end() && positions->second.count(root) > 0;
}

std::vector<Mark> Directory::marks() const {
  std::vector<Mark> marks;
  marks.reserve(marks_.size());
  for (const auto& [mark, roots] : marks_) marks.push_back(mark);
  return marks;
}

}  // namespace peer_cdn::signal
