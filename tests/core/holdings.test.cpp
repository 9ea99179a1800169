#include "http/holdings.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "base/manifest.hpp"

using namespace peer_cdn;

namespace {

using Roots = List<Root>;

Root root_of(char digit) {
  return *parse_digest(std::string(64, digit));
}

// Each of these files has a path and a root of its own: the letters of `roots`.
Manifest listing(const std::string& roots, double bytes) {
  Manifest manifest;
  for (const char each : roots) {
    ResourceFields fields;
    fields.path = std::string("/") + each;
    fields.bytes = bytes;
    fields.piece_bytes = 65536;
    fields.root = std::string(64, each);
    REQUIRE(manifest.add(std::move(parse_resource(fields).value())));
  }
  return manifest;
}

// What leaves it so that this run fits.
template <class IsOpen>
Result<Roots> room_in(Holdings& holdings, const Root& root, PieceRange run, bool is_full,
                      const Manifest& manifest, IsOpen&& is_open) {
  Roots dropped;
  const Error error = holdings.make_room(root, run, is_full, manifest, is_open, dropped);
  if (error != Error::none) return error;
  return dropped;
}

constexpr auto none_open = [](const Root&) { return false; };

// Three of ten pieces each, stored in the order a, b, c, under a quota of 32 pieces.
struct Three {
  Manifest manifest = listing("abc", 655360);
  Holdings holdings;

  Three() {
    holdings.set_quota(32 * 65536, 0);
    for (const char each : {'a', 'b', 'c'}) holdings.add(root_of(each), {0, 10}, manifest);
  }
  template <class IsOpen>
  Result<Roots> make_room(char digit, PieceRange run, bool is_full, IsOpen&& is_open) {
    return room_in(holdings, root_of(digit), run, is_full, manifest, is_open);
  }
  Result<Roots> make_room(char digit, PieceRange run, bool is_full = false) {
    return make_room(digit, run, is_full, none_open);
  }
};

}  // namespace

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

TEST_CASE("the store is counted in bytes of runs, the last piece with its own length") {
  const Manifest manifest = listing("a", 65536 + 5);
  const Root a = root_of('a');
  Holdings holdings;
  holdings.set_quota(65536 + 5, 0);
  CHECK(holdings.fits(a, {0, 2}, manifest));
  holdings.add(a, {0, 1}, manifest);
  CHECK(holdings.fits(a, {1, 2}, manifest));
  CHECK_FALSE(holdings.fits(a, {0, 1}, manifest));
  holdings.add(a, {1, 99}, manifest);
  CHECK(holdings.fits(a, {0, 0}, manifest));
  CHECK(holdings.fits(a, {7, 3}, manifest));
  holdings.set_quota(65536 + 4, 0);
  CHECK_FALSE(holdings.fits(a, {0, 0}, manifest));
  holdings.clear();
  CHECK(holdings.fits(a, {0, 1}, manifest));
}

TEST_CASE("the same run again, and a root without a run, take nothing") {
  const Manifest manifest = listing("a", 655360);
  Holdings holdings;
  holdings.set_quota(3 * 65536, 0);
  for (int i = 0; i < 5; ++i) holdings.add(root_of('a'), {0, 2}, manifest);
  holdings.add(root_of('b'), {}, manifest);
  CHECK(holdings.holds(root_of('b')));
  CHECK_FALSE(holdings.holds(root_of('c')));
  CHECK(holdings.fits(root_of('a'), {2, 3}, manifest));
  CHECK_FALSE(holdings.fits(root_of('a'), {2, 4}, manifest));
}

TEST_CASE("what the manifest does not list counts as a segment") {
  const Manifest manifest = listing("a", 65536);
  Holdings holdings;
  holdings.set_quota(static_cast<double>(limits::segment_bytes + 65536), 0);
  holdings.add(root_of('d'), {0, 1}, manifest);
  CHECK(holdings.fits(root_of('a'), {0, 1}, manifest));
  CHECK_FALSE(holdings.fits(root_of('d'), {1, 2}, manifest));
}

TEST_CASE("a run is read that holds a piece and reaches furthest, and not once it is forgotten") {
  const Manifest manifest = listing("a", 655360);
  const Root a = root_of('a');
  Holdings holdings;
  CHECK_FALSE(holdings.run_with(a, 0));
  CHECK(holdings.pieces(a, 10).empty());
  for (const PieceRange run : {PieceRange{0, 4}, PieceRange{0, 2}, PieceRange{3, 6}}) {
    holdings.add(a, run, manifest);
  }
  CHECK(holdings.run_with(a, 0) == PieceRange{0, 4});
  CHECK(holdings.run_with(a, 3) == PieceRange{3, 6});
  CHECK_FALSE(holdings.run_with(a, 6));
  CHECK(holdings.pieces(a, 10).has_all({0, 6}));
  CHECK(holdings.pieces(a, 10).held() == 6);
  holdings.forget(a, {0, 4});
  holdings.forget(a, {0, 3});             // no such run
  holdings.forget(root_of('b'), {0, 1});  // no such root
  CHECK(holdings.run_with(a, 0) == PieceRange{0, 2});
  CHECK_FALSE(holdings.pieces(a, 10).has(2));
  holdings.forget(a, {0, 2});
  holdings.forget(a, {3, 6});
  CHECK(holdings.holds(a));  // its digest list may be there yet
  CHECK(holdings.pieces(a, 10).empty());
}

TEST_CASE("room is made by the oldest roots, and what was named is forgotten") {
  Three three;
  CHECK(three.holdings.fits(root_of('c'), {0, 2}, three.manifest));
  CHECK_FALSE(three.holdings.fits(root_of('c'), {0, 3}, three.manifest));
  CHECK(three.make_room('c', {0, 3}).value() == Roots{root_of('a')});
  CHECK_FALSE(three.holdings.holds(root_of('a')));
  CHECK(three.holdings.fits(root_of('c'), {0, 3}, three.manifest));
  CHECK(three.make_room('c', {0, 3}).value().empty());
}

TEST_CASE("a browser that is full makes room below the quota") {
  Three three;
  CHECK(three.make_room('c', {0, 1}, true).value() == Roots{root_of('a')});
}

TEST_CASE("what the manifest does not list goes first, and what a response has open never") {
  Three three;
  const auto a_open = [](const Root& root) { return root == root_of('a'); };
  three.holdings.add(root_of('d'), {0, 1}, three.manifest);
  CHECK(three.make_room('c', {0, 2}, false, a_open).value() == Roots{root_of('d')});
  // Who is stored does not give way to itself.
  CHECK(three.make_room('b', {0, 10}, false, a_open).value() == Roots{root_of('c')});
  three.holdings.set_quota(9 * 65536, 0);
  CHECK(three.make_room('c', {0, 0}, false, a_open).error() == Error::storage_full);
  CHECK(three.holdings.holds(root_of('b')));
  CHECK(three.make_room('c', {0, 0}).value().size() == 2);
}

TEST_CASE("what is no longer listed goes first, then the oldest, until it fits") {
  // Ten pieces each of a and b; c and d, which are not listed, count as a segment, which is 16.
  const Manifest manifest = listing("ab", 655360);
  const auto dropped = [&](unsigned pieces) {
    Holdings holdings;
    holdings.set_quota((10 + 10 + 16 + 16) * 65536, 0);
    holdings.add(root_of('a'), {0, 10}, manifest);
    holdings.add(root_of('d'), {0, 1}, manifest);
    holdings.add(root_of('b'), {0, 10}, manifest);
    holdings.add(root_of('c'), {0, 1}, manifest);
    // What has no bytes makes no room.
    holdings.add(root_of('e'), {}, manifest);
    std::string names;
    auto made = room_in(holdings, root_of('f'), {}, false, manifest, none_open);
    CHECK(made.value().empty());
    holdings.set_quota((52 - pieces) * 65536.0, 0);
    made = room_in(holdings, root_of('f'), {}, false, manifest, none_open);
    for (const Root& each : *made) names += to_hex(each)[0];
    return names;
  };
  CHECK(dropped(0) == "");
  CHECK(dropped(1) == "d");
  CHECK(dropped(16) == "d");
  CHECK(dropped(17) == "dc");
  CHECK(dropped(33) == "dca");
  CHECK(dropped(43) == "dcab");
}

TEST_CASE("any store can be brought below its quota, or is said to be full") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  const auto draw = [&](std::uint32_t count) {
    return static_cast<std::uint32_t>(random()) % count;
  };
  for (int round = 0; round < 500; ++round) {
    const Manifest manifest = listing("0123456789", 655360);
    struct Stored {
      unsigned pieces;  // that it counts as
      bool is_open;
    };
    std::map<Root, Stored> stored;
    Holdings holdings;
    unsigned used = 0;
    for (const char digit : std::string("0a1b2c3d4e5f6789").substr(0, draw(17))) {
      const PieceIndex count = draw(11);
      const bool is_listed = digit <= '9';
      holdings.add(root_of(digit), {0, count}, manifest);
      const Stored one{is_listed ? count : count > 0 ? 16 : 0, draw(4) == 0};
      stored[root_of(digit)] = one;
      used += one.pieces;
    }
    const unsigned quota = 1 + draw(150), needed = 1 + draw(10);
    holdings.set_quota(quota * 65536.0, 0);
    const Root last = root_of('9');
    stored[last].is_open = true;  // it does not give way to itself
    unsigned fixed = 0;
    for (const auto& [root, one] : stored) fixed += one.is_open ? one.pieces : 0;
    const auto dropped = room_in(holdings, last, {0, needed}, false, manifest,
                                 [&](const Root& root) { return stored[root].is_open; });
    CHECK(static_cast<bool>(dropped) == (fixed + needed <= quota));
    if (!dropped) continue;
    for (const Root& gone : *dropped) {
      CHECK_FALSE(stored[gone].is_open);
      CHECK_FALSE(holdings.holds(gone));
      used -= stored[gone].pieces;
    }
    CHECK(used + needed <= quota);
  }
}

TEST_CASE("after a new manifest what it does not list goes, but for what a response has open") {
  Three three;
  const Manifest next = listing("c", 655360);
  const auto b_open = [](const Root& root) { return root == root_of('b'); };
  CHECK(three.holdings.drop_unlisted(next, b_open) == Roots{root_of('a')});
  CHECK(three.holdings.drop_unlisted(next, none_open) == Roots{root_of('b')});
  CHECK(three.holdings.drop_unlisted(next, none_open).empty());
  CHECK(three.holdings.holds(root_of('c')));
  CHECK(three.holdings.fits(root_of('c'), {0, 10}, next));
}

TEST_CASE(
    "roots come and go in any order, with equal first bytes too, and each keeps its own runs") {
  // As it should be, kept plainly: the runs of each root, and the roots by age.
  std::map<Root, std::vector<PieceRange>> runs;
  std::vector<Root> by_age;
  const auto is_gone = [&](const Root& root) {
    runs.erase(root);
    std::erase(by_age, root);
  };
  std::mt19937 random(1);
  const auto draw = [&](std::uint32_t count) {
    return static_cast<std::uint32_t>(random()) % count;
  };
  std::vector<Root> roots(40);
  for (Root& each : roots) {
    each.bytes[0] = static_cast<std::uint8_t>(draw(2));
    each.bytes[31] = static_cast<std::uint8_t>(&each - roots.data());
  }
  const Manifest nothing;
  Holdings holdings;
  for (int event = 0; event < 2000; ++event) {
    const Root& root = roots[draw(40)];
    const PieceIndex begin = draw(4);
    const PieceRange run{begin, begin + 1 + draw(2)};
    const bool is_known = runs.contains(root);
    switch (draw(50)) {
      case 0: {
        const auto is_open = [&](const Root& each) { return each.bytes[31] % 4 > 0; };
        const auto dropped = holdings.drop_unlisted(nothing, is_open);
        for (const Root& each : dropped) {
          CHECK_FALSE(is_open(each));
          is_gone(each);
        }
        break;
      }
      case 1: {
        const auto dropped = room_in(holdings, root, run, true, nothing, none_open);
        if (!dropped) break;
        // Those that hold nothing give no room, and stay.
        std::size_t at = 0;
        for (const Root& each : *dropped) {
          while (at < by_age.size() && by_age[at] != each) ++at;
          CHECK(at < by_age.size());
        }
        for (const Root& each : *dropped) is_gone(each);
        break;
      }
      case 2:
        if (draw(5) > 0) break;
        holdings.clear();
        runs.clear();
        by_age.clear();
        break;
      default:
        if (draw(3) > 0) {
          holdings.add(root, run, nothing);
          if (!is_known) by_age.push_back(root);
          auto& held = runs[root];
          if (std::find(held.begin(), held.end(), run) == held.end()) held.push_back(run);
        } else {
          holdings.forget(root, run);
          if (is_known) std::erase(runs[root], run);
        }
    }
    for (const Root& each : roots) {
      const auto known = runs.find(each);
      CHECK(holdings.holds(each) == (known != runs.end()));
      PieceSet expected(6);
      if (known != runs.end()) {
        for (const PieceRange held : known->second) expected.add(held);
      }
      CHECK(holdings.pieces(each, 6) == expected);
    }
  }
}
