// Where a peer is, as far as its coordinator knows. The numbers come from the host, which keeps the
// addresses: they may leave the process (signal/bus.hpp), so they tell nobody an address.
#pragma once

#include <cstdint>

namespace peer_cdn::signal {

// What peers may have in common, as a number under the salt of the day on which the peer came, and
// of the day before. 0: not known.
struct Salted {
  std::uint32_t today = 0;
  std::uint32_t before = 0;
  bool operator==(const Salted&) const = default;
};

struct Place {
  Salted network;  // the same for peers behind one IPv4 address or in one /64
  Salted label;    // the same for peers to which the operator's classifier gives one label
  bool operator==(const Place&) const = default;
};

// One may have come a day before the other.
constexpr bool is_same(const Salted& a, const Salted& b) {
  const auto equal = [](std::uint32_t one, std::uint32_t other) {
    return one != 0 && one == other;
  };
  return equal(a.today, b.today) || equal(a.today, b.before) || equal(a.before, b.today);
}

// How far two peers are from each other, for all that is known: 0, one network; 1, one label; 2.
constexpr int distance(const Place& a, const Place& b) {
  return is_same(a.network, b.network) ? 0 : is_same(a.label, b.label) ? 1 : 2;
}

}  // namespace peer_cdn::signal
