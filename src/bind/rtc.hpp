// RTCPeerConnections and their two channels, driven from C++ through emscripten::val.
//
// A pair has the negotiated, ordered, reliable channels `control` (id 0) and `data` (id 1). It is
// open when both are, and it is closed once: by us, by a channel, or by ICE before it was open. The
// core decides how many pairs there may be, how long one may take to open, and how long a lost one
// is kept (swarm/pool.hpp).
#pragma once

#include <emscripten/val.h>

#include <cstdint>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "signal/message.hpp"

namespace peer_cdn::bind::rtc {

// The host makes and closes connections (connect(configuration), disconnect(connection)) and sends
// (send(channel, bytes), false if refused), because these may throw and C++ cannot catch here.
void start(emscripten::val host, emscripten::val configuration);
void stop();

// If the browser refuses, pair_closed() is called at once.
void create(PeerId peer, bool offer);
void describe(PeerId peer, const signal::Description& description);
// A candidate that comes before the description waits for it (limits::candidates_waiting).
void add_candidate(PeerId peer, const signal::Candidate& candidate);
// Makes a new offer with new ICE on the same connection, whose channels live on. Either side may.
// If both do at once, the offer of the side that offered first counts.
void restart(PeerId peer);
// Bytes for a pair that is gone are dropped, because its end was told already.
void send_control(PeerId peer, ByteSpan frame);
void send_block(PeerId peer, ByteSpan header, const emscripten::val& payload);
// Closes the pair from our side: no pair_closed() follows.
void close(PeerId peer);

std::uint32_t open_pairs();

}  // namespace peer_cdn::bind::rtc

// What the connections tell the page. Defined in page.cpp; each of these drains.
namespace peer_cdn::bind::page {

void local_description(PeerId peer, signal::Description description);
void local_candidate(PeerId peer, signal::Candidate candidate);
void pair_open(PeerId peer);
void pair_closed(PeerId peer);
void pair_lost(PeerId peer);
void pair_found(PeerId peer);
void control_message(PeerId peer, ByteSpan frame);
void data_message(PeerId peer, const emscripten::val& buffer);
void block_sent(PeerId peer, std::uint64_t buffered);
void buffered(PeerId peer, std::uint64_t bytes);

}  // namespace peer_cdn::bind::page
