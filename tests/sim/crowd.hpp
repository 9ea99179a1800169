// Visitors of a site: they come, fetch its heavy file (or a gallery), stay a while and leave.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/limits.hpp"
#include "base/time.hpp"

namespace peer_cdn::sim {

struct Plan {
  std::uint32_t visitors = 1000;
  std::uint64_t seed = 1;
  std::uint64_t bytes = 8 * limits::mib;
  std::uint32_t files = 1;                   // of so many bytes, fetched all at once
  std::uint64_t origin_rate = 12'500'000;    // bytes a second in all: 100 Mbit/s
  Duration over = std::chrono::minutes(10);  // they come in so long, at random; 0: all at once
  Duration stay = std::chrono::seconds(60);  // after they have it, on average
  Duration idle = Duration(0);               // before they fetch it: connections are made meanwhile
  bool peers = true;
};

struct Outcome {
  std::uint32_t finished = 0;
  std::uint32_t failed = 0;        // their fetch() ended in an error
  std::uint32_t fell_through = 0;  // the browser's own request answered
  std::uint32_t together = 0;      // most at a time
  double copies = 0;               // what the origin sent, in files
  double offload = 0;              // of what was received, what the origin did not send
  double median_ms = 0, p95_ms = 0, first_byte_ms = 0;
  double messages = 0;  // to and from the coordinator, of each visitor
  double origin_requests = 0;
  double coordinator_us = 0;     // of processor time, of each visitor
  double jain = 0;               // fairness of upload: 1 is all the same
  double top_tenth = 0;          // what the most generous tenth sent, of all
  std::uint64_t memory_max = 0;  // bytes of pieces that one page held
  double process_mib = 0;        // of the simulator, at its most
  double virtual_s = 0, processor_s = 0;
  std::uint64_t events = 0;
  std::vector<std::string> violations;  // of what must hold
};

Outcome simulate(const Plan& plan);

}  // namespace peer_cdn::sim
