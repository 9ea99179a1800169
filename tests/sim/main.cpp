// The simulator: a site's visitors with peers, and the same visitors without. Arguments come from
// scripts/sim.mjs, which explains them.
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "crowd.hpp"
#include "presence.hpp"

namespace {

using peer_cdn::Duration;
using peer_cdn::sim::Outcome;
using peer_cdn::sim::Plan;

Duration seconds_of(double seconds) {
  return Duration(static_cast<Duration::rep>(seconds * 1e6));
}

bool set(Plan& plan, std::string_view name, const char* value) {
  const double number = std::strtod(value, nullptr);
  if (name == "--peers") {
    plan.visitors = static_cast<std::uint32_t>(number);
  } else if (name == "--seed") {
    plan.seed = static_cast<std::uint64_t>(number);
  } else if (name == "--bytes") {
    plan.bytes = static_cast<std::uint64_t>(number);
  } else if (name == "--files") {
    plan.files = static_cast<std::uint32_t>(number);
  } else if (name == "--origin-rate") {
    plan.origin_rate = static_cast<std::uint64_t>(number);
  } else if (name == "--over") {
    plan.over = seconds_of(number);
  } else if (name == "--stay") {
    plan.stay = seconds_of(number);
  } else if (name == "--idle") {
    plan.idle = seconds_of(number);
  } else {
    return false;
  }
  return true;
}

bool print(const char* name, const Outcome& o) {
  for (const std::string& violation : o.violations) std::fprintf(stderr, "%s\n", violation.c_str());
  std::printf("\"%s\":{\"finished\":%u,\"failed\":%u,\"fellThrough\":%u,\"together\":%u,", name,
              o.finished, o.failed, o.fell_through, o.together);
  std::printf("\"originCopies\":%.4f,\"offload\":%.5f,\"medianMs\":%.1f,\"p95Ms\":%.1f,", o.copies,
              o.offload, o.median_ms, o.p95_ms);
  std::printf("\"firstByteMs\":%.1f,\"messages\":%.3f,\"originRequests\":%.3f,", o.first_byte_ms,
              o.messages, o.origin_requests);
  std::printf("\"coordinatorUs\":%.2f,\"jain\":%.4f,\"topTenth\":%.4f,\"memoryMax\":%llu,",
              o.coordinator_us, o.jain, o.top_tenth, static_cast<unsigned long long>(o.memory_max));
  std::printf("\"processMiB\":%.1f,\"virtualS\":%.1f,\"processorS\":%.2f,\"events\":%llu}",
              o.process_mib, o.virtual_s, o.processor_s, static_cast<unsigned long long>(o.events));
  return o.violations.empty();
}

void print(const char* name, const peer_cdn::sim::PresenceCost& c) {
  std::printf("\"%s\":{\"processes\":%u,\"joinBytes\":%.0f,\"visitorBytes\":%.1f,", name,
              c.processes, c.join_bytes, c.visitor_bytes);
  std::printf("\"visitorMessages\":%.3f,\"processWrites\":%.0f,\"processBytes\":%.0f,",
              c.visitor_messages, c.process_writes, c.process_bytes);
  std::printf("\"processUs\":%.0f,\"busBytes\":%.0f,\"batchSeconds\":%.2f}", c.process_us,
              c.bus_bytes, c.late_s);
}

int print_presence(const Plan& plan, double changes) {
  peer_cdn::sim::PresencePlan presence;
  presence.visitors = plan.visitors;
  presence.files = plan.files;
  presence.seed = plan.seed;
  presence.changes = static_cast<std::uint32_t>(changes);
  std::printf("{");
  print("presence", presence_cost(presence));
  presence.says_wants = false;
  std::printf(",");
  print("version1", presence_cost(presence));
  std::printf("}\n");
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  Plan plan;
  bool alone = true;
  const char* changes = nullptr;  // a second: what presence costs is asked for
  for (int i = 1; i < count; ++i) {
    if (std::string_view(arguments[i]) == "--no-comparison") {
      alone = false;
    } else if (std::string_view(arguments[i]) == "--presence" && i + 1 < count) {
      changes = arguments[++i];
    } else if (i + 1 == count || !set(plan, arguments[i], arguments[i + 1])) {
      return 2;
    } else {
      ++i;
    }
  }
  if (changes != nullptr) return print_presence(plan, std::strtod(changes, nullptr));
  std::printf("{");
  bool holds = print("peers", simulate(plan));
  plan.peers = false;
  if (alone) {
    std::printf(",");
    holds &= print("alone", simulate(plan));
  }
  std::printf("}\n");
  return holds ? 0 : 1;
}
