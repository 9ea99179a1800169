#include "base/list.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/text.hpp"

namespace peer_cdn {
namespace {

TEST_CASE("a list holds what a vector holds, whatever is added, inserted and erased") {
  List<int> list;
  std::vector<int> vector;
  for (int i = 0; i < 100; ++i) {
    list.push_back(i);
    vector.push_back(i);
    if (i % 3 == 0) {
      list.insert(static_cast<std::size_t>(i / 3), -i);
      vector.insert(vector.begin() + i / 3, -i);
    }
    if (i % 5 == 0) {
      list.erase(static_cast<std::size_t>(i / 5));
      vector.erase(vector.begin() + i / 5);
    }
  }
  CHECK(std::vector<int>(list.begin(), list.end()) == vector);
}

TEST_CASE("a copy of a list is apart from it, and a list that is copied to itself stays") {
  List<int> list{1, 2, 3};
  List<int> copy = list;
  copy[0] = 9;
  CHECK(list[0] == 1);
  list = *&list;
  CHECK(list.size() == 3);
  copy = List<int>();
  CHECK(copy.empty());
  CHECK(List<int>(4, 7).size() == 4);
  CHECK(List<int>(4, 7)[3] == 7);
}

TEST_CASE("an item of a list is added to the same list, though it grows") {
  List<int> list{5};
  for (int i = 0; i < 50; ++i) list.push_back(list[0]);
  CHECK(list.back() == 5);
}

TEST_CASE("a text is what was put into it, whatever its length") {
  Text text;
  std::string expected;
  for (int i = 0; i < 40; ++i) {
    const std::string more(static_cast<std::size_t>(i), static_cast<char>('a' + i % 26));
    text += more;
    expected += more;
    text.push_back('\n');
    expected.push_back('\n');
    REQUIRE(text == expected);
  }
  const Text copy = text;
  text = "short";
  CHECK(text == "short");
  CHECK(copy == expected);
  text = "";
  CHECK(text.empty());
  text.grow_to(7);
  CHECK(text.size() == 7);
}

TEST_CASE("items are erased by where they are, and by what they are") {
  List<int> list{1, 2, 3, 4, 5, 6};
  list.erase(std::find(list.begin(), list.end(), 3));
  CHECK(list == List<int>{1, 2, 4, 5, 6});
  list.erase_if([](int each) { return each % 2 == 0; });
  CHECK(list == List<int>{1, 5});
  CHECK(list.front() == 1);
  list.erase_if([](int) { return true; });
  CHECK(list.empty());
}

TEST_CASE("of things that do not move, the one that is erased is gone, and the others stay") {
  OwnedList<int> list;
  int& first = list.add(new int(1));
  int& second = list.add(new int(2));
  const int& third = list.add(new int(3));
  list.erase(second);
  REQUIRE(list.size() == 2);
  CHECK(&list[0] == &first);
  CHECK(&list[1] == &third);
  CHECK(std::count_if(list.begin(), list.end(), [](int each) { return each > 1; }) == 1);
}

}  // namespace
}  // namespace peer_cdn
