// One page's engine: one visitor, its connections, and the JavaScript host that does the rest.
//
// The host (web/host.js) calls in with what happened. Every call, and every callback of a
// connection, ends in drain(), the one place that performs what the core wants done. A call that
// comes while drain() runs only enters the core: the drain that is running goes on and finds its
// outputs.
#include <emscripten.h>
#include <emscripten/bind.h>

#include <algorithm>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/limits.hpp"
#include "base/manifest.hpp"
#include "bind/convert.hpp"
#include "bind/rtc.hpp"
#include "peer/peer.hpp"
#include "swarm/wire.hpp"

namespace peer_cdn::bind::page {
namespace {

using emscripten::val;

struct Known {
  Root root;
  Geometry geometry;
};

struct Read {  // a SendBlock whose payload the host reads
  PeerId peer;
  Bytes header;
  Root root;
  PieceIndex piece = 0;
};

struct Page {
  Page(val the_host, std::string browser, std::uint64_t seed)
      : host(std::move(the_host)), peer(std::move(browser), seed) {}

  val host;
  peer::Peer peer;
  bool draining = false;
  // Roots cross the border as handles: 1 + the index here.
  std::vector<Known> known;
  std::unordered_map<Root, std::uint32_t> handles;
  std::unordered_map<std::uint32_t, Read> reads;
  std::uint32_t tokens = 0;
  // The message that is being handled: TakeBlock copies out of it.
  val message = val::null();
  std::optional<Instant> woken_at;
  std::uint32_t pairs_told = 0;
  double sent = 0;
};

// One page is one engine, so this is the module's.
std::unique_ptr<Page> self;

const Known* find(std::uint32_t handle) {
  return handle == 0 || handle > self->known.size() ? nullptr : &self->known[handle - 1];
}
// The core names only roots that it was told of.
std::uint32_t handle_of(const Root& root) {
  return self->handles.find(root)->second;
}

val text(Error error) {
  return error == Error::none ? val::null() : val(std::string(code(error)));
}

// All that is told in numbers has one signature, since each one more costs a caller in the wasm.
void tell(const char* method, double a = 0, double b = 0, double c = 0, double d = 0,
          double e = 0) {
  self->host.call<void>(method, a, b, c, d, e);
}

void tell_end(std::uint32_t reader, Error error) {
  self->host.call<void>("end", reader, text(error));
}

// --- Outputs -------------------------------------------------------------------------------------
void perform(const signal::OpenSocket&) {
  tell("openSocket");
}
void perform(const signal::CloseSocket&) {
  tell("closeSocket");
}
void perform(const signal::SendMessage& o) {
  self->host.call<void>("sendMessage", object_of(signal::to_fields(o.message)));
}
void perform(const peer::CreatePair& o) {
  rtc::create(o.peer, o.offer);
}
void perform(const peer::RemoteDescription& o) {
  rtc::describe(o.peer, o.description);
}
void perform(const peer::RemoteCandidate& o) {
  rtc::add_candidate(o.peer, o.candidate);
}
void perform(const swarm::ClosePair& o) {
  rtc::close(o.peer);
}
void perform(const swarm::SendControl& o) {
  rtc::send_control(o.peer, o.frame);
}
void perform(swarm::SendBlock& o) {
  const std::uint32_t token = ++self->tokens;
  const std::uint32_t root = handle_of(o.root);
  self->reads.emplace(token, Read{o.peer, std::move(o.header), o.root, o.piece});
  tell("readBlock", token, root, o.piece, o.offset, o.bytes);
}
void perform(const swarm::TakeBlock& o) {
  const std::uint32_t root = handle_of(o.root);
  self->host.call<void>("takeBlock", root, o.piece, find(root)->geometry.bytes_of(o.piece),
                        o.offset, o.bytes, self->message);
}
void perform(const swarm::DigestPiece& o) {
  tell("digest", handle_of(o.root), o.piece);
}
void perform(const swarm::FetchDigests& o) {
  tell("fetchDigests", handle_of(o.root));
}
void perform(const swarm::Deliver& o) {
  tell("deliver", o.reader.value, handle_of(o.root), o.piece);
}
void perform(const swarm::Pending& o) {
  tell("pending", o.reader.value);
}
void perform(const swarm::End& o) {
  tell_end(o.reader.value, o.error);
}
void perform(const swarm::StoreRun& o) {
  tell("storeRun", handle_of(o.root), o.pieces.begin, o.pieces.end);
}
void perform(const swarm::Forget& o) {
  tell("forget", handle_of(o.root), o.piece);
}
void perform(const swarm::Report& o) {
  self->host.call<void>("report", text(o.error));
}

void set_timer() {
  const auto core = self->peer.next_timeout();
  const auto connections = rtc::next_timeout();
  const auto next = core && connections ? std::min(*core, *connections) : core ? core : connections;
  if (next == self->woken_at) return;
  self->woken_at = next;
  tell("setTimer", next ? std::max(0.0, to_ms(*next - now())) : -1.0);
}

void drain() {
  if (self->draining) return;
  self->draining = true;
  while (auto output = self->peer.poll_output()) {
    std::visit([](auto& o) { perform(o); }, *output);
  }
  if (const std::uint32_t pairs = rtc::open_pairs(); pairs != self->pairs_told) {
    self->pairs_told = pairs;
    tell("peers", pairs);
  }
  set_timer();
  self->draining = false;
}

// A call in. The host's calls after stop() (an answer that was under way) find nothing.
template <class F>
void enter(F&& event) {
  if (!self) return;
  event(self->peer, now());
  drain();
}
template <class F>
void enter_with(std::uint32_t handle, F&& event) {
  if (!self) return;
  if (const Known* found = find(handle)) {
    const Known known = *found;
    event(known, now());
    drain();
  }
}

// --- What the host calls -------------------------------------------------------------------------
// False where there is no RTCPeerConnection: everything else works, and every reader ends at once.
bool start(val host, std::string browser, double seed, val configuration) {
  self = std::make_unique<Page>(host, std::move(browser), static_cast<std::uint64_t>(seed));
  rtc::start(std::move(host), std::move(configuration));
  const bool webrtc = !val::global("RTCPeerConnection").isUndefined();
  enter([&](auto& peer, Instant at) {
    if (!webrtc) peer.handle_no_webrtc(at);
    peer.start(at);
  });
  return webrtc;
}

// Closes every pair and the socket. start() begins anew, with new handles.
void stop() {
  enter([](auto& peer, Instant at) { peer.stop(at); });
  rtc::stop();
  self.reset();
}

// A handle for a root; 0 if these numbers cannot be a resource.
std::uint32_t resource(std::string hex, double bytes, double piece_bytes) {
  const auto root = parse_digest(hex);
  if (!self || !root || !(bytes >= 1) ||
      !(bytes <= static_cast<double>(limits::resource_bytes_max)) || !(piece_bytes >= 1) ||
      !(piece_bytes <= limits::piece_bytes_max)) {
    return 0;
  }
  const auto geometry =
      Geometry::parse(static_cast<std::uint64_t>(bytes), static_cast<std::uint64_t>(piece_bytes));
  if (!geometry) return 0;
  if (const auto at = self->handles.find(*root); at != self->handles.end()) {
    return find(at->second)->geometry == *geometry ? at->second : 0;
  }
  if (self->known.size() >= limits::roots_per_site) return 0;
  self->known.push_back({*root, *geometry});
  const auto handle = static_cast<std::uint32_t>(self->known.size());
  self->handles.emplace(*root, handle);
  return handle;
}

void leading(bool on) {
  enter([&](auto& peer, Instant at) { peer.handle_leading(on, at); });
}
void upload(bool on, double bytes_per_second, double bytes) {
  enter([&](auto& peer, Instant at) {
    peer.swarm().handle_upload_options(
        {on, static_cast<std::uint64_t>(bytes_per_second), static_cast<std::uint64_t>(bytes)}, at);
  });
}
void timeout() {
  enter([](auto& peer, Instant at) {
    self->woken_at.reset();
    rtc::handle_timeout(at);
    peer.handle_timeout(at);
  });
}

void socket_open() {
  enter([](auto& peer, Instant at) { peer.handle_socket_open(at); });
}
void socket_closed() {
  enter([](auto& peer, Instant at) { peer.handle_socket_closed(at); });
}
// A parsed JSON object. Error::none's null, or the code that refuses it; the socket lives on, since
// an unknown message may be a newer coordinator's.
val message(val object) {
  const auto parsed = signal::parse_message(fields_of(object));
  if (!parsed) return text(parsed.error());
  enter([&](auto& peer, Instant at) { peer.handle_message(*parsed, at); });
  return val::null();
}

void open(std::uint32_t reader, std::uint32_t root, std::uint32_t begin, std::uint32_t end) {
  enter_with(root, [&](const Known& known, Instant at) {
    const PieceRange pieces{begin, std::min(end, known.geometry.count())};
    if (pieces.empty()) return tell_end(reader, Error::piece_out_of_bounds);
    self->peer.open({reader}, known.root, known.geometry, pieces, at);
  });
}
void grant(std::uint32_t reader, double bytes) {
  enter([&](auto& peer, Instant at) {
    if (bytes >= 1) peer.swarm().grant({reader}, static_cast<std::uint64_t>(bytes), at);
  });
}
void close(std::uint32_t reader) {
  enter([&](auto& peer, Instant at) { peer.swarm().close({reader}, at); });
}

void held(std::uint32_t root, std::uint32_t begin, std::uint32_t end) {
  enter_with(root, [&](const Known& known, Instant at) {
    const PieceRange pieces{begin, std::min(end, known.geometry.count())};
    if (!pieces.empty()) self->peer.swarm().handle_held(known.root, known.geometry, pieces, at);
  });
}
void store_failed(std::uint32_t root, std::uint32_t begin, std::uint32_t end) {
  enter_with(root, [&](const Known& known, Instant at) {
    self->peer.swarm().handle_store_failed(known.root, {begin, end}, at);
  });
}
void dropped(std::uint32_t root) {
  enter_with(root, [&](const Known& known, Instant at) {
    self->peer.swarm().handle_dropped(known.root, at);
  });
}
// The list and its SHA-256. True if it is this root's.
bool digests(std::uint32_t root, val list, val digest) {
  bool good = false;
  enter_with(root, [&](const Known& known, Instant at) {
    const Bytes hashed = bytes_of(digest);
    good =
        std::equal(hashed.begin(), hashed.end(), known.root.bytes.begin(), known.root.bytes.end());
    const auto parsed = DigestList::parse(known.geometry, good ? bytes_of(list) : Bytes());
    good = good && parsed;
    if (good) return self->peer.swarm().handle_digests(known.root, *parsed, at);
    self->peer.swarm().handle_digests_failed(known.root, at);
  });
  return good;
}
void digests_failed(std::uint32_t root) {
  enter_with(root, [&](const Known& known, Instant at) {
    self->peer.swarm().handle_digests_failed(known.root, at);
  });
}
void digest(std::uint32_t root, std::uint32_t piece, val bytes) {
  enter_with(root, [&](const Known& known, Instant at) {
    Digest digest;
    const Bytes hashed = bytes_of(bytes);
    std::copy_n(hashed.begin(), std::min(hashed.size(), digest.bytes.size()), digest.bytes.begin());
    self->peer.swarm().handle_digest(known.root, piece, digest, at);
  });
}
// The payload of a readBlock, a Uint8Array, or null if the store has lost it.
void block_ready(std::uint32_t token, val payload) {
  enter([&](auto& peer, Instant at) {
    const auto found = self->reads.find(token);
    if (found == self->reads.end()) return;
    const Read read = std::move(found->second);
    self->reads.erase(found);
    if (payload.isNull())
      return peer.swarm().handle_unreadable(read.peer, read.root, read.piece, at);
    self->sent += payload["byteLength"].as<double>();
    rtc::send_block(read.peer, read.header, payload);
  });
}
double sent() {
  return self ? self->sent : 0;
}

template <class D>
double ms(D duration) {
  return to_ms(Duration(duration));
}

EMSCRIPTEN_BINDINGS(page) {
  emscripten::function("start", &start);
  emscripten::function("stop", &stop);
  emscripten::function("resource", &resource);
  emscripten::function("leading", &leading);
  emscripten::function("upload", &upload);
  emscripten::function("timeout", &timeout);
  emscripten::function("socketOpen", &socket_open);
  emscripten::function("socketClosed", &socket_closed);
  emscripten::function("message", &message);
  emscripten::function("open", &open);
  emscripten::function("grant", &grant);
  emscripten::function("close", &close);
  emscripten::function("held", &held);
  emscripten::function("storeFailed", &store_failed);
  emscripten::function("dropped", &dropped);
  emscripten::function("digests", &digests);
  emscripten::function("digestsFailed", &digests_failed);
  emscripten::function("digest", &digest);
  emscripten::function("blockReady", &block_ready);
  emscripten::function("sent", &sent);
  // The limits that JavaScript keeps.
  emscripten::constant("signalBytes", static_cast<double>(limits::signal_bytes));
  emscripten::constant("segmentBytes", static_cast<double>(limits::segment_bytes));
  emscripten::constant("wholeBytes", static_cast<double>(limits::whole_bytes));
  emscripten::constant("runsInMemory", static_cast<double>(limits::runs_in_memory));
  emscripten::constant("aliveMs", ms(limits::alive_interval));
  emscripten::constant("uploadRate", static_cast<double>(limits::upload_rate));
  emscripten::constant("uploadBytes", static_cast<double>(limits::upload_bytes));
}

}  // namespace

// --- What the connections tell -------------------------------------------------------------------
Instant now() {
  return instant_from_ms(emscripten_get_now());
}

void local_description(PeerId peer, signal::Description description) {
  enter([&](auto& core, Instant at) {
    core.handle_local_description(peer, std::move(description), at);
  });
}
void local_candidate(PeerId peer, signal::Candidate candidate) {
  enter(
      [&](auto& core, Instant at) { core.handle_local_candidate(peer, std::move(candidate), at); });
}
void pair_open(PeerId peer) {
  enter([&](auto& core, Instant at) { core.handle_pair_open(peer, at); });
}
void pair_closed(PeerId peer) {
  enter([&](auto& core, Instant at) { core.handle_pair_closed(peer, at); });
}
void control_message(PeerId peer, ByteSpan frame) {
  enter([&](auto& core, Instant at) { core.swarm().handle_control(peer, frame, at); });
}
void data_message(PeerId peer, const val& buffer) {
  const Bytes header = front_of(buffer, swarm::wire::block_header_bytes);
  const double bytes = header.empty() ? 0 : buffer["byteLength"].as<double>();
  if (!self) return;
  self->message = buffer;
  enter([&](auto& core, Instant at) {
    core.swarm().handle_block(peer, header, static_cast<std::size_t>(bytes), at);
  });
  self->message = val::null();
}
void block_sent(PeerId peer, std::uint64_t bytes) {
  enter([&](auto& core, Instant at) { core.swarm().handle_block_sent(peer, bytes, at); });
}
void buffered(PeerId peer, std::uint64_t bytes) {
  enter([&](auto& core, Instant at) { core.swarm().handle_buffered(peer, bytes, at); });
}
void timer_changed() {
  enter([](auto&, Instant) {});
}

}  // namespace peer_cdn::bind::page
