#include "signal/audience.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace peer_cdn;
using namespace peer_cdn::signal;

namespace {

// Marks that the cut leaves alone, so that a cut mark is its number.
Mark mark_at(CutMark cut_mark) {
  return cut_mark << (32 - limits::wants_bits);
}

Presence presence_of(const std::vector<CutMark>& marks) {
  Presence presence;
  for (const CutMark mark : marks) presence.add(mark_at(mark));
  return presence;
}

}  // namespace

TEST_CASE("an audience is told what changed, by the cells that it changed in") {
  std::vector<CutMark> wanted;
  for (CutMark i = 0; i < 100; ++i) wanted.push_back(10 * i);
  Audience audience(wanted, presence_of({}));
  CHECK(audience.all().empty());
  CHECK(audience.changes(presence_of({5})).empty());  // nobody wants it
  CHECK(audience.changes(presence_of({0, 5})) == "0:gAAA");
  CHECK(audience.changes(presence_of({0, 5})).empty());
  CHECK(audience.changes(presence_of({230, 240, 990})) == "0:AAABgAAA,4:EAAA");
  CHECK(audience.all() == "0:AAABgAAA,4:EAAA");
}

TEST_CASE("a newcomer is told at once what came since the others were told") {
  Audience audience({0, 10, 10, 20}, presence_of({20}));
  audience.handle_came(mark_at(10));
  audience.handle_came(mark_at(5));  // nobody wants it
  CHECK(audience.all() == "0:cAAA");
  CHECK(audience.changes(presence_of({10, 20})) == "0:cAAA");
  CHECK(audience.changes(presence_of({10, 20})).empty());
  // It went and came again before the others were told.
  audience.handle_came(mark_at(20));
  CHECK(audience.changes(presence_of({10, 20})) == "0:cAAA");
  // It went before the others were told: the newcomer hears of it.
  audience.handle_came(mark_at(0));
  CHECK(audience.all() == "0:8AAA");
  CHECK(audience.changes(presence_of({10, 20})) == "0:cAAA");
  CHECK(audience.all() == "0:cAAA");
}

TEST_CASE("of an audience one that goes leaves its place to the last") {
  Audience audience;
  CHECK(audience.wants_all());
  CHECK(audience.add(PeerId{7}) == 0);
  CHECK(audience.add(PeerId{8}) == 1);
  CHECK(audience.add(PeerId{9}) == 2);
  CHECK(audience.remove(0) == PeerId{9});
  CHECK(audience.members() == std::vector<PeerId>{PeerId{9}, PeerId{8}});
}
