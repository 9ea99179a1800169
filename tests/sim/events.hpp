// What will happen, and when. Millions of events a run: actions lie in slots that are used again,
// and the heap moves only their times.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/time.hpp"

namespace peer_cdn::sim {

// std::function without an allocation, for what is called once.
class Action {
 public:
  template <class F>
  requires(!std::is_same_v<F, Action>) Action(F f)  // NOLINT: implicit, as std::function's
      : call_([](void* at) { (*static_cast<F*>(at))(); }), move_([](void* from, void* to) {
          if (to != nullptr) new (to) F(std::move(*static_cast<F*>(from)));
          static_cast<F*>(from)->~F();
        }) {
    static_assert(sizeof(F) <= sizeof bytes_ && alignof(F) <= alignof(std::max_align_t));
    new (bytes_) F(std::move(f));
  }
  Action(Action&& other) noexcept { take(other); }
  Action& operator=(Action&& other) noexcept {
    clear();
    take(other);
    return *this;
  }
  ~Action() { clear(); }
  void operator()() { call_(bytes_); }

 private:
  void take(Action& other) {
    call_ = other.call_;
    move_ = std::exchange(other.move_, nullptr);
    if (move_ != nullptr) move_(other.bytes_, bytes_);
  }
  void clear() {
    if (move_ != nullptr) move_(bytes_, nullptr);
    move_ = nullptr;
  }

  void (*call_)(void*) = nullptr;
  void (*move_)(void*, void*) = nullptr;
  alignas(std::max_align_t) std::byte bytes_[160];
};

class Events {
 public:
  bool empty() const { return heap_.empty(); }
  std::size_t size() const { return heap_.size(); }
  // When the next one happens. Requires that there is one.
  Instant next() const { return heap_.front().at; }

  // Events of one instant happen in the order in which they were added.
  void add(Instant at, Action action) {
    std::uint32_t slot = 0;
    if (free_.empty()) {
      slot = static_cast<std::uint32_t>(actions_.size());
      actions_.push_back(std::move(action));
    } else {
      slot = free_.back();
      free_.pop_back();
      actions_[slot] = std::move(action);
    }
    heap_.push_back({at, order_++, slot});
    std::push_heap(heap_.begin(), heap_.end());
  }

  Action pop() {
    std::pop_heap(heap_.begin(), heap_.end());
    const std::uint32_t slot = heap_.back().slot;
    heap_.pop_back();
    free_.push_back(slot);
    return std::move(actions_[slot]);
  }

 private:
  struct Entry {
    Instant at;
    std::uint64_t order;
    std::uint32_t slot;
    bool operator<(const Entry& other) const {
      return at != other.at ? at > other.at : order > other.order;
    }
  };
  std::vector<Entry> heap_;
  std::vector<Action> actions_;
  std::vector<std::uint32_t> free_;
  std::uint64_t order_ = 0;
};

}  // namespace peer_cdn::sim
