// One page: a real peer, and a host of it that keeps tags instead of bytes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "file.hpp"
#include "origin.hpp"
#include "peer/peer.hpp"

namespace peer_cdn::sim {

class World;
struct Request;
class Worker;
using VisitorId = std::uint32_t;  // its place in World::visitors

// How a visitor is connected. Zero: as World::network says.
struct Line {
  Duration delay{};                // one way to the middle of the network
  std::uint64_t up = 0, down = 0;  // bytes a second
  double loss = 0;
};

// What somebody does who is no honest peer, and what the others call it.
enum class Rogue : std::uint8_t {
  none,
  repeats_blocks,  // unasked_block
  unasked_blocks,  // unasked_block
  wrong_lengths,   // wrong_length
  asks_beyond,     // piece_out_of_bounds
  tells_beyond,    // piece_out_of_bounds
  floods,          // request_flood
  babbles,         // unknown_message, malformed_message, ...
  advertises,      // it has all, and sends nothing: peer_stalled
  claims,          // it fetches all and brings nothing: no error, it may only be slow
};
// Those that have a name.
inline constexpr int rogues = 9;

struct Faults {
  double lies = 0;        // of blocks sent have a flipped bit
  int stalls_after = -1;  // sends no block after so many, and says nothing
  double loses = 0;       // of reads find the store without the piece
  Rogue rogue = Rogue::none;
};

struct Reading {
  const File* file = nullptr;
  PieceRange pieces;
  PieceIndex next = 0;
  std::int64_t credit = 0;
  bool pending = false;
  bool closed = false;
  bool origin_helps = false;  // it may fetch from the origin too
  std::optional<Error> ended;
  Instant opened{}, heard{}, ended_at{};
  std::uint64_t bytes_per_second = 0;  // it consumes; 0: at once
  std::uint64_t from_origin = 0;
  bool of_worker = false;
};

class Visitor {
 public:
  Visitor(World& world, VisitorId id, std::uint64_t seed);
  ~Visitor();

  // Says what is in the store at the start, or since.
  void hold(const File& file, PieceRange pieces);
  // Returns the reader's number here.
  std::size_t read(const File& file, PieceRange pieces, std::uint64_t bytes_per_second = 0,
                   swarm::OriginHelp help = {});
  void close(std::size_t reader);
  // Through a worker, which also has the origin.
  Request& fetch(const File& file, std::uint64_t bytes_per_second = 0);
  void abort(Request& request);
  // From now on, when the page has nothing else to do, connections are made for what is listed.
  void warm_up(const std::vector<const File*>& files);
  bool reading() const;
  // Its tab is closed. The others' connections notice after a while.
  void die();
  // The laptop is closed for so long: everything comes late, and the clock jumps.
  void sleep(Duration span);
  void drain();
  // Its number with the coordinator, if it has one.
  PeerId peer_id() const { return id_.value_or(PeerId{}); }
  // Of this connection's other end, if it is open.
  Visitor* other(PeerId peer);
  // To each of those that it has a connection with, the path is lost.
  void lose_paths();

  peer::Peer peer;
  Line line;
  Faults faults;
  std::vector<Reading> readings;
  std::unique_ptr<Worker> worker;
  const VisitorId id;
  bool alive = true;
  Instant asleep_until{};
  std::uint32_t origin_window = 1;  // of its connection to the origin, as it last was
  std::uint64_t pairs_made = 0, blocks_sent = 0, bytes_taken = 0, memory = 0, memory_max = 0;
  std::map<Error, int> reports;
  // What others did to it that it must have a name for.
  std::map<Error, int> wronged;

 private:
  friend class World;
  friend class Worker;
  void perform(signal::OpenSocket& output);
  void perform(signal::CloseSocket& output);
  void perform(signal::SendMessage& output);
  void perform(signal::Told& output);
  void perform(peer::CreatePair& output);
  void perform(peer::GivePair& output);
  void perform(peer::RemoteDescription& output);
  void perform(peer::RemoteCandidate&) {}
  void perform(swarm::ClosePair& output);
  void perform(swarm::RestartPair& output);
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
  void perform(swarm::FetchPieces& output);
  void perform(swarm::CancelFetch& output);
  void perform(swarm::Company& output);
  void perform(swarm::Report& output);

  // Inside of a step.
  ReaderId open(const File& file, PieceRange pieces, swarm::OriginHelp help, bool of_worker);
  void grant(ReaderId reader, std::uint64_t bytes);
  void close(ReaderId reader);
  void handle_stored(const File& file, PieceRange pieces);
  // How a response of the worker goes.
  void handle_transfer(const File& file, std::uint64_t from_origin, bool done);

  void idle();
  bool holds(const Root& root, PieceIndex piece) const;
  void send_block(const swarm::SendBlock& output);
  void handle_socket_accepted(std::uint32_t socket);
  void handle_fetched(FetchId fetch, const File& file, PieceIndex piece, bool right);
  void keep(const Root& root, PieceIndex piece, Tags tags);

  // rogue.cpp: what a rogue makes of what its peer would send, and adds to it.
  bool is_rogue() const { return faults.rogue != Rogue::none; }
  // False: it is not sent at all.
  bool tamper(PeerId to, Bytes& frame);
  bool tamper(PeerId to, Bytes& header, std::size_t& bytes, Error& offence);
  void trouble(PeerId to, const Root& root);
  void ask_badly(PeerId to, const Root& root);
  void babble(PeerId to);
  void claim(PeerId to, const swarm::wire::Claim& all);

  World& world_;
  std::uint32_t tried_ = 0;    // by a rogue
  std::uint32_t sockets_ = 0;  // opened so far; events of older ones are dropped
  std::optional<PeerId> id_;   // by the coordinator, of the socket that is open
  Instant told_{}, tells_{};   // the last message from, and to, the coordinator
  Instant up_free_{}, down_free_{}, origin_free_{}, read_at_{};
  std::vector<std::pair<PeerId, std::uint64_t>> links_;  // slot and generation in World
  std::map<std::pair<Root, PieceIndex>, Tags> memory_;
  std::map<Root, PieceSet> store_;
  std::map<FetchId, StreamId> fetches_;
  std::optional<std::set<Mark>> marks_;  // of what anybody has, once the coordinator told
  std::optional<Tag> message_;           // the block that is being handled
  std::optional<Instant> woken_at_;
};

}  // namespace peer_cdn::sim
