// The words that only the borders have, beside those of the core: border.def lists both.
#pragma once

// An export by its number: the __COUNTER__ of whoever includes border.def before anything else
// counts.
#define BORDER_SPELL(number) #number
#define BORDER_EXPORT(number) \
  __attribute__((used, visibility("default"), export_name(BORDER_SPELL(number))))
static_assert(__COUNTER__ == 0, "the exports are counted from 1");

namespace peer_cdn {

// What the coordinator's host does with a socket.
enum class SocketOrder : unsigned {
  send,      // a peer's number, and bytes for its socket
  send_all,  // several peers, and the same bytes for all of them
  renumber,  // a peer's number, and another one that it has from now on
  close,     // a peer's number, and the code that says why
  publish,   // a sibling's name in two halves, or 0 for all, and a frame for the bus
};

// What the browser says of a page's connection. Refused: it would not make it, or not take a
// description.
enum class PathState : unsigned { found, lost, failed, refused };

}  // namespace peer_cdn
