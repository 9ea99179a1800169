// A site with visitors on a virtual network and a virtual clock, from one seed: real peers and a
// real coordinator, hosts that keep fake bytes (file.hpp), and an origin that has all of them.
//
//   Visitor --peer::Output--> World --Events--> a later step of that visitor, or of another
//
// What must hold in every run, whatever else happens, is checked as it happens (`violations`):
//   - a reader gets only right bytes, in order, within its credit, and ends once;
//   - what is stored is right; what is forgotten was there;
//   - a reader that has credit hears something within `silence_max`;
//   - the host's memory, its connections and its messages stay within the limits;
//   - every request between peers is answered by one block or one reject, and so many are waited
//     for at the most.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/limits.hpp"
#include "events.hpp"
#include "file.hpp"
#include "origin.hpp"
#include "random.hpp"
#include "signal/coordinator.hpp"
#include "visitor.hpp"

namespace peer_cdn::sim {

using namespace std::chrono_literals;

struct Network {
  Duration delay = 20ms;  // one way between any two lines, or to the server
  Duration jitter = 5ms;
  double loss = 0;                                   // a lost packet costs a retransmission
  std::uint64_t bytes_per_second = 4 * limits::mib;  // of a line, if the visitor has no own
  double unreachable = 0;                            // of pairs: they never open
  double repeats = 0;                                // of the coordinator's messages come twice
  std::uint64_t window = 0;  // bytes that one connection has under way in a round trip; 0: any
};

class World {
 public:
  World(std::uint64_t seed, Network network);
  ~World();

  Visitor& add();
  // `online`: it has a coordinator to go to.
  Visitor& add(const Line& line, bool online = true);
  // It is forgotten altogether; its tab was closed.
  void remove(VisitorId visitor);
  const File& file(std::uint64_t bytes, std::uint64_t piece_bytes);
  const File& file_of(const Root& root) const;
  std::vector<const File*> files() const;
  Visitor* find(VisitorId visitor) { return visitors[visitor].get(); }

  // True when the condition holds in time; the clock stops there.
  template <class Until>
  bool run(Duration at_most, Until until);
  bool run_readers(Duration at_most);
  Instant now() const { return now_; }

  // What this visitor and that peer say to each other comes only when their ICE was started again.
  void lose(Visitor& visitor, PeerId peer);
  // The coordinator's process ends and another one begins.
  void restart_coordinator();

  // --- For whatever lives in the world ----------------------------------------------------------
  void at(Instant when, Action action) { events_.add(when, std::move(action)); }
  // One event for one visitor, and everything it causes: the one place that drains a peer. Who
  // sleeps gets it when it wakes up.
  template <class F>
  void step(Visitor& visitor, F event);
  template <class F>
  void at(Instant when, VisitorId visitor, F event);
  template <class F>
  void after(Duration wait, VisitorId visitor, F event) {
    at(now_ + wait, visitor, std::move(event));
  }
  void check(bool holds, const char* what);
  // When this has come through a visitor's line, after all before it. `pace`: of the origin's
  // connection.
  Instant arrive(Visitor& visitor, std::size_t bytes, std::uint64_t pace = 0);
  static Duration span(std::size_t bytes, std::uint64_t per_second);  // 0: as fast as you like
  // Bytes a second of one connection, by what it may have under way (0: any) and by what loss lets
  // a congestion control of Reno's kind; 0: as fast as the line.
  static std::uint64_t pace(Duration round_trip, double loss, std::uint64_t window = 0);
  Duration to_server(const Visitor& visitor) const { return visitor.line.delay + network.delay; }

  Network network;
  Random random;
  Origin origin;
  std::vector<std::unique_ptr<Visitor>> visitors;
  std::vector<std::string> violations;              // of what must hold
  bool watching = true;                             // the laws between peers, and silence
  std::function<void(Visitor&, Request&)> on_done;  // a visitor's worker is done with it
  std::uint64_t events = 0, messages = 0;
  std::int64_t coordinator_ns = 0;  // of processor time

 private:
  friend class Visitor;
  struct LinkId {
    std::uint32_t slot = 0, generation = 0;
  };
  struct Link {  // one side of a connection
    VisitorId from = 0;
    PeerId to;
    LinkId back;
    std::uint32_t generation = 0;
    bool open = false;
    bool alive = false;
    bool lost = false;
    std::vector<std::function<void(Visitor&)>> held;  // what came while it was
    Duration delay{};
    std::uint64_t pace = 0;  // bytes a second of this connection alone; 0: any
    Instant free{};
    Instant arrived[2]{};  // on control, on data
    std::uint64_t buffered = 0;
    std::vector<std::pair<std::uint32_t, swarm::wire::Block>> unanswered;  // by handle
  };
  using Frame = std::shared_ptr<const Bytes>;

  Link* link(LinkId id);
  Link* link(const Visitor& from, PeerId to);
  LinkId id_of(const Visitor& from, PeerId to) const;
  void make_link(Visitor& from, PeerId to);
  void drop_link(Visitor& from, PeerId to);
  // The connection that was nobody's is that with `to`.
  void give_link(Visitor& from, PeerId to);
  void connect(Visitor& offerer, PeerId to);
  void find_path(LinkId id, Duration wait);
  void take(LinkId id, std::function<void(Visitor&)> action);
  void disconnect(PeerId peer);
  // This side closed it: the other notices.
  void cut(Visitor& from, PeerId to, Duration notice);
  void notice(LinkId id, Duration wait);
  Instant transmit(Visitor& sender, Link& link, int channel, std::size_t bytes);
  // `offence`: what it is, if no honest peer sends that.
  void send_control(Visitor& sender, PeerId to, Bytes frame, Error offence = Error::none);
  struct Message {
    Bytes header;
    std::size_t bytes = 0;
    Tag tag = 0;
    Error offence = Error::none;
  };
  void send_block(Visitor& sender, PeerId to, Message message);
  void watch_control(Visitor& sender, Link& link, const Bytes& frame);
  void watch_answer(Link& holder, std::uint32_t handle, const swarm::wire::Block& block);

  void wake(Visitor& visitor);
  template <class F>
  void step_coordinator(F event);
  void drain_coordinator();
  void tell(PeerId peer, const std::shared_ptr<const signal::Message>& message);
  void check_silence();

  Instant now_{};
  Instant looked_at_{};  // at the readers, for silence
  Events events_;
  std::vector<std::unique_ptr<File>> files_;
  FlatSet<Mark> marks_;  // of the files, which everybody could want
  std::vector<Link> links_;
  std::vector<std::uint32_t> free_links_;
  std::unordered_map<PeerId, VisitorId> ids_;
  std::unordered_map<PeerId, PeerId> renumbered_;
  std::unique_ptr<signal::Coordinator> coordinator_;
  std::uint32_t coordinators_ = 0;
  std::optional<Instant> coordinator_woken_;
};

// What this thread has used of a processor.
std::int64_t processor_ns();

template <class F>
void World::step(Visitor& visitor, F event) {
  if (!visitor.alive) return;
  event(visitor);
  visitor.drain();
  wake(visitor);
}

template <class F>
void World::at(Instant when, VisitorId id, F event) {
  at(when, [this, id, event = std::move(event)]() mutable {
    Visitor* visitor = find(id);
    if (visitor == nullptr) return;
    if (now_ < visitor->asleep_until) return at(visitor->asleep_until, id, std::move(event));
    step(*visitor, std::move(event));
  });
}

template <class F>
void World::step_coordinator(F event) {
  const std::int64_t began = watching ? 0 : processor_ns();
  event(*coordinator_);
  if (!watching) coordinator_ns += processor_ns() - began;
  drain_coordinator();
}

template <class Until>
bool World::run(Duration at_most, Until until) {
  const Instant end = now_ + at_most;
  while (!until()) {
    if (!violations.empty()) return false;
    if (events_.empty() || events_.next() > end) {
      now_ = end;
      return false;
    }
    now_ = events_.next();
    events_.pop()();
    ++events;
    if (watching && now_ - looked_at_ >= 250ms) check_silence();
  }
  return violations.empty();
}

}  // namespace peer_cdn::sim
