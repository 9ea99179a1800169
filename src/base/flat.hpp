// A set and a map as sorted vectors. While they are small they look up as fast as hash tables, and
// each instance of a hash table would cost a kilobyte of code that every page downloads.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "base/list.hpp"

namespace peer_cdn {

// vector::insert() would be several times as much code.
template <class T>
T& insert_at(std::vector<T>& items, std::ptrdiff_t index, T item) {
  items.push_back(std::move(item));
  std::rotate(items.begin() + index, items.end() - 1, items.end());
  return items[static_cast<std::size_t>(index)];
}

template <class Key, class Value>
class FlatMap {
 public:
  struct Entry {
    Key key;
    Value value;
  };

  // Null if the key is not there. Valid until the next insert or erase.
  Value* find(const Key& key) {
    const auto at = place(key);
    return at != entries_.end() && at->key == key ? &at->value : nullptr;
  }
  // Requires that the key is not there.
  Value& insert(const Key& key, Value value) {
    return insert_at(entries_, place(key) - entries_.begin(), Entry{key, std::move(value)}).value;
  }
  void erase(const Key& key) {
    const auto at = place(key);
    if (at != entries_.end() && at->key == key) entries_.erase(at);
  }
  template <class F>
  void erase_if(F condition) {
    entries_.erase(std::remove_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return condition(entry.value); }),
                   entries_.end());
  }
  std::size_t size() const { return entries_.size(); }
  auto begin() { return entries_.begin(); }
  auto end() { return entries_.end(); }

 private:
  auto place(const Key& key) {
    return std::lower_bound(entries_.begin(), entries_.end(), key,
                            [](const Entry& entry, const Key& k) { return entry.key < k; });
  }

  std::vector<Entry> entries_;
};

template <class Key>
class FlatSet {
 public:
  bool contains(const Key& key) const {
    return std::binary_search(keys_.begin(), keys_.end(), key);
  }
  void insert(const Key& key) {
    const auto at = std::lower_bound(keys_.begin(), keys_.end(), key);
    if (at == keys_.end() || key < *at) {
      keys_.insert(static_cast<std::size_t>(at - keys_.begin()), key);
    }
  }
  void erase(const Key& key) {
    const auto at = std::lower_bound(keys_.begin(), keys_.end(), key);
    if (at != keys_.end() && *at == key) keys_.erase(at);
  }
  void clear() { keys_.clear(); }
  std::size_t size() const { return keys_.size(); }
  bool operator==(const FlatSet&) const = default;
  auto begin() const { return keys_.begin(); }
  auto end() const { return keys_.end(); }

 private:
  List<Key> keys_;
};

}  // namespace peer_cdn
