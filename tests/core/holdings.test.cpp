#include "http/holdings.hpp"

#include <doctest/doctest.h>

#include <algorithm>
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
    return holdings.make_room(root_of(digit), run, is_full, manifest, is_open);
  }
  Result<Roots> make_room(char digit, PieceRange run, bool is_full = false) {
    return make_room(digit, run, is_full, none_open);
  }
};

}  // namespace

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
