// The figures of a page that asks to be counted: what it reports once, and what a coordinator sums.
// No figure is about anybody: no address, id or page is among them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/text.hpp"

namespace peer_cdn {

// By which way a connection goes: in the same network, straight through the internet, or over a
// TURN server.
enum class Route : std::uint8_t { local, direct, relayed };
inline constexpr std::string_view route_names = "local\ndirect\nrelayed\n";
inline constexpr std::size_t route_count = 3;

// Bytes by their source, bytes that came for nothing, and connections by their route: those that
// could have gone that way, and those that did.
enum class Figure : std::uint8_t {
  from_peers,
  from_origin,
  from_cache,
  wasted,
  local_tried,
  local_open,
  direct_tried,
  direct_open,
  relayed_tried,
  relayed_open,
};
inline constexpr std::size_t figure_count = 10;

// Their names in the report, which is a JSON object of these numbers and its version.
inline constexpr std::string_view figure_names =
    "fromPeers\nfromOrigin\nfromCache\nwasted\nlocalTried\nlocalOpen\ndirectTried\ndirectOpen\n"
    "relayedTried\nrelayedOpen\n";
static_assert(line_of(figure_names, "relayedOpen") == figure_count - 1);
static_assert(static_cast<std::size_t>(Figure::relayed_open) == figure_count - 1);

constexpr bool is_bytes(std::size_t figure) {
  return figure <= static_cast<std::size_t>(Figure::wasted);
}

using Figures = std::array<std::uint64_t, figure_count>;

}  // namespace peer_cdn
