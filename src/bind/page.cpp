// One page's engine: one visitor, its connections, and the JavaScript host that does the rest.
//
// The host (web/page.js) calls in with what happened. Every call, and every callback of a
// connection, ends in drain(), the one place that performs the core's outputs. A call that comes
// while drain() runs only enters the core, because the drain that runs finds its outputs too.
#include <emscripten.h>
#include <emscripten/bind.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/flat.hpp"
#include "base/limits.hpp"
#include "base/manifest.hpp"
#include "base/path.hpp"
#include "base/variant.hpp"
#include "bind/convert.hpp"
#include "bind/rtc.hpp"
#include "peer/peer.hpp"
#include "peer/waking.hpp"
#include "swarm/wire.hpp"

namespace peer_cdn::bind::page {
namespace {

using emscripten::val;

// The number by which JavaScript names a root: 1 + its index in Page::known. 0 names none.
using ResourceHandle = std::uint32_t;

struct Known {
  Root root;
  Geometry geometry;
};

struct Read {  // a SendBlock whose payload the host is reading
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
  bool stopping = false;  // stop() was called: drain() ends the engine when it is done
  std::vector<Known> known;
  FlatMap<Root, ResourceHandle> handles;
  FlatMap<std::uint32_t, Read> reads;  // by token
  std::uint32_t tokens = 0;
  // The message on `data` that is being handled. TakeBlock copies out of it.
  val message = val::null();
  peer::WakingClock clock;
  std::optional<Instant> woken_at;  // when the timer is due
  std::uint32_t pairs_told = 0;
  double sent = 0;
};

// One page is one engine, so this is the module's.
std::unique_ptr<Page> self;

Instant now() {
  const Instant host = instant_from_ms(emscripten_get_now());
  return self ? self->clock.at(host, self->woken_at) : host;
}

const Known* find(ResourceHandle handle) {
  return handle == 0 || handle > self->known.size() ? nullptr : &self->known[handle - 1];
}
// The core names only roots that it was told of.
ResourceHandle handle_of(const Root& root) {
  return *self->handles.find(root);
}

// All zeros if the array does not have the length of a digest.
Digest digest_of(const val& array) {
  Digest digest;
  const Bytes bytes = bytes_of(array);
  if (bytes.size() == Digest::bytes_size) {
    std::copy_n(bytes.begin(), Digest::bytes_size, digest.bytes.begin());
  }
  return digest;
}

val text(Error error) {
  return error == Error::none ? val::null() : val(std::string(code(error)));
}

// Calls the host with numbers. All such calls have one signature, because each signature costs a
// caller in the wasm.
void tell(const char* method, double a = 0, double b = 0, double c = 0, double d = 0, double e = 0,
          double f = 0) {
  self->host.call<void>(method, a, b, c, d, e, f);
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
void perform(const swarm::RestartPair& o) {
  rtc::restart(o.peer);
}
void perform(const swarm::ClosePair& o) {
  rtc::close(o.peer);
}
void perform(const swarm::SendControl& o) {
  rtc::send_control(o.peer, o.frame);
}
void perform(swarm::SendBlock& o) {
  const std::uint32_t token = ++self->tokens;
  const ResourceHandle resource = handle_of(o.root);
  self->reads.insert(token, Read{o.peer, std::move(o.header), o.root, o.piece});
  tell("readBlock", token, resource, o.piece, o.offset, o.bytes, o.in_memory);
}
void perform(const swarm::TakeBlock& o) {
  const ResourceHandle resource = handle_of(o.root);
  self->host.call<void>("takeBlock", resource, o.piece, o.offset, o.bytes, self->message);
  self->message = val::null();
}
void perform(const swarm::DigestPiece& o) {
  tell("digest", handle_of(o.root), o.piece);
}
void perform(const swarm::FetchDigests& o) {
  tell("fetchDigests", handle_of(o.root));
}
void perform(const swarm::Deliver& o) {
  tell("deliver", o.reader.value, handle_of(o.root), o.piece, static_cast<unsigned>(o.from));
}
void perform(const swarm::Pending& o) {
  tell("pending", o.reader.value, o.warm);
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
void perform(const swarm::FetchPieces& o) {
  tell("fetchPieces", o.fetch.value, handle_of(o.root), o.pieces.begin, o.pieces.end);
}
void perform(const swarm::CancelFetch& o) {
  tell("cancelFetch", o.fetch.value);
}
void perform(const swarm::Company& o) {
  tell("company", handle_of(o.root));
}
void perform(const swarm::Report& o) {
  self->host.call<void>("report", text(o.error));
}

void set_timer() {
  const auto next = self->peer.next_timeout();
  // A timer that fires too soon finds nothing to do and is set again. That costs less than to set
  // one for every block that puts the next timeout off.
  if (next == self->woken_at || (next && self->woken_at && *self->woken_at < *next)) return;
  self->woken_at = next;
  tell("setTimer", next ? std::max(0.0, to_ms(*next - now())) : -1.0);
}

void end() {
  rtc::stop();
  self.reset();
}

void drain() {
  if (self->draining) return;
  self->draining = true;
  if (self->clock.woke()) self->peer.handle_network_changed(now());
  while (auto output = self->peer.poll_output()) {
    match(*output, [](auto& o) { perform(o); });
  }
  if (const std::uint32_t pairs = rtc::open_pairs(); pairs != self->pairs_told) {
    self->pairs_told = pairs;
    tell("peers", pairs);
  }
  set_timer();
  self->draining = false;
  if (self->stopping) end();
}

// A call of the host, which drains when it is over. False for a call after stop() (an answer that
// was under way), and for one with a handle that was never given.
struct Entry {
  Entry() : open(self != nullptr) {}
  explicit Entry(ResourceHandle handle) : known(self ? find(handle) : nullptr), open(known) {}
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;
  ~Entry() {
    if (open) drain();
  }
  explicit operator bool() const { return open; }

  const Instant at = now();
  const Known* const known = nullptr;
  const bool open;
};

// --- What the host calls -------------------------------------------------------------------------
// False where there is no RTCPeerConnection. Then every reader ends at once, and all else works.
bool start(val host, std::string browser, double seed, val configuration) {
  self = std::make_unique<Page>(host, std::move(browser), static_cast<std::uint64_t>(seed));
  rtc::start(std::move(host), std::move(configuration));
  const bool webrtc = !val::global("RTCPeerConnection").isUndefined();
  const Entry entry;
  if (!webrtc) self->peer.handle_no_webrtc(entry.at);
  self->peer.start(entry.at);
  return webrtc;
}

// Closes every pair and the socket. After it start() begins anew, with new handles.
void stop() {
  if (!self) return;
  self->stopping = true;
  const Entry entry;
  self->peer.stop(entry.at);
}

// Whether these numbers of a manifest's entry can be a resource.
bool is_resource(std::string hex, double bytes, double piece_bytes) {
  return parse_digest(hex) && parse_geometry(bytes, piece_bytes);
}

// The key by which a URL's path and query are compared with the manifest's.
std::string key_of(std::string path_and_query) {
  return std::string(std::string_view(path_key(path_and_query)));
}

// A handle for a root; 0 if these numbers cannot be a resource.
ResourceHandle resource(std::string hex, double bytes, double piece_bytes) {
  const auto root = parse_digest(hex);
  const auto geometry = parse_geometry(bytes, piece_bytes);
  if (!self || !root || !geometry) return 0;
  if (const ResourceHandle* handle = self->handles.find(*root)) {
    return find(*handle)->geometry == *geometry ? *handle : 0;
  }
  if (self->known.size() >= limits::roots_per_site) return 0;
  self->known.push_back({*root, *geometry});
  const auto handle = static_cast<ResourceHandle>(self->known.size());
  return self->handles.insert(*root, handle);
}

void leading(bool on) {
  if (const Entry entry; entry) self->peer.handle_leading(on, entry.at);
}
void upload(bool on, double bytes_per_second, double bytes) {
  if (const Entry entry; entry) {
    self->peer.swarm().handle_upload_options(
        {on, static_cast<std::uint64_t>(bytes_per_second), static_cast<std::uint64_t>(bytes)},
        entry.at);
  }
}
void timeout() {
  if (const Entry entry; entry) {
    self->woken_at.reset();
    self->peer.handle_timeout(entry.at);
  }
}

void network_changed() {
  if (const Entry entry; entry) self->peer.handle_network_changed(entry.at);
}
void listed(ResourceHandle resource) {
  const Entry entry(resource);
  if (entry) self->peer.handle_listed(entry.known->root, entry.known->geometry, entry.at);
}
void idle() {
  if (const Entry entry; entry) self->peer.handle_idle(entry.at);
}

void socket_open() {
  if (const Entry entry; entry) self->peer.handle_socket_open(entry.at);
}
void socket_closed() {
  if (const Entry entry; entry) self->peer.handle_socket_closed(entry.at);
}
// A message of the coordinator, as a parsed JSON object. Returns null, or the code that refuses it.
// The socket lives on, because an unknown message may be of a newer coordinator.
val message(val object) {
  const auto parsed = signal::parse_message(fields_of(object));
  if (!parsed) return text(parsed.error());
  if (const Entry entry; entry) self->peer.handle_message(*parsed, entry.at);
  return val::null();
}

// NOLINTNEXTLINE(readability-function-size): it takes all of these to open a reader
void open(std::uint32_t reader, ResourceHandle resource, std::uint32_t begin, std::uint32_t end,
          std::uint32_t slower, double patience_ms) {
  const Entry entry(resource);
  if (!entry) return;
  const Known& known = *entry.known;
  const PieceRange pieces{begin, std::min(end, known.geometry.count())};
  if (pieces.empty()) return tell_end(reader, Error::piece_out_of_bounds);
  const swarm::OriginHelp help{slower, instant_from_ms(patience_ms).time_since_epoch()};
  self->peer.open({reader}, known.root, known.geometry, {pieces, help}, entry.at);
}
void grant(std::uint32_t reader, double bytes) {
  const Entry entry;
  if (!entry || !(bytes >= 1)) return;
  self->peer.swarm().grant({reader}, static_cast<std::uint64_t>(bytes), entry.at);
}
void close(std::uint32_t reader) {
  if (const Entry entry; entry) self->peer.swarm().close({reader}, entry.at);
}

void held(ResourceHandle resource, std::uint32_t begin, std::uint32_t end) {
  const Entry entry(resource);
  if (!entry) return;
  const Known& known = *entry.known;
  const PieceRange pieces{begin, std::min(end, known.geometry.count())};
  self->peer.swarm().handle_held(known.root, known.geometry, pieces, entry.at);
}
void store_failed(ResourceHandle resource, std::uint32_t begin, std::uint32_t end) {
  const Entry entry(resource);
  if (entry) self->peer.swarm().handle_store_failed(entry.known->root, {begin, end}, entry.at);
}
void dropped(ResourceHandle resource) {
  const Entry entry(resource);
  if (entry) self->peer.swarm().handle_dropped(entry.known->root, entry.at);
}
// A digest list and its SHA-256. True if the list is this root's.
bool digests(ResourceHandle resource, val list, val digest) {
  const Entry entry(resource);
  if (!entry) return false;
  const Known& known = *entry.known;
  const bool good = digest_of(digest) == known.root;
  const auto parsed = DigestList::parse(known.geometry, good ? bytes_of(list) : Bytes());
  if (parsed) {
    self->peer.swarm().handle_digests(known.root, *parsed, entry.at);
  } else {
    self->peer.swarm().handle_digests_failed(known.root, entry.at);
  }
  return !!parsed;
}
// A piece of fetchPieces is whole. If it is needed the host's takeFetched takes it, before anything
// else is done.
void fetched(std::uint32_t fetch, ResourceHandle resource, std::uint32_t piece) {
  const Entry entry(resource);
  if (!entry || !self->peer.swarm().handle_fetched({fetch}, piece, entry.at)) return;
  tell("takeFetched", resource, piece);
}
void fetch_end(std::uint32_t fetch, std::string code) {
  if (const Entry entry; entry) {
    self->peer.swarm().handle_fetch_end({fetch}, error_of(code), entry.at);
  }
}
void transfer(ResourceHandle resource, bool over) {
  const Entry entry(resource);
  if (entry) self->peer.swarm().handle_transfer(entry.known->root, over, entry.at);
}
void digests_failed(ResourceHandle resource) {
  const Entry entry(resource);
  if (entry) self->peer.swarm().handle_digests_failed(entry.known->root, entry.at);
}
void digest(ResourceHandle resource, std::uint32_t piece, val bytes) {
  const Entry entry(resource);
  if (entry) {
    self->peer.swarm().handle_digest(entry.known->root, piece, digest_of(bytes), entry.at);
  }
}
// The payload of a readBlock: a Uint8Array, or null if the store has lost the piece.
void block_ready(std::uint32_t token, val payload) {
  const Entry entry;
  if (!entry) return;
  const Read* found = self->reads.find(token);
  if (found == nullptr) return;
  const Read read = *found;
  self->reads.erase(token);
  if (payload.isNull()) {
    return self->peer.swarm().handle_unreadable(read.peer, read.root, read.piece, entry.at);
  }
  self->sent += payload["byteLength"].as<double>();
  rtc::send_block(read.peer, read.header, payload);
}
double sent() {
  return self ? self->sent : 0;
}

EMSCRIPTEN_BINDINGS(page) {
  emscripten::function("start", &start);
  emscripten::function("stop", &stop);
  emscripten::function("resource", &resource);
  emscripten::function("isResource", &is_resource);
  emscripten::function("pathKey", &key_of);
  emscripten::function("leading", &leading);
  emscripten::function("upload", &upload);
  emscripten::function("timeout", &timeout);
  emscripten::function("networkChanged", &network_changed);
  emscripten::function("listed", &listed);
  emscripten::function("idle", &idle);
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
  emscripten::function("fetched", &fetched);
  emscripten::function("fetchEnd", &fetch_end);
  emscripten::function("transfer", &transfer);
  emscripten::function("digest", &digest);
  emscripten::function("blockReady", &block_ready);
  emscripten::function("sent", &sent);
}

}  // namespace

// --- What the connections tell -------------------------------------------------------------------
void local_description(PeerId peer, signal::Description description) {
  const Entry entry;
  if (entry) self->peer.handle_local_description(peer, std::move(description), entry.at);
}
void local_candidate(PeerId peer, signal::Candidate candidate) {
  const Entry entry;
  if (entry) self->peer.handle_local_candidate(peer, std::move(candidate), entry.at);
}
void pair_open(PeerId peer) {
  if (const Entry entry; entry) self->peer.handle_pair_open(peer, entry.at);
}
void pair_closed(PeerId peer) {
  if (const Entry entry; entry) self->peer.handle_pair_closed(peer, entry.at);
}
void pair_lost(PeerId peer) {
  if (const Entry entry; entry) self->peer.handle_pair_lost(peer, entry.at);
}
void pair_found(PeerId peer) {
  if (const Entry entry; entry) self->peer.handle_pair_found(peer, entry.at);
}
void control_message(PeerId peer, ByteSpan frame) {
  if (const Entry entry; entry) self->peer.swarm().handle_control(peer, frame, entry.at);
}
void data_message(PeerId peer, const val& buffer) {
  if (!self) return;
  const Bytes header = front_of(buffer, swarm::wire::block_header_bytes);
  const double bytes = header.empty() ? 0 : buffer["byteLength"].as<double>();
  self->message = buffer;
  {
    const Entry entry;
    self->peer.swarm().handle_block(peer, header, static_cast<std::size_t>(bytes), entry.at);
  }
  // Nobody took the message.
  if (self && !self->message.isNull()) tell("waste", bytes);
  if (self) self->message = val::null();
}
void block_sent(PeerId peer, std::uint64_t bytes) {
  if (const Entry entry; entry) self->peer.swarm().handle_block_sent(peer, bytes, entry.at);
}
void buffered(PeerId peer, std::uint64_t bytes) {
  if (const Entry entry; entry) self->peer.swarm().handle_buffered(peer, bytes, entry.at);
}

}  // namespace peer_cdn::bind::page
