// A page's connections, as the browser has them.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"
#include "bind/peer.hpp"

namespace peer_cdn::bind {
namespace {

std::uint32_t pairs_issued = 0;

// The pair has ended, by the peer or by the browser.
void end_pair(PeerId peer, Instant now) {
  self->ended.push_back(peer);
  self->peer.handle_pair_closed(peer, now);
}

}  // namespace

Pair* find_pair(std::uint32_t id) {
  if (!self) return nullptr;
  for (Pair& pair : self->pairs) {
    if (pair.id == id) return &pair;
  }
  return nullptr;
}

std::uint32_t pair_of(PeerId peer) {
  for (const Pair& pair : self->pairs) {
    if (pair.peer == peer) return pair.id;
  }
  return 0;
}

std::uint32_t drop_pair(PeerId peer) {
  const std::uint32_t id = pair_of(peer);
  self->pairs.erase_if([id](const Pair& pair) { return pair.id == id; });
  return id;
}

void give_pair(PeerId peer) {
  if (Pair* pair = find_pair(pair_of(PeerId{}))) pair->peer = peer;
}

std::uint32_t create_pair(PeerId peer) {
  drop_pair(peer);
  self->pairs.add(new Pair{++pairs_issued, peer, false, {}});
  return pairs_issued;
}

}  // namespace peer_cdn::bind

using namespace peer_cdn;
using namespace peer_cdn::bind;

void local_description(unsigned sdp_bytes, unsigned id, bool offer, double now) {
  Pair* pair;
  if (const Event event(now, id, pair); event) {
    self->peer.handle_local_description(pair->peer, {offer, std::string(text_of(sdp_bytes))},
                                        event.at);
  }
}

// Text: sdpMid and the candidate, a line each.
void local_candidate(unsigned mid_and_candidate_bytes, unsigned id, unsigned line, double now) {
  Pair* pair;
  if (const Event event(now, id, pair); event) {
    std::string_view rest = text_of(mid_and_candidate_bytes);
    const std::string mid(take_line(rest));
    self->peer.handle_local_candidate(pair->peer, {std::string(rest), mid, line}, event.at);
  }
}

// An open pair outlives a path that is gone, and goes on with the description before one that was
// refused. A pair that never opened outlives neither.
void path(unsigned id, unsigned state, double now) {
  Pair* pair;
  const Event event(now, id, pair);
  if (!event) return;
  const auto path = static_cast<PathState>(state);
  const PeerId peer = pair->peer;
  if (!pair->open) {
    if (path == PathState::failed || path == PathState::refused) end_pair(peer, event.at);
  } else if (path == PathState::found) {
    self->peer.handle_pair_found(peer, event.at);
  } else if (path != PathState::refused) {
    self->peer.handle_pair_lost(peer, event.at);
  }
}

// Both channels are open, or one is closed.
void pair(unsigned id, bool is_open, double now) {
  Pair* pair;
  const Event event(now, id, pair);
  if (!event) return;
  const PeerId peer = pair->peer;
  if (!is_open) return end_pair(peer, event.at);
  if (std::exchange(pair->open, true)) return;
  const std::vector<Bytes> early = std::exchange(pair->early_frames, {});
  self->peer.handle_pair_open(peer, event.at);
  for (const Bytes& frame : early) self->peer.swarm().handle_control(peer, frame, event.at);
}

// A message on `control`, of limits::message_bytes + 1 at most.
void control(unsigned frame_bytes, unsigned id, double now) {
  Pair* pair;
  const Event event(now, id, pair);
  if (!event) return;
  const ByteSpan frame = bytes_of(text_of(frame_bytes));
  if (pair->open) return self->peer.swarm().handle_control(pair->peer, frame, event.at);
  if (pair->early_frames.size() >= limits::frames_early) return end_pair(pair->peer, event.at);
  pair->early_frames.emplace_back(frame.begin(), frame.end());
}

// A message on `data`: its header, and how long it is.
void block(unsigned header_bytes, unsigned id, double bytes, double now) {
  Pair* pair;
  const Event event(now, id, pair);
  if (!event) return;
  // No peer can have been asked for a block before the pair was open.
  if (!pair->open) return end_pair(pair->peer, event.at);
  self->peer.swarm().handle_block(pair->peer, bytes_of(text_of(header_bytes)),
                                  static_cast<std::size_t>(bytes), event.at);
}

// A peer that does not read is of no use.
void control_sent(unsigned id, double buffered, double now) {
  Pair* pair;
  const Event event(now, id, pair);
  if (event && buffered > limits::control_buffered_max) end_pair(pair->peer, event.at);
}

unsigned block_sent(unsigned id, double buffered, double now) {
  Pair* pair;
  if (const Event event(now, id, pair); event) {
    self->peer.swarm().handle_block_sent(pair->peer, static_cast<std::uint64_t>(buffered),
                                         event.at);
  }
  return static_cast<unsigned>(swarm::refill_at(static_cast<std::uint64_t>(buffered)));
}

// The store has lost the piece that a SendBlock wanted.
void unreadable(unsigned id, unsigned resource, unsigned piece, double now) {
  Pair* pair;
  const Event event(now, id, pair);
  const Known* known = find(resource);
  if (!event || !known) return;
  self->peer.swarm().handle_unreadable(pair->peer, known->root, piece, event.at);
}

void buffered(unsigned id, double bytes, double now) {
  Pair* pair;
  if (const Event event(now, id, pair); event) {
    self->peer.swarm().handle_buffered(pair->peer, static_cast<std::uint64_t>(bytes), event.at);
  }
}
