// A site with visitors on a virtual network and a virtual clock, from one seed: real peers and a
// real coordinator, and a host that keeps fake bytes (a 64-bit tag stands for a block's payload).
//
// World checks what must hold in every run, whatever else happens:
//   - a reader gets only right bytes, in order, within its credit;
//   - what is stored is right; what is forgotten was there;
//   - a reader that has credit hears something within `silence_max`;
//   - the host's memory stays within the limits.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "base/limits.hpp"
#include "peer/peer.hpp"
#include "signal/coordinator.hpp"

namespace peer_cdn::sim {

using namespace std::chrono_literals;

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  bool chance(double p) { return static_cast<double>(next() >> 11) / 9007199254740992.0 < p; }
  Duration between(Duration low, Duration high) {
    return low + Duration(static_cast<Duration::rep>(
                     below(static_cast<std::uint64_t>((high - low).count()) + 1)));
  }

 private:
  std::uint64_t state_;
};

using Tag = std::uint64_t;      // a block's payload
using Tags = std::vector<Tag>;  // a piece's

struct File {
  File(std::uint64_t seed, std::uint64_t bytes, std::uint64_t piece_bytes);
  std::uint64_t seed;
  Geometry geometry;
  Bytes digests;
  Root root;
  Tags tags(PieceIndex piece) const;
};
Digest digest_of(const Tags& tags);

struct Network {
  Duration delay = 20ms;
  Duration jitter = 5ms;
  double loss = 0;  // a lost packet costs a retransmission
  std::uint64_t bytes_per_second = 4 * limits::mib;
  double unreachable = 0;  // of pairs: they never open
};

struct Faults {
  double lies = 0;        // of blocks sent have a flipped bit
  int stalls_after = -1;  // sends no block after so many, and says nothing
  double loses = 0;       // of reads find the store without the piece
};

class World;

struct Reading {
  const File* file = nullptr;
  PieceRange pieces;
  PieceIndex next = 0;
  std::int64_t credit = 0;
  bool pending = false;
  bool closed = false;
  std::optional<Error> ended;
  Instant opened{}, heard{}, ended_at{};
  std::uint64_t bytes_per_second = 0;  // it consumes; 0: at once
};

class Visitor {
 public:
  Visitor(World& world, std::uint32_t index, std::uint64_t seed);

  // Says what is in the store at the start.
  void hold(const File& file, PieceRange pieces);
  // Returns the reader's number here.
  std::size_t read(const File& file, PieceRange pieces, std::uint64_t bytes_per_second = 0);
  void close(std::size_t reader);
  // Its tab is closed. The others' connections notice after a while.
  void die();

  peer::Peer peer;
  Faults faults;
  std::vector<Reading> readings;
  bool alive = true;
  std::uint64_t blocks_sent = 0, bytes_taken = 0, memory_max = 0;
  std::map<Error, int> reports;

 private:
  friend class World;
  void perform(signal::OpenSocket& output);
  void perform(signal::CloseSocket& output);
  void perform(signal::SendMessage& output);
  void perform(peer::CreatePair& output);
  void perform(peer::RemoteDescription& output);
  void perform(peer::RemoteCandidate& output);
  void perform(swarm::ClosePair& output);
  void perform(swarm::SendControl& output);
  void perform(swarm::SendBlock& output);
  void perform(swarm::TakeBlock& output);
  void perform(swarm::DigestPiece& output);
  void perform(swarm::FetchDigests& output);
  void perform(swarm::Deliver& output);
  void perform(swarm::Pending& output);
  void perform(swarm::End& output);
  void perform(swarm::StoreRun& output);
  void perform(swarm::Forget& output);
  void perform(swarm::FetchPieces&) {}
  void perform(swarm::CancelFetch&) {}
  void perform(swarm::Company&) {}
  void perform(swarm::Report& output);

  World& world_;
  std::uint32_t sockets_ = 0;  // opened so far; events of older ones are dropped
  std::optional<PeerId> id_;   // by the coordinator, of the socket that is open
  std::map<std::pair<Root, PieceIndex>, Tags> memory_;
  std::map<Root, PieceSet> store_;
  std::optional<Tag> message_;  // the block that is being handled
  std::optional<Instant> woken_at_;
};

class World {
 public:
  World(std::uint64_t seed, Network network);

  Visitor& add();
  const File& file(std::uint64_t bytes, std::uint64_t piece_bytes);
  const File& file_of(const Root& root) const;
  // True when the condition holds in time; the clock stops there.
  bool run(Duration at_most, const std::function<bool()>& until);
  bool run_readers(Duration at_most);
  Instant now() const { return now_; }

  std::vector<std::unique_ptr<Visitor>> visitors;
  Random random;
  std::vector<std::string> violations;  // of what must hold

 private:
  friend class Visitor;
  struct Direction {
    Instant free{};
    Instant arrived[2]{};  // on control, on data
    std::uint64_t buffered = 0;
  };
  struct Link {  // from one visitor to another, as that one sees it
    Visitor* from = nullptr;
    PeerId to_id;
    Link* back = nullptr;
    bool open = false, alive = true, answered = false;
    Direction direction;
  };
  struct Event {
    Instant at;
    std::uint64_t order;
    std::function<void()> happen;
    bool operator<(const Event& other) const {
      return at != other.at ? at > other.at : order > other.order;
    }
  };

  void after(Duration wait, std::function<void()> happen);
  void at(Instant when, std::function<void()> happen);
  // One event for one visitor, and everything it causes: the one place that drains a peer.
  void step(Visitor& visitor, const std::function<void()>& event);
  void step_coordinator(const std::function<void()>& event);
  void check(bool holds, const char* what);
  void check_silence();
  Link* link(Visitor& from, PeerId to);
  Link& make_link(Visitor& from, PeerId to);
  void connect(Link& offerer);
  void cut(Link& link, Duration notice);
  void transmit(Link& link, int channel, std::size_t bytes,
                std::function<void(Visitor&, PeerId)> arrive);
  Visitor* visitor_of(PeerId id);

  Network network_;
  Instant now_{};
  std::uint64_t order_ = 0;
  std::priority_queue<Event> events_;
  std::vector<std::unique_ptr<File>> files_;
  std::vector<std::unique_ptr<Link>> links_;
  std::map<PeerId, Visitor*> ids_;
  signal::Coordinator coordinator_;
  std::optional<Instant> coordinator_woken_;
};

}  // namespace peer_cdn::sim
