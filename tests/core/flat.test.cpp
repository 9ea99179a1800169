#include "base/flat.hpp"

#include <doctest/doctest.h>

#include <map>
#include <random>

namespace peer_cdn {
namespace {

TEST_CASE("a flat map and a flat set do what std::map does") {
  const std::uint32_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  FlatMap<int, int> map;
  FlatSet<int> set;
  std::map<int, int> model;
  for (int step = 0; step < 2000; ++step) {
    const int key = static_cast<int>(random() % 50);
    if (random() % 2 == 0) {
      map.erase(key);
      set.erase(key);
      model.erase(key);
    } else if (int* value = map.find(key)) {
      *value = step;
      model[key] = step;
      set.insert(key);
    } else {
      CHECK(map.insert(key, step) == step);
      model[key] = step;
      set.insert(key);
    }
    if (step % 100 == 0) {
      map.erase_if([](int value) { return value % 3 == 0; });
      for (auto at = model.begin(); at != model.end();) {
        if (at->second % 3 == 0) set.erase(at->first);
        at = at->second % 3 == 0 ? model.erase(at) : std::next(at);
      }
    }
    REQUIRE(map.size() == model.size());
    REQUIRE(std::equal(set.begin(), set.end(), model.begin(), model.end(),
                       [](int a, const auto& b) { return a == b.first; }));
    REQUIRE(std::equal(map.begin(), map.end(), model.begin(), [](const auto& a, const auto& b) {
      return a.key == b.first && a.value == b.second;
    }));
    CHECK(set.contains(key) == (model.count(key) > 0));
  }
}

}  // namespace
}  // namespace peer_cdn
