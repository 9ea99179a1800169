#include "presence.hpp"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/flat.hpp"
#include "base/limits.hpp"
#include "random.hpp"
#include "signal/coordinator.hpp"
#include "signal/json.hpp"
#include "signal/wants.hpp"

namespace peer_cdn::sim {
namespace {

using namespace std::chrono_literals;
using signal::Coordinator;
using signal::Present;

constexpr Duration span = 60s;
constexpr Duration stay = 60s;
constexpr Duration tick = 250ms;
constexpr std::uint32_t held = 5;  // files that everybody has
const char* const site = "https://a.example";

// The roots are spread as digests are, and sorted.
Root root_of(std::uint32_t file, std::uint32_t files) {
  Root root;
  const std::uint64_t mark = (std::uint64_t{file} << 32) / files + file * 2654435761u % 1000;
  for (std::size_t i = 0; i < 4; ++i) {
    root.bytes[i] = static_cast<std::uint8_t>(mark >> (24 - 8 * i));
  }
  return root;
}

std::string wants_of(std::uint32_t files) {
  FlatSet<Mark> marks;
  for (std::uint32_t file = 0; file < files; ++file) {
    marks.insert(mark_of(root_of(file, files)));
  }
  return signal::write_wants(marks);
}

struct Process {
  explicit Process(std::uint64_t name_) : name(name_), coordinator(name_) {}
  std::uint64_t name;
  Coordinator coordinator;
  std::deque<PeerId> visitors;  // the oldest first
};

class World {
 public:
  explicit World(const PresencePlan& plan) : plan_(plan), random_(plan.seed) {
    if (plan_.says_wants) wants_ = wants_of(plan_.files);
    const auto most = static_cast<std::uint32_t>(limits::peers_per_site);
    cost_.processes = (plan_.visitors + most - 1) / most;
    for (std::uint32_t i = 0; i < cost_.processes; ++i) {
      processes_.push_back(std::make_unique<Process>(1000 + i));
      processes_.back()->coordinator.handle_bus_open(1000 + i, now_);
    }
    // Half of the files are there. Each has one holder, of those that stay: what the holder says is
    // a change for all.
    for (auto& process : processes_) {
      for (std::uint32_t i = 0; i < holders; ++i) holders_.push_back(join(*process));
    }
    is_there_.resize(plan_.files);
    for (std::uint32_t file = held; file < plan_.files; file += 2) turn(file);
    const std::uint32_t each = plan_.visitors / cost_.processes - holders;
    for (auto& process : processes_) {
      while (process->visitors.size() < each) enter(*process);
    }
    for (int i = 0; i < 80; ++i) step();
    cost_ = {cost_.processes};
    joined_ = batches_ = 0;
  }

  PresenceCost run() {
    const Instant end = now_ + span;
    const std::clock_t began = std::clock();
    double churn = 0, changes = 0;
    while (now_ < end) {
      churn += plan_.visitors * to_ms(tick) / to_ms(stay);
      for (; churn >= 1; --churn) {
        Process& process = *processes_[random_.below(processes_.size())];
        process.coordinator.handle_disconnect(process.visitors.front(), now_);
        process.visitors.pop_front();
        enter(process);
      }
      changes += plan_.changes * to_ms(tick) / 1000;
      for (; changes >= 1; --changes) turn(held + next_file_++ % (plan_.files - held));
      step();
    }
    const double seconds = to_ms(span) / 1000;
    const double processor = static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC;
    const double processes = cost_.processes;
    if (joined_ > 0) cost_.join_bytes /= joined_;
    cost_.visitor_bytes /= seconds * plan_.visitors;
    cost_.visitor_messages /= seconds * plan_.visitors;
    cost_.process_writes /= seconds * processes;
    cost_.process_bytes /= seconds * processes;
    cost_.process_us = processor * 1e6 / seconds / processes;
    cost_.bus_bytes /= seconds * processes;
    cost_.late_s = batches_ > 0 ? seconds * processes / batches_ : 0;
    return cost_;
  }

 private:
  static constexpr std::uint32_t holders = 100;  // a process; one tells at most 40 changes a second

  PeerId join(Process& process) {
    const PeerId peer = *process.coordinator.handle_connect(site, now_);
    signal::Hello hello{signal::version, std::string(32, 'a')};
    for (char& digit : hello.browser) digit = "0123456789abcdef"[random_.below(16)];
    hello.lean = plan_.says_wants;
    if (plan_.says_wants) hello.wants = wants_;
    process.coordinator.handle_message(peer, hello, now_);
    return peer;
  }
  void enter(Process& process) {
    const PeerId peer = join(process);
    process.visitors.push_back(peer);
    signal::Have have;
    for (std::uint32_t file = 0; file < held; ++file)
      have.add.push_back(root_of(file, plan_.files));
    process.coordinator.handle_message(peer, have, now_);
    ++joined_;
    drain(process);
  }
  void turn(std::uint32_t file) {
    const std::size_t holder = file % holders_.size();
    Process& process = *processes_[holder / holders];
    signal::Have have;
    (is_there_[file] ? have.remove : have.add).push_back(root_of(file, plan_.files));
    is_there_[file] = !is_there_[file];
    process.coordinator.handle_message(holders_[holder], have, now_);
    drain(process);
  }

  void drain(Process& process) {
    while (auto output = process.coordinator.poll_output()) {
      const auto* tell = std::get_if<signal::Tell>(&*output);
      const auto* all = std::get_if<signal::TellAll>(&*output);
      const signal::Message* const message = tell ? &tell->message : all ? &all->message : nullptr;
      if (message == nullptr || !holds_alternative<Present>(*message)) continue;
      Text text;
      signal::append_text(text, *message);
      const double count = all ? static_cast<double>(all->peers.size()) : 1;
      const double bytes = count * static_cast<double>(text.size());
      cost_.process_writes += count;
      cost_.process_bytes += bytes;
      if (all) {
        cost_.visitor_messages += count;
        cost_.visitor_bytes += bytes;
        is_batch_ = true;
      } else {
        cost_.join_bytes += bytes;
      }
    }
  }

  void step() {
    now_ += tick;
    for (auto& process : processes_) {
      is_batch_ = false;
      process->coordinator.handle_timeout(now_);
      drain(*process);
      batches_ += is_batch_ ? 1 : 0;
    }
    for (bool is_busy = true; is_busy;) {
      is_busy = false;
      for (auto& from : processes_) {
        while (const auto publish = from->coordinator.poll_publish(now_)) {
          is_busy = true;
          cost_.bus_bytes += static_cast<double>(publish->frame.size());
          for (auto& to : processes_) {
            if (to == from || (publish->to != 0 && publish->to != to->name)) continue;
            to->coordinator.handle_frame(bytes_of(publish->frame), now_);
            drain(*to);
          }
        }
      }
      now_ += limits::bus_wait;
    }
  }

  PresencePlan plan_;
  Random random_;
  Instant now_{1h};
  std::string wants_;
  std::vector<std::unique_ptr<Process>> processes_;
  std::vector<PeerId> holders_;
  std::vector<bool> is_there_;
  std::uint32_t next_file_ = 0;
  double joined_ = 0, batches_ = 0;
  bool is_batch_ = false;
  PresenceCost cost_;
};

}  // namespace

PresenceCost presence_cost(const PresencePlan& plan) {
  return World(plan).run();
}

}  // namespace peer_cdn::sim
