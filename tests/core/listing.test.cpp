#include "peer/listing.hpp"

#include <doctest/doctest.h>

#include <vector>

namespace peer_cdn::peer {
namespace {

Root root_of(std::uint32_t n) {
  Root root;
  for (std::size_t i = 0; i < 4; ++i) root.bytes[i] = static_cast<std::uint8_t>(n >> (24 - 8 * i));
  return root;
}

void add(Listing& listing, std::uint32_t root, std::uint64_t bytes) {
  listing.add(root_of(root), *Geometry::parse(bytes, limits::piece_bytes_min));
}

std::vector<Mark> heaviest(const Listing& listing) {
  std::vector<Mark> marks;
  for (const Listing::File& file : listing.heaviest()) marks.push_back(mark_of(file.root));
  return marks;
}

}  // namespace

TEST_CASE("the heaviest file is last, and of equals the one that was listed first") {
  Listing listing;
  CHECK(heaviest(listing).empty());
  add(listing, 1, 500);
  add(listing, 2, 700);
  add(listing, 3, 500);
  add(listing, 4, 600);
  CHECK(heaviest(listing) == std::vector<Mark>{3, 1, 4, 2});
}

TEST_CASE("a root that is listed again changes nothing") {
  Listing listing;
  add(listing, 1, 500);
  add(listing, 2, 500);
  add(listing, 1, 700);
  CHECK(heaviest(listing) == std::vector<Mark>{2, 1});
  CHECK(listing.marks().size() == 2);
}

TEST_CASE("so many of the heaviest files stay, in whichever order they are listed") {
  const auto most = static_cast<std::uint32_t>(limits::listed_roots);
  const std::uint32_t count = 3 * most;
  Listing rising, falling, mixed;
  for (std::uint32_t i = 1; i <= count; ++i) {
    add(rising, i, i);
    add(falling, count + 1 - i, count + 1 - i);
    add(mixed, i * 7 % (count + 1), i * 7 % (count + 1));
  }
  std::vector<Mark> expected;
  for (std::uint32_t i = count - most + 1; i <= count; ++i) expected.push_back(i);
  for (const Listing* each : {&rising, &falling, &mixed}) {
    CHECK(heaviest(*each) == expected);
    CHECK(each->marks().size() == count);
  }
}

TEST_CASE("what is listed beyond a manifest's end is not wanted") {
  Listing listing;
  const auto most = static_cast<std::uint32_t>(limits::manifest_entries);
  for (std::uint32_t i = 1; i <= most; ++i) add(listing, i, 1);
  add(listing, most + 1, 1000);
  CHECK(listing.marks().size() == most);
  CHECK_FALSE(listing.marks().contains(most + 1));
  CHECK(listing.heaviest()[limits::listed_roots - 1].root != root_of(most + 1));
}

}  // namespace peer_cdn::peer
