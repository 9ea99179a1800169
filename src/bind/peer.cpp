// A page's engine: its life, the coordinator, the report, and what the core decides.
#include "bind/peer.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/figures.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"
#include "base/variant.hpp"
#include "bind/fields.hpp"
#include "bind/mailbox.hpp"
#include "peer/ahead.hpp"
#include "signal/message.hpp"

namespace peer_cdn::bind {
namespace {

Text text;
PageMailbox box;

void show_text() {
  box.text = text.begin();
  box.text_room = static_cast<std::uint32_t>(text.size());
}

}  // namespace

std::unique_ptr<Page> self;

std::string_view text_of(unsigned bytes) {
  return std::string_view(text).substr(0, bytes);
}

unsigned give(std::string_view what) {
  text.grow_to(what.size());
  std::copy(what.begin(), what.end(), text.begin());
  show_text();
  return static_cast<unsigned>(what.size());
}

const Known* find(ResourceHandle handle) {
  return !self || handle == 0 || handle > self->known.size() ? nullptr : &self->known[handle - 1];
}

void connect(Instant now) {
  if (std::exchange(self->connected, true)) return;
  self->peer.start(now);
}

}  // namespace peer_cdn::bind

using namespace peer_cdn;
using namespace peer_cdn::bind;
using namespace peer_cdn::peer;

namespace {

// --- Outputs -------------------------------------------------------------------------------------

// A timer that fires too soon finds nothing to do and is set again. That costs less than to set one
// for every block that puts the next timeout off.
void set_timer() {
  const auto next = self->peer.next_timeout();
  if (next == self->woken_at || (next && self->woken_at && *self->woken_at < *next)) return;
  self->woken_at = next;
  box.timeout = next ? self->told_host + std::max(0.0, to_ms(*next - self->told)) : -1;
}

// The core names only roots that it was told of.
ResourceHandle handle_of(const Root& root) {
  return *self->handles.find(root);
}

// sdpMid and the candidate, a line each.
std::string lines_of(const signal::Candidate& candidate) {
  return candidate.sdp_mid + '\n' + candidate.candidate;
}

ByteSpan bytes_of(const List<Mark>& marks) {
  return {reinterpret_cast<const std::uint8_t*>(marks.begin()), marks.size() * sizeof(Mark)};
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
// The host knows connections, and not whose they are.
unsigned write(GivePair& it) {
  give_pair(it.peer);
  return 0;
}

}  // namespace

// --- The page's life -----------------------------------------------------------------------------

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
  while (auto output = self->peer.poll_output()) {
    unsigned kind = 0;
    match(*output, [&](auto& it) { kind = write(it); });
    if (kind != 0) return kind;
  }
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

// --- What the page says of itself ----------------------------------------------------------------

void leading(bool on, double now) {
  if (const Event event(now); event) self->peer.handle_leading(on, event.at);
}

void upload(bool on, double bytes_per_second, double bytes, double sent_before, double now) {
  if (const Event event(now); event) {
    self->peer.swarm().handle_upload_options(
        {on, static_cast<std::uint64_t>(bytes_per_second), static_cast<std::uint64_t>(bytes),
         static_cast<std::uint64_t>(sent_before)},
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

void socket(bool is_open, double now) {
  const Event event(now);
  if (!event) return;
  is_open ? self->peer.handle_socket_open(event.at) : self->peer.handle_socket_closed(event.at);
}

// Leaves the code that refuses the message, or nothing. The socket lives on, because an unknown
// message may be of a newer coordinator.
unsigned message(unsigned fields_bytes, double now) {
  const auto parsed = signal::parse_told(to_fields(text_of(fields_bytes)));
  if (!parsed) return give(code(parsed.error()));
  if (const Event event(now); event) self->peer.handle_message(*parsed, event.at);
  return 0;
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
