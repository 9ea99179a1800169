// The one engine of a page, as its border sees it, and what every file of that border needs. The
// functions of the border are C functions over one Peer, called by web/engine.js:
//
//   peer.cpp          the page's life, the coordinator, the report, and what the core decides
//   peer_pairs.cpp    connections
//   peer_pieces.cpp   resources, readers and pieces
//
// It is built as the worker's border is (src/bind/worker.cpp): numbers are passed as they are, and
// one text a call. JavaScript polls what the core decides, one output after another. Bytes of
// pieces do not cross it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/flat.hpp"
#include "base/list.hpp"
#include "base/pieces.hpp"
#include "bind/border.hpp"
#include "peer/listing.hpp"
#include "peer/peer.hpp"
#include "peer/waking.hpp"

#define PEER_FUNCTION(result, name, parameters) \
  extern "C" BORDER_EXPORT(__COUNTER__) result name parameters;
#define TEXT_FIRST(name) unsigned name##_bytes,
#define TEXT_ONLY(name) unsigned name##_bytes
#include "bind/border.def"
#pragma clang diagnostic error "-Wmissing-prototypes"

namespace peer_cdn::bind {

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

  peer::Peer peer;
  peer::Listing listing;
  List<Known> known;
  FlatMap<Root, ResourceHandle> handles;
  OwnedList<Pair> pairs;
  List<PeerId> ended;  // whose connections the host is to close
  peer::WakingClock clock;
  std::optional<Instant> woken_at;  // when the timer is due
  bool connected = false;           // the coordinator was asked for
  double told_host = 0;             // the time of the last event, by the host's clock
  Instant told;                     // and by the core's
};

// A page has one engine, so this is the module's.
extern std::unique_ptr<Page> self;

// Of this call, or of the output that was polled.
std::string_view text_of(unsigned bytes);
unsigned give(std::string_view what);

const Known* find(ResourceHandle handle);
Pair* find_pair(std::uint32_t id);
// The pairs of what the core decides. A pair is created anew even if the peer has one. 0 if there
// is none: then the host finds none either.
std::uint32_t create_pair(PeerId peer);
void give_pair(PeerId peer);
std::uint32_t pair_of(PeerId peer);
std::uint32_t drop_pair(PeerId peer);

inline Instant at(double now) {
  const Instant host = instant_from_ms(now);
  return self ? self->clock.at(host, self->woken_at) : host;
}

// An event of the host. False for one after stop() (an answer that was under way), and for one of
// what was never given.
class Event {
 public:
  explicit Event(double now) : now_(now), at(bind::at(now)), open_(self != nullptr) {}
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
void connect(Instant now);

}  // namespace peer_cdn::bind
