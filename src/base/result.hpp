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
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit on purpose
  Result(Error error) : state_(std::in_place_index<1>, error) { assert(error != Error::none); }  // NOLINT

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
