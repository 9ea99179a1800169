// Every bound of the project, named once, each with the reason for its value. A relation that two
// of them must keep is a static_assert below the later one.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "base/ids.hpp"
#include "base/time.hpp"

namespace peer_cdn::limits {

using namespace std::chrono_literals;

inline constexpr std::uint64_t kib = 1024;
inline constexpr std::uint64_t mib = 1024 * kib;
inline constexpr std::uint64_t gib = 1024 * mib;

// How much so many a second make in a span of time. Requires that the product of the two, in
// microseconds, fits.
constexpr std::uint64_t amount_in(Duration span, std::uint64_t per_second) {
  return per_second * static_cast<std::uint64_t>(span.count()) / 1'000'000;
}

// Pages, workers, peers and the coordinator say this number in their first message. The other side
// refuses a different number with version-mismatch.
inline constexpr std::uint32_t protocol_version = 1;
// The form of /peer-cdn.json.
inline constexpr std::uint32_t manifest_version = 1;

// --- Resources ----------------------------------------------------------------------------------
// The digest list of so many pieces has 64 KiB: one small request, and one page of the wasm heap.
inline constexpr std::uint32_t pieces_per_resource = 2048;
static_assert(pieces_per_resource * Digest::bytes_size == 64 * kib);
// In smaller pieces WebCrypto's fixed cost per call (40 to 80 us) would dominate.
inline constexpr std::uint32_t piece_bytes_min = 64 * kib;
// Together with the number of pieces this allows 32 GiB, more than a browser will store.
inline constexpr std::uint32_t piece_bytes_max = 16 * mib;
inline constexpr std::uint64_t resource_bytes_max =
    std::uint64_t{piece_bytes_max} * pieces_per_resource;
static_assert(resource_bytes_max == 32 * gib);
inline constexpr std::size_t manifest_entries = 10000;
inline constexpr std::size_t path_bytes = 2048;
inline constexpr std::size_t type_bytes = 256;
inline constexpr std::size_t headers_per_resource = 16;
// Name and value of one header. Servers refuse heads of 8 KiB; no extra header comes near.
inline constexpr std::size_t header_bytes = 2 * kib;
// A promise to sites: nobody sees a file that is older than this after a deployment.
inline constexpr Duration manifest_age = 60s;

// --- Storage ------------------------------------------------------------------------------------
// Measured for 30 MB: segments of 1 MiB are put in 233 ms and read in 129 ms; segments of 64 KiB
// take 1,010 ms and 547 ms.
inline constexpr std::uint32_t segment_bytes = 1 * mib;
static_assert(segment_bytes % piece_bytes_min == 0);
// A run that is not written, or read for an answer, by then counts as failed: the browser's storage
// hangs, and what comes later waits behind this. A disk of 1.2 MB/s has written a piece of 16 MiB
// by then.
inline constexpr Duration run_wait = 15s;
// What a site's store takes of a visitor's disk unless the site says otherwise. Browsers offer half
// of the disk and more; nobody expects a page that was opened once to use that.
inline constexpr std::uint64_t store_bytes = 2 * gib;

// Room for a text that crosses a border, from the beginning: an event's headers fit.
inline constexpr std::size_t text_room = 2 * kib;

// --- Requests in the worker ---------------------------------------------------------------------
// A site has a handful of routes; a generated list of them has more.
inline constexpr std::size_t routes = 1024;
// The router recurses once a segment, so this bounds its stack. Real paths have fewer than ten.
inline constexpr std::size_t segments_per_route = 32;
inline constexpr std::size_t plugins_per_route = 16;
// Trades latency for offload. Peers that have the file may take so long to begin; then the origin
// is asked as well. A connection over TURN (about 1 s) comes up in this time, and no visitor loses
// patience yet.
inline constexpr Duration hedge_delay = 1500ms;
// The same bound as a share of the time that the network would need for the whole response, unless
// the site says otherwise (DelegatePlugin's patience). A visitor does not feel a fifth, and on most
// lines a connection comes up within it for every file that is worth a connection.
inline constexpr double patience = 0.2;
// How long a page may take until the first byte, unless the site says otherwise: as the worker's
// DelegatePlugin (timeoutAfter), and as a page that reads for itself (PeerPlugin's).
inline constexpr Duration delegate_timeout = 5s;
inline constexpr Duration read_timeout = 3s;
static_assert(hedge_delay < read_timeout && read_timeout <= delegate_timeout);
// The network delivers a response of this size before a connection is up. So only peers that are
// ready are asked for it, and the network does not wait for them.
inline constexpr std::uint64_t small_bytes = 1 * mib;
// What the worker assumes before it has measured anything: a far origin, and a slow line of
// 4 Mbit/s. Both err on the side of the peers. The first manifest and the first windows correct
// them.
inline constexpr Duration first_byte_unknown = 100ms;
inline constexpr std::uint64_t rate_unknown = 512 * kib;
// A smaller body arrives together with its head, so it says nothing about the rate.
inline constexpr std::uint64_t rate_sample_bytes = 64 * kib;
// The rate of the last so many bytes counts: a few windows.
inline constexpr std::uint64_t rate_memory_bytes = 8 * mib;
static_assert(rate_sample_bytes < rate_memory_bytes);
// An older measurement says nothing about now: the laptop has moved, or the peer has left.
inline constexpr Duration estimate_age = 60s;
// Peers that seemed slower than the network are tried again this often, with one small response.
inline constexpr Duration probe_wait = 5s;
static_assert(probe_wait < estimate_age,
              "what seemed slower is tried again before that is forgotten");
// What a body gathers ahead of its reader: a second at 4 MB/s. A stalled reader costs so much
// memory.
inline constexpr std::uint64_t body_ahead_bytes = 4 * mib;
// The first window of a body is short: its first byte shares the line with few others, and little
// is lost if peers turn up right after the origin was asked. The second window is what the origin
// has lately sent in `window_span`, so that a fast but far origin is not asked for little at a
// time. Each window after that is twice as long as the one before, up to the most.
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
// A body that alone is left in an answer waits for so many pieces at most before the first that it
// wants. To ask for its own place takes no longer.
inline constexpr std::uint32_t joined_ahead = 4;
// Two windows hide the origin's latency; more would only share the same line.
inline constexpr std::size_t windows_in_flight = 2;
static_assert(window_first_bytes <= window_bytes_max);
static_assert(windows_in_flight * window_bytes_max <= body_ahead_bytes,
              "every window in flight has its place ahead of the reader");
static_assert(windows_in_flight * window_bytes_max >= amount_in(80ms, 50'000'000),
              "windows carry 50 MB/s from an origin that is 80 ms away");
static_assert(rate_memory_bytes >= 2 * window_bytes_max, "the rate is of several windows");
// What a body passes on before its reader asks for more (the stream's high water mark).
inline constexpr std::int64_t stream_bytes = 256 * kib;
// The credit of a page: what it may send the worker before the next grant. 16 pieces of 64 KiB were
// the fastest of all cuts measured.
inline constexpr std::uint64_t bridge_bytes = 1 * mib;
static_assert(bridge_bytes == 16ull * piece_bytes_min);
// The worker grants a quarter at a time, because a message for each piece would double the number
// of messages at both ends.
inline constexpr std::uint64_t grant_bytes = bridge_bytes / 4;
// A page drops a stalled peer itself (peer_stall), looks for another, and asks the origin too. At
// this interval it tells the worker that it is still at it. A page that said nothing and brought no
// piece for bridge_stall, and for the time of a piece at reader_rate_min, is frozen: the worker
// goes on without it.
inline constexpr Duration bridge_alive = 3s;
inline constexpr Duration bridge_stall = 10s;
static_assert(3 * bridge_alive < bridge_stall, "one late message does not end a delegation");
// An origin that failed is asked again after this wait, then after twice as long.
inline constexpr std::uint32_t origin_retries = 2;
inline constexpr Duration origin_retry_wait = 250ms;
// An origin that is busy in the middle of a body is asked again when it says so (Retry-After), but
// no later than the reader would give up; if it does not say when, like one that failed.
inline constexpr Duration origin_busy_wait_max = 10s;
// The worker remembers so many resources that their origin cannot give, beyond its own death. If
// more go wrong the manifest is wrong; then those that it lists last are asked for once more.
inline constexpr std::size_t lost_resources = 64;
// What is kept of the headers with which an origin sends a resource, and of the validators that it
// ever gave. A policy with a long list of hosts is some 6 KiB, and servers refuse requests with
// more than 16. A response with more is described by the manifest.
inline constexpr std::size_t record_bytes = 16 * kib;
// A file whose bytes were not the manifest's passes through as the origin has it, and up to this
// size is compared on the way: the browser keeps what its page has yet to read.
inline constexpr std::uint64_t checked_bytes = 32 * mib;
// An origin that was busy (429, 5xx) is asked no more than the page asks, for as long as it said,
// or so long; for an hour at most.
inline constexpr Duration busy_memory = 60s;
inline constexpr Duration busy_memory_max = 3600s;
static_assert(busy_memory <= busy_memory_max);
// How long a write of a page may be on its way. Until then right bytes do not show that the origin
// keeps them.
inline constexpr Duration write_memory = 60s;
// Paths of writes that come before the manifest is read. Beyond this they are not noted.
inline constexpr std::size_t written_bytes = 16 * kib;
// An answer of the origin that has brought nothing for so long, and for the time of a piece at
// reader_rate_min, may be dead: whoever opens the resource then asks anew. Without us each request
// would have a connection of its own.
inline constexpr Duration stream_silence = 10s;
// Peers are asked for what a silent answer was to bring: after stream_silence where the answer is
// all that is left of the file, after this where it is a part. In a crowd a part may be silent for
// long: of 200 visitors who come at once to an origin of 1 MB/s each waits half a minute for a
// piece, and pages that are asked for it would ask the origin too. With 30 s they take 6.6 copies
// of it, with this 5.6 (npm run sim -- --over 0 --peers 200 --bytes 17825792
// --origin-rate 1000000).
inline constexpr Duration origin_silence = 60s;
static_assert(hedge_delay < stream_silence && stream_silence < origin_silence);
// Browsers end a worker that no event reaches for this time. Firefox then ends the body of a
// response cleanly and short.
inline constexpr Duration worker_idle = 30s;
// Without a page that said hello, nobody keeps the worker alive. Then it answers only what a line
// of 0.6 Mbit/s carries in that time.
inline constexpr std::uint64_t unattended_bytes = 1 * mib;
static_assert(unattended_bytes <= amount_in(worker_idle, 600'000 / 8));
// How long a page may take to acknowledge a request, or to say that it is there. It is short
// because a page that still parses must not hold up its own load.
inline constexpr Duration ack_wait = 50ms;
// The same for a page that was heard in the last `heard_memory`: its listener runs, so the page is
// only busy. Without the longer wait a whole body would come from the origin although a peer has
// it.
inline constexpr Duration busy_ack_wait = 1s;
inline constexpr Duration heard_memory = 30s;
static_assert(ack_wait < busy_ack_wait);
static_assert(busy_ack_wait < hedge_delay, "a page that answers late can still be first");
// If a new manifest takes longer, the stored one is used.
inline constexpr Duration manifest_wait = 3s;
// A request for one is given up after this, and the next one may be made.
inline constexpr Duration manifest_fetch_wait = 4 * manifest_wait;
// So many bad entries of one manifest are named: its author sees what is wrong, and a page is not
// flooded.
inline constexpr std::size_t named_entries = 20;
static_assert(named_entries <= manifest_entries);
// Nothing tells a worker that a tab was closed: it looks so often for the page that it asks.
inline constexpr Duration page_look_wait = 1s;
// Digest lists that nobody reads by at the moment, so that the next request for the same file need
// not read and check its list again. A list has at most 64 KiB.
inline constexpr std::size_t lists_kept = 8;
// An origin that takes longer for a list has trouble with everything.
inline constexpr Duration digests_wait = 12s;
// Pages hear so often of transfers, and whether the worker is busy.
inline constexpr Duration progress_wait = 250ms;
// News to the pages wait while a response has not begun, and writing to the store while one is
// open; no longer than this if there is always such a response.
inline constexpr Duration calm_wait = 1s;
static_assert(progress_wait < calm_wait, "news that wait for calm are late by more than usual");
// What waits in the worker's memory to be written: a gallery, or all of a large file. Writing 30 MB
// while they come takes two thirds as long again.
inline constexpr std::uint64_t unwritten_bytes = 32 * mib;
static_assert(segment_bytes <= unwritten_bytes && piece_bytes_max <= unwritten_bytes, "a run fits");
// Runs that pages could not store and that are still to be handed over: as many as fit there.
inline constexpr std::size_t unstored_runs = unwritten_bytes / segment_bytes;
// Where the origin is faster than the disk, what comes beyond this is passed on and not stored.
// Waiting for the disk would keep the reader from what is there.
inline constexpr std::uint64_t unwritten_bytes_max = unwritten_bytes + piece_bytes_max;
// A replaced worker is kept until what it has brought is written, but no longer than this: browsers
// end a worker of which an event takes five minutes.
inline constexpr Duration hold_wait = 240s;
static_assert(hold_wait < 5min);
// A middleware of the site's that has not answered for so long never will, and counts as null. A
// slow server has answered by then, and no browser has ended the worker yet. By then an answer of
// ours that it or its put() got, and did not begin to read, is taken back: it may never end.
inline constexpr Duration plugin_wait = worker_idle;
// When a user's put() is over, what it left unread is taken back after this wait. A Cache opens in
// some milliseconds, on a busy disk in less than this.
inline constexpr Duration put_wait = 2s;
// What came from peers is on its way to the store when its response ends, by the page: until then a
// user's put() waits, no longer than this.
inline constexpr Duration put_held_wait = 3s;
// A long-form reply is one buffer in both processes.
inline constexpr std::uint64_t reply_bytes = 64 * mib;

// --- Between peers ------------------------------------------------------------------------------
// Blocks of 32 KiB cost a tenth more processor time on the way (tests/bench). Larger blocks are no
// cheaper, and a larger block that is cancelled comes later.
inline constexpr std::uint32_t block_bytes = 64 * kib;
static_assert(piece_bytes_min % block_bytes == 0, "a piece is whole blocks, but for the last");
// A block and its header (wire::block_header_bytes).
inline constexpr std::uint32_t message_bytes = block_bytes + 16;
static_assert(message_bytes <= 256 * kib, "browsers take messages of 256 KiB");
inline constexpr std::size_t pairs_per_page = 30;
// Introductions are cheap, connections are not: a page that has more pairs closes idle ones early.
inline constexpr std::size_t pairs_warm = 8;
// A page makes so many connections before anybody asks for a file. One connection is held to some
// 80 KB a round trip, and four fill most lines.
inline constexpr std::size_t pairs_warm_min = 4;
static_assert(pairs_warm_min <= pairs_warm && pairs_warm <= pairs_per_page);
// A page that is never idle is taken for idle after `idle_wait`; where the browser does not say,
// after `idle_guess`.
inline constexpr Duration idle_wait = 10s;
inline constexpr Duration idle_guess = 2s;
static_assert(idle_guess <= idle_wait);
// The page tells the core at this interval that it is idle.
inline constexpr Duration idle_interval = 10s;
// The last responses of which diagnose() tells.
inline constexpr std::size_t diagnosed_responses = 20;
// What a page keeps of its events until somebody listens.
inline constexpr std::size_t early_events = 100;
// Each ask of the warm pool waits twice as long as the one before, up to this. So holders that
// close idle pairs are not asked again and again. A root has its turn again after two such waits:
// others go before it, and an ask whose answer was lost is made up for.
inline constexpr Duration warm_wait_max = 5min;
static_assert(idle_interval < warm_wait_max);
// The listed files that the warm pool may ask for: the heaviest.
inline constexpr std::size_t listed_roots = 64;
inline constexpr Duration pair_idle = 5min;
inline constexpr Duration pair_idle_spare = 30s;
static_assert(pair_idle_spare < pair_idle);
// A page that met more liars than this in its life has other troubles. The oldest is forgotten.
inline constexpr std::size_t banned_peers = 256;
// What a reader's download fetches ahead of the reader: 0.8 s of 10 MB/s, and eight segments.
inline constexpr std::uint64_t read_ahead_bytes = 8 * mib;
static_assert(read_ahead_bytes == 8ull * segment_bytes);
// The first part of it is fetched strictly in order, because the reader asks for it next.
inline constexpr std::uint64_t urgent_bytes = 1 * mib;
static_assert(urgent_bytes < read_ahead_bytes);
// All downloads of a page together. Beyond this only the urgent part is fetched.
inline constexpr std::uint64_t retained_bytes = 64 * mib;
static_assert(read_ahead_bytes < retained_bytes);
// A transfer takes all of two processors, and writing is a tenth of that. So verified pieces are
// written when no reader waits for pieces that are on their way; but each at the latest after
// `store_wait`, when the page is hidden, or when so many bytes are in memory. A page that goes may
// lose this much of what it did not hand to the worker.
inline constexpr Duration store_wait = 2s;
static_assert(store_wait < put_held_wait, "the page writes before the put() is given up");
inline constexpr std::uint64_t unstored_bytes = retained_bytes / 2;
// A rate is measured over at least this span.
inline constexpr Duration rate_span = 100ms;
// Requests in flight to one peer: half a second of its rate, within these bounds. The start is one
// round trip of 20 ms at 12 MB/s. The most is 2 MiB: 100 MB/s over 20 ms.
inline constexpr Duration pipeline_span = 500ms;
inline constexpr std::size_t pipeline_blocks_min = 2;
inline constexpr std::size_t pipeline_blocks_start = 4;
inline constexpr std::size_t pipeline_blocks_max = 32;
static_assert(pipeline_blocks_min <= pipeline_blocks_start &&
              pipeline_blocks_start <= pipeline_blocks_max);
static_assert(pipeline_blocks_start * block_bytes >= amount_in(20ms, 12'000'000));
static_assert(pipeline_blocks_max * block_bytes >= amount_in(20ms, 100'000'000));
// The same, with the requests that were cancelled and are not answered yet.
inline constexpr std::size_t unanswered_blocks = 2 * pipeline_blocks_max;
// What a peer may have queued here: twice what one of ours would ask for.
inline constexpr std::size_t requests_from_peer = 2 * unanswered_blocks;
static_assert(unanswered_blocks < requests_from_peer, "no honest peer is taken for a flood");
// Roots that one peer may ask another for at a time, and how fast it may try others: a gallery at
// once.
inline constexpr std::size_t wants_per_pair = 64;
inline constexpr std::uint32_t wants_burst = 128;
inline constexpr std::uint32_t wants_per_second = 16;
static_assert(wants_per_pair <= wants_burst);
inline constexpr std::size_t downloads_per_page = 64;
static_assert(downloads_per_page <= wants_per_pair, "one of ours never asks for too many roots");
inline constexpr std::size_t readers_per_page = 128;
// One connection is held to some 80 KB a round trip (measured). So more peers are faster, up to
// about 8.
inline constexpr std::size_t peers_per_download = 8;
static_assert(peers_per_download <= pairs_per_page);
// A peer that is so many times slower than the fastest gets pieces that no reader waits for yet.
inline constexpr std::uint64_t slow_peer_factor = 4;
// ICE on the open internet takes 0.3 to 2 s. After this wait the network would have answered long
// ago.
inline constexpr Duration introduction_wait = 3s;
// If so many pairs in a row never opened, our own network lets none through (no UDP, a symmetric
// NAT). Then nobody is asked for a while, so that no request waits for peers. Each pause is twice
// as long as the one before, and it ends, because a laptop does change its network.
inline constexpr std::size_t unreachable_failures = 3;
inline constexpr Duration unreachable_pause_min = 60s;
inline constexpr Duration unreachable_pause_max = 10min;
static_assert(unreachable_pause_min < unreachable_pause_max);
// A peer on an open pair that does not answer what it has in a second is busy or gone.
inline constexpr Duration want_wait = 1s;
// If it was asked for the reader's next piece in the same breath, another peer, or the origin, is
// asked for it too after this time.
inline constexpr Duration hope_wait = 250ms;
static_assert(hope_wait < want_wait);
// The last peer went in the middle of a body. The wait is short because the origin is near.
inline constexpr Duration resume_wait = 1s;
static_assert(want_wait < introduction_wait && resume_wait < introduction_wait);
// A peer that brings no bytes for `peer_stall` is asked for nothing for a pause. The pair with a
// peer that stalls too often is closed, because the peer may be gone; a new one shows that it
// answers.
inline constexpr Duration peer_stall = 2s;
inline constexpr Duration peer_stall_pause = 10s;
inline constexpr std::uint32_t peer_stalls_max = 3;
inline constexpr Duration peer_stall_memory = 5min;
static_assert(peer_stalls_max * (peer_stall + peer_stall_pause) < peer_stall_memory,
              "a peer that stalls whenever it is asked is given up");
static_assert(peer_stall < bridge_stall, "the peer is dropped before the page is");
// If the browser does not read a run of the store in this time, the page has lost the run, and
// refuses its blocks. A disk may never answer, and what peers ask for later waits behind this.
inline constexpr Duration run_read_wait = 1500ms;
static_assert(run_read_wait < peer_stall, "a peer is refused in time, and asks elsewhere");
// A reader that got no piece for this time, or less than this rate for this time, is better off
// elsewhere. A large piece may take longer.
inline constexpr Duration reader_stall = 3s;
inline constexpr std::uint64_t reader_rate_min = 256 * kib;
inline constexpr std::uint64_t reader_bytes_min = amount_in(reader_stall, reader_rate_min);
static_assert(peer_stall < reader_stall, "a reader outlives one peer that stalls");
// A reader that asks for nothing for so long is paused, or its worker is gone. It costs memory, up
// to read_ahead_bytes. A visitor who was only paused gets the rest from the origin, or asks again.
inline constexpr Duration reader_idle = 5min;
// Unsent bytes on `data`: 250 ms of the measured rate, so that a cancel is not a second late.
inline constexpr Duration buffered_span = 250ms;
inline constexpr std::uint64_t buffered_min = 128 * kib;
inline constexpr std::uint64_t buffered_max = 1 * mib;
static_assert(message_bytes <= buffered_min && buffered_min <= buffered_max);
// A peer whose store lost a piece that it had offered refuses it. One that has refused so many
// pieces of a resource is not believed when it offers more of it.
inline constexpr std::uint32_t refusals_max = 8;
// No cap by default: WebRTC's congestion control already yields to the visitor's other traffic.
inline constexpr std::uint64_t upload_rate = 0;
// A higher cap is no cap at all.
inline constexpr std::uint64_t upload_rate_max = 64 * gib;
// A token bucket earns no more than this span brings, however long nobody took from it.
inline constexpr Duration refill_span_max = 1min;
static_assert(buffered_span <= refill_span_max, "the span fills the bucket of an upload");
static_assert(wants_burst <= amount_in(refill_span_max, wants_per_second), "and that of wants");
static_assert(upload_rate_max <= std::numeric_limits<std::uint64_t>::max() /
                                     std::uint64_t{refill_span_max.count()},
              "amount_in() does not overflow");
// In the life of one page: some hundred visits' worth of heavy files, and a bound for metered
// lines.
inline constexpr std::uint64_t upload_bytes = 4 * gib;

// --- A crowd: pages that share what the origin sends ---------------------------------------------
// The origin sends a smaller file before anybody was introduced.
inline constexpr std::uint64_t crowd_bytes = 1 * mib;
// A page announces what its worker fetches alone while it comes. The worker stores a run of it
// every few seconds, even on a slow line; if it stores none for so long, the fetch is over.
inline constexpr Duration watch_wait = 60s;
static_assert(amount_in(watch_wait, reader_rate_min) > 2ull * segment_bytes);
inline constexpr std::size_t watched_roots = 16;
// Two fetches hide the origin's latency, as two windows do. A fetch is half a second of the
// origin's rate: long enough to be few requests, and short enough that other pages can fetch what
// this one does not come to.
inline constexpr std::size_t fetches_in_flight = 2;
static_assert(fetches_in_flight == windows_in_flight);
inline constexpr Duration fetch_span = 500ms;
inline constexpr std::uint64_t fetch_start_bytes = 256 * kib;
static_assert(fetch_start_bytes <= segment_bytes, "a fetch is at most a segment");
// Where few other pages fetch the file, a fetch is no shorter than this, unless somebody has what
// comes next: two to four visitors make a fifth to a quarter fewer requests (tests/sim).
inline constexpr std::uint64_t fetch_few_bytes = 512 * kib;
static_assert(fetch_start_bytes <= fetch_few_bytes && fetch_few_bytes <= segment_bytes);
// If peers have a piece and do not bring it to a waiting reader for so long, the origin brings it.
// At half of this the simulator's crowds take up to a tenth more from the origin, visitors who come
// one by one a third.
inline constexpr Duration origin_wait = 1s;
// The same where few peers are known to be slower than the origin: each read_ahead_bytes would else
// end with a wait for what they were asked for (sim_tests: "a large file is hardly later where the
// only peers are slow").
inline constexpr Duration outpaced_wait = origin_wait / 8;
// Peers may be so many times slower than the origin before it helps: with 1 fifty visitors are
// 7 % sooner and take 23 % more from it (npm run sim). If a site's patience is more, it is that
// instead; never more than peers_slower_max.
inline constexpr double peers_slower = 1.5;
static_assert(2 * peers_slower == static_cast<int>(2 * peers_slower), "counted in halves");
inline constexpr double peers_slower_max = 4;
// What an origin is taken to send until a page has measured it: as much as most lines take. So
// peers that are as fast as the line are not called slow without a reason.
inline constexpr std::uint64_t origin_rate_unknown = 4 * mib;
// A page leaves claimed pieces to the page that claimed them for so long. The claim is renewed
// after half of it.
inline constexpr Duration claim_wait = 3s;
// After so many claims that came to nothing, a download leaves nothing to others any more; and a
// peer that told so many of them is believed in no other file, for peer_stall_memory.
inline constexpr std::uint32_t claims_missed = 3;
// What one peer may claim in all: a claim and its renewals for each piece.
inline constexpr std::uint32_t claims_from_peer = 4 * pieces_per_resource;
// If neither peers nor the origin bring a reader's next piece for so long, and for the time of a
// piece at reader_rate_min, the page ends the reader. Then the worker asks the origin itself.
inline constexpr Duration reader_silence = 8s;
static_assert(reader_stall < reader_silence);
static_assert(reader_silence < bridge_stall, "the page ends the reader before the worker does");
static_assert(2 * peers_slower_max * origin_wait <= reader_silence,
              "the origin helps before a reader gives up, also where several wait each its own "
              "time: at most twice the wait");
// The same if the page has asked the origin for the piece. In a crowd that the origin is too slow
// for, one more request makes everybody wait longer (tests/sim: 200 visitors took 150 copies).
inline constexpr Duration fetch_silence = 60s;
static_assert(reader_silence < fetch_silence);
// How often a page asks for more peers, because peers that come later must meet those that came
// first. The first wait is short: at 2 s most downloads have had half of the peers that they could
// use (tests/sim).
inline constexpr Duration ask_again_min = 500ms;
inline constexpr Duration ask_again_max = 30s;
static_assert(ask_again_min < ask_again_max);

// start() in a page resolves when the coordinator has said which files anybody has, or after this.
inline constexpr Duration first_socket_wait = 500ms;
// start() resolves without the worker after this, because pages wait for it before they load their
// files. A worker that comes later is welcome. A script on a slow line takes some seconds, and so
// does an install that fetches a site's shell.
inline constexpr Duration worker_wait = 10s;
// The engine's script comes beside the page's own, and starts in 10 to 30 ms. After this the page
// runs the engine itself.
inline constexpr Duration engine_wait = 5s;
static_assert(engine_wait < worker_wait, "start() need not wait longer for it");
// How often a page's engine tells the bytes that it sent and received, which `stats` shows.
inline constexpr Duration counts_interval = 250ms;
// start() without a script: the site registers its own worker in this time, or never.
inline constexpr Duration registration_wait = 3s;
// A worker claims its pages before it is activated, so the news of it is only a moment late.
inline constexpr Duration controller_wait = 3s;

// --- With the coordinator -----------------------------------------------------------------------
inline constexpr std::size_t signal_bytes = 16 * kib;
// Messages that came in one turn of the server's event loop cross the border together.
inline constexpr std::size_t inbox_bytes = 256 * kib;
static_assert(inbox_bytes > signal_bytes + 64);
// What follows of them comes out in parts of not much more than this: a newcomer of alpha.1 may
// have to be told 220 KB, and a thousand may come in one turn.
inline constexpr std::size_t outbox_bytes = 1024 * kib;
// Resources that a token may name: a URL with it is shorter than the 8 KB that proxies take.
inline constexpr std::size_t token_roots = 200;
static_assert(token_roots * 26 + 1 * kib <= 8 * kib, "each is 19 bytes of JSON, in base64url");
inline constexpr std::size_t roots_per_message = 100;
static_assert(2 * roots_per_message * (2 * Digest::bytes_size + 3) + 1 * kib <= signal_bytes,
              "a root is 67 bytes of JSON: two full lists and the rest of a message fit");
// The marks of both lists together.
inline constexpr std::size_t marks_per_message = 1000;
static_assert(marks_per_message * 11 <= 12 * kib, "a mark is 11 bytes of JSON");
// A description for data channels has 0.5 to 2 KiB. Its line ends cost two bytes more each in JSON.
inline constexpr std::size_t sdp_bytes = 12 * kib;
inline constexpr std::size_t candidate_bytes = 1 * kib;
inline constexpr std::size_t candidate_mid_bytes = 64;
// A candidate as JSON: every byte of it may be escaped, and browsers add a member or two.
inline constexpr std::size_t candidate_text_bytes = 2 * kib;
// Arrays and objects inside each other. Ours have three.
inline constexpr std::size_t json_depth = 16;
inline constexpr std::size_t error_code_bytes = 64;
static_assert(sdp_bytes < signal_bytes && candidate_bytes + candidate_mid_bytes < signal_bytes);
// The first digits of a root are its mark: enough for a hint that somebody can serve it.
inline constexpr std::size_t mark_digits = 8;
// Two manifests' worth: what is deployed now, and what was deployed before. Every newcomer is told
// the marks of all of them.
inline constexpr std::size_t roots_per_site = 2 * manifest_entries;
// What a page could want it says in so many bits of a file's mark: one in a hundred of its files
// looks present though nobody has it, where all that a site may have is there.
inline constexpr std::size_t wants_bits = 21;
static_assert(100 * roots_per_site < std::size_t{1} << wants_bits);
static_assert(2 + (wants_bits - 13 + 2) * manifest_entries / 6 < signal_bytes + 1 * kib,
              "a Rice code takes some 1.5 bits more than log2 of the mean gap");
// Pages of one site have a few manifests at a time: what is deployed, and what was before. Those
// with one more are told of all.
inline constexpr std::size_t audiences_per_site = 8;
// To say what it could want costs a client as much as so many messages, because a list may be new.
inline constexpr double want_cost = 20;
// A tenth of the site's, so that one visitor's inventions do not keep others' files out of the
// directory.
inline constexpr std::size_t roots_per_peer = roots_per_site / 10;
// A page announces all that it holds when it joins, and afterwards a gallery every second. Each
// change of a mark is told to every visitor. A root goes only after it came: these bound both.
inline constexpr double adds_burst = 2.0 * static_cast<double>(roots_per_peer);
inline constexpr double adds_per_second = 40;
// A hundred for each visitor, of some 20 bytes.
inline constexpr std::size_t holdings_per_site = 2000000;
// 64 processes (siblings_max) bear a million visitors of one site. A socket that has announced a
// hundred files takes about 11 KB (npm run bench -- coordinator).
inline constexpr std::size_t peers_per_site = 20000;
inline constexpr std::size_t peers_per_coordinator = 50000;
static_assert(peers_per_site <= peers_per_coordinator);
inline constexpr std::size_t sites_per_coordinator = 1000;
// As many as fill most lines.
inline constexpr std::size_t introductions_per_ask = pairs_warm_min;
// A page that asks again has a long download, so it gets as many peers as make it faster.
inline constexpr std::size_t introductions_per_root = peers_per_download;
static_assert(introductions_per_ask <= introductions_per_root);
// No more than a page can keep open.
inline constexpr std::size_t introductions_per_peer = pairs_per_page;
// Every introduction makes a holder open a connection, so an asker that only collects introductions
// is slowed.
inline constexpr double introductions_burst = 2.0 * pairs_per_page;
inline constexpr double introductions_per_second = 0.5;
// Matching looks at this many holders of a root, beginning at a random one, however many there are.
inline constexpr std::size_t holders_looked_at = 32;
static_assert(introductions_per_ask <= holders_looked_at);
// A peer that declined (or failed) is not named to the same peer again for so long.
inline constexpr Duration decline_wait = 30s;
inline constexpr std::size_t declines_per_peer = 64;
// A page that joins sends some ten messages for each of its pairs, and announces its roots.
inline constexpr double messages_burst = 500;
inline constexpr double messages_per_second = 50;
static_assert(10 * pairs_per_page + roots_per_peer / roots_per_message <=
              static_cast<std::size_t>(messages_burst));
// The coordinator matches an ask root by root. So each 25 roots count as another message.
inline constexpr std::size_t asked_roots_per_message = 25;
// A client that has not said hello by then never will.
inline constexpr Duration hello_wait = 10s;
// Changes of the directory in this time are told together.
inline constexpr Duration presence_wait = 250ms;
// A write takes less than 27 us of a processor (docs/coordinator.md): 6 % of one for a site at the
// most, however large its crowd is. News reaches 1,000 visitors every half second, 20,000 every
// ten. A page that misses them asks the network, and is told by its neighbours (company).
inline constexpr double presence_sends_per_second = 2000;
inline constexpr Duration answer_wait = 1s;
static_assert(answer_wait > 300ms, "a round trip to the far side of the world is 0.3 s");
// An answer that only names peers who were introduced just now waits for the first of their offers,
// which needs it, but not longer: some readers look elsewhere when nobody is named.
inline constexpr Duration answer_hold = 50ms;
static_assert(answer_hold < answer_wait / 10);
inline constexpr std::size_t asks_waiting = 1000;
// After so many asks without a word from the coordinator its socket is taken for dead.
inline constexpr std::uint32_t silent_asks = 3;
// After sleep or a change of network: a live socket answers in a round trip.
inline constexpr Duration word_wait = 3s;
static_assert(answer_wait <= word_wait);
// What a page stored in one go is announced in one go.
inline constexpr Duration announce_wait = 100ms;
// An ask waits so long for the offer that is to go with it. A browser's first connection takes its
// time, whoever offers: it is not lost.
inline constexpr Duration offer_made_wait = 500ms;
static_assert(offer_made_wait <= answer_wait / 2);
// A page whose offer nobody took makes no other one for so long.
inline constexpr Duration offer_rest = 30s;
// An offer of data channels alone has less than 1 KiB. A longer one goes with no ask, which could
// become too long.
inline constexpr std::size_t offer_bytes = 4 * kib;
static_assert(roots_per_message * (2 * Digest::bytes_size + 3) + 2 * offer_bytes + 1 * kib <=
                  signal_bytes,
              "as JSON each line end of it takes two bytes more");
// A browser tells its own addresses one by one within milliseconds. One message carries them.
inline constexpr Duration candidates_wait = 10ms;
inline constexpr std::size_t candidates_per_message = 8;
static_assert(candidates_per_message * (candidate_bytes + candidate_mid_bytes) < signal_bytes);
inline constexpr Duration welcome_wait = 10s;
// A coordinator answers a list of what a page could want at once. Until then the page goes by what
// it knew: bits of the list before would be taken for those of other files.
inline constexpr Duration list_wait = welcome_wait;
// The wait for the next try doubles each time, from the first to the last.
inline constexpr Duration reconnect_min = 1s;
inline constexpr Duration reconnect_max = 60s;
inline constexpr std::uint32_t reconnect_doublings = 6;
// Whoever had a session comes back at any time within this: the 10,000 visitors of a coordinator
// that is started again make 2,000 handshakes a second, of which a processor bears twice as many.
inline constexpr Duration reconnect_spread = 5s;
// The coordinator remembers so long what a visitor announced whose socket went, of all visitors so
// many roots (16 MB), and forgets the oldest first.
inline constexpr Duration session_wait = 60s;
inline constexpr std::size_t session_roots = 500000;
static_assert(2 * reconnect_spread < session_wait);
static_assert(reconnect_min * (1 << reconnect_doublings) >= reconnect_max);

// What a balancer says in front of a connection (signal/proxy_header.hpp): two addresses, and what
// some clouds add. nginx reads as much.
inline constexpr std::size_t proxy_header_bytes = 4 * kib;
static_assert(proxy_header_bytes <= inbox_bytes);

// --- What pages report (src/base/figures.hpp) ----------------------------------------------------
inline constexpr std::uint32_t report_version = 1;
// A report has ten numbers with their names.
inline constexpr std::size_t report_bytes = 1 * kib;
static_assert(report_bytes <= inbox_bytes);
// What no page moves, and how many connections no page makes: a number beyond is none of a page's.
inline constexpr std::uint64_t reported_bytes = std::uint64_t{1} << 40;
inline constexpr std::uint64_t reported_connections = 10000;
// A coordinator takes so many reports in this time, of all pages and of those of one network. A
// network may have as many as its sockets, whose pages end together when a lesson does.
inline constexpr Duration report_span = 60s;
inline constexpr std::size_t reports_per_span = 60000;
inline constexpr std::size_t reports_per_network = 600;
// Responses that are under way at once, and counted as they go; those beyond are counted when they
// are over.
inline constexpr std::size_t counted_transfers = 100;
// Browsers take a peer's own address for one that a NAT made until its candidate has come: so which
// way a connection goes is looked at again.
inline constexpr Duration route_wait = 2s;

// --- Between coordinators (src/signal/bus.hpp) ---------------------------------------------------
inline constexpr std::uint32_t bus_version = 1;
inline constexpr std::size_t bus_frame_bytes = 64 * kib;
// A signal that is passed on names its sender, whose number may have nine digits more than that of
// the receiver.
inline constexpr std::size_t passed_bytes = signal_bytes + 9;
static_assert(bus_frame_bytes <= inbox_bytes && passed_bytes + 1 * kib <= bus_frame_bytes);
// Frames go out at most so often, because each costs Node and Redis as much as several records.
// Where there is little to say nothing waits.
inline constexpr Duration bus_wait = 20ms;
inline constexpr std::size_t marks_per_record = 7000;
static_assert(2 * marks_per_record * sizeof(std::uint32_t) + 1 * kib <= bus_frame_bytes);
// Each process tells all others what came and went, on average not faster than this: 8 KB a second
// to each.
inline constexpr double bus_marks_per_second = 2000;
// An origin: a host has at most 253 characters.
inline constexpr std::size_t site_bytes = 512;
// One that is lost is forgotten after some seconds. Longer than a busy machine holds one up.
inline constexpr Duration sibling_heartbeat = 1s;
inline constexpr Duration sibling_silence = 4s;
static_assert(sibling_silence >= 3 * sibling_heartbeat, "one lost heartbeat loses nobody");
// A bit for each says who has a mark. Each hears each.
inline constexpr std::size_t siblings_max = 64;
// What others have, of all sites and siblings: some 50 bytes each.
inline constexpr std::size_t marks_elsewhere = 1000000;
// One that missed something asks for all again, not sooner than this.
inline constexpr Duration sibling_start_wait = 1s;
// Of those that have what is asked for so many are asked; there are more only in large crowds, in
// which the asker's own coordinator has holders.
inline constexpr std::size_t siblings_asked = 2;
// A visitor's answer waits so long for siblings. Over Redis they take some milliseconds.
inline constexpr Duration sibling_answer_wait = 250ms;
static_assert(sibling_answer_wait <= answer_wait / 2);

// --- A page's connections and files (src/bind, web) ---------------------------------------------
// ICE over a TURN server takes up to some seconds. A peer that is not there by then will not come.
inline constexpr Duration pair_open_wait = 10s;
// Introduced peers whose offer is awaited, and for how long.
inline constexpr std::size_t introductions_waiting = 64;
inline constexpr Duration offer_wait = pair_open_wait;
static_assert(introductions_per_peer <= introductions_waiting);
// A connection whose path is gone is kept for so long, and its ICE is restarted this often. A
// change of network is over in a few seconds. The downloads go elsewhere long before that.
inline constexpr Duration pair_lost_wait = 20s;
inline constexpr Duration pair_restart_wait = 5s;
static_assert(pair_restart_wait < pair_lost_wait);
static_assert(peer_stall < pair_lost_wait, "downloads go elsewhere first");
// An offer of a peer on its pair is answered by a description and candidates, which the coordinator
// counts. So many are answered at once, and then one in this time: peers that offer without end
// would make us say more than the coordinator takes.
inline constexpr int reoffers_burst = 8;
inline constexpr Duration reoffer_wait = pair_restart_wait / 2;
static_assert(2.0 * pairs_per_page <
                  messages_per_second * std::chrono::duration<double>(reoffer_wait).count(),
              "all pairs offer as often as they may, and each answer is two messages");
static_assert(reoffer_wait < pair_restart_wait, "one of ours is always answered");
// A timer that fires so late was not late: the machine slept.
inline constexpr Duration sleep_min = 30s;
// Chromium ends at 500 connections a page, and counts closed ones until they are collected. After
// so many failures in a row in this span, a page makes no more until the span has passed.
inline constexpr std::size_t pair_failures = 8;
inline constexpr Duration pair_failures_span = 60s;
// One description has some ten candidates. No browser sends more than this.
inline constexpr std::size_t candidates_waiting = 64;
// Frames on `control` that come before `data` is open too. Both open within one turn of the event
// loop.
inline constexpr std::size_t frames_early = 16;
// Unsent bytes on `control`. A bitfield is 256 bytes and a batch of requests 1 KiB, so only a peer
// that does not read, while it makes us answer, gets here. Browsers would hold 16 MiB.
inline constexpr std::uint64_t control_buffered_max = 1 * mib;
// With so few bytes unsent more are sent: 2 ms of a fast line.
inline constexpr std::uint64_t buffered_low = 64 * kib;
static_assert(buffered_low < buffered_min);
// Runs that a seeder keeps in memory: one for each of the peers that it serves at a time.
inline constexpr std::size_t runs_in_memory = 8;
// A browser's id is another one after this: nobody is known to the coordinator for longer.
inline constexpr Duration browser_age = 24h;
// What is handed on in one ArrayBuffer (the long form's body), or read back whole (adoption).
inline constexpr std::uint64_t whole_bytes = reply_bytes;
// How often a page tells a busy worker that it is there.
inline constexpr Duration alive_interval = 10s;
static_assert(2 * alive_interval < worker_idle, "one lost message does not end the worker");
static_assert(2 * alive_interval < heard_memory, "nor is its page forgotten");

}  // namespace peer_cdn::limits
