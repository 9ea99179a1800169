#include "base/error.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "base/result.hpp"

namespace peer_cdn {
namespace {

constexpr auto last = Error::shutting_down;

TEST_CASE("every error has a kebab-case code of its own") {
  std::set<std::string_view> codes;
  for (int i = 0; i <= static_cast<int>(last); ++i) {
    const std::string_view text = code(static_cast<Error>(i));
    CAPTURE(text);
    CHECK(codes.insert(text).second);
    CHECK(std::all_of(text.begin(), text.end(),
                      [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; }));
    CHECK(text.front() != '-');
    CHECK(text.back() != '-');
  }
}

TEST_CASE("a code says what its enumerator says") {
  CHECK(code(Error::none) == "none");
  CHECK(code(Error::malformed_message) == "malformed-message");
  CHECK(code(Error::malformed_route) == "malformed-route");
  CHECK(code(Error::wrong_digest) == "wrong-digest");
  CHECK(code(Error::peer_stalled) == "peer-stalled");
  CHECK(code(Error::range_not_satisfiable) == "range-not-satisfiable");
  CHECK(code(Error::cancelled) == "cancelled");
  CHECK(code(Error::shutting_down) == "shutting-down");
}

TEST_CASE("a result is a value or the error that refuses it") {
  const Result<int> value = 7;
  CHECK(value);
  CHECK(*value == 7);
  CHECK(value.error() == Error::none);
  const Result<int> refused = Error::timed_out;
  CHECK(!refused);
  CHECK(refused.error() == Error::timed_out);
}

}  // namespace
}  // namespace peer_cdn
