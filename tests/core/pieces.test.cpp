#include "base/pieces.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "base/limits.hpp"

namespace peer_cdn {
namespace {

using limits::kib;
using limits::mib;

TEST_CASE("a resource is cut only within the limits") {
  struct Row {
    std::uint64_t bytes;
    std::uint64_t piece_bytes;
    std::uint32_t count;  // 0: refused
  };
  const Row rows[] = {
      {1, 64 * kib, 1},
      {64 * kib, 64 * kib, 1},
      {64 * kib + 1, 64 * kib, 2},
      {32232419, 64 * kib, 492},
      {2048 * 64 * kib, 64 * kib, 2048},
      {2048 * 64 * kib + 1, 64 * kib, 0},
      {2048 * 64 * kib + 1, 128 * kib, 1025},
      {limits::resource_bytes_max, 16 * mib, 2048},
      {limits::resource_bytes_max + 1, 16 * mib, 0},
      {~std::uint64_t{0}, 16 * mib, 0},
      {0, 64 * kib, 0},
      {1, 0, 0},
      {1, 32 * kib, 0},
      {1, 32 * mib, 0},
      {1, 96 * kib, 0},
      {1, 64 * kib + 1, 0},
      {1, std::uint64_t{1} << 33, 0},
  };
  for (const Row& row : rows) {
    CAPTURE(row.bytes);
    CAPTURE(row.piece_bytes);
    const auto geometry = Geometry::parse(row.bytes, row.piece_bytes);
    if (row.count == 0) {
      CHECK(geometry.error() == Error::malformed_manifest);
    } else {
      REQUIRE(geometry);
      CHECK(geometry->count() == row.count);
    }
  }
}

TEST_CASE("only the last piece is short") {
  const auto geometry = Geometry::parse(150000, 64 * kib).value();
  CHECK(geometry.bytes_of(0) == 65536);
  CHECK(geometry.bytes_of(1) == 65536);
  CHECK(geometry.bytes_of(2) == 150000 - 131072);
  CHECK(geometry.range_of({1, 3}) == ByteRange{65536, 150000});
  CHECK(geometry.covering({65535, 65537}) == PieceRange{0, 2});
  CHECK(geometry.covering({65536, 65537}) == PieceRange{1, 2});
}

TEST_CASE("a segment is about 1 MiB of whole pieces, or one large piece") {
  const auto small = Geometry::parse(40 * 64 * kib, 64 * kib).value();
  CHECK(small.pieces_per_segment() == 16);
  CHECK(small.segment_begin(15) == 0);
  CHECK(small.segment_end(15) == 16);
  CHECK(small.segment_begin(16) == 16);
  CHECK(small.segment_end(39) == 40);
  const auto large = Geometry::parse(40 * mib, 4 * mib).value();
  CHECK(large.pieces_per_segment() == 1);
  CHECK(large.segment_end(3) == 4);
}

TEST_CASE("any cut covers every byte once, and a range by exactly the pieces that hold it") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 300; ++round) {
    const std::uint64_t piece_bytes = 64 * kib << random() % 9;
    const std::uint64_t bytes = 1 + random() % (piece_bytes * 100);
    const auto geometry = Geometry::parse(bytes, piece_bytes).value();

    std::uint64_t at = 0;
    for (PieceIndex piece = 0; piece < geometry.count(); ++piece) {
      const ByteRange range = geometry.range_of({piece, piece + 1});
      CHECK(range.begin == at);
      CHECK(range.bytes() == geometry.bytes_of(piece));
      CHECK(range.bytes() > 0);
      CHECK(geometry.segment_begin(piece) <= piece);
      CHECK(geometry.segment_end(piece) > piece);
      CHECK(geometry.segment_begin(piece) % geometry.pieces_per_segment() == 0);
      at = range.end;
    }
    CHECK(at == bytes);

    const std::uint64_t begin = random() % bytes;
    const std::uint64_t end = begin + 1 + random() % (bytes - begin);
    const PieceRange cover = geometry.covering({begin, end});
    CHECK(!cover.empty());
    CHECK(geometry.range_of(cover).begin <= begin);
    CHECK(geometry.range_of(cover).end >= end);
    CHECK(geometry.range_of({cover.begin, cover.begin + 1}).end > begin);
    CHECK(geometry.range_of({cover.end - 1, cover.end}).begin < end);
    CHECK(cover.contains(geometry.piece_at(begin)));
  }
}

// The model of a PieceSet, without the bits.
struct Model {
  std::vector<bool> held;

  std::uint32_t next(std::uint32_t from, bool wanted) const {
    while (from < held.size() && held[from] != wanted) ++from;
    return std::min(from, static_cast<std::uint32_t>(held.size()));
  }
};

TEST_CASE("a set of pieces behaves as a list of booleans does") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  const auto upto = [&](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  for (int round = 0; round < 200; ++round) {
    const std::uint32_t count = upto(70);
    PieceSet set(count);
    Model model{std::vector<bool>(count)};
    for (int step = 0; step < 40; ++step) {
      const PieceIndex at = upto(count + 3);
      const PieceIndex end = at + upto(20);
      bool changes = false;
      switch (upto(3)) {
        case 0:
          changes = at < count && !model.held[at];
          CHECK(set.add(at) == changes);
          if (at < count) model.held[at] = true;
          break;
        case 1:
          for (PieceIndex i = at; i < std::min(end, count); ++i) {
            changes = changes || !model.held[i];
            model.held[i] = true;
          }
          CHECK(set.add({at, end}) == changes);
          break;
        default:
          set.remove(at);
          if (at < count) model.held[at] = false;
      }
      const auto held = std::count(model.held.begin(), model.held.end(), true);
      CHECK(set.held() == static_cast<std::uint32_t>(held));
      CHECK(set.empty() == (held == 0));
      CHECK(set.complete() == (set.held() == count));
      CHECK(set.has(at) == (at < count && model.held[at]));
      CHECK(set.next_held(at) == model.next(at, true));
      CHECK(set.next_missing(at) == model.next(at, false));
      bool all = at >= end || end <= count;
      for (PieceIndex i = at; i < std::min(end, count); ++i) all = all && model.held[i];
      CHECK(set.has_all({at, end}) == all);
    }
    const auto again = PieceSet::parse(set.bitfield(), count);
    REQUIRE(again);
    CHECK(*again == set);
  }
}

TEST_CASE("a bitfield is taken exactly or refused") {
  CHECK(PieceSet::parse({0x05}, 3)->held() == 2);
  CHECK(PieceSet::parse({0x05}, 3)->has(2));
  CHECK(PieceSet::parse({0xff, 0x01}, 9)->complete());
  CHECK(PieceSet::parse({}, 0)->complete());
  CHECK(PieceSet::parse({0x08}, 3).error() == Error::malformed_message);
  CHECK(PieceSet::parse({0xff, 0x02}, 9).error() == Error::malformed_message);
  CHECK(PieceSet::parse({0x01}, 9).error() == Error::malformed_message);
  CHECK(PieceSet::parse({0x01, 0x00}, 8).error() == Error::malformed_message);
  CHECK(PieceSet::parse({0x00}, 0).error() == Error::malformed_message);
  CHECK(PieceSet::parse({}, 1).error() == Error::malformed_message);
}

}  // namespace
}  // namespace peer_cdn
