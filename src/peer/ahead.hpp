// Whether a page may make connections before one of its files is wanted.
//
// From macOS 26 on, the system asks the visitor for "Local Network" permission at the first
// RTCPeerConnection, in every browser. A visitor who only opened a page should not be asked.
// Chromium has a permission of its own, which requests to the local network need. It does not ask
// for it at connections yet, so a permission that nobody has decided on says nothing.
#pragma once

#include <cstdint>

namespace peer_cdn::peer {

// What the site says: start({ idle }).
enum class Word : std::uint8_t { unsaid, yes, no };
// What the visitor said to the browser of the local network. Unknown: nothing yet.
enum class Permission : std::uint8_t { unknown, granted, denied };

// A browser on a Mac does not say which macOS it is on, so each Mac counts as one that asks.
constexpr bool may_connect_ahead(Word word, Permission permission, bool is_mac) {
  if (word != Word::unsaid) return word == Word::yes;
  if (permission != Permission::unknown) return permission == Permission::granted;
  return !is_mac;
}

}  // namespace peer_cdn::peer
