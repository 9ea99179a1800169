// Few things under numbers: a list, whose code is a fraction of that of any other container.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

namespace peer_cdn {

// What is in it does not move until it is erased. Keys are unique; the caller sees to that.
template <class Key, class T>
class Slots {
 public:
  T& add(Key key, T value) {
    first_ = std::unique_ptr<Slot>(new Slot{key, std::move(value), std::move(first_)});
    ++size_;
    return first_->value;
  }
  T* find(Key key) {
    std::unique_ptr<Slot>& link = link_of(key);
    return link ? &link->value : nullptr;
  }
  void erase(Key key) {
    std::unique_ptr<Slot>& link = link_of(key);
    if (!link) return;
    std::unique_ptr<Slot> next = std::move(link->next);
    link = std::move(next);
    --size_;
  }
  void clear() {
    while (first_) erase(first_->key);
  }
  std::size_t size() const { return size_; }

  template <class Test>
  bool any_of(Test&& test) const {
    for (const Slot* slot = first_.get(); slot; slot = slot->next.get()) {
      if (test(slot->value)) return true;
    }
    return false;
  }
  template <class Visit>
  void for_each(Visit&& visit) {
    for (Slot* slot = first_.get(); slot; slot = slot->next.get()) visit(slot->value);
  }

 private:
  struct Slot {
    Key key;
    T value;
    std::unique_ptr<Slot> next;
  };
  std::unique_ptr<Slot>& link_of(Key key) {
    std::unique_ptr<Slot>* link = &first_;
    while (*link && (*link)->key != key) link = &(*link)->next;
    return *link;
  }

  std::unique_ptr<Slot> first_;
  std::size_t size_ = 0;
};

}  // namespace peer_cdn
