#include "http/eviction.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <random>

#include "base/limits.hpp"

namespace peer_cdn {
namespace {

Root root(std::uint8_t n) {
  Root root;
  root.bytes[0] = n;
  return root;
}

enum Listed { unlisted, listed };
enum Open { closed, open };

StoredRoot entry(std::uint8_t n, std::uint64_t bytes, Listed is_listed, Open is_open,
                 std::uint64_t order) {
  return {root(n), bytes, is_listed == listed, is_open == open, order};
}

using Roots = List<Root>;

TEST_CASE("the quota is what the site says, or half of what the browser offers within a limit") {
  struct Case {
    double asked, browser;
    std::uint64_t expected;
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Case cases[] = {{100, 10, 100},
                        {0, 1000, 500},
                        {-5, 1000, 500},
                        {nan, 1000, 500},
                        {0, 1e15, limits::store_bytes},
                        {0, 0, limits::store_bytes},
                        {0, nan, limits::store_bytes},
                        {1e300, 0, std::uint64_t{1} << 53}};
  for (const Case& each : cases) {
    CAPTURE(each.asked);
    CAPTURE(each.browser);
    CHECK(store_quota(each.asked, each.browser) == each.expected);
  }
}

TEST_CASE("nothing is dropped while it fits") {
  CHECK(roots_to_drop({}, 100, 100).value().empty());
  CHECK(roots_to_drop({entry(1, 60, unlisted, closed, 1)}, 100, 40).value().empty());
}

TEST_CASE("what is no longer listed goes first, then the oldest, until it fits") {
  const List<StoredRoot> stored = {entry(1, 10, listed, closed, 1), entry(2, 10, listed, closed, 2),
                                   entry(3, 10, unlisted, closed, 9),
                                   entry(4, 10, unlisted, closed, 8)};
  CHECK(roots_to_drop(stored, 40, 1).value() == Roots{root(4)});
  CHECK(roots_to_drop(stored, 40, 10).value() == Roots{root(4)});
  CHECK(roots_to_drop(stored, 40, 11).value() == Roots{root(4), root(3)});
  CHECK(roots_to_drop(stored, 40, 30).value() == Roots{root(4), root(3), root(1)});
  CHECK(roots_to_drop(stored, 40, 40).value() == Roots{root(4), root(3), root(1), root(2)});
}

TEST_CASE("an open one is never dropped") {
  const List<StoredRoot> stored = {entry(1, 50, unlisted, open, 1),
                                   entry(2, 50, listed, closed, 2)};
  CHECK(roots_to_drop(stored, 100, 50).value() == Roots{root(2)});
  CHECK(roots_to_drop(stored, 100, 51).error() == Error::storage_full);
}

TEST_CASE("nothing is dropped for nothing") {
  CHECK(roots_to_drop({entry(1, 50, listed, closed, 1)}, 100, 101).error() == Error::storage_full);
  CHECK(roots_to_drop({entry(1, 0, unlisted, closed, 1), entry(2, 5, listed, closed, 2)}, 5, 1)
            .value() == Roots{root(2)});
}

TEST_CASE("a quota that shrank is met again") {
  CHECK(roots_to_drop({entry(1, 50, listed, closed, 1), entry(2, 50, listed, closed, 2)}, 60, 0)
            .value() == Roots{root(1)});
}

TEST_CASE("any store can be brought below its quota, or is said to be full") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 500; ++round) {
    List<StoredRoot> stored;
    std::uint64_t used = 0, fixed = 0;
    const auto count = static_cast<std::uint8_t>(random() % 12);
    for (std::uint8_t i = 0; i < count; ++i) {
      stored.push_back(
          {root(i), random() % 100, random() % 2 == 0, random() % 4 == 0, random() % 5});
      used += stored.back().bytes;
      if (stored.back().open) fixed += stored.back().bytes;
    }
    const std::uint64_t quota = random() % 600, needed = random() % 300;
    const auto dropped = roots_to_drop(stored, quota, needed);
    CHECK(static_cast<bool>(dropped) == (fixed + needed <= quota));
    if (!dropped) continue;
    for (const Root& gone : *dropped) {
      const auto found = std::find_if(stored.begin(), stored.end(),
                                      [&](const StoredRoot& s) { return s.root == gone; });
      REQUIRE(found != stored.end());
      CHECK(!found->open);
      used -= found->bytes;
      stored.erase(static_cast<std::size_t>(found - stored.begin()));
    }
    CHECK(used + needed <= quota);
  }
}

}  // namespace
}  // namespace peer_cdn
