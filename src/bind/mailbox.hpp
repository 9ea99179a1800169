// What a module says without being called: JavaScript reads it where border.def says that it lies.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/figures.hpp"
#include "base/list.hpp"

namespace peer_cdn {

// Of the modules of the worker and of a page's engine, whose loader is one (sw/core.js).
struct TextMailbox {
  double timeout = -1;   // when to call timeout(), or never
  char* text = nullptr;  // where a text goes in, and where one comes out
  std::uint32_t text_room = 0;
};

struct WorkerMailbox : TextMailbox {
  // Where the commands lie, and how many. JavaScript performs them in order, also those that come
  // meanwhile, and then sets their number to 0.
  const RawList* commands = nullptr;
};

inline constexpr std::size_t output_numbers_max = 6;

struct PageMailbox : TextMailbox {
  std::uint32_t pairs = 0;             // open ones, whose peer answers
  double numbers[output_numbers_max];  // of the output that was polled
  std::uint32_t text_bytes = 0;
};

inline constexpr std::size_t statistics = figure_count
#define STATISTIC(name, member) +1
#define REPORT_STATISTIC(name, member) +1
#include "bind/border.def"
    ;

struct CoordinatorMailbox {
  double timeout = -1;  // when to call wake(), or never
  const char* inbox = nullptr;
  const char* outbox = nullptr;
  std::uint32_t outbox_bytes = 0;
  double counters[statistics] = {};
};

}  // namespace peer_cdn
