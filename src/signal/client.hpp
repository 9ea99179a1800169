// A page's half of signalling: announces what it can serve, asks who has what, stays connected.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/flat.hpp"
#include "base/limits.hpp"
#include "base/queue.hpp"
#include "base/time.hpp"
#include "base/variant.hpp"
#include "signal/message.hpp"
#include "signal/random.hpp"

namespace peer_cdn::signal {

// What the client wants done, or tells.
struct OpenSocket {};
struct CloseSocket {  // forget it at once: what it still says belongs to nobody
  Error error = Error::none;
};
struct SendMessage {
  Message message;
};
struct Answered {  // one per asked root; peers == 0: nobody has it
  Root root;
  std::uint32_t peers = 0;
};
struct Introduced {
  PeerId peer;
  bool offer = false;  // create the connection and the data channels, and send the offer
};
struct Resumed {  // signals reach it again; the pair that is open lives on
  PeerId peer;
};
struct Signalled {
  Signal signal;
};
struct Left {  // the other side declined or went; an open connection may live on
  PeerId peer;
};
struct SignalReport {
  Error error;
};
using ClientOutput = Variant<OpenSocket, CloseSocket, SendMessage, Answered, Introduced, Resumed,
                             Signalled, Left, SignalReport>;

class Client {
 public:
  // The seed spreads the reconnects of many clients (exponential back-off with jitter).
  Client(std::string browser, std::uint64_t seed);

  void start(Instant now);  // wants a socket from now on
  void stop(Instant now);   // closes it for good
  // `paired`: with whom pairs are open. After a reconnect they are introduced again.
  void handle_socket_open(Instant now, std::vector<PeerId> paired = {});
  void handle_socket_closed(Instant now);
  void handle_message(const Message& message, Instant now);
  // Another network, or the machine has slept: the socket may be dead without a sign. One is opened
  // now, if there is none; else it must answer soon.
  void handle_network_changed(Instant now);
  void handle_timeout(Instant now);
  std::optional<Instant> next_timeout() const;
  std::optional<ClientOutput> poll_output();

  // What this page can serve now. Announced when connected, a moment's changes together, and again
  // after a reconnect. Beyond limits::roots_per_peer nothing is announced.
  void announce(const Root& root, Instant now);
  void withdraw(const Root& root, Instant now);
  // Asks who has it. Roots asked in one go travel in one message. Answered follows, at the latest
  // after limits::answer_wait, with 0 peers and a SignalReport if the coordinator was silent; at
  // once if there is no socket and none is being opened.
  void ask(const Root& root, Instant now);
  // Dropped unless the peer was introduced and has not left.
  void signal(Signal signal, Instant now);
  // I will not serve that one now, or the pair is closed: it may be introduced again later.
  void decline(PeerId peer, Instant now);

  // There is a socket, or one is being opened: asks are heard.
  bool reaches() const { return state_ > State::waiting; }
  bool introduced(PeerId peer) const;
  // Welcomed, and told what anybody has.
  bool connected() const { return state_ == State::connected; }
  // Whether anybody may have it. False is certain only as far as the coordinator knows; true may be
  // another root with the same mark. False without a connection.
  bool anyone_has(const Root& root) const;

 private:
  enum class State : std::uint8_t { stopped, waiting, opening, greeting, welcomed, connected };
  struct Announcement {
    bool held = false;    // what is true here
    bool told = false;    // what the coordinator was told
    bool queued = false;  // in changed_
  };
  struct Asked {
    Root root;
    Instant expires;
    bool sent = false;
  };

  bool welcomed() const { return state_ >= State::welcomed; }
  void handle(const Hello&, Instant) {}
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
  void open(Instant now);
  void drop(Error error, Instant now);
  void forget_session(bool report);
  void schedule_reconnect(Instant now);
  void change(const Root& root, bool held, Instant now);
  void send_changes();
  void send_asks();
  void send(Message message) { outputs_.push(SendMessage{std::move(message)}); }

  std::string browser_;
  Random random_;
  State state_ = State::stopped;
  std::uint32_t attempts_ = 0;  // since a session that lasted
  Instant state_expires_{};     // waiting: when to open; opening, greeting: when to give up
  Instant welcomed_at_{};
  PeerId number_;                        // by the last welcome
  std::optional<Instant> word_expires_;  // the coordinator was asked to say something
  FlatMap<Root, Announcement> announcements_;
  std::vector<Root> changed_;  // holdings to tell, each once
  std::optional<Instant> changes_due_;
  std::vector<Asked> asked_;       // oldest first: all wait equally long
  std::uint32_t silent_asks_ = 0;  // asks that ran out since the coordinator's last word
  FlatSet<Mark> present_;
  std::vector<PeerId> introduced_;
  Queue<ClientOutput> outputs_;
};

}  // namespace peer_cdn::signal
