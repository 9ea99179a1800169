// What a page could want, and what it is told of that: the form in which a page and the coordinator
// write both. Each direction has its writer and its reader here.
//
// A page says its list once: the marks of its manifest, each cut to its first bits. From then on
// the coordinator tells it one bit for each, and of nothing else.
//
// Cut marks collide: a listed file that nobody has looks present if another root of the site begins
// with the same bits. With as many roots as a site may have that is one file in a hundred
// (wants_bits below), and costs that file's reader a question that is answered with 0.
//
// The text of a list is base64. The first digit says a number k. What follows are the gaps between
// the sorted cut marks, in a Rice code: gap >> k as that many ones and a zero, then the low k bits;
// ones fill the last digits.
//
// The text of what is told has a cell for each 24 files: four base64 digits. Cells that follow each
// other are a run, "<first cell>:<digits>", and commas stand between runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/flat.hpp"
#include "base/limits.hpp"
#include "base/list.hpp"
#include "base/result.hpp"
#include "signal/message.hpp"

namespace peer_cdn::signal {

using CutMark = std::uint32_t;
constexpr CutMark cut(Mark mark) {
  return mark >> (32 - limits::wants_bits);
}

// Requires no more marks than a manifest has.
std::string write_wants(const FlatSet<Mark>& marks);
// The cut marks, sorted. Errors: malformed_message, message_too_long (more than a manifest has).
Result<std::vector<CutMark>> read_wants(std::string_view text);

inline constexpr std::size_t files_per_cell = 24;
// A bit for each file: 1 if anybody has it.
struct Cell {
  std::uint32_t index = 0;
  std::uint32_t bits = 0;
  bool operator==(const Cell&) const = default;
};
// The bit of the file that is at `place` in the list, in its cell.
constexpr std::uint32_t bit_of(std::size_t place) {
  return 1u << (files_per_cell - 1 - place % files_per_cell);
}

// Requires that the cells are sorted.
std::string write_cells(const List<Cell>& cells);
// Errors: malformed_message.
Result<List<Cell>> read_cells(std::string_view text);

}  // namespace peer_cdn::signal
