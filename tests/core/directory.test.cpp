#include "signal/directory.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/limits.hpp"
#include "signal/random.hpp"

using namespace peer_cdn;
using namespace peer_cdn::signal;
using Change = Directory::Change;

namespace {

// Roots with the same `mark` differ in their ninth digit on.
Root root_of(std::uint32_t mark, std::uint32_t rest = 0) {
  Root root;
  for (std::size_t i = 0; i < 4; ++i) {
    root.bytes[i] = static_cast<std::uint8_t>(mark >> (24 - 8 * i));
    root.bytes[i + 4] = static_cast<std::uint8_t>(rest >> (24 - 8 * i));
  }
  return root;
}

}  // namespace

TEST_CASE("a mark comes with its first root and goes with its last") {
  Directory directory;
  const PeerId ann{1}, bob{2};
  CHECK(directory.add(ann, root_of(7, 0)) == Change::mark_came);
  CHECK(directory.add(ann, root_of(7, 0)) == Change::nothing);
  CHECK(directory.add(ann, root_of(7, 1)) == Change::nothing);
  CHECK(directory.add(bob, root_of(7, 0)) == Change::nothing);
  CHECK(directory.remove(ann, root_of(7, 0)) == Change::nothing);
  CHECK(directory.remove(bob, root_of(7, 0)) == Change::nothing);
  CHECK(directory.remove(bob, root_of(7, 0)) == Change::nothing);
  CHECK(directory.remove(ann, root_of(7, 1)) == Change::mark_went);
  CHECK(directory.marks().empty());
  CHECK(directory.peers() == 0);
}

TEST_CASE("a peer that leaves takes all of its roots and nothing else") {
  Directory directory;
  const PeerId ann{1}, bob{2};
  directory.add(ann, root_of(1));
  directory.add(ann, root_of(2));
  directory.add(bob, root_of(2));
  std::vector<Mark> went;
  directory.remove(ann, went);
  CHECK(went == std::vector<Mark>{1});
  CHECK(directory.holders(root_of(1)).empty());
  CHECK(directory.holders(root_of(2)) == std::vector<PeerId>{bob});
  CHECK(directory.holdings() == 1);
}

TEST_CASE("beyond its bounds a directory lists nothing more") {
  Directory directory;
  for (std::uint32_t i = 0; i < limits::roots_per_peer; ++i) directory.add(PeerId{1}, root_of(i));
  CHECK(directory.add(PeerId{1}, root_of(1000000)) == Change::no_room);
  CHECK(directory.add(PeerId{1}, root_of(0)) == Change::nothing);  // as it was
  CHECK_FALSE(directory.holds(PeerId{1}, root_of(1000000)));
  for (std::uint32_t i = 0; i < limits::roots_per_site; ++i) {
    directory.add(PeerId{2 + i % 12}, root_of(2000000 + i));
  }
  CHECK(directory.roots() == limits::roots_per_site);
  // Another holder of a root that is listed still fits.
  directory.add(PeerId{9}, root_of(0));
  CHECK(directory.holds(PeerId{9}, root_of(0)));
}

TEST_CASE("a directory agrees with a plain map after any changes") {
  const std::uint64_t seed = 20261122;
  CAPTURE(seed);
  Random random(seed);
  Directory directory;
  std::map<std::uint32_t, std::set<std::uint32_t>> model;  // root -> peers
  for (int step = 0; step < 20000; ++step) {
    const auto peer = static_cast<std::uint32_t>(random.below(8));
    const auto root = static_cast<std::uint32_t>(random.below(12));
    const auto what = random.below(20);
    if (what == 0) {
      std::vector<Mark> went;
      directory.remove(PeerId{peer}, went);
      for (auto& [each, peers] : model) peers.erase(peer);
    } else if (what < 11) {
      directory.add(PeerId{peer}, root_of(root / 2, root));
      model[root].insert(peer);
    } else {
      directory.remove(PeerId{peer}, root_of(root / 2, root));
      model[root].erase(peer);
    }
    std::vector<std::uint32_t> holders;
    for (const PeerId holder : directory.holders(root_of(root / 2, root)))
      holders.push_back(holder.value);
    std::sort(holders.begin(), holders.end());
    REQUIRE(holders == std::vector<std::uint32_t>(model[root].begin(), model[root].end()));
    std::set<Mark> marks;
    for (const auto& [each, peers] : model) {
      if (!peers.empty()) marks.insert(each / 2);
    }
    const auto told = directory.marks();
    REQUIRE(std::set<Mark>(told.begin(), told.end()) == marks);
  }
}

TEST_CASE("the places of a peer are what a map would say, whatever comes and goes") {
  Places places;
  std::map<std::uint32_t, std::uint32_t> model;
  Random random(7);
  for (int i = 0; i < 20000; ++i) {
    // At first more come than go, then more go than come.
    const auto root = static_cast<std::uint32_t>(random.below(500));
    const bool goes = random.below(100) < (i < 10000 ? 40u : 65u);
    const auto known = model.find(root);
    if (goes && known != model.end()) {
      model.erase(known);
      places.erase(root);
    } else if (!goes && known == model.end()) {
      model.emplace(root, static_cast<std::uint32_t>(i));
      places.insert(root, static_cast<std::uint32_t>(i));
    }
    REQUIRE(places.size() == model.size());
    const auto now = model.find(root);
    const std::uint32_t* const found = places.find(root);
    REQUIRE((found != nullptr) == (now != model.end()));
    if (found) REQUIRE(*found == now->second);
  }
  std::map<std::uint32_t, std::uint32_t> all;
  places.each([&](std::uint32_t root, std::uint32_t place) { all.emplace(root, place); });
  CHECK(all == model);
}
