// Whether a page may make connections before one of its files is wanted.
//
// From macOS 26 on, the system asks the visitor for "Local Network" permission at the first
// RTCPeerConnection, in every browser. Chromium has the same question of its own. A visitor who
// only opened a page should not be asked.
#pragma once

#include <cstdint>

namespace peer_cdn::peer {

// What the site says: start({ idle }).
enum class Word : std::uint8_t { unsaid, yes, no };
// What the browser says of its permission for the local network. Unknown: it has none.
enum class Permission : std::uint8_t { unknown, granted, prompt, denied };

// A browser on a Mac does not say which macOS it is on, so each Mac counts as one that asks.
constexpr bool may_connect_ahead(Word word, Permission permission, bool is_mac) {
  if (word != Word::unsaid) return word == Word::yes;
  if (permission != Permission::unknown) return permission == Permission::granted;
  return !is_mac;
}

}  // namespace peer_cdn::peer
