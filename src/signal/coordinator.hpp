// The coordinator: introduces peers of one site to each other, and relays the signals that they
// need to connect.
//
// It sees roots, never bytes. A peer that it refuses is told why (Refusal) and closed. What comes
// from the peer after that is ignored.
//
// Coordinators of the same sites, siblings, may share a bus (signal/bus.hpp). Each knows its own
// peers, and which marks the peers of each sibling have. If its own peers are not enough for an
// asker, it asks siblings to introduce theirs. A pair that two coordinators have introduced is
// known to both.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/limits.hpp"
#include "base/time.hpp"
#include "signal/audience.hpp"
#include "signal/directory.hpp"
#include "signal/message.hpp"
#include "signal/random.hpp"
#include "signal/siblings.hpp"

namespace peer_cdn::signal {

struct Tell {
  PeerId peer;
  Message message;
};
struct Relay {
  PeerId from;
  Relayed signal;
};
struct TellAll {  // the same text to each
  std::vector<PeerId> peers;
  Message message;
};
struct Renumber {  // the socket of peer `from` belongs to peer `to`, its number of before
  PeerId from;
  PeerId to;
};
struct Close {  // close the peer's socket; the refusal was told before
  PeerId peer;
  Error error = Error::none;
};
using CoordinatorOutput = std::variant<Tell, Relay, TellAll, Renumber, Close>;

class Coordinator {
 public:
  // The seed decides the first peer's number, and which holders an asker meets.
  explicit Coordinator(std::uint64_t seed);

  // A page of this site (its Origin header) opened a socket. No page can remember the number that
  // it gets as that of another peer, even from a coordinator of before. too_many_peers, or
  // message_too_long: close the socket without a word.
  Result<PeerId> handle_connect(std::string_view site, Instant now, const Place& place = {});
  // Before its first message: the page's token covers these resources only. It is introduced for no
  // others, neither as who has them nor as who wants them.
  void handle_token(PeerId peer, List<RootKey> covered);
  void handle_disconnect(PeerId peer, Instant now);
  void handle_message(PeerId peer, const Message& message, Instant now);
  void handle_signal(PeerId peer, Relayed signal, Instant now);
  // Whether a text for the peer may be a list of messages.
  bool is_lean(PeerId peer) const;
  // What came is no message: the peer is told so, and closed.
  void handle_malformed(PeerId peer, Error error, Instant now);
  void handle_timeout(Instant now);
  std::optional<Instant> next_timeout() const;
  std::optional<CoordinatorOutput> poll_output();

  // The bus to the siblings is reached, or reached again, under a name of our own; or it is lost:
  // then this coordinator serves its own peers.
  void handle_bus_open(bus::Name self, Instant now);
  void handle_bus_closed() { siblings_.close(); }
  // Errors: those of read_frame(); too_many_peers: there are more siblings than
  // limits::siblings_max.
  Error handle_frame(ByteSpan bytes, Instant now);
  // Siblings need not wait until we are silent.
  void leave_bus(Instant now);
  // For siblings. Asked for when all outputs of an event, or a timeout, were taken.
  std::optional<Publish> poll_publish(Instant now) { return siblings_.poll(now); }

  struct Stats {
    std::uint32_t peers = 0;
    std::uint32_t sites = 0;
    std::uint64_t introductions = 0;
    std::uint64_t relayed = 0;
    std::uint64_t not_introduced = 0;  // signals and declines to peers never introduced: ignored
    std::uint64_t not_covered = 0;     // roots, asked for or announced, that a token does not cover
    std::uint64_t passed_over = 0;     // roots announced too fast, or beyond the directory's room
    std::uint64_t refused = 0;
    std::uint32_t siblings = 0;
    std::uint64_t frames_refused = 0;  // that came over the bus and are of no use
  };
  Stats stats() const;

 private:
  struct Peer;
  // One side of two peers that were introduced.
  struct Introduction {
    Root root;            // for which the two were introduced
    bool holder = false;  // this side has the root, and was told to offer, or to answer
    bool second = false;  // a holder that declines is replaced once: this is its replacement
    Siblings::Number sibling = 0;  // whose peer the other one is
    std::uint64_t browser = 0;     // of a sibling's peer: says that it is the same one (see tag_of)
  };
  // Who wants holders: a peer of ours, or of a sibling.
  struct Asker {
    PeerId id;
    std::string_view browser;
    Place place;
    Siblings::Number sibling = 0;
    Peer* peer = nullptr;  // null: a sibling's
  };
  // An answer that waits for siblings. It has what was found so far.
  struct Pending {
    PeerId asker;
    Answer answer;
    std::size_t siblings = 0;  // that have not answered yet
    Instant due;
  };
  // A token bucket: how many tokens are left, and when that was reckoned.
  struct Bucket {
    double tokens = 0;
    Instant reckoned{};
    void refill(double per_second, double burst, Instant now);
    bool spend(double cost);
  };
  struct Declined {
    PeerId peer;
    Instant until;
  };
  // What a visitor had announced whose socket went: it may come back, and need not say it again.
  struct Session {
    std::string site;
    std::string browser;
    List<Root> roots;
    Instant until;
  };
  struct Site {
    std::string name;
    Directory directory;
    Audience everyone;  // peers that said hello, and not what they could want
    // The others, by what they said. An Audience's address is stable while it is in here.
    std::unordered_map<std::string, Audience> audiences;
    std::uint32_t sockets = 0;               // of these, and of peers that said nothing yet
    std::unordered_map<Mark, bool> changes;  // true: the mark came since the last batch; else went
    std::optional<Instant> changes_due;
    Instant next_batch{};  // the changes before it were told to so many that it is not sooner
  };
  struct Peer {
    Site* site = nullptr;
    std::string browser;           // empty until hello
    bool lean = false;             // understands what version 1 began without
    Audience* audience = nullptr;  // null until hello
    std::uint32_t position = 0;    // in it
    Place place;
    std::unique_ptr<const List<RootKey>> covered;  // in order; null: all
    Bucket messages{limits::messages_burst};
    Bucket asked_introductions{limits::introductions_burst};
    Bucket adds{limits::adds_burst};  // of the roots that it has
    Instant introduced_at{};
    // Tells only of peers whose offers are on their way: it goes with the first of them.
    std::optional<Answer> held;
    PeerId offered;             // whom its last offer of an ask went to; 0: nobody
    std::uint32_t pending = 0;  // how many of its answers wait for siblings
    std::unordered_map<PeerId, Introduction> introductions;
    // Peers whose sockets went, oldest first, but with which this peer may still have a pair: its
    // hello said so, or they were introduced.
    std::vector<PeerId> paired;
    std::vector<Declined> declined;  // oldest first
  };

  void handle(PeerId id, Peer& peer, const Hello& hello, Instant now);
  void handle(PeerId id, Peer& peer, const Want& want, Instant now);
  void handle(PeerId id, Peer& peer, const Have& have, Instant now);
  void handle(PeerId id, Peer& peer, const Ask& ask, Instant now);
  void handle(PeerId id, Peer& peer, const Signal& signal, Instant now);
  void handle(PeerId id, Peer& peer, const Decline& decline, Instant now);
  // Only the coordinator says the other messages.
  template <class Other>
  void handle(PeerId id, Peer&, const Other&, Instant now) {
    refuse(id, Error::unknown_message, now);
  }

  // What siblings say.
  void handle(Siblings::Number sibling, const bus::Changes& changes, Instant now);
  void handle(Siblings::Number sibling, const bus::Seek& seek, Instant now);
  void handle(Siblings::Number sibling, const bus::Bye&, Instant now);
  void handle(Siblings::Number sibling, const bus::Start&, Instant now);
  void handle(Siblings::Number sibling, const bus::All& all, Instant now);
  void handle(Siblings::Number sibling, const bus::Look& look, Instant now);
  void handle(Siblings::Number sibling, const bus::Seen& seen, Instant now);
  void handle(Siblings::Number sibling, const bus::Pass& pass, Instant now);
  void handle(Siblings::Number sibling, const bus::Part& part, Instant now);
  void handle(Siblings::Number sibling, const bus::Again& again, Instant now);

  Peer* find(PeerId id);
  Site* site_of(const std::string& name);
  bool covers(const Peer& peer, const Root& root);
  static bool spend(Peer& peer, Instant now);
  static bool spend(Peer& peer, const Message& message, Instant now);
  void refuse(PeerId id, Error error, Instant now);
  void forget(PeerId id, Instant now);
  void add(PeerId id, Site& site, const Root& root, Instant now);
  PeerId renumber(PeerId id, PeerId wanted, Instant now);
  void keep_session(PeerId id, const Peer& peer, Instant now);
  void drop_session(PeerId id);
  // The roots of the session that the peer goes on with, if it means the same ones.
  List<Root> take_session(PeerId id, const Peer& peer, std::uint64_t held, Instant now);
  void resume(PeerId id, Peer& peer);
  static bus::Seek seek_of(PeerId id, const Peer& peer);
  void deliver(PeerId from, Relayed signal);
  const Introduction* introduction_of(PeerId id, PeerId to);
  const Introduction* may_signal(PeerId id, PeerId to);
  static void remember_declined(Peer& peer, PeerId declined, Instant now);
  static void remember_paired(Peer& peer, PeerId other);
  void replace(PeerId id, const Root& root, Instant now);
  // How many of the peers that it was introduced to have the root. Not those of siblings.
  static std::size_t known_holders(const Peer& asker, const Root& root);
  // Introduces up to `wanted` holders that the asker does not know yet: those that are returned.
  // They are told, the asker is not. `offered`, if the asker has an offer to give: the first of
  // them becomes it, unless there is one.
  std::vector<PeerId> introduce(PeerId id, const Introduction& asked, std::size_t wanted,
                                Instant now, PeerId* offered = nullptr);
  std::vector<PeerId> candidates(const Asker& asker, const Site& site, const Root& root,
                                 Instant now);
  std::map<Siblings::Number, std::vector<bus::Wanted>> shares_of(
      Peer& asker, const std::vector<bus::Wanted>& wanted, Instant now);
  // Asks siblings for what is wanted beside what the answer says already. The answer waits for
  // them; where a holder that declined is replaced there is none.
  void ask_siblings(PeerId id, bool second, const std::vector<bus::Wanted>& wanted, Answer answer,
                    Instant now);
  void complete(PeerId id, Peer& asker, Answer answer, bool is_news, Instant now);
  // A pending answer has all that it waits for, or has waited long enough.
  void finish(std::uint32_t pending, Instant now);
  // Tells whom a pending answer names, because something else is told of them.
  void tell_introduced(PeerId id);
  bool settle_crossed(Siblings::Number sibling, PeerId id, Peer& asker, const bus::Holder& holder,
                      const Root& root);
  // The bus may have lost what this sibling said.
  void lose_track(Siblings::Number sibling);
  void forget(Siblings::Number sibling, Instant now);
  // A peer of ours came to be the first that has a mark, or was the last; or a sibling's.
  void change(Site& site, Mark mark, bool came, Instant now);
  void change_elsewhere(const std::string& site, Mark mark, bool came, Instant now);
  void note(Site& site, Mark mark, bool came, Instant now);
  // The peer is told what anybody has of what it could want, and its changes from then on.
  // False: it said nothing that can be read, and is refused.
  bool listen(PeerId id, Peer& peer, const std::string* wants, Instant now);
  void stop_listening(Peer& peer);
  std::vector<Mark> marks_of(const Site& site) const;
  Presence presence_of(const Site& site) const;
  void tell_all(PeerId id, const Audience& audience, bool whole);
  void tell_changes(Site& site, Instant now);
  void tell(PeerId id, Message message);
  void hold(PeerId id, Peer& asker, Answer answer, Instant now);
  void release(PeerId id);
  // What a peer must know before anything else is told to it.
  void tell_before(PeerId id);

  Random random_;
  std::uint32_t next_peer_;
  std::unordered_map<std::string, Site> sites_;  // a Site's address is stable while it is in here
  std::unordered_map<PeerId, Peer> peers_;
  // Entries of one queue wait equally long, so the oldest is always first. An entry may outlive the
  // peer or site that it names.
  std::deque<std::pair<Instant, PeerId>> greetings_;
  std::deque<std::pair<Instant, PeerId>> holds_;
  std::unordered_map<PeerId, Session> sessions_;
  std::deque<std::pair<Instant, PeerId>> session_ends_;
  std::size_t session_roots_ = 0;
  std::multimap<Instant, std::string> batches_;  // when a site's changes are due
  Siblings siblings_;
  std::map<std::uint32_t, Pending> pendings_;  // by number: the oldest first
  std::uint32_t next_pending_ = 0;
  std::deque<CoordinatorOutput> outputs_;
  Stats stats_;
};

}  // namespace peer_cdn::signal
