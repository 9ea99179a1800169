// One visitor: a page's swarm and its half of signalling, joined, on no platform. The page drives
// it with a real RTCPeerConnection, the simulator with a virtual network.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "signal/client.hpp"
#include "swarm/swarm.hpp"

namespace peer_cdn::peer {

struct CreatePair {  // a connection with the channels control (id 0) and data (id 1); offer if
                     // asked
  PeerId peer;
  bool offer = false;
};
struct RemoteDescription {
  PeerId peer;
  signal::Description description;
};
struct RemoteCandidate {
  PeerId peer;
  signal::Candidate candidate;
};

// RestartPair: local descriptions of a new offer follow, on the same connection.
using Output =
    Variant<signal::OpenSocket, signal::CloseSocket, signal::SendMessage, CreatePair,
            RemoteDescription, RemoteCandidate, swarm::ClosePair, swarm::RestartPair,
            swarm::SendControl, swarm::SendBlock, swarm::TakeBlock, swarm::DigestPiece,
            swarm::FetchDigests, swarm::Deliver, swarm::Pending, swarm::End, swarm::StoreRun,
            swarm::Forget, swarm::FetchPieces, swarm::CancelFetch, swarm::Company, swarm::Report>;

class Peer {
 public:
  Peer(std::string browser, std::uint64_t seed);

  void start(Instant now);
  void stop(Instant now);

  // The socket to the coordinator.
  void handle_socket_open(Instant now);
  void handle_socket_closed(Instant now);
  void handle_message(const signal::Message& message, Instant now);

  // Connections. Local descriptions and candidates come from the platform as they arise.
  void handle_local_description(PeerId peer, signal::Description description, Instant now);
  void handle_local_candidate(PeerId peer, signal::Candidate candidate, Instant now);
  void handle_pair_open(PeerId peer, Instant now);
  void handle_pair_closed(PeerId peer, Instant now);
  // An open pair's path is gone, for now, or there again.
  void handle_pair_lost(PeerId peer, Instant now);
  void handle_pair_found(PeerId peer, Instant now);
  // Another network, or the machine has slept: every path and the socket may be dead without a
  // sign.
  void handle_network_changed(Instant now);

  // Only the leading tab of a browser announces what it can serve (Web Locks).
  void handle_leading(bool leading, Instant now);
  // No RTCPeerConnection here: every reader ends with no_webrtc at once.
  void handle_no_webrtc(Instant now);

  // Nobody has it and no pair is open: the answer is known without a round trip. Without a socket
  // to the coordinator, yet or any more, nobody has it.
  void open(ReaderId reader, const Root& root, const Geometry& geometry, swarm::Order order,
            Instant now);

  // What this page may want one day, the likeliest last: beyond limits::listed_roots the first that
  // was told goes.
  void handle_listed(const Root& root, const Geometry& geometry, Instant now);
  // The page has nothing else to do, told each limits::idle_interval: while few pairs are open, one
  // is made with somebody who has what is listed and missing here.
  void handle_idle(Instant now);

  // The rest goes straight through; outputs are polled here.
  swarm::Swarm& swarm() { return swarm_; }

  void handle_timeout(Instant now);
  std::optional<Instant> next_timeout() const;
  std::optional<Output> poll_output();

 private:
  Instant now() const { return std::max(now_, swarm_.told()); }
  void ask(const Root& root);
  void warm();
  void close_pair(PeerId peer, Error error);
  bool expects(PeerId peer);
  void create(PeerId peer, bool offer);

  void translate(swarm::AskFor& ask);
  void translate(swarm::Announce& announce);
  void translate(swarm::ClosePair& close);
  void translate(swarm::RestartPair& restart);
  void translate(signal::Answered& answered);
  void translate(signal::Introduced& introduced);
  void translate(signal::Resumed& resumed);
  void translate(signal::Signalled& signalled);
  void translate(signal::Left& left);
  void translate(signal::SignalReport& report);
  template <class Same>  // what the host does as it is
  void translate(Same& output) {
    ready_.push(std::move(output));
  }

  struct Expected {
    PeerId peer;
    Instant until;
  };
  struct Listed {
    Root root;
    Geometry geometry;
    Instant again{};  // asked for before: not sooner
  };

  swarm::Swarm swarm_;
  signal::Client client_;
  Instant now_{};
  bool webrtc_ = true;
  bool leading_ = false;
  FlatSet<Root> announced_;         // announced while leading
  std::vector<Expected> expected_;  // introduced, oldest first: their offer is their acceptance
  std::vector<Listed> listed_;
  std::optional<Root> warming_;  // asked for by the pool
  Duration warm_wait_{};
  Instant warm_next_{};
  Queue<Output> ready_;  // translated, in order
};

}  // namespace peer_cdn::peer
