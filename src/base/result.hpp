// A value or the Error that refuses it.
#pragma once

#include <cassert>
#include <optional>
#include <utility>

#include "base/error.hpp"

namespace peer_cdn {

template <class T>
class [[nodiscard]] Result {
 public:
  // Implicit on purpose, so that a function says `return Error::timed_out;` or `return value;`.
  Result(T value) : value_(std::move(value)) {}  // NOLINT
  Result(Error error) : error_(error) {          // NOLINT
    assert(error != Error::none);
  }

  explicit operator bool() const { return value_.has_value(); }
  const T& operator*() const { return value(); }
  const T* operator->() const { return &value(); }
  const T& value() const {
    assert(value_.has_value());
    return *value_;
  }
  T& value() {
    assert(value_.has_value());
    return *value_;
  }
  // Error::none when there is a value.
  Error error() const { return error_; }

 private:
  std::optional<T> value_;
  Error error_ = Error::none;
};

}  // namespace peer_cdn
