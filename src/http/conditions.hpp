// The conditional headers of a request (RFC 9110 section 13) for bytes that have not changed.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/manifest.hpp"

namespace peer_cdn {

// As the request has them; empty if it has not.
struct Conditions {
  // Takes them off the front, a line each, in this order.
  static Conditions take(std::string_view& rest);
  static Conditions of(std::string_view lines) { return take(lines); }

  std::string_view range{};
  std::string_view if_range{};
  std::string_view if_match{};
  std::string_view if_unmodified_since{};
  std::string_view if_none_match{};
  std::string_view if_modified_since{};

  // Those but If-Range, of which each may be the whole answer.
  bool any() const {
    return !(if_match.empty() && if_unmodified_since.empty() && if_none_match.empty() &&
             if_modified_since.empty());
  }
};

enum class Condition : std::uint8_t {
  holds,         // the resource, or the range of it, is the answer
  not_modified,  // 304
  origin,        // a validator that nobody gave for these bytes, as far as we know: it decides
};

// What the origin would answer, if the validators are the resource's: those that it gave, that this
// browser was given, or our own tag. A weak tag in If-Range or If-Match never holds by the RFC, but
// many servers let it; so it is the origin's to decide, as is a date that is none of those given.
Condition evaluate(const Conditions& asked, const Resource& resource);

}  // namespace peer_cdn
