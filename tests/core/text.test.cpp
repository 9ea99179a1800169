#include "base/text.hpp"

#include <doctest/doctest.h>

namespace peer_cdn {
namespace {

TEST_CASE("a token has a character, and none that HTTP uses between tokens") {
  CHECK(is_token("cache-control"));
  CHECK(is_token("!#$%&'*+-.^_`|~09azAZ"));
  for (const std::string_view text :
       {"", " ", "a b", "a:", "a,", "a;", "a=b", "\"a\"", "a/b", "a\x7f", "\xe4"}) {
    CAPTURE(text);
    CHECK(!is_token(text));
  }
  CHECK(!is_token(std::string_view("a\0b", 3)));
}

TEST_CASE("only spaces and tabs are trimmed, and only outside") {
  CHECK(trim(" \ta b\t ") == "a b");
  CHECK(trim(" \t ").empty());
  CHECK(trim("\na\r") == "\na\r");
}

TEST_CASE("case is ignored for ASCII letters alone") {
  CHECK(equals_ignoring_case("No-Store", "nO-sTORE"));
  CHECK(!equals_ignoring_case("no-store", "no_store"));
  CHECK(!equals_ignoring_case("@", "`"));
  CHECK(!equals_ignoring_case("\xc4", "\xe4"));
  CHECK(!equals_ignoring_case("a", "ab"));
}

TEST_CASE("a table of lines is searched for whole lines only") {
  CHECK(line_of("a\nbc\nd", "a") == 0);
  CHECK(line_of("a\nbc\nd\n", "d") == 2);
  for (const std::string_view line : {"", "b", "c", "bcd", "a\nbc", "\n"}) {
    CAPTURE(line);
    CHECK(line_of("a\nbc\nd\n", line) == std::string_view::npos);
    CHECK_FALSE(has_line("a\nbc\nd", line));
  }
  CHECK_FALSE(has_line("", ""));
}

}  // namespace
}  // namespace peer_cdn
