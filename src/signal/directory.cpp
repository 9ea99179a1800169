#include "signal/directory.hpp"

#include <cassert>
#include <utility>

#include "base/limits.hpp"

namespace peer_cdn::signal {

// --- Places --------------------------------------------------------------------------------------

// Numbers of roots are small and dense: a multiplication spreads them (Knuth's, by the golden
// ratio).
std::size_t Places::home(std::uint32_t root) const {
  return (root * 2654435769u >> 7) & (slots_.size() - 1);
}

// Where the root is, or where it would be inserted. Requires a free slot.
std::size_t Places::slot_of(std::uint32_t root) const {
  std::size_t at = home(root);
  while (slots_[at].root != none && slots_[at].root != root) at = (at + 1) & (slots_.size() - 1);
  return at;
}

std::uint32_t* Places::find(std::uint32_t root) {
  return const_cast<std::uint32_t*>(std::as_const(*this).find(root));
}
const std::uint32_t* Places::find(std::uint32_t root) const {
  if (slots_.empty()) return nullptr;
  const Slot& slot = slots_[slot_of(root)];
  return slot.root == root ? &slot.place : nullptr;
}

void Places::insert(std::uint32_t root, std::uint32_t place) {
  constexpr std::size_t slots_min = 4;
  // At most seven of eight are taken.
  if (8 * (size_ + 1) > 7 * slots_.size()) resize(slots_.empty() ? slots_min : 2 * slots_.size());
  slots_[slot_of(root)] = Slot{root, place};
  ++size_;
}

// What was pushed on by the one that goes moves back, so that no search ends too early.
void Places::erase(std::uint32_t root) {
  const std::size_t last = slots_.size() - 1;
  std::size_t hole = slot_of(root);
  assert(slots_[hole].root == root);
  for (std::size_t at = (hole + 1) & last; slots_[at].root != none; at = (at + 1) & last) {
    const std::size_t from_home = (at - home(slots_[at].root)) & last;
    if (from_home < ((at - hole) & last)) continue;
    slots_[hole] = slots_[at];
    hole = at;
  }
  slots_[hole] = Slot{};
  --size_;
  if (8 * size_ < slots_.size()) resize(slots_.size() / 2);
}

void Places::resize(std::size_t slots) {
  const std::vector<Slot> before = std::exchange(slots_, std::vector<Slot>(slots));
  for (const Slot& slot : before) {
    if (slot.root != none) slots_[slot_of(slot.root)] = slot;
  }
}

// --- Directory -----------------------------------------------------------------------------------

Directory::Change Directory::add(PeerId peer, const Root& root) {
  const auto known = numbers_.find(root);
  const bool first = known == numbers_.end();
  Places& places = places_[peer];
  if (!first && places.find(known->second)) return Change::nothing;
  if (holdings_count_ >= limits::holdings_per_site || places.size() >= limits::roots_per_peer ||
      (first && numbers_.size() >= limits::roots_per_site)) {
    return Change::no_room;
  }
  std::uint32_t number = 0;
  if (!first) {
    number = known->second;
  } else if (unused_.empty()) {
    number = static_cast<std::uint32_t>(held_.size());
    held_.emplace_back();
  } else {
    number = unused_.back();
    unused_.pop_back();
  }
  Held& held = held_[number];
  if (first) {
    held.root = root;
    numbers_.emplace(root, number);
  }
  places.insert(number, static_cast<std::uint32_t>(held.holders.size()));
  held.holders.push_back(peer);
  ++holdings_count_;
  return first && ++marks_[mark_of(root)] == 1 ? Change::mark_came : Change::nothing;
}

Directory::Change Directory::remove(PeerId peer, const Root& root) {
  const auto places = places_.find(peer);
  const auto number = numbers_.find(root);
  if (places == places_.end() || number == numbers_.end()) return Change::nothing;
  const std::uint32_t* const found = places->second.find(number->second);
  if (!found) return Change::nothing;
  const std::uint32_t place = *found;
  places->second.erase(number->second);
  if (places->second.size() == 0) places_.erase(places);
  return forget_holder(number->second, place);
}

void Directory::remove(PeerId peer, std::vector<Mark>& went) {
  const auto found = places_.find(peer);
  if (found == places_.end()) return;
  const Places places = std::move(found->second);
  places_.erase(found);
  places.each([&](std::uint32_t number, std::uint32_t place) {
    const Mark mark = mark_of(held_[number].root);
    if (forget_holder(number, place) == Change::mark_went) went.push_back(mark);
  });
}

// The last holder in the list takes the place of the one that goes.
Directory::Change Directory::forget_holder(std::uint32_t number, std::uint32_t place) {
  Held& held = held_[number];
  assert(place < held.holders.size());
  --holdings_count_;
  if (place + 1 < held.holders.size()) {
    held.holders[place] = held.holders.back();
    *places_.at(held.holders[place]).find(number) = place;
  }
  held.holders.pop_back();
  if (!held.holders.empty()) return Change::nothing;
  held.holders.shrink_to_fit();
  numbers_.erase(held.root);
  unused_.push_back(number);
  const auto mark = marks_.find(mark_of(held.root));
  if (--mark->second > 0) return Change::nothing;
  marks_.erase(mark);
  return Change::mark_went;
}

const std::vector<PeerId>& Directory::holders(const Root& root) const {
  static const std::vector<PeerId> nobody;
  const auto number = numbers_.find(root);
  return number == numbers_.end() ? nobody : held_[number->second].holders;
}

bool Directory::holds(PeerId peer, const Root& root) const {
  const auto number = numbers_.find(root);
  if (number == numbers_.end()) return false;
  const auto places = places_.find(peer);
  return places != places_.end() && places->second.find(number->second) != nullptr;
}

List<Root> Directory::roots_of(PeerId peer) const {
  List<Root> roots;
  const auto places = places_.find(peer);
  if (places == places_.end()) return roots;
  places->second.each(
      [&](std::uint32_t number, std::uint32_t) { roots.push_back(held_[number].root); });
  return roots;
}

std::vector<Mark> Directory::marks() const {
  std::vector<Mark> marks;
  marks.reserve(marks_.size());
  for (const auto& [mark, roots] : marks_) marks.push_back(mark);
  return marks;
}

}  // namespace peer_cdn::signal
