// A page's half of signalling: announces the roots that the page can serve, asks who has a root,
// and stays connected.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/flat.hpp"
#include "base/limits.hpp"
#include "base/list.hpp"
#include "base/queue.hpp"
#include "base/time.hpp"
#include "base/variant.hpp"
#include "signal/message.hpp"
#include "signal/random.hpp"

namespace peer_cdn::signal {

// Decisions of the client, as data.
struct OpenSocket {};
struct CloseSocket {  // forget the socket at once: what it still says belongs to nobody
  Error error = Error::none;
};
struct SendMessage {
  Message message;
  bool together = false;  // others like it follow at once, and one text may carry them
};
struct Told {  // what anybody has: what has changed since the host was told before
  List<Mark> marks;
  std::size_t come = 0;  // the first of them; nobody has the others any more
  bool informs = true;   // false: this page has not said what it could want
};
struct Answered {  // one for each root that was asked for
  Root root;
  std::uint32_t peers = 0;  // how many are introduced; 0: nobody has it
};
struct Introduced {
  PeerId peer;
  bool offer = false;  // this side creates the connection and the channels, and sends the offer
  bool brought =
      false;  // it went with the ask: the peer's follows, or this side's is with the peer
};
struct Resumed {  // signals reach this peer again; the open pair lives on
  PeerId peer;
};
struct Signalled {
  Signal signal;
};
// The peer declined or went; an open connection may live on. Peer 0: nobody takes the offer.
struct Left {
  PeerId peer;
};
struct SignalReport {
  Error error;
};
using ClientOutput = Variant<OpenSocket, CloseSocket, SendMessage, Told, Answered, Introduced,
                             Resumed, Signalled, Left, SignalReport>;

class Client {
 public:
  // The seed spreads the reconnects of many clients (exponential back-off with jitter).
  Client(std::string browser, std::uint64_t seed);

  void start(Instant now);  // keeps a socket open from now on
  void stop(Instant now);   // closes it for good
  // `paired`: the peers with which pairs are open. After a reconnect they are introduced again.
  void handle_socket_open(Instant now, List<PeerId> paired = {});
  void handle_socket_closed(Instant now);
  void handle_message(const Message& message, Instant now);
  // The network changed, or the machine slept: the socket may be dead without a sign. If there is
  // none, the client opens one now; else the socket must answer soon.
  void handle_network_changed(Instant now);
  void handle_timeout(Instant now);
  std::optional<Instant> next_timeout() const;
  std::optional<ClientOutput> poll_output();

  // What this page could want from now on: of nothing else it is told. At first it wants nothing.
  // Requires no more marks than a manifest has.
  void want(const FlatSet<Mark>& marks, Instant now);
  // This page can serve the root from now on, or cannot any more. The client tells the coordinator
  // when it is connected, the changes of a moment together, and tells all again after a reconnect.
  // Beyond limits::roots_per_peer it announces nothing.
  void announce(const Root& root, Instant now);
  void withdraw(const Root& root, Instant now);
  // Asks who has the root. Roots asked in one go travel in one message. Answered follows, at the
  // latest after limits::answer_wait; if the coordinator was silent it says 0 peers, and a
  // SignalReport follows. Without a socket, and if none is being opened, both follow at once.
  void ask(const Root& root, Instant now);
  // Whether an ask may bring an offer along. Then whoever is introduced first answers it, a trip
  // sooner than its own offer would come.
  bool may_offer() const { return connected() && lean_ && asked_.empty(); }
  // One is being made, so that asks wait for it, limits::offer_made_wait at most.
  void expect_offer(Instant now) { asks_due_ = now + limits::offer_made_wait; }
  // The offer goes with the asks that wait. Introduced follows, or Left of peer 0. False: it came
  // too late, or is too long.
  bool offer(const std::string& sdp);
  // The signal is dropped unless the peer was introduced and has not left. Peer 0: whoever gets the
  // last offer. Candidates wait a moment for others, if the coordinator is lean: what is sent in
  // one go is one message for each peer.
  void signal(Signal signal, Instant now);
  // This page makes no pair with the peer now, or has closed it. The peer may be introduced again
  // later. Peer 0: the offer is withdrawn.
  void decline(PeerId peer, Instant now);

  // There is a socket, or one is being opened, so asks are heard.
  bool reaches() const { return state_ > State::waiting; }
  bool introduced(PeerId peer) const;
  // The coordinator has welcomed this page, and has told the marks of all that anybody has.
  bool connected() const { return state_ == State::connected; }
  // Whether anybody may have the root. True may be another root with the same mark. False may be
  // news that has not come yet, and is the answer without a connection.
  bool anyone_has(const Root& root) const;

 private:
  enum class State : std::uint8_t { stopped, waiting, opening, greeting, welcomed, connected };
  struct Announcement {
    bool held = false;    // this page can serve the root
    bool told = false;    // the coordinator was told so
    bool queued = false;  // in changed_
  };
  struct Asked {
    Root root;
    Instant expires;
    bool sent = false;
  };

  bool welcomed() const { return state_ >= State::welcomed; }
  void handle(const Hello&, Instant) {}
  void handle(const Want&, Instant) {}
  void handle(const Have&, Instant) {}
  void handle(const Ask&, Instant) {}
  void handle(const Decline&, Instant) {}
  void handle(const Welcome& welcome, Instant now);
  void handle(const Present& present, Instant now);
  void handle(const Answer& answer, Instant now);
  void handle(const Introduce& introduce, Instant now);
  void handle(const Signal& signal, Instant now);
  void handle(const Gone& gone, Instant now);
  void handle(const Resume& resume, Instant now);
  void handle(const Refusal& refusal, Instant now);
  void refuse(Error error, Instant now);  // the coordinator does not help, and said why
  void open(Instant now);
  void drop(Error error, Instant now);
  void send_candidates();
  void end_offer();
  void forget_session(bool report);
  void schedule_reconnect(Instant now);
  void change(const Root& root, bool held, Instant now);
  void send_list(Instant now);
  void expect_list(Instant now);
  void send_changes();
  void send_asks();
  void send(Message message) { outputs_.push(SendMessage{std::move(message)}); }

  std::string browser_;
  Random random_;
  State state_ = State::stopped;
  Error away_ = Error::no_coordinator;  // why the coordinator does not help, by its own last word
  std::uint32_t attempts_ = 0;          // to connect, since a session that lasted
  Instant state_expires_{};             // waiting: when to open; opening, greeting: when to give up
  Instant welcomed_at_{};
  PeerId number_;                        // this page's, by the last welcome
  std::optional<Instant> word_expires_;  // when the coordinator must have said something
  FlatMap<Root, Announcement> announcements_;
  List<Root> changed_;  // announcements to tell, each once
  std::optional<Instant> changes_due_;
  List<Asked> asked_;                // oldest first: all wait equally long
  std::optional<Instant> asks_due_;  // they wait for an offer
  std::string offer_;                // until its end is known
  bool is_out_ = false;              // it went with an ask
  std::uint32_t silent_asks_ = 0;    // asks that ran out since the coordinator's last word
  FlatSet<Mark> wanted_;
  bool list_changed_ = false;       // since the hello said it
  std::uint32_t lists_untold_ = 0;  // lists that were said, and of which nothing was told yet
  std::optional<Instant> list_expires_;
  FlatSet<Mark> present_;  // as the host was told
  List<PeerId> introduced_;
  bool lean_ = false;               // the coordinator said so in its welcome
  Queue<ClientOutput> candidates_;  // messages that wait a moment
  std::optional<Instant> candidates_due_;
  Queue<ClientOutput> outputs_;
};

}  // namespace peer_cdn::signal
