// A first-in-first-out queue in one vector. It frees its room only when it is empty, so it is for
// queues that are drained before they are filled again.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace peer_cdn {

template <class T>
class Queue {
 public:
  void push(T item) { items_.push_back(std::move(item)); }
  bool empty() const { return items_.empty(); }
  std::optional<T> poll() {
    if (items_.empty()) return std::nullopt;
    std::optional<T> first = std::move(items_[next_]);
    if (++next_ == items_.size()) {
      items_.clear();
      next_ = 0;
    }
    return first;
  }

 private:
  std::vector<T> items_;
  std::size_t next_ = 0;
};

}  // namespace peer_cdn
