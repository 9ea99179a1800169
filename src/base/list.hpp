// A vector of things that are copied as bytes: all instances share one growth, one erasure and one
// copy, where std::vector has its own for each type, some 200 bytes that every visitor downloads.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <new>
#include <type_traits>
#include <utility>

namespace peer_cdn {

class RawList {
 public:
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  void clear() { size_ = 0; }

 protected:
  RawList() = default;
  RawList(RawList&& other) noexcept { swap(other); }
  RawList& operator=(RawList&& other) noexcept {
    swap(other);
    return *this;
  }
  ~RawList() { ::operator delete(data_); }
  void swap(RawList& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(room_, other.room_);
  }
  // Room for more at the end.
  [[gnu::noinline]] void* add(std::size_t item_bytes, std::size_t count = 1) {
    if (room_ - size_ < count) {
      if (count > items_max) std::abort();
      room_ = 2 * room_ + 3 + count;
      void* larger = ::operator new(room_* item_bytes);
      if (size_ > 0) std::memcpy(larger, data_, size_ * item_bytes);
      ::operator delete(std::exchange(data_, larger));
    }
    void* first = static_cast<std::byte*>(data_) + size_ * item_bytes;
    size_ += count;
    return first;
  }
  [[gnu::noinline]] void copy(const RawList& other, std::size_t item_bytes) {
    if (this == &other) return;
    clear();
    if (other.empty()) return;
    std::memcpy(add(item_bytes, other.size_), other.data_, other.size_ * item_bytes);
  }
  [[gnu::noinline]] void remove(std::size_t index, std::size_t item_bytes) {
    std::byte* at = static_cast<std::byte*>(data_) + index * item_bytes;
    --size_;
    std::memmove(at, at + item_bytes, (size_ - index) * item_bytes);
  }
  // Of what is added at once: the sum below does not wrap around.
  static constexpr std::size_t items_max = std::size_t{1} << 28;
  void* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t room_ = 0;
};

template <class T>
class List : public RawList {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  List() = default;
  List(std::initializer_list<T> items) {
    for (const T& each : items) push_back(each);
  }
  List(std::size_t count, const T& item) {
    while (count-- > 0) push_back(item);
  }
  List(List&&) = default;
  List& operator=(List&&) = default;
  List(const List& other) : RawList() { copy(other, sizeof(T)); }
  List& operator=(const List& other) {
    copy(other, sizeof(T));
    return *this;
  }
  void push_back(const T& item) {
    const T copy = item;  // it may be one of ours
    std::memcpy(add(sizeof(T)), static_cast<const void*>(&copy), sizeof(T));
  }
  // Of what an item is made of, in its place. Not of what is in the list.
  template <class U>
  void emplace_back(const U& from) {
    ::new (add(sizeof(T))) T(from);
  }
  void pop_back() { --size_; }
  // What is behind its place moves on.
  void insert(std::size_t index, T item) {
    push_back(item);
    std::memmove(static_cast<void*>(begin() + index + 1), static_cast<const void*>(begin() + index),
                 (size_ - 1 - index) * sizeof(T));
    begin()[index] = item;
  }
  // What is behind it moves up.
  void erase(std::size_t index) { remove(index, sizeof(T)); }
  void erase(T* item) { erase(static_cast<std::size_t>(item - begin())); }
  template <class F>
  void erase_if(F condition) {
    for (std::size_t i = size_; i-- > 0;) {
      if (condition(begin()[i])) erase(i);
    }
  }
  T& operator[](std::size_t index) { return begin()[index]; }
  const T& operator[](std::size_t index) const { return begin()[index]; }
  T* data() { return static_cast<T*>(data_); }
  const T* data() const { return static_cast<const T*>(data_); }
  T* begin() { return data(); }
  T* end() { return begin() + size_; }
  const T* begin() const { return data(); }
  const T* end() const { return begin() + size_; }
  T& front() { return *begin(); }
  const T& front() const { return *begin(); }
  T& back() { return end()[-1]; }
  bool operator==(const List& other) const {
    for (std::size_t i = 0; i < size(); ++i) {
      if (size() != other.size() || !(begin()[i] == other.begin()[i])) return false;
    }
    return size() == other.size();
  }
};

// Things that do not move: they are made where they stay, and erased with their place.
template <class T>
class OwnedList : List<T*> {
  using Base = List<T*>;

 public:
  using Base::empty;
  using Base::size;
  OwnedList() = default;
  OwnedList(OwnedList&&) = default;
  OwnedList& operator=(OwnedList&&) = default;
  ~OwnedList() { clear(); }
  T& add(T* item) {
    Base::push_back(item);
    return *item;
  }
  // Takes it out.
  T* release(std::size_t index) {
    T* item = Base::operator[](index);
    Base::erase(index);
    return item;
  }
  void erase(std::size_t index) { delete release(index); }
  // Of what is in the list.
  void erase(const T& item) {
    std::size_t at = 0;
    while (Base::operator[](at) != &item) ++at;
    erase(at);
  }
  template <class F>
  void erase_if(F condition) {
    for (std::size_t i = size(); i-- > 0;) {
      if (condition((*this)[i])) erase(i);
    }
  }
  void clear() {
    while (!empty()) erase(size() - 1);
  }
  T& operator[](std::size_t index) { return *Base::operator[](index); }
  const T& operator[](std::size_t index) const { return *Base::operator[](index); }
  struct Iterator {
    using iterator_category = std::input_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using pointer = T*;
    using reference = T&;
    T* const* at;
    T& operator*() const { return **at; }
    Iterator& operator++() {
      ++at;
      return *this;
    }
    bool operator==(const Iterator&) const = default;
  };
  Iterator begin() const { return {Base::begin()}; }
  Iterator end() const { return {Base::end()}; }
};

}  // namespace peer_cdn
