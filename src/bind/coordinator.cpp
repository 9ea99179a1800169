// The coordinator's border for Node: texts that came in one turn of the event loop go in together,
// and what is to be written to each socket comes out in one piece. Plain C, as the worker's border.
//
// The inbox holds, for each message: the peer's number, the text's length, and the text, padded to
// four bytes. The outbox holds, for each order: its kind (SocketOrder), a count, then
//   send      count: bytes; the peer, the bytes
//   send_all  count: bytes; how many peers, the peers, the bytes
//   renumber  count: 0; from, to
//   close     count: bytes of the code; the peer, the code
//   publish   count: bytes; the sibling's name, its lower half first, the frame
// The bytes of a socket are whole WebSocket frames, and are padded to four.
#include "signal/coordinator.hpp"

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/figures.hpp"
#include "base/limits.hpp"
#include "base/list.hpp"
#include "base/text.hpp"
#include "bind/border.hpp"
#include "bind/mailbox.hpp"
#include "signal/json.hpp"
#include "signal/proxy_header.hpp"
#include "signal/reports.hpp"

// Every export, so that one which the list has otherwise does not compile.
#define COORDINATOR_FUNCTION(result, name, parameters)                        \
  extern "C" __attribute__((used, visibility("default"), export_name(#name))) \
  result name parameters;
#include "bind/border.def"
#pragma clang diagnostic error "-Wmissing-prototypes"

namespace {

using namespace peer_cdn;

std::optional<signal::Coordinator> coordinator;
signal::Reports reports;
alignas(4) char inbox[limits::inbox_bytes];
Text outbox;

CoordinatorMailbox box{.inbox = inbox};

std::uint32_t word_at(std::size_t at) {
  std::uint32_t word = 0;
  std::memcpy(&word, inbox + at, sizeof word);
  return word;
}

std::uint64_t joined(unsigned high, unsigned low) {
  return std::uint64_t{high} << 32 | low;
}

// --- What comes out ------------------------------------------------------------------------------

void put(std::uint32_t word) {
  outbox += std::string_view(reinterpret_cast<const char*>(&word), sizeof word);
}
void put(SocketOrder order, std::size_t count) {
  put(static_cast<std::uint32_t>(order));
  put(static_cast<std::uint32_t>(count));
}
void pad() {
  outbox += std::string_view("\0\0\0", -outbox.size() & 3);
}
void put_bytes(std::string_view bytes) {
  outbox += bytes;
  pad();
}

// Ends a text frame (RFC 6455, 5.2) whose text follows `head` bytes at `begin`: the last of its
// message, not masked.
constexpr std::size_t head = 4, short_head = 2, short_max = 125;
void end_frame(Text& to, std::size_t begin) {
  const std::size_t bytes = to.size() - begin - head;
  static_assert(limits::signal_bytes < 65536, "a longer frame has another head");
  char* const frame = to.begin() + begin;
  frame[0] = '\x81';
  if (bytes > short_max) {
    frame[1] = 126;
    frame[2] = static_cast<char>(bytes >> 8);
    frame[3] = static_cast<char>(bytes);
    return;
  }
  frame[1] = static_cast<char>(bytes);
  std::memmove(frame + short_head, frame + head, bytes);
  for (std::size_t i = short_head; i < head; ++i) to.pop_back();
}

// What is to be written to each socket, so far in this call: texts, one after another.
struct Letter {
  PeerId peer;
  Text texts;
  List<std::uint32_t> ends;
};
std::vector<Letter> letters;  // its lists keep their room from call to call
std::size_t letter_count = 0;
std::size_t letter_bytes = 0;
std::unordered_map<PeerId, std::size_t> letter_of;

Letter& letter_for(PeerId peer) {
  const auto [found, is_new] = letter_of.emplace(peer, letter_count);
  if (!is_new) return letters[found->second];
  if (letters.size() == letter_count) letters.emplace_back();
  Letter& letter = letters[letter_count++];
  letter.peer = peer;
  letter.texts.clear();
  letter.ends.clear();
  return letter;
}

// One more text for the peer, which `append` appends.
template <class F>
void write_to(PeerId peer, F append) {
  Letter& letter = letter_for(peer);
  const std::size_t before = letter.texts.size();
  append(letter.texts);
  letter_bytes += letter.texts.size() - before;
  letter.ends.push_back(static_cast<std::uint32_t>(letter.texts.size()));
}

// Appends the frames of a letter. A lean peer takes several messages as one, a list, as long as it
// is no longer than a message may be.
void append_frames(Text& to, const Letter& letter) {
  const bool is_lean = letter.ends.size() > 1 && coordinator->is_lean(letter.peer);
  const std::string_view texts = letter.texts;
  std::size_t at = 0;
  for (std::size_t i = 0; i < letter.ends.size();) {
    const std::size_t begin = to.size();
    to.grow_to(begin + head);
    std::size_t count = 1;
    while (is_lean && i + count < letter.ends.size() &&
           letter.ends[i + count] - at + count + 2 < limits::signal_bytes) {
      ++count;
    }
    if (count > 1) to += "[";
    for (std::size_t j = 0; j < count; ++j, ++i) {
      if (j > 0) to += ",";
      to += texts.substr(at, letter.ends[i] - at);
      at = letter.ends[i];
    }
    if (count > 1) to += "]";
    end_frame(to, begin);
  }
}

void post_letters() {
  for (std::size_t i = 0; i < letter_count; ++i) {
    Letter& letter = letters[i];
    put(SocketOrder::send, 0);
    const std::size_t count_at = outbox.size() - sizeof(std::uint32_t);
    put(letter.peer.value);
    const std::size_t begin = outbox.size();
    append_frames(outbox, letter);
    const auto bytes = static_cast<std::uint32_t>(outbox.size() - begin);
    std::memcpy(outbox.begin() + count_at, &bytes, sizeof bytes);
    pad();
    // Few are so long, and many would keep their room for ever.
    if (letter.texts.size() > limits::signal_bytes) letter.texts = Text();
  }
  letter_count = letter_bytes = 0;
  letter_of.clear();
}

// Peers that got another number since the inbox was filled.
std::vector<std::pair<PeerId, PeerId>> renumbered;

void perform(const signal::Tell& tell) {
  write_to(tell.peer, [&](Text& to) { signal::append_text(to, tell.message); });
}
void perform(const signal::Relay& relay) {
  write_to(relay.signal.peer, [&](Text& to) { signal::append_text(to, relay.from, relay.signal); });
}
// What concerns whole sockets comes after what was to be written before.
void perform(const signal::TellAll& tell) {
  post_letters();
  Text frame;
  frame.grow_to(head);
  signal::append_text(frame, tell.message);
  end_frame(frame, 0);
  put(SocketOrder::send_all, frame.size());
  put(static_cast<std::uint32_t>(tell.peers.size()));
  for (const PeerId peer : tell.peers) put(peer.value);
  put_bytes(frame);
}
void perform(const signal::Renumber& renumber) {
  post_letters();
  put(SocketOrder::renumber, 0);
  put(renumber.from.value);
  put(renumber.to.value);
  renumbered.emplace_back(renumber.from, renumber.to);
}
void perform(const signal::Close& close) {
  post_letters();
  const std::string_view why = code(close.error);
  put(SocketOrder::close, why.size());
  put(close.peer.value);
  put_bytes(why);
}

void drain() {
  while (auto output = coordinator->poll_output()) {
    std::visit([](const auto& o) { perform(o); }, *output);
  }
}

// Frames for siblings come last, so that they have all that the call said.
void post_frames(Instant now) {
  while (auto publish = coordinator->poll_publish(now)) {
    put(SocketOrder::publish, publish->frame.size());
    put(static_cast<std::uint32_t>(publish->to));
    put(static_cast<std::uint32_t>(publish->to >> 32));
    put_bytes(publish->frame);
  }
}

// Ends a call of the host's.
void post(double now) {
  drain();
  post_letters();
  post_frames(instant_from_ms(now));
  const auto timeout = coordinator->next_timeout();
  box.timeout = timeout ? to_ms(*timeout) : -1;
  box.outbox = outbox.begin();
  box.outbox_bytes = static_cast<std::uint32_t>(outbox.size());
}

PeerId number_of(std::uint32_t number) {
  PeerId peer{number};
  for (const auto& [from, to] : renumbered) {
    if (peer == from) peer = to;
  }
  return peer;
}

}  // namespace

void seed(unsigned high, unsigned low) {
  coordinator.emplace(joined(high, low));
}

const void* mailbox() {
  return &box;
}

unsigned join(unsigned site_bytes, unsigned network, unsigned network_before, unsigned label,
              unsigned label_before, double now) {
  outbox.clear();
  const auto peer = coordinator->handle_connect({inbox, site_bytes}, instant_from_ms(now),
                                                {{network, network_before}, {label, label_before}});
  post(now);
  return peer ? peer->value : 0;
}

void cover(unsigned peer, unsigned bytes) {
  List<RootKey> covered;
  for (unsigned at = 0; at + sizeof(RootKey) <= bytes; at += sizeof(RootKey)) {
    RootKey key = 0;
    std::memcpy(&key, inbox + at, sizeof key);
    covered.push_back(key);
  }
  coordinator->handle_token(PeerId{peer}, std::move(covered));
}

void leave(unsigned peer, double now) {
  outbox.clear();
  coordinator->handle_disconnect(PeerId{peer}, instant_from_ms(now));
  post(now);
}

unsigned take(unsigned from, unsigned bytes, double now) {
  outbox.clear();
  const Instant at = instant_from_ms(now);
  constexpr std::size_t record_head = 8;
  std::size_t i = from;
  while (i < bytes && outbox.size() + letter_bytes < limits::outbox_bytes) {
    const PeerId peer = number_of(word_at(i));
    const std::size_t length = word_at(i + 4);
    auto said = signal::parse_text({inbox + i + record_head, length});
    if (!said) {
      coordinator->handle_malformed(peer, said.error(), at);
    } else if (auto* brought = std::get_if<signal::Brought>(&said.value())) {
      coordinator->handle_message(peer, brought->ask, at);
      coordinator->handle_signal(peer, std::move(brought->candidates), at);
    } else if (auto* relayed = std::get_if<signal::Relayed>(&said.value())) {
      coordinator->handle_signal(peer, std::move(*relayed), at);
    } else {
      coordinator->handle_message(peer, *std::get_if<signal::Message>(&said.value()), at);
    }
    drain();
    i += record_head + length + (-length & 3);
  }
  post(now);
  if (i >= bytes) renumbered.clear();
  return static_cast<unsigned>(i);
}

void wake(double now) {
  outbox.clear();
  coordinator->handle_timeout(instant_from_ms(now));
  post(now);
}

void open_bus(unsigned high, unsigned low, double now) {
  outbox.clear();
  coordinator->handle_bus_open(joined(high, low), instant_from_ms(now));
  post(now);
}

void close_bus(double now) {
  outbox.clear();
  coordinator->handle_bus_closed();
  post(now);
}

bool hear(unsigned bytes, double now) {
  outbox.clear();
  const Error error = coordinator->handle_frame(bytes_of({inbox, bytes}), instant_from_ms(now));
  post(now);
  return error == Error::none;
}

void leave_bus(double now) {
  outbox.clear();
  coordinator->leave_bus(instant_from_ms(now));
  post(now);
}

int read_proxy_header(unsigned bytes) {
  outbox.clear();
  box.outbox_bytes = 0;
  const auto header = signal::read_proxy_header(bytes_of({inbox, bytes}));
  if (!header) return -1;
  if (!*header) return 0;
  outbox += (*header)->address;
  box.outbox = outbox.begin();
  box.outbox_bytes = static_cast<std::uint32_t>(outbox.size());
  return static_cast<int>((*header)->bytes);
}

// The host takes the code from the outbox by itself.
unsigned report(unsigned bytes, unsigned network_bytes, double now) {
  const std::string_view text{inbox, bytes};
  const std::string_view network{inbox + bytes, network_bytes};
  outbox = code_or_nothing(reports.handle_report(text, network, instant_from_ms(now)));
  box.outbox = outbox.begin();
  box.outbox_bytes = 0;
  return static_cast<unsigned>(outbox.size());
}

void report_refused() {
  reports.handle_refused();
}

void count() {
  const signal::Coordinator::Stats stats = coordinator->stats();
  double* next = box.counters;
#define STATISTIC(name, member) *next++ = static_cast<double>(stats.member);
#define REPORT_STATISTIC(name, member) *next++ = static_cast<double>(reports.stats().member);
#include "bind/border.def"
  for (const std::uint64_t figure : reports.stats().figures) *next++ = static_cast<double>(figure);
}
