#include "base/variant.hpp"

#include <doctest/doctest.h>

#include <string>

namespace peer_cdn {
namespace {

using Three = Variant<int, std::string, std::unique_ptr<int>>;
using Two = Variant<int, std::string>;

const std::string letters(100, 'a');  // no short string

TEST_CASE("a variant holds what it was made of or assigned") {
  Three variant = 7;
  CHECK(variant.index() == 0);
  CHECK(get<int>(variant) == 7);
  CHECK(get_if<std::string>(&variant) == nullptr);
  variant = letters;
  CHECK(variant.index() == 1);
  CHECK(holds_alternative<std::string>(variant));
  CHECK(*get_if<std::string>(&variant) == letters);
  variant = std::make_unique<int>(3);
  CHECK(*get<std::unique_ptr<int>>(variant) == 3);
}

TEST_CASE("a variant that is moved or copied leaves and makes whole values") {
  Two first = letters;
  const Two copy = first;
  const Two moved = std::move(first);
  CHECK(copy == moved);
  first = copy;
  CHECK(first == moved);
  first = 1;
  CHECK_FALSE(first == moved);
  CHECK_FALSE(first == Two(2));
}

TEST_CASE("match calls with the value that is there, once") {
  Two variant = letters;
  int calls = 0;
  match(variant, [&](auto& value) {
    ++calls;
    if constexpr (std::is_same_v<decltype(value), std::string&>) value += 'b';
  });
  CHECK(calls == 1);
  CHECK(get<std::string>(variant) == letters + 'b');
}

}  // namespace
}  // namespace peer_cdn
