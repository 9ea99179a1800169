// One visitor: a page's swarm and its half of signalling, joined, on no platform. The page drives
// it with real RTCPeerConnections, the simulator with a virtual network.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/list.hpp"
#include "peer/account.hpp"
#include "signal/client.hpp"
#include "swarm/swarm.hpp"

namespace peer_cdn::peer {

struct CreatePair {    // make a connection with the channels `control` (id 0) and `data` (id 1)
  PeerId peer;         // 0: nobody's yet
  bool offer = false;  // and send an offer
};
struct GivePair {  // the connection that was nobody's is this peer's
  PeerId peer;
};
struct RemoteDescription {
  PeerId peer;
  signal::Description description;
};
struct RemoteCandidate {
  PeerId peer;
  signal::Candidate candidate;
};

// After CreatePair and RestartPair the host passes on local descriptions and candidates as they
// arise.
using Output =
    Variant<signal::OpenSocket, signal::CloseSocket, signal::SendMessage, signal::Told, CreatePair,
            GivePair, RemoteDescription, RemoteCandidate, swarm::ClosePair, swarm::RestartPair,
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

  // Connections.
  void handle_local_description(PeerId peer, signal::Description description, Instant now);
  void handle_local_candidate(PeerId peer, signal::Candidate candidate, Instant now);
  void handle_pair_open(PeerId peer, Instant now);
  void handle_pair_closed(PeerId peer, Instant now);
  // The path of an open pair is gone, but may come back; or it is there again.
  void handle_pair_lost(PeerId peer, Instant now);
  void handle_pair_found(PeerId peer, Instant now);
  // The network changed, or the machine slept: paths and the socket may be dead without a sign.
  void handle_network_changed(Instant now);

  // Only the leading tab of a browser announces what it can serve (Web Locks).
  void handle_leading(bool leading, Instant now);
  // This browser has no RTCPeerConnection: every reader ends with no_webrtc at once.
  void handle_no_webrtc(Instant now);

  // If no mark says that somebody has the root, the coordinator is not asked: the answer is known
  // without a round trip. Without a socket to the coordinator, nobody has it.
  void open(ReaderId reader, const Root& root, const Geometry& geometry, swarm::Order order,
            Instant now);

  // The marks of all files that this page could want (signal::Client::want).
  void handle_wanted(const FlatSet<Mark>& marks, Instant now);
  // A file that this page may want one day; the likeliest is told last. Beyond limits::listed_roots
  // the one that was told first is forgotten.
  void handle_listed(const Root& root, const Geometry& geometry, Instant now);
  // All files of the manifest were told, and what of them is held. Before that nothing is asked for
  // ahead of need: it might be here.
  void handle_list_complete(Instant now);
  // Whether pairs may be made before a file is wanted here (peer/ahead.hpp). Until it is told, they
  // may.
  void handle_ahead(bool may, Instant now);
  // The page has nothing else to do; told every limits::idle_interval. While few pairs are open,
  // one is made with a peer that has a listed file that is missing here. If that is not known yet,
  // it is made as soon as it is.
  void handle_idle(bool hidden, bool save_data, Instant now);
  // Nobody sees the page now, and it may be gone any time: what is verified is stored.
  void handle_hidden(Instant now);

  // The host calls the swarm itself for the rest. Its outputs are polled here too.
  swarm::Swarm& swarm() { return swarm_; }
  // What the site's owner is told. Peer tells it of connections, and the host of the rest.
  Account& account() { return account_; }

  void handle_timeout(Instant now);
  std::optional<Instant> next_timeout() const;
  std::optional<Output> poll_output();

 private:
  Instant now() const { return std::max(now_, swarm_.told()); }
  void ask(const Root& root);
  void offer_ahead();
  void warm_if_idle();
  void warm();
  void close_pair(PeerId peer, Error error);
  bool expects(PeerId peer);
  void refuse(PeerId peer);
  void create(PeerId peer, bool asked, bool offer);
  void give(PeerId peer);

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
  template <class Same>  // every other output goes to the host as it is
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
    Instant again{};  // it was asked for, and is not asked for again before this
  };

  swarm::Swarm swarm_;
  signal::Client client_;
  Account account_;
  Instant now_{};
  bool webrtc_ = true;
  bool leading_ = false;
  bool ahead_ = true;    // pairs may be made before a file is wanted
  bool wanted_ = false;  // a file was wanted
  bool is_list_complete_ = false;
  bool idle_ = false;        // the page was idle, and is seen
  FlatSet<Root> announced_;  // announced while leading
  List<Expected> expected_;  // introduced peers whose offer is awaited, oldest first
  Instant offer_next_{};     // no offer is made for an ask before this
  List<Listed> listed_;
  std::optional<Root> warming_;  // the warm pool has asked for it
  Duration warm_wait_{};
  Instant warm_next_{};
  Queue<Output> ready_;  // for the host, in order
};

}  // namespace peer_cdn::peer
