#include "base/error.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <set>
#include <string>
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

TEST_CASE("which errors say why no coordinator helps a page") {
  std::string codes;
  for (int i = 0; i <= static_cast<int>(last); ++i) {
    const auto error = static_cast<Error>(i);
    if (is_of_coordinator(error)) (codes += code(error)) += ' ';
  }
  CHECK(codes ==
        "version-mismatch no-coordinator origin-refused rate-limited too-many-peers "
        "shutting-down ");
}

TEST_CASE("a code is its enumerator's name, in the order of the header") {
  std::FILE* file = std::fopen(TESTS_DIR "/../src/base/error.hpp", "rb");
  REQUIRE(file);
  char line[256];
  bool inside = false;
  int next = 0;
  while (std::fgets(line, sizeof line, file)) {
    std::string text = line;
    if (text.rfind("enum class", 0) == 0) inside = true;
    if (text.rfind("};", 0) == 0) inside = false;
    const std::size_t comma = text.find(',');
    if (!inside || comma == std::string::npos || text.find("//") != std::string::npos) continue;
    text = text.substr(2, comma - 2);
    std::replace(text.begin(), text.end(), '_', '-');
    CHECK(code(static_cast<Error>(next++)) == text);
  }
  std::fclose(file);
  CHECK(next == static_cast<int>(last) + 1);
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
