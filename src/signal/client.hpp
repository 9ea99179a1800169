// A page's half of signalling: announces what it can serve, asks who has what, stays connected.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include "base/time.hpp"
#include "signal/message.hpp"

namespace peer_cdn::signal {

// What the client wants done, or tells.
struct OpenSocket {};
struct CloseSocket {
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
struct Signalled {
  Signal signal;
};
struct Left {  // the other side declined or went; an open connection may live on
  PeerId peer;
};
struct SignalReport {
  Error error;
};
using ClientOutput = std::variant<OpenSocket, CloseSocket, SendMessage, Answered, Introduced,
                                  Signalled, Left, SignalReport>;

class Client {
 public:
  // The seed spreads the reconnects of many clients (exponential back-off with jitter).
  Client(std::string browser, std::uint64_t seed);

  void start(Instant now);  // wants a socket from now on
  void stop(Instant now);   // closes it for good
  void handle_socket_open(Instant now);
  void handle_socket_closed(Instant now);
  void handle_message(const Message& message, Instant now);
  void handle_timeout(Instant now);
  std::optional<Instant> next_timeout() const;
  std::optional<ClientOutput> poll_output();

  // What this page can serve now. Announced when connected, and again after a reconnect.
  void serve(const Root& root, Instant now);
  void withdraw(const Root& root, Instant now);
  // Asks who has it. Roots asked in one go travel in one message. Answered follows, at the latest
  // after limits::answer_wait, with 0 peers and a SignalReport if the coordinator was silent.
  void ask(const Root& root, Instant now);
  void signal(Signal signal, Instant now);
  void decline(PeerId peer, Instant now);

  bool connected() const;
  // Whether anybody may have it. False is certain only as far as the coordinator knows; true may be
  // another root with the same mark. False without a connection.
  bool anyone_has(const Root& root) const;
};

}  // namespace peer_cdn::signal
