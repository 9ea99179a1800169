#include "signal/wants.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <iterator>
#include <random>
#include <string>
#include <vector>

using namespace peer_cdn;
using namespace peer_cdn::signal;

namespace {

// Marks that the cut leaves alone, so that a cut mark is its number.
Mark mark_at(CutMark cut_mark) {
  return cut_mark << (32 - limits::wants_bits);
}

FlatSet<Mark> marks_at(const std::vector<CutMark>& cut_marks) {
  FlatSet<Mark> marks;
  for (const CutMark each : cut_marks) marks.insert(mark_at(each));
  return marks;
}

std::vector<CutMark> cut_all(const FlatSet<Mark>& marks) {
  std::vector<CutMark> cut_marks;
  std::transform(marks.begin(), marks.end(), std::back_inserter(cut_marks), cut);
  return cut_marks;
}

}  // namespace

TEST_CASE("a list of what a page could want is read bit by bit") {
  CHECK(read_wants("").value() == std::vector<CutMark>{});
  // k = 2: 5 is 10 01, 5 again a gap of 0, 14 a gap of 9: 110 01. A digit of ones is left over.
  // 1001 000 11001 -> 100100 011001
  CHECK(read_wants("CkZ").value() == std::vector<CutMark>{5, 5, 14});
  CHECK(read_wants("CkZ/").value() == std::vector<CutMark>{5, 5, 14});
  // k = 0: each gap in ones.
  CHECK(read_wants("AX").value() == std::vector<CutMark>{0, 1});
}

TEST_CASE("a list that cannot be read is refused, and one that is too long") {
  for (const char* text : {"C-Z", "C ", "\"", "V", "/", "CkI"}) {
    CAPTURE(text);
    CHECK(read_wants(text).error() == Error::malformed_message);
  }
  // Beyond what a cut mark may be: 2^20 twice, and then one more.
  CHECK(read_wants("U" + std::string(7, 'w') + "/").error() == Error::malformed_message);
  // Zeros with k = 0: a file each.
  const std::string whole(limits::manifest_entries / 6, 'A');
  CHECK(read_wants("A" + whole).value().size() == whole.size() * 6);
  CHECK(read_wants("AA" + whole).error() == Error::message_too_long);
}

TEST_CASE("a list is written with as many low bits as its mean gap has") {
  const CutMark last = (1u << limits::wants_bits) - 1;
  const struct {
    std::vector<CutMark> wanted;
    std::string text;
  } table[] = {
      {{}, ""},
      // k = 20, the most, and a gap of 0: 010100 0 and 20 zeros. Ones fill eight digits.
      {{0}, "UAAAH///"},
      {{last}, "Uv//////"},
      {{0, last}, "UAAAF///////"},
      // k = 19: a zero, and a gap in 19 bits: 5, 4, 5.
      {{5, 9, 14}, "TAABQAAQAAF/"},
  };
  for (const auto& row : table) {
    CAPTURE(row.text);
    CHECK(write_wants(marks_at(row.wanted)) == row.text);
    CHECK(read_wants(row.text).value() == row.wanted);
  }
}

TEST_CASE("a list is read as it was written, whatever its marks are") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  constexpr Mark spread = 0xffffffff;
  for (const std::size_t count : {1u, 2u, 3u, 4u, 23u, 24u, 25u, 100u, 1000u, 10000u}) {
    for (const Mark span : {spread, 0xfffffu, 0x7fffu}) {
      FlatSet<Mark> marks;
      const auto first = static_cast<Mark>(random());
      for (std::size_t i = 0; i < count; ++i) {
        marks.insert(first + static_cast<Mark>(random()) % span);
      }
      CAPTURE(count);
      CAPTURE(span);
      const std::string text = write_wants(marks);
      CHECK(read_wants(text).value() == cut_all(marks));
      CHECK(text.size() % 4 == 0);
      // Roots are digests, so the marks of a manifest are spread.
      if (span == spread) CHECK(text.size() < limits::signal_bytes - 1 * limits::kib);
    }
  }
}

TEST_CASE("cells are written as runs, and read as they were written") {
  const struct {
    List<Cell> cells;
    std::string text;
  } table[] = {
      {{}, ""},
      {{{0, bit_of(0)}}, "0:gAAA"},
      {{{0, bit_of(23)}, {1, bit_of(24)}}, "0:AAABgAAA"},
      {{{3, 0}, {416, 0xffffff}}, "3:AAAA,416:////"},
      {{{0, 0}, {2, 1}, {3, 2}}, "0:AAAA,2:AAABAAAC"},
  };
  for (const auto& row : table) {
    CAPTURE(row.text);
    CHECK(write_cells(row.cells) == row.text);
    CHECK(read_cells(row.text).value() == row.cells);
  }
}

TEST_CASE("cells are read as they were written, whatever has changed") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    List<Cell> cells;
    for (std::uint32_t i = 0; i < limits::manifest_entries / files_per_cell; ++i) {
      if (random() % 4 < static_cast<unsigned>(round) % 5)
        cells.push_back({i, static_cast<std::uint32_t>(random()) & 0xffffff});
    }
    CHECK(read_cells(write_cells(cells)).value() == cells);
  }
}

TEST_CASE("cells that cannot be read are refused") {
  for (const char* text :
       {"0", "0:", "0:AAA", "0:AAAAA", "0:AA-A", ":AAAA", "0:AAAA,", ",", "0:AAAA,,1:AAAA",
        "-1:AAAA", "0 :AAAA", "1000000:AAAA", "4294967296:AAAA", "0:AAAA 1:AAAA"}) {
    CAPTURE(text);
    CHECK(read_cells(text).error() == Error::malformed_message);
  }
}
