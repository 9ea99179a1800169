// Which peer can serve which root, on one site: root -> holders and peer -> roots, kept in step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/ids.hpp"
#include "signal/message.hpp"

namespace peer_cdn::signal {

// The places of one peer in the lists of holders, by the numbers of the roots: a hash table of
// eight bytes an entry, because a crowd has a hundred of them for each visitor.
class Places {
 public:
  // Null if the root is not there. Valid until the next insert or erase.
  std::uint32_t* find(std::uint32_t root);
  const std::uint32_t* find(std::uint32_t root) const;
  // Requires that the root is not there.
  void insert(std::uint32_t root, std::uint32_t place);
  // Requires that the root is there.
  void erase(std::uint32_t root);
  std::size_t size() const { return size_; }
  template <class F>
  void each(F use) const {
    for (const Slot& slot : slots_) {
      if (slot.root != none) use(slot.root, slot.place);
    }
  }

 private:
  static constexpr std::uint32_t none = 0xffffffff;
  struct Slot {
    std::uint32_t root = none;
    std::uint32_t place = 0;
  };

  std::size_t home(std::uint32_t root) const;
  std::size_t slot_of(std::uint32_t root) const;
  void resize(std::size_t slots);

  std::vector<Slot> slots_;  // a power of two, or none
  std::size_t size_ = 0;
};

class Directory {
 public:
  // How a change changed the marks that the site's members are told. No room: a bound is reached
  // (limits::roots_per_peer, roots_per_site, holdings_per_site), so this peer is not named for
  // this root.
  enum class Change : std::uint8_t { nothing, mark_came, mark_went, no_room };

  Change add(PeerId peer, const Root& root);
  Change remove(PeerId peer, const Root& root);
  // Takes out every root of the peer, and appends the marks that went.
  void remove(PeerId peer, std::vector<Mark>& went);

  // In no particular order. Valid until the next change.
  const std::vector<PeerId>& holders(const Root& root) const;
  bool holds(PeerId peer, const Root& root) const;
  // What the peer holds.
  List<Root> roots_of(PeerId peer) const;
  bool has(Mark mark) const { return marks_.count(mark) > 0; }
  std::vector<Mark> marks() const;

  std::size_t roots() const { return numbers_.size(); }
  std::size_t peers() const { return places_.size(); }
  std::size_t holdings() const { return holdings_count_; }

 private:
  struct Held {
    Root root;
    std::vector<PeerId> holders;
  };

  Change forget_holder(std::uint32_t number, std::uint32_t place);

  std::unordered_map<Root, std::uint32_t> numbers_;  // of the roots that somebody holds: in held_
  std::vector<Held> held_;
  std::vector<std::uint32_t> unused_;  // places in held_
  std::unordered_map<PeerId, Places> places_;
  std::unordered_map<Mark, std::uint32_t> marks_;  // how many roots have it
  std::size_t holdings_count_ = 0;
};

}  // namespace peer_cdn::signal
