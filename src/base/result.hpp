// A value or the Error that refuses it.
#pragma once

#include <cassert>
#include <utility>
#include <variant>

#include "base/error.hpp"

namespace peer_cdn {

template <class T>
class [[nodiscard]] Result {
 public:
  // Implicit on purpose: `return Error::timed_out;` and `return value;` are how these are made.
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT
  Result(Error error) : state_(std::in_place_index<1>, error) {          // NOLINT
    assert(error != Error::none);
  }

  explicit operator bool() const { return state_.index() == 0; }
  const T& operator*() const { return value(); }
  const T* operator->() const { return &value(); }
  const T& value() const {
    assert(state_.index() == 0);
    return *std::get_if<0>(&state_);
  }
  T& value() {
    assert(state_.index() == 0);
    return *std::get_if<0>(&state_);
  }
  // Error::none when there is a value.
  Error error() const { return state_.index() == 1 ? *std::get_if<1>(&state_) : Error::none; }

 private:
  std::variant<T, Error> state_;
};

}  // namespace peer_cdn
