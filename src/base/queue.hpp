// A first-in-first-out queue, for a few things that are drained before more come. All instances
// share the code of one list of pointers, where a std::vector of each type has code of its own.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "base/list.hpp"

namespace peer_cdn {

template <class T>
class Queue {
 public:
  void push(T item) { items_.add(new T(std::move(item))); }
  bool empty() const { return items_.empty(); }
  std::optional<T> poll() {
    if (items_.empty()) return std::nullopt;
    const std::unique_ptr<T> first(items_.release(0));
    return std::move(*first);
  }

 private:
  OwnedList<T> items_;
};

}  // namespace peer_cdn
