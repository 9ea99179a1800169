// One of several types: the part of std::variant that we use, in less code. std::variant costs a
// function for each alternative wherever it is moved, destroyed or visited. This one costs a branch
// for each alternative that is not trivially copied.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>
#include <utility>
#include <variant>

namespace peer_cdn {

template <class... T>
class Variant {
  template <class U>
  static constexpr bool holdable = (std::is_same_v<U, T> || ...);
  template <class U>
  static constexpr std::uint8_t index_of = [] {
    std::uint8_t index = 0;
    (void)((std::is_same_v<U, T> || (++index, false)) || ...);
    return index;
  }();

 public:
  template <class U>
  requires holdable<U> Variant(U value)
      : index_(index_of<U>) {  // NOLINT: implicit, as std::variant's
    std::construct_at(as<U>(), std::move(value));
  }
  Variant(Variant&& other) noexcept : index_(other.index_) {
    fill([&]<class U>() { std::construct_at(as<U>(), std::move(*other.template as<U>())); }, other);
  }
  Variant(const Variant& other) : index_(other.index_) {
    fill([&]<class U>() { std::construct_at(as<U>(), *other.template as<U>()); }, other);
  }
  Variant& operator=(Variant other) noexcept {
    this->~Variant();
    return *std::construct_at(this, std::move(other));
  }
  ~Variant() {
    with([&]<class U>() {
      if constexpr (!std::is_trivially_destructible_v<U>) std::destroy_at(as<U>());
    });
  }

  std::size_t index() const { return index_; }
  template <class U>
  U* as() {
    static_assert(holdable<U>);
    return static_cast<U*>(static_cast<void*>(bytes_));
  }
  template <class U>
  const U* as() const {
    static_assert(holdable<U>);
    return static_cast<const U*>(static_cast<const void*>(bytes_));
  }
  template <class U>
  bool holds() const {
    return index_ == index_of<U>;
  }
  // Calls f with the type of the value.
  template <class F>
  void with(F f) const {
    (void)((holds<T>() && (f.template operator()<T>(), true)) || ...);
  }

 private:
  template <class F>
  void fill(F construct, const Variant& other) {
    std::memcpy(bytes_, other.bytes_, sizeof bytes_);
    with([&]<class U>() {
      if constexpr (!std::is_trivially_copyable_v<U>) construct.template operator()<U>();
    });
  }

  alignas(T...) std::byte bytes_[std::max({sizeof(T)...})];
  std::uint8_t index_;
};

template <class U, class... T>
U* get_if(Variant<T...>* variant) {
  return variant->template holds<U>() ? variant->template as<U>() : nullptr;
}
template <class U, class... T>
const U* get_if(const Variant<T...>* variant) {
  return variant->template holds<U>() ? variant->template as<U>() : nullptr;
}
// Requires that the variant holds a U.
template <class U, class... T>
const U& get(const Variant<T...>& variant) {
  assert(variant.template holds<U>());
  return *variant.template as<U>();
}
template <class U, class... T>
bool holds_alternative(const Variant<T...>& variant) {
  return variant.template holds<U>();
}

// Calls f with the value.
template <class V, class F>
void match(V& variant, F f) {
  variant.with([&]<class U>() { f(*variant.template as<U>()); });
}

// The same for what std::variant holds, where all is trivial: std::visit would be a function for
// each alternative, and a table of them.
template <class... T, class F>
void match(const std::variant<T...>& variant, F f) {
  (void)((std::holds_alternative<T>(variant) && (f(*std::get_if<T>(&variant)), true)) || ...);
}

template <class... T>
bool operator==(const Variant<T...>& a, const Variant<T...>& b) {
  bool same = a.index() == b.index();
  if (same) a.with([&]<class U>() { same = *a.template as<U>() == *b.template as<U>(); });
  return same;
}

}  // namespace peer_cdn
