// Every bound of the project, named once, each with the reason for its value.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/time.hpp"

namespace peer_cdn::limits {

using namespace std::chrono_literals;

inline constexpr std::uint64_t kib = 1024;
inline constexpr std::uint64_t mib = 1024 * kib;

// What pages, workers, peers and the coordinator say in their first message. Another one is refused
// with version-mismatch.
inline constexpr std::uint32_t protocol_version = 1;
// The form of /peer-cdn.json.
inline constexpr std::uint32_t manifest_version = 1;

// --- Resources (DESIGN section 5, Manifest) ---------------------------------------------------
// 2,048 digests of 32 bytes are one 64 KiB digest list: a single small request, one heap page.
inline constexpr std::uint32_t pieces_per_resource = 2048;
// Below 64 KiB WebCrypto's fixed cost per call (40-80 us) would dominate.
inline constexpr std::uint32_t piece_bytes_min = 64 * kib;
// 16 MiB x 2,048 = 32 GiB, more than a browser will store.
inline constexpr std::uint32_t piece_bytes_max = 16 * mib;
inline constexpr std::uint64_t resource_bytes_max =
    std::uint64_t{piece_bytes_max} * pieces_per_resource;
inline constexpr std::size_t manifest_entries = 10000;
inline constexpr std::size_t path_bytes = 2048;
inline constexpr std::size_t type_bytes = 256;
inline constexpr std::size_t headers_per_resource = 16;
// One header's name and value; servers refuse heads of 8 KiB, and no extra header comes near.
inline constexpr std::size_t header_bytes = 2 * kib;
// The promise of DESIGN section 5: nobody sees a file older than this after a deployment.
inline constexpr Duration manifest_age = 60s;

// --- Storage ------------------------------------------------------------------------------------
// Measured: 30 MB as 1 MiB segments puts in 233 ms and gets in 129; as 64 KiB, 1,010 and 547.
inline constexpr std::uint32_t segment_bytes = 1 * mib;
// What a site's store takes of a visitor's disk if it does not say otherwise. Browsers offer half
// of the disk and more; nobody expects that of a page that was opened once.
inline constexpr std::uint64_t store_bytes = 2048ULL * mib;

// --- Requests in the worker ---------------------------------------------------------------------
// A site has a handful of routes; the bound is on what a fetch event may have to visit.
inline constexpr std::size_t routes = 256;
// The router recurses once a segment: bounds its stack. Real paths have fewer than ten.
inline constexpr std::size_t segments_per_route = 32;
inline constexpr std::size_t plugins_per_route = 16;
// Trades latency for offload: peers that have the file may take at most so long to begin before the
// origin is asked as well. Long enough for a connection over TURN to come up (about 1 s), short of
// impatience.
inline constexpr Duration hedge_delay = 1500ms;
// The same as a share of the time that the network would need for the whole response, unless the
// site says otherwise (DelegatePlugin's patience): a fifth is not felt, and on most lines it lets a
// connection come up for whatever is worth one.
inline constexpr double patience = 0.2;
// Up to here a response is over before a connection is up: peers are asked only if they are ready,
// and the network does not wait for them.
inline constexpr std::uint64_t small_bytes = 1 * mib;
// Before anything was measured: the time of a far origin, and 4 Mbit/s, a slow line. Both err on
// the side of the peers, and the first manifest and the first windows correct them.
inline constexpr Duration first_byte_unknown = 100ms;
inline constexpr std::uint64_t rate_unknown = 512 * kib;
// Smaller bodies come with their head, in one go: they say nothing of the rate.
inline constexpr std::uint64_t rate_sample_bytes = 64 * kib;
// The rate of the last so many bytes counts: a few windows.
inline constexpr std::uint64_t rate_memory_bytes = 8 * mib;
// What was measured so long ago says nothing of now: a laptop that moved, a peer that left.
inline constexpr Duration estimate_age = 60s;
// Peers that seemed slower than the network are tried so often, with one small response each time.
inline constexpr Duration probe_wait = 5s;
// What a body gathers ahead of its reader: a second at 4 MB/s, and what a stalled reader costs in
// memory.
inline constexpr std::uint64_t body_ahead_bytes = 4 * mib;
// The first window of a body: its first byte has little beside it on the line, and little is lost
// when peers turn up right after the origin was asked. The second is what the origin has lately
// sent in `window_span`, so that a fast one that is far is not asked for little at a time, and each
// after it twice as long; at most half of what is gathered ahead: two are in flight, and at 80 ms
// they carry 50 MB/s.
inline constexpr Duration window_span = 200ms;
inline constexpr std::uint64_t window_first_bytes = 256 * kib;
inline constexpr std::uint64_t window_bytes_max = body_ahead_bytes / 2;
// Where nobody else serves, the first request of a body asks for so much, and each later one for
// `stretch_factor` times what came before it: a file of 30 MB is three. All in one would be paced
// by its reader too, but what is under way in the sockets when a reader leaves can be tens of
// megabytes. The next is asked for body_ahead_bytes before the last one ends, so that none is
// waited for.
inline constexpr std::uint64_t stretch_bytes_min = 2 * body_ahead_bytes;
inline constexpr std::uint32_t stretch_factor = 2;
// Two windows hide the origin's latency; more would only share the same line.
inline constexpr std::size_t windows_in_flight = 2;
// What a body passes on before its reader asks for more (the stream's high water mark).
inline constexpr std::int64_t stream_bytes = 256 * kib;
// Credit of the bridge: 64 KiB x 16 was the fastest of all cuts measured.
inline constexpr std::uint64_t bridge_bytes = 1 * mib;
// Granted in quarters of it: a message for each piece would cost both ends as many again.
inline constexpr std::uint64_t grant_bytes = bridge_bytes / 4;
// A page drops a stalled peer itself after 2 s and looks for another, and asks the origin too. It
// says so often that it is at it; if it has not said so, nor brought a piece, for so long and the
// time of a piece at reader_rate_min, it is frozen, and the worker goes on without it.
inline constexpr Duration bridge_alive = 3s;
inline constexpr Duration bridge_stall = 10s;
// An origin that failed is asked again after this, then after twice as long.
inline constexpr std::uint32_t origin_retries = 2;
inline constexpr Duration origin_retry_wait = 250ms;
// One that is busy in the middle of a body, when it says so (Retry-After), but no later than the
// reader would give up; when it does not, after the second in which most count their requests.
inline constexpr Duration origin_busy_wait = 1s;
inline constexpr std::chrono::seconds origin_busy_wait_max = 10s;
// Of so many resources is remembered across the worker's death that their origin cannot be used:
// where more go wrong the manifest is wrong, and the oldest are asked for once more.
inline constexpr std::size_t lost_resources = 64;
// Firefox ends a body made by a worker that no page keeps alive after 30 s, cleanly and short:
// without a page that said hello, only what even 0.3 Mbit/s carries in that time is answered by us.
inline constexpr std::uint64_t unattended_bytes = 1 * mib;
// How long a page may take to say that it got a request, or that it is there: a page that still
// parses must not hold up its own load.
inline constexpr Duration ack_wait = 50ms;
// The same for a page that was heard lately: its listener runs, so it is only busy, and without it
// a whole body comes from the origin although a peer has it. Shorter than hedge_delay.
inline constexpr Duration busy_ack_wait = 1s;
inline constexpr Duration heard_memory = 30s;
// The stored manifest is used when a new one takes longer.
inline constexpr Duration manifest_wait = 3s;
// A digest list has at most 64 KiB: an origin that takes longer for it has trouble with all else.
inline constexpr Duration digests_wait = 12s;
inline constexpr Duration progress_wait = 250ms;
// What may wait (writing to the store, what is told to pages) waits while a response has not begun:
// looked at so often, and while somebody always waits no longer than this.
inline constexpr Duration calm_step = 20ms;
inline constexpr Duration calm_wait = 1s;
// What waits in the worker's memory to be written: a gallery.
inline constexpr std::uint64_t unwritten_bytes = 8 * mib;
// After a user's put() is over, until what it left unread is taken back: a Cache opens in some ms,
// also on a busy disk within this.
inline constexpr Duration put_wait = 2s;
// What came from peers is on its way to the store when its response ends, by the page: until then a
// user's put() waits, no longer than this.
inline constexpr Duration put_held_wait = 3s;
// A long-form reply is one buffer in both processes.
inline constexpr std::uint64_t reply_bytes = 64 * mib;

// --- Between peers ------------------------------------------------------------------------------
// Browsers take messages of 256 KiB. Blocks of 32 KiB cost a tenth more of processor time on the
// way (tests/bench), larger ones are no cheaper than these, and what is cancelled comes later.
inline constexpr std::uint32_t block_bytes = 64 * kib;
inline constexpr std::uint32_t message_bytes = block_bytes + 16;
inline constexpr std::size_t pairs_per_page = 30;
// Introductions are cheap, connections are not: beyond so many, idle ones go early.
inline constexpr std::size_t pairs_warm = 8;
// Connections that are made before anything is asked for: one is held to some 80 KB a round trip,
// and four fill most lines. The page's idle moments are told so often.
inline constexpr std::size_t pairs_warm_min = 4;
inline constexpr Duration idle_interval = 10s;
// Each ask of the pool waits twice as long as the one before, up to this: holders that close what
// is idle are not asked again and again. The same root is not asked for sooner either.
inline constexpr Duration warm_wait_max = 5min;
// What is listed and may be asked for by the pool: the heaviest.
inline constexpr std::size_t listed_roots = 64;
inline constexpr Duration pair_idle = 5min;
inline constexpr Duration pair_idle_spare = 30s;
// A page that met more liars than this in its life has other troubles; the oldest is forgotten.
inline constexpr std::size_t banned_peers = 256;
// What is received and not yet handed on, per reader: 0.8 s of 10 MB/s, and eight segments.
inline constexpr std::uint64_t read_ahead_bytes = 8 * mib;
// The part of it that is fetched strictly in order: what the reader asks for next.
inline constexpr std::uint64_t urgent_bytes = 1 * mib;
// All downloads of a page together; beyond it only what is urgent is fetched.
inline constexpr std::uint64_t retained_bytes = 64 * mib;
// What is verified is written to the store when no reader waits for more that is on its way, since
// a transfer takes all of two processors and writing is a tenth of that; but at the latest after so
// long, which is what a page that crashes may lose (one that closes writes), or when so much is in
// memory.
inline constexpr Duration store_wait = 5s;
inline constexpr std::uint64_t unstored_bytes = retained_bytes / 2;
// Requests in flight to one peer: half a second of its rate within these. The start is one round
// trip of 20 ms at 12 MB/s; the most is 2 MiB, 100 MB/s over 20 ms.
inline constexpr Duration pipeline_span = 500ms;
inline constexpr std::size_t pipeline_blocks_min = 2;
inline constexpr std::size_t pipeline_blocks_start = 4;
inline constexpr std::size_t pipeline_blocks_max = 32;
// With those that were cancelled and not answered yet.
inline constexpr std::size_t unanswered_blocks = 2 * pipeline_blocks_max;
// What a peer may have queued here: twice what one of ours would ask.
inline constexpr std::size_t requests_from_peer = 4 * pipeline_blocks_max;
// Roots that one peer asks another for at a time, and how fast it may try others: a gallery at
// once.
inline constexpr std::size_t wants_per_pair = 64;
inline constexpr std::uint32_t wants_burst = 128;
inline constexpr std::uint32_t wants_per_second = 16;
inline constexpr std::size_t downloads_per_page = 64;
inline constexpr std::size_t readers_per_page = 128;
// One connection is held to some 80 KB a round trip (measured): more peers are faster up to
// about 8.
inline constexpr std::size_t peers_per_download = 8;
// A peer so many times slower than the fastest gets what no reader waits for yet.
inline constexpr std::uint64_t slow_peer_factor = 4;
// ICE on the open internet takes 0.3 to 2 s; after this the network would have answered long ago.
inline constexpr Duration introduction_wait = 3s;
// So many pairs in a row that never opened, and it is our network that lets none through (no UDP, a
// symmetric NAT): peers are forgotten for a while, so that no request waits for them; twice as long
// each time, since a laptop does change its network.
inline constexpr std::size_t unreachable_failures = 3;
inline constexpr Duration unreachable_pause_min = 60s;
inline constexpr Duration unreachable_pause_max = 10min;
// An open pair that does not answer "do you have it" in a second is busy or gone.
inline constexpr Duration want_wait = 1s;
// The last peer went in mid-body: the origin is only a second away.
inline constexpr Duration resume_wait = 1s;
// DESIGN section 6: no bytes for 2 s drops a source. Its pause ends, but not often; a visitor whose
// machine is busy now and then is let go on.
inline constexpr Duration peer_stall = 2s;
inline constexpr Duration peer_stall_pause = 10s;
inline constexpr std::uint32_t peer_stalls_max = 3;
inline constexpr Duration peer_stall_memory = 5min;
// No piece for so long, or less than this rate for so long, and the reader is better off elsewhere.
// A large piece takes longer.
inline constexpr Duration reader_stall = 3s;
inline constexpr std::uint64_t reader_rate_min = 256 * kib;
// A reader that asks for nothing for so long is paused, or its worker is gone: it costs up to
// read_ahead_bytes. Whoever was paused gets the rest from the origin, or asks again.
inline constexpr Duration reader_idle = 5min;
// Unsent on `data`: 250 ms of measured rate, so that a cancel is not a second late.
inline constexpr Duration buffered_span = 250ms;
inline constexpr std::uint64_t buffered_min = 128 * kib;
inline constexpr std::uint64_t buffered_max = 1 * mib;
// No cap by default: WebRTC's congestion control already yields to the visitor's other traffic.
inline constexpr std::uint64_t upload_rate = 0;
// In the life of one page: some hundred visits' worth of heavy files, and a bound for metered
// lines.
inline constexpr std::uint64_t upload_bytes = 4096 * mib;
// --- A crowd: the origin as one more source, and what nobody had ---------------------------------
// Below this the origin's answer is over before anybody was introduced.
inline constexpr std::uint64_t crowd_bytes = 1 * mib;
// What was fetched from the origin alone is announced while it comes; the worker stores a run of it
// every few seconds even on a slow line.
inline constexpr Duration watch_wait = 60s;
inline constexpr std::size_t watched_roots = 16;
// Two hide the origin's latency, as windows do. A unit is half a second of its rate: long enough to
// be few requests, short enough that others can have what this page does not come to.
inline constexpr std::size_t fetches_in_flight = 2;
inline constexpr Duration fetch_span = 500ms;
inline constexpr std::uint64_t fetch_start_bytes = 256 * kib;
// What peers have, and still do not bring to a waiting reader for so long, the origin brings. At
// half of it the simulator's crowds take a sixth to a third more from the origin.
inline constexpr Duration origin_wait = 1s;
// A site whose patience is more than 1 lets peers be so many times slower than the origin before it
// helps; never more than this, so that it helps before a reader gives up (reader_silence), also
// where several wait each its own time.
inline constexpr double peers_slower_max = 4;
// What an origin is taken to send until a page has measured it: as much as most lines take. Peers
// that are as fast are not held against it for nothing.
inline constexpr std::uint64_t origin_rate_unknown = 4 * mib;
// What another page said that it fetches is left to it for so long; it says so again after half.
inline constexpr Duration claim_wait = 3s;
// So many times in vain, and this download leaves nothing to others any more; and what one peer may
// say in all: a claim and its renewals for each piece.
inline constexpr std::uint32_t claims_missed = 3;
inline constexpr std::uint32_t claims_from_peer = 4 * pieces_per_resource;
// Neither peers nor the origin bring a reader's next piece for so long, and for the time of a piece
// at reader_rate_min: the worker asks the origin itself. Before it gives up the page
// (bridge_stall).
inline constexpr Duration reader_silence = 8s;
// But so long if the page has asked the origin for it: in a crowd that an origin is too slow for,
// to ask once more makes everybody wait longer (tests/sim: 200 visitors took 150 copies).
inline constexpr Duration fetch_silence = 60s;
// How often a page asks for more peers: those who come later must meet those who came first. The
// first time soon: at 2 s most downloads have had half of the peers that they could use
// (tests/sim).
inline constexpr Duration ask_again_min = 500ms;
inline constexpr Duration ask_again_max = 30s;

// Introduced peers whose offer is awaited, and for how long: as long as a pair may take to open.
inline constexpr std::size_t introductions_waiting = 64;
inline constexpr Duration offer_wait = 10s;
// start() in a page resolves when the coordinator has said what anybody has, or after so long.
inline constexpr Duration first_socket_wait = 500ms;
// start() resolves without the worker after so long, because pages wait for it before they load
// their files; a worker that comes later is welcome. A script on a slow line, and an install that
// fetches a site's shell, take some seconds.
inline constexpr Duration worker_wait = 10s;
// start() without a script: the site registers its worker by then, or never.
inline constexpr Duration registration_wait = 3s;
// A worker claims its pages before it is activated: the news of it is late by a moment only.
inline constexpr Duration controller_wait = 3s;

// --- With the coordinator -----------------------------------------------------------------------
inline constexpr std::size_t signal_bytes = 16 * kib;
// A root is 67 bytes of JSON: two full lists of them, and the rest of a message, fit in 16 KiB.
inline constexpr std::size_t roots_per_message = 100;
// A mark is 11 bytes of JSON: both lists together stay below 12 KiB.
inline constexpr std::size_t marks_per_message = 1000;
// A description for data channels is 0.5-2 KiB; its line ends cost two bytes more each in JSON.
inline constexpr std::size_t sdp_bytes = 12 * kib;
inline constexpr std::size_t candidate_bytes = 1 * kib;
inline constexpr std::size_t candidate_mid_bytes = 64;
inline constexpr std::size_t error_code_bytes = 64;
// Two manifests' worth: what is deployed now, and what was before. Every newcomer is told the
// marks.
inline constexpr std::size_t roots_per_site = 2 * manifest_entries;
// A tenth of the site's: one visitor's inventions do not keep others' files out of the directory.
inline constexpr std::size_t roots_per_peer = roots_per_site / 10;
// What a page holds is announced at once when it joins; after that, a gallery every second. Each
// change of a mark is told to every visitor.
inline constexpr double changes_burst = 2.0 * static_cast<double>(roots_per_peer);
inline constexpr double changes_per_second = 40;
// Who holds what is about 100 bytes an entry: 100 MB a site.
inline constexpr std::size_t holdings_per_site = 1000000;
// An idle socket costs Node about 20 KiB.
inline constexpr std::size_t peers_per_site = 10000;
inline constexpr std::size_t peers_per_coordinator = 50000;
inline constexpr std::size_t sites_per_coordinator = 1000;
// One connection is held to ~80 KB per round trip, and four fill most lines.
inline constexpr std::size_t introductions_per_ask = 4;
// Whoever asks again has a long download: as many as make it faster (peers_per_download).
inline constexpr std::size_t introductions_per_root = peers_per_download;
// No more than a page can keep open.
inline constexpr std::size_t introductions_per_peer = pairs_per_page;
// Every introduction makes a holder open a connection: an asker that only collects them is slowed.
inline constexpr double introductions_burst = 2.0 * pairs_per_page;
inline constexpr double introductions_per_second = 0.5;
// Matching looks at this many holders of a root, from a random one on, however many there are.
inline constexpr std::size_t holders_looked_at = 32;
// Who declined (or failed) is not named to the same peer again for so long.
inline constexpr Duration decline_wait = 30s;
inline constexpr std::size_t declines_per_peer = 64;
// A joining page sends some ten messages for each of 30 pairs, and 100 to announce 10,000 roots.
inline constexpr double messages_burst = 500;
inline constexpr double messages_per_second = 50;
// An ask is matched root by root: each 25 of them count as another message.
inline constexpr std::size_t asked_roots_per_token = 25;
// Whoever has not said hello by then never will.
inline constexpr Duration hello_wait = 10s;
// Changes in who has what, told together.
inline constexpr Duration presence_wait = 250ms;
// A round trip to the far side of the world is 0.3 s.
inline constexpr Duration answer_wait = 1s;
inline constexpr std::size_t asks_waiting = 1000;
// So many asks without a word from the coordinator, and its socket is taken for dead.
inline constexpr std::uint32_t silent_asks = 3;
// After sleep or another network: a socket that lives answers in a round trip.
inline constexpr Duration word_wait = 3s;
// What a page stored in one go is announced in one go.
inline constexpr Duration announce_wait = 100ms;
inline constexpr Duration welcome_wait = 10s;
inline constexpr Duration reconnect_min = 1s;
inline constexpr Duration reconnect_max = 60s;

// --- A page's connections and files (src/bind, web) ---------------------------------------------
// ICE over a TURN server takes up to some seconds; who is not there by then will not come.
inline constexpr Duration pair_open_wait = 10s;
// A connection whose path is gone is kept so long, and its ICE is started again so often: a change
// of network is over in a few seconds, and the downloads went elsewhere long before that.
inline constexpr Duration pair_lost_wait = 20s;
inline constexpr Duration pair_restart_wait = 5s;
// A timer that fires so late was not late: the machine slept.
inline constexpr Duration sleep_min = 30s;
// Chromium ends at 500 connections a page, closed ones counted until they are collected: after so
// many failures in a row inside the window, no more are made until it has passed.
inline constexpr std::size_t pair_failures = 8;
inline constexpr Duration pair_failures_window = 60s;
// One description has some ten candidates; more than this is not a browser.
inline constexpr std::size_t candidates_waiting = 64;
// Frames on `control` before `data` is open too: both open within one turn of the event loop.
inline constexpr std::size_t frames_early = 16;
// Unsent on `control`: a bitfield is 256 bytes and a batch of requests 1 KiB, so that only a peer
// that does not read, while it makes us answer, gets here. Browsers would hold 16 MiB.
inline constexpr std::uint64_t control_buffered_max = 1 * mib;
// The sender is asked for more when so little is left unsent: 2 ms of a fast line.
inline constexpr std::uint64_t buffered_low = 64 * kib;
// Runs that a seeder keeps in memory: one for each of the peers that it serves at a time.
inline constexpr std::size_t runs_in_memory = 8;
// What is handed on in one ArrayBuffer (the long form's body), or read back whole (adoption).
inline constexpr std::uint64_t whole_bytes = 64 * mib;
// Messages that keep the worker alive while it streams; browsers end idle ones after 30 s.
inline constexpr Duration alive_interval = 10s;

static_assert(block_bytes < message_bytes);
static_assert(unanswered_blocks < requests_from_peer, "no honest peer is taken for a flood");
static_assert(buffered_low < buffered_min);
static_assert(piece_bytes_min % block_bytes == 0, "a piece is whole blocks, but for the last");
static_assert(segment_bytes % piece_bytes_min == 0);

}  // namespace peer_cdn::limits
