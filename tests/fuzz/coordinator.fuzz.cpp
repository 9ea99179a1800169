// Law: whatever peers do, in any order, a signal reaches only a peer that was told of its sender
// and has not parted from it since. Pairs are of one site and two browsers, and within bounds. A
// peer that left is told nothing. When all have left nothing is kept.
//
// Input: two bytes a step. The first is the action (low three bits) and the seat that acts (the
// rest), the second is the action's argument.
#include "signal/coordinator.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <utility>
#include <vector>

using namespace peer_cdn;
using namespace peer_cdn::signal;

namespace {

void check(bool law) {
  if (!law) std::abort();
}

constexpr std::size_t seats = 32;
constexpr std::size_t roots = 8;

struct Seat {
  PeerId peer;  // 0: the seat is free
  PeerId before;
  std::size_t site = 0;
  std::size_t browser = 0;
};

Root root_of(std::uint8_t n) {
  Root root;
  root.bytes[0] = static_cast<std::uint8_t>(n % roots);
  return root;
}

class World {
 public:
  void step(std::uint8_t what, std::uint8_t with) {
    now_ += std::chrono::milliseconds(with % 8);
    Seat& seat = table_[what >> 3];
    switch (what & 7) {
      case 0:
        sit(seat, with);
        break;
      case 1:
        leave(seat);
        break;
      case 2:
        say(seat, Have{{root_of(with)}, {}});
        break;
      case 3:
        say(seat, Have{{}, {root_of(with)}});
        break;
      case 4:
        say(seat, Ask{{root_of(with), root_of(static_cast<std::uint8_t>(with >> 3))}});
        break;
      case 5:
        say(seat, Signal{table_[with % seats].peer, Candidate{}});
        break;
      case 6:
        decline(seat, table_[with % seats].peer);
        break;
      default:
        now_ += std::chrono::milliseconds(4 * with);
        coordinator_.handle_timeout(now_);
        break;
    }
    drain();
  }

  void end() {
    for (Seat& seat : table_) leave(seat);
    check(coordinator_.stats().peers == 0 && coordinator_.stats().sites == 0);
    check(pairs_.empty());
  }

 private:
  // A seat's browser follows from its input, so that some are of one browser. Some never say hello.
  void sit(Seat& seat, std::uint8_t with) {
    if (seat.peer.value != 0) return;
    seat.site = with & 1;
    seat.browser = with >> 1 & 15;
    const auto peer = coordinator_.handle_connect(seat.site ? "https://a" : "https://b", now_);
    check(static_cast<bool>(peer));
    seat.peer = *peer;
    if (with >= 240) return;
    // The peer that had this seat is back, or says so, and names its neighbours.
    Hello hello{version, std::string(32, static_cast<char>('a' + seat.browser % 6))};
    if (with & 32) hello.peer = seat.before;
    // It had announced one root, if any.
    if (with & 64) hello.held = summand_of(root_of(with));
    for (const Seat& other : table_) hello.peers.push_back(other.before);
    say(seat, hello);
  }

  void leave(Seat& seat) {
    if (seat.peer.value == 0) return;
    coordinator_.handle_disconnect(seat.peer, now_);
    forget(seat);
    drain();
  }

  void say(Seat& seat, const Message& message) {
    if (seat.peer.value != 0) coordinator_.handle_message(seat.peer, message, now_);
  }

  void decline(Seat& seat, PeerId peer) {
    part(seat.peer, peer);
    say(seat, Decline{peer});
  }

  void part(PeerId a, PeerId b) {
    pairs_.erase({a, b});
    pairs_.erase({b, a});
  }

  void forget(Seat& seat) {
    for (const Seat& other : table_) part(seat.peer, other.peer);
    seat.before = seat.peer;
    seat.peer = PeerId{};
  }

  Seat& seat_of(PeerId peer) {
    for (Seat& seat : table_) {
      if (seat.peer == peer && peer.value != 0) return seat;
    }
    std::abort();
  }

  void drain() {
    while (auto output = coordinator_.poll_output()) {
      if (const auto* tell = get_if<Tell>(&*output)) {
        told(seat_of(tell->peer), tell->message);
      } else if (const auto* all = get_if<TellAll>(&*output)) {
        for (const PeerId peer : all->peers) told(seat_of(peer), all->message);
      } else if (const auto* renumber = get_if<Renumber>(&*output)) {
        for (const Seat& other : table_) check(other.peer != renumber->to);
        seat_of(renumber->from).peer = renumber->to;
      } else if (const auto* close = get_if<Close>(&*output)) {
        forget(seat_of(close->peer));
      }
    }
  }

  void told(Seat& seat, const Message& message) {
    const auto* introduce = get_if<Introduce>(&message);
    const auto* resume = get_if<Resume>(&message);
    if (introduce != nullptr || resume != nullptr) {
      const Seat& other = seat_of(introduce != nullptr ? introduce->peer : resume->peer);
      check(other.site == seat.site);
      check(other.browser % 6 != seat.browser % 6);
      check(pairs_.insert({seat.peer, other.peer}).second);
      std::size_t count = 0;
      for (const auto& pair : pairs_) count += pair.first == seat.peer ? 1 : 0;
      check(count <= limits::introductions_per_peer);
    } else if (const auto* signal = get_if<Signal>(&message)) {
      check(pairs_.count({seat.peer, signal->peer}) == 1);
    } else if (const auto* gone = get_if<Gone>(&message)) {
      part(seat.peer, gone->peer);
    }
  }

  Coordinator coordinator_{1};
  Instant now_{std::chrono::hours(1)};
  std::vector<Seat> table_{seats};
  std::set<std::pair<PeerId, PeerId>> pairs_;  // the first was told of the second
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  World world;
  for (std::size_t i = 0; i + 1 < size; i += 2) world.step(data[i], data[i + 1]);
  world.end();
  return 0;
}
