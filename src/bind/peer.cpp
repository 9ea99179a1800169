// The border of a page's engine: C functions over one Peer, called by web/engine.js. Bytes of
// pieces do not cross it.
//
// It is built as the worker's border is (src/bind/worker.cpp): numbers are passed as they are, and
// one text a call. JavaScript polls what the core decides, one output after another.
#include "peer/peer.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/flat.hpp"
#include "base/limits.hpp"
#include "base/manifest.hpp"
#include "base/path.hpp"
#include "base/record.hpp"
#include "base/text.hpp"
#include "base/variant.hpp"
#include "bind/answer.hpp"
#include "bind/border.hpp"
#include "bind/fields.hpp"
#include "bind/mailbox.hpp"
#include "peer/ahead.hpp"
#include "peer/waking.hpp"
#include "swarm/wire.hpp"

#define PEER_FUNCTION(result, name, parameters) \
  extern "C" BORDER_EXPORT(__COUNTER__) result name parameters;
#define TEXT_FIRST(name) unsigned name##_bytes,
#define TEXT_ONLY(name) unsigned name##_bytes
#include "bind/border.def"
#pragma clang diagnostic error "-Wmissing-prototypes"

namespace {

using namespace peer_cdn;
using namespace peer_cdn::peer;
using bind::to_fields;
using bind::to_text;

// What JavaScript calls a root by: 1 + its index in Page::known. 0 names none.
using ResourceHandle = std::uint32_t;

struct Known {
  Root root;
  Geometry geometry;
};

// A connection, as the host knows it. A peer that comes again gets another one, so what is said of
// the connection before finds nothing.
struct Pair {
  std::uint32_t id = 0;
  PeerId peer;
  bool open = false;
  std::vector<Bytes> early_frames;  // on `control`, before `data` was open too
};

struct Page {
  Page(std::string browser, std::uint64_t seed) : peer(std::move(browser), seed) {}

  Peer peer;
  List<Known> known;
  FlatMap<Root, ResourceHandle> handles;
  OwnedList<Pair> pairs;
  List<PeerId> ended;  // whose connections the host is to close
  WakingClock clock;
  std::optional<Instant> woken_at;  // when the timer is due
  bool connected = false;           // the coordinator was asked for
  double told_host = 0;             // the time of the last event, by the host's clock
  Instant told;                     // and by the core's
};

// A page has one engine, so this is the module's.
std::unique_ptr<Page> self;
std::uint32_t pairs_issued = 0;
Text text;  // of this call, or of the output that was polled

PageMailbox box;

void show_text() {
  box.text = text.begin();
  box.text_room = static_cast<std::uint32_t>(text.size());
}

std::string_view text_of(unsigned bytes) {
  return std::string_view(text).substr(0, bytes);
}

unsigned give(std::string_view what) {
  text.grow_to(what.size());
  std::copy(what.begin(), what.end(), text.begin());
  show_text();
  return static_cast<unsigned>(what.size());
}

std::string_view code_or_nothing(Error error) {
  return error == Error::none ? std::string_view() : code(error);
}

// All zeros if the text does not have the length of a digest.
Digest digest_of(std::string_view bytes) {
  Digest digest;
  if (bytes.size() == Digest::bytes_size) {
    std::memcpy(digest.bytes.data(), bytes.data(), Digest::bytes_size);
  }
  return digest;
}

const Known* find(ResourceHandle handle) {
  return !self || handle == 0 || handle > self->known.size() ? nullptr : &self->known[handle - 1];
}
// The core names only roots that it was told of.
ResourceHandle handle_of(const Root& root) {
  return *self->handles.find(root);
}

// --- Pairs ---------------------------------------------------------------------------------------

Pair* find_pair(std::uint32_t id) {
  if (!self) return nullptr;
  for (Pair& pair : self->pairs) {
    if (pair.id == id) return &pair;
  }
  return nullptr;
}

// 0 if there is none: then the host finds none either.
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

std::uint32_t create_pair(PeerId peer) {
  drop_pair(peer);
  self->pairs.add(new Pair{++pairs_issued, peer, false, {}});
  return pairs_issued;
}

// The pair has ended, by the peer or by the browser.
void end_pair(PeerId peer, Instant now) {
  self->ended.push_back(peer);
  self->peer.handle_pair_closed(peer, now);
}

// --- Events --------------------------------------------------------------------------------------

Instant at(double now) {
  const Instant host = instant_from_ms(now);
  return self ? self->clock.at(host, self->woken_at) : host;
}

// An event of the host. False for one after stop() (an answer that was under way), and for one of
// what was never given.
class Event {
 public:
  explicit Event(double now) : now_(now), at(::at(now)), open_(self != nullptr) {}
  Event(double now, ResourceHandle handle) : Event(now) {
    known = find(handle);
    open_ = known != nullptr;
  }
  Event(double now, std::uint32_t id, Pair*& pair) : Event(now) {
    pair = find_pair(id);
    open_ = pair != nullptr;
  }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() {
    if (!self) return;
    if (self->clock.woke()) self->peer.handle_network_changed(at);
    self->told_host = now_;
    self->told = at;
  }
  explicit operator bool() const { return open_; }

 private:
  double now_;

 public:
  const Instant at;
  const Known* known = nullptr;

 private:
  bool open_;
};

// A page that lists, holds and wants nothing has no socket: one would keep it out of Firefox's
// back/forward cache.
void connect(Instant now) {
  if (std::exchange(self->connected, true)) return;
  self->peer.start(now);
}

// A timer that fires too soon finds nothing to do and is set again. That costs less than to set one
// for every block that puts the next timeout off.
void set_timer() {
  const auto next = self->peer.next_timeout();
  if (next == self->woken_at || (next && self->woken_at && *self->woken_at < *next)) return;
  self->woken_at = next;
  box.timeout = next ? self->told_host + std::max(0.0, to_ms(*next - self->told)) : -1;
}

// --- Outputs -------------------------------------------------------------------------------------

// sdpMid and the candidate, a line each.
std::string lines_of(const signal::Candidate& candidate) {
  return candidate.sdp_mid + '\n' + candidate.candidate;
}

ByteSpan bytes_of(const List<signal::Mark>& marks) {
  return {reinterpret_cast<const std::uint8_t*>(marks.begin()),
          marks.size() * sizeof(signal::Mark)};
}

template <class T>
double number(T value) {
  return static_cast<double>(value);
}

// Writes an output into the mailbox, as the list says; a number for each type.
#define OUTPUT(type, ...) static_assert(0 __VA_ARGS__ <= output_numbers_max);
#define FIELD(name, value) +1
#include "bind/border.def"
#define OUTPUT(type, ...)                      \
  unsigned write([[maybe_unused]] type& it) {  \
    [[maybe_unused]] double* to = box.numbers; \
    box.text_bytes = 0;                        \
    __VA_ARGS__                                \
    return __COUNTER__ - first_output;         \
  }
#define FIELD(name, value) *to++ = number(value);
#define TEXT(name, value) box.text_bytes = give(value);
#define BYTES(name, value) box.text_bytes = give(as_text(value));
constexpr unsigned first_output = __COUNTER__;
#include "bind/border.def"

}  // namespace

const void* mailbox() {
  show_text();
  return &box;
}

char* text_in(unsigned bytes) {
  text.grow_to(bytes);
  show_text();
  return text.begin();
}

// What follows from an output may be due sooner than what followed from the event: so the timer is
// set when there is none left.
unsigned poll() {
  if (!self) return 0;
  if (!self->ended.empty()) {
    swarm::ClosePair close{self->ended.back()};
    self->ended.pop_back();
    return write(close);
  }
  unsigned kind = 0;
  if (auto output = self->peer.poll_output()) match(*output, [&](auto& it) { kind = write(it); });
  if (kind != 0) return kind;
  set_timer();
  box.pairs = static_cast<std::uint32_t>(self->peer.swarm().answering());
  return 0;
}

// Where there is no WebRTC every reader ends at once, and all else works. After stop(), it begins
// anew, with new handles.
void start(unsigned browser_bytes, double seed, bool has_webrtc, double now) {
  self =
      std::make_unique<Page>(std::string(text_of(browser_bytes)), static_cast<std::uint64_t>(seed));
  const Event event(now);
  if (!has_webrtc) self->peer.handle_no_webrtc(event.at);
}

// Closes every pair and the socket, and has what is verified stored.
void stop(double now) {
  if (const Event event(now); event) self->peer.stop(event.at);
}

void timeout(double now) {
  if (const Event event(now); event) {
    self->woken_at.reset();
    box.timeout = -1;
    self->peer.handle_timeout(event.at);
  }
}

// --- Resources -----------------------------------------------------------------------------------

unsigned path_key(unsigned path_and_query_bytes) {
  return give(peer_cdn::path_key(text_of(path_and_query_bytes)));
}

// Text: as the worker's stream_head() has it.
unsigned record(unsigned answer_bytes) {
  std::string_view rest = text_of(answer_bytes);
  take_line(rest);  // its type
  const bool has_reason = !take_line(rest).empty();
  Record record;
  record.learn(rest, true, has_reason);
  return give(record.text());
}

// A page reads a stretch from its first byte on, and a whole answer only where it asked for all.
unsigned judge(unsigned answer_bytes, unsigned status, double total, double begin, double end) {
  OriginQuestion asked;
  asked.total = static_cast<std::uint64_t>(total);
  asked.range = {static_cast<std::uint64_t>(begin), static_cast<std::uint64_t>(end)};
  const auto [verdict, range] = judge(bind::answer_of(text_of(answer_bytes), status), asked);
  const bool is_whole = range.begin == 0 && range.end == asked.total;
  if (verdict == Verdict::take && is_whole && asked.range != range) {
    return give(code(Error::origin_unusable));
  }
  return give(code_or_nothing(error_of(verdict)));
}

// Whether an answer of this status is a manifest to be read.
bool is_manifest(unsigned status) {
  return judge_manifest(status) == ManifestAnswer::read;
}

// Whether these numbers of a manifest's entry can be a resource.
bool is_resource(unsigned root_bytes, double bytes, double piece_bytes) {
  return parse_digest(text_of(root_bytes)) && parse_geometry(bytes, piece_bytes);
}

// A handle for a root; 0 if these numbers cannot be a resource.
unsigned resource(unsigned root_bytes, double bytes, double piece_bytes) {
  const auto root = parse_digest(text_of(root_bytes));
  const auto geometry = parse_geometry(bytes, piece_bytes);
  if (!self || !root || !geometry) return 0;
  if (const ResourceHandle* handle = self->handles.find(*root)) {
    return find(*handle)->geometry == *geometry ? *handle : 0;
  }
  if (self->known.size() >= limits::roots_per_site) return 0;
  self->known.push_back({*root, *geometry});
  return self->handles.insert(*root, static_cast<ResourceHandle>(self->known.size()));
}

void listed(unsigned resource, double now) {
  const Event event(now, resource);
  if (!event) return;
  connect(event.at);
  self->peer.handle_listed(event.known->root, event.known->geometry, event.at);
}

void list_complete(double now) {
  if (const Event event(now); event) self->peer.handle_list_complete(event.at);
}

void leading(bool on, double now) {
  if (const Event event(now); event) self->peer.handle_leading(on, event.at);
}

void upload(bool on, double bytes_per_second, double bytes, double now) {
  if (const Event event(now); event) {
    self->peer.swarm().handle_upload_options(
        {on, static_cast<std::uint64_t>(bytes_per_second), static_cast<std::uint64_t>(bytes)},
        event.at);
  }
}

void ahead(unsigned word, unsigned permission, bool is_mac, double now) {
  const bool may =
      may_connect_ahead(static_cast<Word>(word), static_cast<Permission>(permission), is_mac);
  if (const Event event(now); event) self->peer.handle_ahead(may, event.at);
}

void idle(bool is_hidden, bool save_data, double now) {
  if (const Event event(now); event) self->peer.handle_idle(is_hidden, save_data, event.at);
}

void hidden(double now) {
  if (const Event event(now); event) self->peer.handle_hidden(event.at);
}

void network_changed(double now) {
  if (const Event event(now); event) self->peer.handle_network_changed(event.at);
}

// --- The coordinator -----------------------------------------------------------------------------

void socket_open(double now) {
  if (const Event event(now); event) self->peer.handle_socket_open(event.at);
}

void socket_closed(double now) {
  if (const Event event(now); event) self->peer.handle_socket_closed(event.at);
}

// Leaves the code that refuses the message, or nothing. The socket lives on, because an unknown
// message may be of a newer coordinator.
unsigned message(unsigned fields_bytes, double now) {
  const auto parsed = signal::parse_told(to_fields(text_of(fields_bytes)));
  if (!parsed) return give(code(parsed.error()));
  if (const Event event(now); event) self->peer.handle_message(*parsed, event.at);
  return 0;
}

// What is listed beyond a manifest's end the worker does not list either.
void want(unsigned roots_bytes, double now) {
  FlatSet<signal::Mark> marks;
  for (std::string_view rest = text_of(roots_bytes);
       rest.size() >= limits::mark_digits && marks.size() < limits::manifest_entries;
       rest.remove_prefix(limits::mark_digits)) {
    if (const auto mark = signal::parse_mark(rest.substr(0, limits::mark_digits)))
      marks.insert(*mark);
  }
  if (const Event event(now); event) self->peer.handle_wanted(marks, event.at);
}

// --- Connections ---------------------------------------------------------------------------------

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

// Both channels are open.
void pair_open(unsigned id, double now) {
  Pair* pair;
  const Event event(now, id, pair);
  if (!event || pair->open) return;
  pair->open = true;
  const PeerId peer = pair->peer;
  const std::vector<Bytes> early = std::exchange(pair->early_frames, {});
  self->peer.handle_pair_open(peer, event.at);
  for (const Bytes& frame : early) self->peer.swarm().handle_control(peer, frame, event.at);
}

void pair_closed(unsigned id, double now) {
  Pair* pair;
  if (const Event event(now, id, pair); event) end_pair(pair->peer, event.at);
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

// --- Readers -------------------------------------------------------------------------------------

// The host opens it for a handle that it was given. The swarm refuses pieces that are out of
// bounds.
void open_reader(unsigned reader, unsigned resource, unsigned begin, unsigned end, double slower,
                 double patience, double now) {
  const Event event(now, resource);
  if (!event) return;
  const Known& known = *event.known;
  const PieceRange pieces{begin, std::min(end, known.geometry.count())};
  const swarm::OriginHelp help{static_cast<std::uint32_t>(slower),
                               instant_from_ms(patience).time_since_epoch()};
  connect(event.at);
  self->peer.open({reader}, known.root, known.geometry, {pieces, help}, event.at);
}

void grant(unsigned reader, double bytes, double now) {
  const Event event(now);
  if (event && bytes >= 1) {
    self->peer.swarm().grant({reader}, static_cast<std::uint64_t>(bytes), event.at);
  }
}

void close_reader(unsigned reader, double now) {
  if (const Event event(now); event) self->peer.swarm().close({reader}, event.at);
}

// --- The host's answers --------------------------------------------------------------------------

void held(unsigned resource, unsigned begin, unsigned end, double now) {
  const Event event(now, resource);
  if (!event) return;
  const Known& known = *event.known;
  const PieceRange pieces{begin, std::min(end, known.geometry.count())};
  connect(event.at);
  self->peer.swarm().handle_held(known.root, known.geometry, pieces, event.at);
}

void store_failed(unsigned resource, unsigned begin, unsigned end, double now) {
  const Event event(now, resource);
  if (event) self->peer.swarm().handle_store_failed(event.known->root, {begin, end}, event.at);
}

void dropped(unsigned resource, double now) {
  const Event event(now, resource);
  if (event) self->peer.swarm().handle_dropped(event.known->root, event.at);
}

// Text: the digest of a digest list, then the list. True if the list is this root's.
bool digests(unsigned digest_and_list_bytes, unsigned resource, double now) {
  const Event event(now, resource);
  if (!event) return false;
  const Known& known = *event.known;
  std::string_view list = text_of(digest_and_list_bytes);
  const Digest actual = digest_of(list.substr(0, Digest::bytes_size));
  list.remove_prefix(std::min(list.size(), Digest::bytes_size));
  const auto parsed =
      DigestList::parse(known.geometry, actual == known.root ? bytes_of(list) : ByteSpan());
  if (parsed) {
    self->peer.swarm().handle_digests(known.root, *parsed, event.at);
  } else {
    self->peer.swarm().handle_digests_failed(known.root, event.at);
  }
  return !!parsed;
}

void digests_failed(unsigned resource, double now) {
  const Event event(now, resource);
  if (event) self->peer.swarm().handle_digests_failed(event.known->root, event.at);
}

void digest(unsigned digest_bytes, unsigned resource, unsigned piece, double now) {
  const Event event(now, resource);
  if (!event) return;
  self->peer.swarm().handle_digest(event.known->root, piece, digest_of(text_of(digest_bytes)),
                                   event.at);
}

// A piece of a fetch is whole. If it is needed the host takes it, before anything else is done.
bool fetched(unsigned fetch, unsigned resource, unsigned piece, double now) {
  const Event event(now, resource);
  return event && self->peer.swarm().handle_fetched({fetch}, piece, event.at);
}

// Text: what was seen of its end, for judge_end().
void fetch_end(unsigned code_bytes, unsigned fetch, bool whole, double now) {
  const Error error = judge_end(error_of(text_of(code_bytes)), whole);
  if (const Event event(now); event) {
    self->peer.swarm().handle_fetch_end({fetch}, error, event.at);
  }
}

void transfer(unsigned resource, double from_origin, bool over, double now) {
  const Event event(now, resource);
  if (!event) return;
  self->peer.swarm().handle_transfer(event.known->root, static_cast<std::uint64_t>(from_origin),
                                     over, event.at);
}

// --- What the site's owner is told ---------------------------------------------------------------

void counting() {
  if (self) self->peer.account().handle_counting();
}

void transferred(unsigned id_bytes, double from_peers, double from_origin, double from_cache,
                 double wasted, bool done) {
  if (!self) return;
  const Account::Sources sources{
      static_cast<std::uint64_t>(from_peers), static_cast<std::uint64_t>(from_origin),
      static_cast<std::uint64_t>(from_cache), static_cast<std::uint64_t>(wasted)};
  self->peer.account().handle_transfer(text_of(id_bytes), sources, done);
}

void route(unsigned route_bytes, unsigned id) {
  const Pair* pair = find_pair(id);
  if (!pair) return;
  const std::size_t route = line_of(route_names, text_of(route_bytes));
  if (route < route_count) self->peer.account().handle_open(pair->peer, static_cast<Route>(route));
}

unsigned report() {
  return self ? give(self->peer.account().report()) : 0;
}
