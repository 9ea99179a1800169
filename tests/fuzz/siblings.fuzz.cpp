// Law: whatever peers do at three coordinators, and whatever the bus between them loses before a
// connection to it is known to be broken, a signal reaches only a peer that was told of its sender
// and has not been told that it is gone. When the bus is back and all have settled, both sides of a
// pair know of it, or neither does, and nobody knows one who left. When all have left nothing is
// kept.
//
// Input: two bytes a step. The first is the action (low three bits) and the seat that acts (the
// rest), the second is the action's argument. Seat n is at coordinator n modulo three.
#include "signal/siblings.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "signal/coordinator.hpp"

using namespace peer_cdn;
using namespace peer_cdn::signal;

namespace {

void check(bool law) {
  if (!law) std::abort();
}

constexpr std::size_t seats = 32;
constexpr std::size_t processes = 3;
constexpr std::size_t roots = 8;

struct Seat {
  PeerId peer;  // 0: the seat is free
  std::size_t browser = 0;
  std::size_t site = 0;
  std::set<PeerId> known;  // it was told of them
};

Root root_of(std::uint8_t n) {
  Root root;
  root.bytes[0] = static_cast<std::uint8_t>(n % roots);
  return root;
}
const char* site_of(std::size_t site) {
  return site == 0 ? "https://a" : "https://b";
}

class World {
 public:
  World() {
    for (std::size_t i = 0; i < processes; ++i) {
      list_.push_back(std::make_unique<Coordinator>(i * 1000003 + 1));
      list_[i]->handle_bus_open(i + 1, now_);
    }
    settle();
  }

  void step(std::uint8_t what, std::uint8_t with) {
    now_ += std::chrono::milliseconds(with % 8);
    const std::size_t at = what >> 3;
    Seat& seat = table_[at];
    Coordinator& coordinator = *list_[at % processes];
    switch (what & 7) {
      case 0:
        if (seat.peer.value == 0) sit(at, with);
        break;
      case 1:
        leave(at);
        break;
      case 2:
        say(at, Have{{root_of(with)}, {}});
        break;
      case 3:
        say(at, Ask{{root_of(with), root_of(static_cast<std::uint8_t>(with >> 3))}});
        break;
      case 4:
        if (seat.peer.value != 0)
          coordinator.handle_signal(seat.peer, {table_[with % seats].peer, "{}", {}}, now_);
        break;
      case 5: {
        const PeerId other = table_[with % seats].peer;
        seat.known.erase(other);
        say(at, Decline{other});
        break;
      }
      case 6:
        act(with);
        break;
      default:
        pass(std::chrono::milliseconds(8 * with));
        break;
    }
    settle();
  }

  void end() {
    for (std::size_t i = 0; i < processes; ++i) {
      if (!is_up_[i]) list_[i]->handle_bus_open(i + 1, now_);
      is_up_[i] = true;
    }
    if (loses_ > 0) list_[loser_]->handle_bus_open(loser_ + 1, now_);
    loses_ = 0;
    for (int i = 0; i < 40; ++i) pass(std::chrono::milliseconds(250));
    for (std::size_t i = 0; i < seats; ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (!is_alone(i) || !is_alone(j)) continue;
        check(table_[i].known.count(table_[j].peer) == table_[j].known.count(table_[i].peer));
      }
    }
    for (const Seat& seat : table_) {
      for (const PeerId known : seat.known) check(is_somebody(known));
    }
    for (std::size_t at = 0; at < seats; ++at) leave(at);
    settle();
    for (const auto& each : list_) {
      check(each->stats().siblings == processes - 1);
      check(each->stats().peers == 0 && each->stats().sites == 0);
    }
  }

 private:
  bool is_somebody(PeerId peer) const {
    return std::any_of(table_.begin(), table_.end(),
                       [&](const Seat& seat) { return seat.peer == peer; });
  }
  // Two visitors at different coordinators may have one number.
  bool is_alone(std::size_t at) const {
    std::size_t count = 0;
    for (const Seat& seat : table_) count += seat.peer == table_[at].peer ? 1 : 0;
    return table_[at].peer.value != 0 && count == 1;
  }

  // The bus of one coordinator goes or comes back, or loses its next frames before that is noticed.
  void act(std::uint8_t with) {
    const std::size_t at = with % processes;
    if (with & 0x40) {
      if (loses_ > 0 || !is_up_[at]) return;
      loses_ = with >> 3 & 7;
      loser_ = at;
    } else if (is_up_[at]) {
      is_up_[at] = false;
      list_[at]->handle_bus_closed();
    } else {
      is_up_[at] = true;
      list_[at]->handle_bus_open(at + 1, now_);
    }
  }

  void pass(Duration duration) {
    now_ += duration;
    settle();
  }

  void sit(std::size_t at, std::uint8_t with) {
    Seat& seat = table_[at];
    seat.site = with & 1;
    seat.browser = with >> 1 & 15;
    const auto peer = list_[at % processes]->handle_connect(site_of(seat.site), now_);
    seat.peer = *peer;
    Hello hello{version, std::string(32, static_cast<char>('a' + seat.browser % 6))};
    if (with & 32) {
      // Back from another seat, which was left or is dead.
      hello.peer = before_[with % seats];
      for (const PeerId other : before_) hello.peers.push_back(other);
    }
    hello.lean = with & 64;
    say(at, hello);
    settle();
  }

  void leave(std::size_t at) {
    Seat& seat = table_[at];
    if (seat.peer.value == 0) return;
    list_[at % processes]->handle_disconnect(seat.peer, now_);
    forget(at);
    settle();
  }
  void forget(std::size_t at) {
    before_[at] = table_[at].peer;
    table_[at] = Seat{};
  }

  void say(std::size_t at, const Message& message) {
    const PeerId peer = table_[at].peer;
    if (peer.value != 0) list_[at % processes]->handle_message(peer, message, now_);
    drain(at % processes);
  }

  std::size_t seat_of(std::size_t process, PeerId peer) {
    for (std::size_t at = process; at < seats; at += processes) {
      if (table_[at].peer == peer && peer.value != 0) return at;
    }
    std::abort();
  }

  void settle() {
    for (bool is_busy = true; is_busy;) {
      is_busy = false;
      now_ += limits::bus_wait;
      for (const auto& each : list_) each->handle_timeout(now_);
      for (std::size_t i = 0; i < processes; ++i) {
        drain(i);
        while (auto publish = list_[i]->poll_publish(now_)) {
          is_busy = true;
          if (!is_up_[i]) continue;
          if (loses_ > 0 && loser_ == i) {
            if (--loses_ == 0) list_[i]->handle_bus_open(i + 1, now_);
            continue;
          }
          for (std::size_t j = 0; j < processes; ++j) {
            if (!is_up_[j] || (publish->to != 0 && publish->to != j + 1)) continue;
            list_[j]->handle_frame(bytes_of(publish->frame), now_);
            drain(j);
          }
        }
      }
    }
  }

  void drain(std::size_t process) {
    while (auto output = list_[process]->poll_output()) {
      if (const auto* tell = std::get_if<Tell>(&*output)) {
        told(table_[seat_of(process, tell->peer)], tell->message);
      } else if (const auto* relay = std::get_if<Relay>(&*output)) {
        check(table_[seat_of(process, relay->signal.peer)].known.count(relay->from) == 1);
      } else if (const auto* all = std::get_if<TellAll>(&*output)) {
        for (const PeerId peer : all->peers) seat_of(process, peer);
      } else if (const auto* renumber = std::get_if<Renumber>(&*output)) {
        table_[seat_of(process, renumber->from)].peer = renumber->to;
      } else if (const auto* close = std::get_if<Close>(&*output)) {
        forget(seat_of(process, close->peer));
      }
    }
  }

  void told(Seat& seat, const Message& message) {
    const auto meets = [&](PeerId peer) {
      check(peer != seat.peer);
      check(seat.known.insert(peer).second);
      check(seat.known.size() <= limits::introductions_per_peer);
    };
    if (const auto* introduce = get_if<Introduce>(&message)) meets(introduce->peer);
    if (const auto* resume = get_if<Resume>(&message)) meets(resume->peer);
    if (const auto* answer = get_if<Answer>(&message)) {
      for (const PeerId peer : answer->introduced) meets(peer);
    }
    if (const auto* gone = get_if<Gone>(&message)) check(seat.known.erase(gone->peer) == 1);
  }

  Instant now_{std::chrono::hours(1)};
  std::vector<std::unique_ptr<Coordinator>> list_;
  bool is_up_[processes] = {true, true, true};
  std::size_t loses_ = 0, loser_ = 0;
  std::vector<Seat> table_{seats};
  std::vector<PeerId> before_{seats};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  World world;
  for (std::size_t i = 0; i + 1 < size && i < 4000; i += 2) world.step(data[i], data[i + 1]);
  world.end();
  return 0;
}
