// What presence costs: coordinators on one bus, as many as a crowd needs, while files of a large
// manifest come and go.
#pragma once

#include <cstdint>

namespace peer_cdn::sim {

struct PresencePlan {
  std::uint32_t visitors = 1000;  // at a time; each stays for a minute
  std::uint32_t files = 10000;    // listed
  std::uint32_t changes = 1000;   // files a second that come to be there, or are gone
  bool says_wants = true;         // else the visitors are of version 1's beginning
  std::uint64_t seed = 1;
};

struct PresenceCost {
  std::uint32_t processes = 0;
  double join_bytes = 0;        // that a newcomer is told
  double visitor_bytes = 0;     // a second, of changes
  double visitor_messages = 0;  // a second, of changes
  double process_writes = 0;    // a second, all of presence
  double process_bytes = 0;     // a second, all of presence
  double process_us = 0;        // of a processor, a second: all that the core does
  double bus_bytes = 0;         // a second, that a process publishes
  double late_s = 0;            // the mean wait between two batches
};

PresenceCost presence_cost(const PresencePlan& plan);

}  // namespace peer_cdn::sim
