#include "signal/place.hpp"

#include <doctest/doctest.h>

using namespace peer_cdn::signal;

TEST_CASE(
    "peers of one network are nearest, then those of one label, and nobody by what is not known") {
  const struct {
    Place a, b;
    int distance;
  } cases[] = {
      {{{7, 6}, {1, 2}}, {{7, 6}, {1, 2}}, 0},  // the same in all
      {{{7, 6}, {1, 2}}, {{7, 6}, {3, 4}}, 0},  // the network counts before the label
      {{{8, 7}, {}}, {{7, 6}, {}}, 0},          // one came a day after the other
      {{{9, 8}, {}}, {{7, 6}, {}}, 2},          // two days
      {{{7, 6}, {3, 2}}, {{5, 4}, {3, 2}}, 1},
      {{{7, 6}, {3, 2}}, {{5, 4}, {4, 3}}, 1},
      {{{7, 6}, {3, 2}}, {{5, 4}, {1, 0}}, 2},
      {{{}, {3, 2}}, {{}, {3, 2}}, 1},
      {{{}, {}}, {{}, {}}, 2},  // both are not known
      {{{}, {}}, {{7, 6}, {}}, 2},
  };
  for (const auto& each : cases) {
    CAPTURE(each.a.network.today);
    CAPTURE(each.b.network.today);
    CAPTURE(each.a.label.today);
    CHECK(distance(each.a, each.b) == each.distance);
    CHECK(distance(each.b, each.a) == each.distance);
  }
}
