// RTCPeerConnections and their two channels, driven from C++ through emscripten::val.
//
// A pair has the negotiated, ordered, reliable channels `control` (id 0) and `data` (id 1). It is
// open when both are, and closed once: by us, by a channel, or by ICE before it was open. How many
// there may be, how long one may take to open and how long a lost one is kept, is the core's to say
// (swarm/pool.hpp).
#pragma once

#include <emscripten/val.h>

#include <cstdint>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "signal/message.hpp"

namespace peer_cdn::bind::rtc {

// The host makes and closes connections (connect(configuration), disconnect(connection)) and sends
// (send(channel, bytes), false if refused), because those may throw and C++ here cannot catch.
void start(emscripten::val host, emscripten::val configuration);
void stop();

// Where the browser refuses, the answer is pair_closed at once.
void create(PeerId peer, bool offer);
void describe(PeerId peer, const signal::Description& description);
// Candidates that come before the description wait for it (limits::candidates_waiting).
void add_candidate(PeerId peer, const signal::Candidate& candidate);
// A new offer with new ICE on the same connection: its channels live on. Either side may; of two
// at once, the first offerer's counts.
void restart(PeerId peer);
// Bytes for a pair that is gone are dropped: its end was told already.
void send_control(PeerId peer, ByteSpan frame);
void send_block(PeerId peer, ByteSpan header, const emscripten::val& payload);
// Ours to end: no pair_closed follows.
void close(PeerId peer);

std::uint32_t open_pairs();

}  // namespace peer_cdn::bind::rtc

// What the connections tell the page. Defined in page.cpp, each one a call that drains.
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
