#include "crowd.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <vector>

#include "worker.hpp"
#include "world.hpp"

namespace peer_cdn::sim {
namespace {

// start() in a page waits so long for the coordinator's first word at the most.
constexpr Duration before_request = limits::first_socket_wait;
// Of visitors, who close the tab before they have it, after so long on average.
constexpr double impatient = 0.05;
constexpr Duration patience = 5s;
// A connection in Chromium has so much under way in a round trip, however fast the line is.
constexpr std::uint64_t window_bytes = 80'000;

struct Access {
  double share;
  double down, up;  // Mbit/s
  Duration delay;
  double loss;
};
// Fibre, cable, DSL, mobile.
constexpr Access accesses[] = {{0.30, 200, 100, 4ms, 0},
                               {0.35, 100, 20, 10ms, 0},
                               {0.20, 25, 5, 18ms, 0},
                               {0.15, 30, 8, 35ms, 0.001}};

Line line_of(Random random) {
  double place = random.unit();
  const Access* access = accesses;
  while (place >= access->share && access != std::end(accesses) - 1) place -= access++->share;
  const double factor = 0.5 + random.unit();
  const auto rate = [factor](double mbit) {
    return static_cast<std::uint64_t>(mbit * factor * 1e6 / 8);
  };
  return {Duration(static_cast<Duration::rep>(static_cast<double>(access->delay.count()) *
                                              (0.5 + random.unit()))),
          rate(access->up), rate(access->down), access->loss};
}

// As src/server/manifest.js cuts a file (pieceBytesOf) when it is not told how.
std::uint64_t piece_bytes_of(std::uint64_t bytes) {
  constexpr std::uint64_t one_piece = 256 * limits::kib;
  std::uint64_t size = limits::piece_bytes_min;
  while (bytes > size * (bytes <= one_piece ? 1 : limits::pieces_per_resource)) size *= 2;
  while (size < 128 * limits::kib && bytes > size * 128) size *= 2;
  return size;
}

// Value at this share of a sorted list.
double at_share(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  const double index = share * static_cast<double>(sorted.size() - 1);
  return sorted[static_cast<std::size_t>(index + 0.5)];
}

class Crowd {
 public:
  explicit Crowd(const Plan& plan)
      : plan_(plan), world_(plan.seed, network()), arrivals_(mix(plan.seed)) {
    world_.watching = false;
    world_.origin.bytes_per_second = plan.origin_rate;
    for (std::uint32_t i = 0; i < plan.files; ++i) {
      files_.push_back(&world_.file(plan.bytes, piece_bytes_of(plan.bytes)));
    }
    world_.on_done = [this](Visitor& visitor, Request& request) { handle_done(visitor, request); };
  }

  Outcome run() {
    const std::int64_t began = processor_ns();
    Instant at{};
    for (std::uint32_t i = 0; i < plan_.visitors; ++i) {
      const Duration mean = plan_.over / plan_.visitors;
      at += mean == Duration(0) ? Duration(10) : arrivals_.wait(mean);
      world_.at(at, [this, i] { arrive(i); });
    }
    world_.run(24h * 365, [this] { return gone_ == plan_.visitors; });
    outcome_.violations = world_.violations;
    outcome_.processor_s = static_cast<double>(processor_ns() - began) / 1e9;
    return summary();
  }

 private:
  static Network network() {
    Network network;
    network.delay = 15ms;
    network.jitter = 3ms;
    network.unreachable = 0.1;
    network.window = window_bytes;
    return network;
  }

  void arrive(std::uint32_t number) {
    Random own(mix(plan_.seed ^ mix(number)));
    Visitor& visitor = world_.add(line_of(own), plan_.peers);
    own.next();
    outcome_.together = std::max(outcome_.together, number + 1 - gone_);
    world_.after(before_request, visitor.id, [this](Visitor& v) { v.warm_up(files_); });
    const Duration fetches = before_request + plan_.idle;
    world_.after(fetches, visitor.id, [this](Visitor& v) {
      v.worker = std::make_unique<Worker>(world_, v, files_, !plan_.peers);
      for (const File* file : files_) v.worker->fetch(*file);
    });
    if (!own.chance(impatient)) return;
    leave(visitor.id, fetches + own.wait(patience));
  }

  void handle_done(Visitor& visitor, const Request& request) {
    request.passed == plan_.bytes ? ++outcome_.finished : ++outcome_.failed;
    outcome_.fell_through += request.fell_through ? 1 : 0;
    took_.push_back(to_ms(request.took()));
    if (request.first_byte) began_.push_back(to_ms(*request.first_byte - request.opened));
    const auto& requests = visitor.worker->requests;
    if (requests.size() < files_.size() ||
        !std::all_of(requests.begin(), requests.end(), [](auto& each) { return each->done(); })) {
      return;
    }
    leave(visitor.id, Random(mix(plan_.seed) ^ mix(visitor.id)).wait(plan_.stay));
  }

  void leave(VisitorId id, Duration wait) {
    world_.at(world_.now() + wait, [this, id] {
      const Visitor* visitor = world_.find(id);
      if (visitor == nullptr) return;
      if (visitor->worker != nullptr) {
        for (const auto& request : visitor->worker->requests) received_ += request->passed;
      }
      sent_.push_back(static_cast<double>(visitor->blocks_sent));
      outcome_.memory_max = std::max(outcome_.memory_max, visitor->memory_max);
      ++gone_;
      world_.remove(id);
    });
  }

  Outcome summary() {
    std::sort(took_.begin(), took_.end());
    std::sort(began_.begin(), began_.end());
    std::sort(sent_.rbegin(), sent_.rend());
    const auto visitors = static_cast<double>(plan_.visitors);
    const auto origin = static_cast<double>(world_.origin.bytes_sent);
    outcome_.copies = origin / static_cast<double>(plan_.bytes * plan_.files);
    outcome_.offload = 1 - origin / static_cast<double>(std::max<std::uint64_t>(1, received_));
    outcome_.median_ms = at_share(took_, 0.5);
    outcome_.p95_ms = at_share(took_, 0.95);
    outcome_.first_byte_ms = at_share(began_, 0.5);
    outcome_.messages = static_cast<double>(world_.messages) / visitors;
    outcome_.origin_requests = static_cast<double>(world_.origin.requests) / visitors;
    outcome_.coordinator_us = static_cast<double>(world_.coordinator_ns) / 1000 / visitors;
    double sum = 0, squares = 0, top = 0;
    for (std::size_t i = 0; i < sent_.size(); ++i) {
      sum += sent_[i];
      squares += sent_[i] * sent_[i];
      if (10 * i < sent_.size()) top += sent_[i];
    }
    if (sum > 0) outcome_.jain = sum * sum / (squares * static_cast<double>(sent_.size()));
    if (sum > 0) outcome_.top_tenth = top / sum;
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    outcome_.process_mib = static_cast<double>(usage.ru_maxrss) / 1024;
    outcome_.virtual_s = to_ms(world_.now()) / 1000;
    outcome_.events = world_.events;
    return outcome_;
  }

  Plan plan_;
  World world_;
  Random arrivals_;
  std::vector<const File*> files_;
  std::uint32_t gone_ = 0;
  std::uint64_t received_ = 0;
  std::vector<double> took_, began_, sent_;
  Outcome outcome_;
};

}  // namespace

Outcome simulate(const Plan& plan) {
  return Crowd(plan).run();
}

}  // namespace peer_cdn::sim
