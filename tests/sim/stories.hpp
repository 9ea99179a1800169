// What the tests of whole swarms share: a story is told once for each seed, and who fails says how
// to tell it again.
#pragma once

#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "world.hpp"

extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)());

namespace peer_cdn::sim {

inline std::string& replay() {
  static std::string command;
  return command;
}

// Runs a story for every seed up to `count` (or SIM_SEEDS), or for the one that SIM_SEED names.
template <class Story>
void for_seeds(std::uint64_t count, Story&& story) {
  const char* text = std::getenv("SIM_SEED");
  const char* more = std::getenv("SIM_SEEDS");
  if (more != nullptr) count = std::strtoull(more, nullptr, 10);
  const std::uint64_t first = text != nullptr ? std::strtoull(text, nullptr, 10) : 1;
  if (__sanitizer_set_death_callback != nullptr) {
    __sanitizer_set_death_callback([] { std::fprintf(stderr, "%s\n", replay().c_str()); });
  }
  const doctest::ContextOptions& options = *doctest::getContextOptions();
  for (std::uint64_t seed = first; seed < first + (text != nullptr ? 1 : count); ++seed) {
    replay() = "replay: SIM_SEED=" + std::to_string(seed) + " " + options.binary_name.c_str() +
               " --test-case='" + options.currentTest->m_name + "'";
    INFO(replay());
    story(seed);
  }
}

inline Network network_of(Random& random) {
  Network network;
  network.delay = random.between(1ms, 60ms);
  network.jitter = random.between(0ms, 20ms);
  network.loss = random.chance(0.5) ? 0.02 : 0;
  network.bytes_per_second = (1 + random.below(8)) * limits::mib;
  return network;
}

inline void settle(World& world, Duration span) {
  world.run(span, [] { return false; });
}

inline void check_world(const World& world) {
  for (const std::string& violation : world.violations) FAIL_CHECK(violation);
}

inline bool ended_well(const Reading& reading) {
  return reading.ended == Error::none && reading.next == reading.pieces.end;
}

inline void check_ended_well(const Reading& reading) {
  CAPTURE(reading.next);
  CAPTURE(code(reading.ended.value_or(Error::timed_out)));
  CHECK(ended_well(reading));
}

}  // namespace peer_cdn::sim
