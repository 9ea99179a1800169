#include "signal/client.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "signal/wants.hpp"

using namespace peer_cdn;
using namespace peer_cdn::signal;
using namespace std::chrono_literals;

namespace {

Root root_of(std::uint32_t n) {
  Root root;
  for (std::size_t i = 0; i < 4; ++i) root.bytes[i] = static_cast<std::uint8_t>(n >> (24 - 8 * i));
  return root;
}

struct Host {
  Client client{std::string(32, 'a'), 7};
  Instant now{1h};

  std::vector<ClientOutput> drain() {
    std::vector<ClientOutput> outputs;
    while (auto output = client.poll_output()) outputs.push_back(std::move(*output));
    return outputs;
  }
  template <class T>
  std::vector<T> take() {
    std::vector<T> taken;
    for (const ClientOutput& output : drain()) {
      if (const T* each = get_if<T>(&output)) taken.push_back(*each);
    }
    return taken;
  }
  std::vector<Message> sent() {
    std::vector<Message> messages;
    for (SendMessage& send : take<SendMessage>()) messages.push_back(std::move(send.message));
    return messages;
  }
  void hear(const Message& message) { client.handle_message(message, now); }
  void greet(bool lean = false) {
    client.start(now);
    client.handle_socket_open(now);
    drain();
    hear(Welcome{version, PeerId{100}, lean});
  }
  // Of a coordinator that answers lists.
  void connect(const FlatSet<Mark>& wanted, const std::string& set) {
    client.want(wanted, now);
    greet(true);
    hear(Present{{}, {}, true, set});
    drain();
  }
  // What the host is told, as "+<mark> -<mark> ..."; a line each time.
  std::string told() {
    std::string all;
    for (const Told& each : take<Told>()) {
      for (std::size_t i = 0; i < each.marks.size(); ++i) {
        all += (i < each.come ? '+' : '-') + to_hex(each.marks[i]) + ' ';
      }
      all += each.informs ? "\n" : "nothing\n";
    }
    return all;
  }
  void connect() {
    greet();
    hear(Present{});
    drain();
  }
  void pass(Duration duration) {
    now += duration;
    client.handle_timeout(now);
  }
};

// In the order of their numbers.
FlatSet<Mark> marks_of(std::initializer_list<Mark> marks) {
  FlatSet<Mark> set;
  for (const Mark mark : marks) set.insert(mark);
  return set;
}
constexpr Mark a = 0xaaaaaaaa, b = 0xbbbbbbbb, c = 0xcccccccc, d = 0xdddddddd;

}  // namespace

TEST_CASE("there is no socket before start, and hello is the first word") {
  Host host;
  host.client.announce(root_of(1), host.now);
  host.client.handle_timeout(host.now);
  CHECK(host.drain().empty());
  CHECK_FALSE(host.client.next_timeout());
  host.client.start(host.now);
  CHECK(host.take<OpenSocket>().size() == 1);
  host.client.handle_socket_open(host.now);
  CHECK(host.sent() ==
        std::vector<Message>{Hello{version, std::string(32, 'a'), PeerId{}, {}, true, 0, ""}});
  CHECK_FALSE(host.client.connected());
}

TEST_CASE("no coordinator is told when none answers, not when a session ends") {
  Host host;
  host.connect();
  host.client.ask(root_of(1), host.now);
  host.client.handle_socket_closed(host.now);
  CHECK(host.take<SignalReport>().empty());
  host.pass(limits::reconnect_spread);
  CHECK(host.take<OpenSocket>().size() == 1);
  SUBCASE("the next socket is refused") {
    host.client.handle_socket_closed(host.now);
  }
  SUBCASE("the next socket opens, and closes before the welcome") {
    host.client.handle_socket_open(host.now);
    host.client.handle_socket_closed(host.now);
  }
  SUBCASE("the next socket hears nothing") {
    host.pass(limits::welcome_wait);
  }
  const auto reports = host.take<SignalReport>();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].error == Error::no_coordinator);
}

TEST_CASE("why the coordinator refused is told until the next attempt, also of an ask") {
  const auto told = [](Host& host) {
    std::string codes;
    for (const SignalReport& report : host.take<SignalReport>()) {
      codes += std::string(code(report.error)) + ' ';
    }
    return codes;
  };
  for (const char* why :
       {"origin-refused", "too-many-peers", "shutting-down", "version-mismatch"}) {
    Host host;
    host.client.start(host.now);
    host.client.handle_socket_open(host.now);
    host.hear(Refusal{why});
    host.client.handle_socket_closed(host.now);
    CHECK(told(host) == std::string(why) + ' ');
    host.client.ask(root_of(1), host.now);
    CHECK(told(host) == std::string(why) + ' ');
  }
  Host host;
  host.client.start(host.now);
  host.client.handle_socket_open(host.now);
  host.hear(Refusal{"origin-refused"});
  host.client.handle_socket_closed(host.now);
  host.pass(limits::reconnect_max);
  host.client.handle_socket_closed(host.now);
  CHECK(told(host) == "origin-refused no-coordinator ");
}

TEST_CASE("connected means welcomed and told what anybody has") {
  Host host;
  host.greet();
  CHECK_FALSE(host.client.connected());
  host.hear(Present{{5}, {}});
  CHECK(host.client.connected());
  CHECK(host.client.anyone_has(root_of(5)));
  CHECK_FALSE(host.client.anyone_has(root_of(6)));
  host.hear(Present{{6}, {5}});
  CHECK_FALSE(host.client.anyone_has(root_of(5)));
  CHECK(host.client.anyone_has(root_of(6)));
  host.client.handle_socket_closed(host.now);
  CHECK_FALSE(host.client.connected());
  CHECK_FALSE(host.client.anyone_has(root_of(6)));
}

TEST_CASE("the roots that a page can serve are announced on welcome, and their changes together") {
  Host host;
  host.client.announce(root_of(1), host.now);
  host.client.announce(root_of(2), host.now);
  host.client.withdraw(root_of(2), host.now);
  host.greet();
  CHECK(host.sent() == std::vector<Message>{Have{{root_of(1)}, {}}});
  host.client.announce(root_of(3), host.now);
  host.client.announce(root_of(3), host.now);
  host.client.withdraw(root_of(1), host.now);
  host.client.announce(root_of(4), host.now);
  host.client.withdraw(root_of(4), host.now);
  CHECK(host.sent().empty());
  host.pass(limits::announce_wait);
  CHECK(host.sent() == std::vector<Message>{Have{{root_of(3)}, {root_of(1)}}});
  CHECK_FALSE(host.client.next_timeout());
}

TEST_CASE("after a reconnect every root that a page can serve is announced again") {
  Host host;
  host.connect();
  host.client.announce(root_of(1), host.now);
  host.pass(limits::announce_wait);
  host.client.withdraw(root_of(1), host.now);
  host.client.announce(root_of(2), host.now);
  host.client.handle_socket_closed(host.now);
  host.pass(limits::reconnect_max);
  host.client.handle_socket_open(host.now);
  host.drain();
  host.hear(Welcome{version, PeerId{9}});
  CHECK(host.sent() == std::vector<Message>{Have{{root_of(2)}, {}}});
}

TEST_CASE("what the coordinator knows still is not announced again, only what changed since") {
  Host host;
  host.connect();
  for (std::uint32_t n = 1; n <= 3; ++n) host.client.announce(root_of(n), host.now);
  host.pass(limits::announce_wait);
  // Not told any more, though it was held: it counts for nothing.
  host.client.announce(root_of(4), host.now);
  host.client.handle_socket_closed(host.now);
  host.client.withdraw(root_of(2), host.now);
  host.client.withdraw(root_of(4), host.now);
  host.client.announce(root_of(5), host.now);
  host.pass(limits::reconnect_max);
  host.drain();
  host.client.handle_socket_open(host.now);
  const std::uint64_t held =
      summand_of(root_of(1)) + summand_of(root_of(2)) + summand_of(root_of(3));
  CHECK(host.sent() == std::vector<Message>{
                           Hello{version, std::string(32, 'a'), PeerId{100}, {}, true, held, ""}});
  SUBCASE("it knows them") {
    host.hear(Welcome{version, PeerId{100}, true, true});
    CHECK(host.sent() == std::vector<Message>{Have{{root_of(5)}, {root_of(2)}}});
  }
  SUBCASE("it does not") {
    host.hear(Welcome{version, PeerId{100}, true});
    CHECK(host.sent() == std::vector<Message>{Have{{root_of(1), root_of(3), root_of(5)}, {}}});
  }
  SUBCASE("nothing changed") {
    host.client.announce(root_of(2), host.now);
    host.client.withdraw(root_of(5), host.now);
    host.hear(Welcome{version, PeerId{100}, true, true});
    CHECK(host.sent().empty());
  }
}

TEST_CASE("ten thousand clients of a coordinator that is started again come back spread") {
  constexpr std::size_t count = 10000;
  constexpr Duration step = 100ms;
  std::vector<Client> clients;
  for (std::size_t i = 0; i < count; ++i) clients.emplace_back(std::string(32, 'a'), i);
  Instant now{1h};
  const auto opens = [](Client& client) {
    std::size_t opened = 0;
    while (const auto output = client.poll_output()) {
      if (holds_alternative<OpenSocket>(*output)) ++opened;
    }
    return opened;
  };
  for (Client& client : clients) {
    client.start(now);
    client.handle_socket_open(now);
    client.handle_message(Welcome{version, PeerId{1}}, now);
    opens(client);
  }
  for (Client& client : clients) client.handle_socket_closed(now);
  std::size_t all = 0, most = 0;
  for (const Instant begin = now; now - begin <= limits::reconnect_spread; now += step) {
    std::size_t opened = 0;
    for (Client& client : clients) {
      client.handle_timeout(now);
      opened += opens(client);
    }
    all += opened;
    most = std::max(most, opened);
  }
  CHECK(all == count);
  // 222 in a tenth of a second, if they were spread evenly.
  CHECK(most <= 300);
}

TEST_CASE("ten thousand roots are announced in messages that fit") {
  Host host;
  for (std::uint32_t i = 0; i < limits::roots_per_peer + 5; ++i)
    host.client.announce(root_of(i), host.now);
  host.greet();
  std::size_t roots = 0;
  for (const Message& message : host.sent()) {
    const Have& have = get<Have>(message);
    CHECK(have.add.size() <= limits::roots_per_message);
    roots += have.add.size();
  }
  CHECK(roots == limits::roots_per_peer);
}

TEST_CASE("roots asked in one go travel in one message, and each is answered once") {
  Host host;
  host.connect();
  host.client.ask(root_of(1), host.now);
  host.client.ask(root_of(2), host.now);
  host.client.ask(root_of(1), host.now);
  CHECK(host.sent() == std::vector<Message>{Ask{{root_of(1), root_of(2)}}});
  host.hear(Answer{{root_of(2), root_of(7), root_of(1)}, {0, 5, 3}});
  const auto answers = host.take<Answered>();
  REQUIRE(answers.size() == 2);
  CHECK((answers[0].root == root_of(2) && answers[0].peers == 0));
  CHECK((answers[1].root == root_of(1) && answers[1].peers == 3));
  CHECK_FALSE(host.client.next_timeout());
}

TEST_CASE("an ask is answered even if the coordinator is silent or not there") {
  Host host;
  SUBCASE("never started") {}
  SUBCASE("between two attempts") {
    host.connect();
    host.client.handle_socket_closed(host.now);
    host.drain();
  }
  SUBCASE("silent") {
    host.connect();
    host.client.ask(root_of(1), host.now);
    CHECK(host.take<Answered>().empty());
    host.pass(limits::answer_wait);
    CHECK(host.take<Answered>().size() == 1);
    return;
  }
  SUBCASE("the socket closes meanwhile") {
    host.connect();
    host.client.ask(root_of(1), host.now);
    host.client.handle_socket_closed(host.now);
    CHECK(host.take<Answered>().size() == 1);
    return;
  }
  host.client.ask(root_of(1), host.now);
  bool answered = false, reported = false;
  for (const ClientOutput& output : host.drain()) {
    if (const auto* each = get_if<Answered>(&output)) answered = each->peers == 0;
    if (const auto* each = get_if<SignalReport>(&output)) {
      reported = each->error == Error::no_coordinator;
    }
  }
  CHECK(answered);
  CHECK(reported);
}

TEST_CASE("an ask while the socket opens is sent on welcome") {
  Host host;
  host.client.start(host.now);
  host.client.ask(root_of(1), host.now);
  CHECK(host.sent().empty());
  host.greet();
  CHECK(host.sent() == std::vector<Message>{Ask{{root_of(1)}}});
}

TEST_CASE("a coordinator that is silent three times in a row is taken for dead") {
  Host host;
  host.connect();
  for (std::uint32_t i = 0; i < limits::silent_asks; ++i) {
    CHECK(host.take<CloseSocket>().empty());
    host.client.ask(root_of(i), host.now);
    host.drain();
    host.pass(limits::answer_wait);
  }
  CHECK(host.take<CloseSocket>().size() == 1);
  host.pass(limits::reconnect_max);
  CHECK(host.take<OpenSocket>().size() == 1);
}

TEST_CASE("signals are for introduced peers, in both directions") {
  Host host;
  host.connect();
  const Signal early{PeerId{5}, Candidate{"c", "0", 0}};
  host.hear(early);
  host.client.signal(early, host.now);
  CHECK(host.drain().empty());
  host.hear(Introduce{PeerId{5}, true});
  host.hear(Introduce{PeerId{5}, true});
  const auto introduced = host.take<Introduced>();
  REQUIRE(introduced.size() == 1);
  CHECK((introduced[0].peer == PeerId{5} && introduced[0].offer));
  host.hear(early);
  CHECK(host.take<Signalled>().size() == 1);
  host.client.signal(early, host.now);
  CHECK(host.sent() == std::vector<Message>{early});
  host.hear(Gone{PeerId{5}});
  host.hear(Gone{PeerId{5}});
  CHECK(host.take<Left>().size() == 1);
  host.client.signal(early, host.now);
  host.client.decline(PeerId{5}, host.now);
  CHECK(host.drain().empty());
}

TEST_CASE("more introductions than a page can keep are declined") {
  Host host;
  host.connect();
  for (std::uint32_t i = 1; i <= limits::introductions_per_peer; ++i)
    host.hear(Introduce{PeerId{i}, true});
  host.drain();
  host.hear(Introduce{PeerId{999}, true});
  CHECK(host.sent() == std::vector<Message>{Decline{PeerId{999}}});
  host.client.decline(PeerId{1}, host.now);
  host.drain();
  host.hear(Introduce{PeerId{999}, true});
  CHECK(host.take<Introduced>().size() == 1);
}

TEST_CASE("the end of the socket is the end of its introductions") {
  Host host;
  host.connect();
  host.hear(Introduce{PeerId{5}, false});
  host.drain();
  host.client.handle_socket_closed(host.now);
  CHECK(host.take<Left>().size() == 1);
}

TEST_CASE("attempts to connect come ever more slowly, spread, and never stop") {
  Host host;
  host.client.start(host.now);
  Duration longest{};
  for (int attempt = 0; attempt < 12; ++attempt) {
    host.drain();
    host.client.handle_socket_closed(host.now);
    const auto at = host.client.next_timeout();
    REQUIRE(at);
    const Duration wait = *at - host.now;
    const Duration full = std::min<Duration>(limits::reconnect_min * (1 << std::min(attempt, 6)),
                                             limits::reconnect_max);
    CHECK(wait <= full);
    CHECK(wait >= full / 2 - 1us);
    longest = std::max(longest, wait);
    host.drain();
    host.pass(wait);
    CHECK(host.take<OpenSocket>().size() == 1);
  }
  CHECK(longest > limits::reconnect_max / 2);
  // Only a session that lasted starts the count anew.
  host.client.handle_socket_open(host.now);
  host.hear(Welcome{version, PeerId{1}});
  host.now += limits::reconnect_max;
  host.client.handle_socket_closed(host.now);
  CHECK(*host.client.next_timeout() - host.now <= limits::reconnect_spread);
}

TEST_CASE("a socket that never opens, or never welcomes, is given up") {
  Host host;
  host.client.start(host.now);
  SUBCASE("never opens") {}
  SUBCASE("never welcomes") {
    host.client.handle_socket_open(host.now);
  }
  host.drain();
  host.pass(limits::welcome_wait);
  CHECK(host.take<CloseSocket>().size() == 1);
  CHECK(host.client.next_timeout());
}

TEST_CASE("another version of the coordinator is not asked again") {
  Host host;
  host.client.start(host.now);
  host.client.handle_socket_open(host.now);
  host.drain();
  SUBCASE("welcome") {
    host.hear(Welcome{2, PeerId{}});
  }
  SUBCASE("refusal") {
    host.hear(Refusal{"version-mismatch"});
  }
  bool reported = false, closed = false;
  for (const ClientOutput& output : host.drain()) {
    if (const auto* each = get_if<SignalReport>(&output)) {
      reported = each->error == Error::version_mismatch;
    }
    closed = closed || holds_alternative<CloseSocket>(output);
  }
  CHECK(reported);
  CHECK(closed);
  CHECK_FALSE(host.client.next_timeout());
}

TEST_CASE("stop is final until the next start") {
  Host host;
  host.connect();
  host.client.stop(host.now);
  CHECK(host.take<CloseSocket>().size() == 1);
  host.client.handle_socket_closed(host.now);
  host.hear(Introduce{PeerId{1}, true});
  CHECK(host.drain().empty());
  CHECK_FALSE(host.client.next_timeout());
  host.client.start(host.now);
  CHECK(host.take<OpenSocket>().size() == 1);
}

TEST_CASE("after a reconnect a page says who it was and with whom it has pairs, and they resume") {
  Host host;
  host.connect();
  host.hear(Introduce{PeerId{5}, true});
  host.client.handle_socket_closed(host.now);
  CHECK(host.take<Left>().size() == 1);
  host.pass(limits::reconnect_max);
  host.client.handle_socket_open(host.now, {PeerId{5}});
  CHECK(host.sent() == std::vector<Message>{Hello{
                           version, std::string(32, 'a'), PeerId{100}, {PeerId{5}}, true, 0, ""}});
  host.hear(Resume{PeerId{5}});
  CHECK(host.drain().empty());
  host.hear(Welcome{version, PeerId{100}});
  for (int i = 0; i < 2; ++i) host.hear(Resume{PeerId{5}});
  CHECK(host.take<Resumed>().size() == 1);
  host.client.signal({PeerId{5}, Candidate{}}, host.now);
  CHECK(host.sent().size() == 1);
}

TEST_CASE("on another network the socket is opened at once, or must answer soon") {
  Host host;
  host.client.start(host.now);
  host.drain();
  host.client.handle_socket_closed(host.now);
  host.drain();
  host.client.handle_network_changed(host.now);
  CHECK(host.take<OpenSocket>().size() == 1);
  host.connect();
  host.client.handle_socket_open(host.now);
  host.hear(Welcome{version, PeerId{100}});
  host.hear(Present{});
  host.drain();
  SUBCASE("it lives") {
    host.client.handle_network_changed(host.now);
    CHECK(host.sent() == std::vector<Message>{Ask{}});
    host.hear(Answer{});
    host.pass(limits::word_wait);
    CHECK(host.drain().empty());
  }
  SUBCASE("it is dead") {
    host.client.handle_network_changed(host.now);
    CHECK(host.client.next_timeout() == host.now + limits::word_wait);
    host.pass(limits::word_wait);
    CHECK(host.take<CloseSocket>().size() == 1);
    host.pass(limits::reconnect_spread);
    CHECK(host.take<OpenSocket>().size() == 1);
  }
}

TEST_CASE("a lean coordinator is sent a description at once, and candidates in one go") {
  Host host;
  host.connect({}, "");
  host.hear(Introduce{PeerId{5}, true});
  host.drain();
  const Signal offer{PeerId{5}, Description{true, "v=0"}};
  const Signal one{PeerId{5}, Candidate{"c1", "0", 0}}, two{PeerId{5}, Candidate{"c2", "0", 0}};
  host.client.signal(offer, host.now);
  CHECK(host.sent() == std::vector<Message>{offer});
  host.client.signal(one, host.now);
  host.client.signal(two, host.now);
  CHECK(host.sent().empty());
  host.pass(limits::candidates_wait);
  const auto sends = host.take<SendMessage>();
  REQUIRE(sends.size() == 2);
  CHECK((sends[0].together && sends[0].message == Message(one)));
  CHECK((sends[1].together && sends[1].message == Message(two)));
  CHECK_FALSE(host.client.next_timeout());
  // What waited for a socket that closed is nobody's.
  host.client.signal(one, host.now);
  host.client.handle_socket_closed(host.now);
  host.drain();
  host.pass(limits::candidates_wait);
  CHECK(host.sent().empty());
}

TEST_CASE("another coordinator is sent one thing in each message, as version 1 began") {
  Host host;
  host.connect();
  host.hear(Introduce{PeerId{5}, true});
  host.drain();
  const Signal candidate{PeerId{5}, Candidate{"c1", "0", 0}};
  const Signal description{PeerId{5}, Description{true, "v=0"}};
  host.client.signal(candidate, host.now);
  host.client.signal(description, host.now);
  CHECK(host.sent() == std::vector<Message>{candidate, description});
}

TEST_CASE("an answer introduces") {
  Host host;
  host.connect();
  host.client.ask(root_of(1), host.now);
  host.drain();
  host.hear(Answer{{root_of(1)}, {2}, {PeerId{5}, PeerId{6}}});
  const auto outputs = host.drain();
  REQUIRE(outputs.size() == 3);
  CHECK(get<Introduced>(outputs[0]).peer == PeerId{5});
  CHECK_FALSE(get<Introduced>(outputs[1]).offer);
  CHECK(get<Answered>(outputs[2]).peers == 2);
}

TEST_CASE("an offer that is expected goes with the next ask, which waits for it a moment") {
  Host host;
  host.connect({}, "");
  REQUIRE(host.client.may_offer());
  host.client.expect_offer(host.now);
  host.client.ask(root_of(1), host.now);
  host.client.ask(root_of(2), host.now);
  CHECK(host.sent().empty());
  CHECK_FALSE(host.client.may_offer());
  CHECK(host.client.offer("v=0"));
  const Signal candidate{PeerId{}, Candidate{"c1", "0", 0}};
  host.client.signal(candidate, host.now);
  CHECK(host.sent() == std::vector<Message>{Ask{{root_of(1), root_of(2)}, "v=0"}});
  // To nobody yet: the coordinator knows to whom.
  host.pass(limits::candidates_wait);
  CHECK(host.sent() == std::vector<Message>{candidate});
  host.client.signal(candidate, host.now);
  host.hear(Answer{{root_of(1), root_of(2)}, {2, 1}, {PeerId{6}}, PeerId{5}});
  const auto outputs = host.drain();
  REQUIRE(outputs.size() == 5);
  CHECK(get<SendMessage>(outputs[0]).message == Message(candidate));
  const auto& given = get<Introduced>(outputs[1]);
  CHECK((given.peer == PeerId{5} && given.offer && given.brought));
  CHECK(get<Introduced>(outputs[2]).peer == PeerId{6});
  CHECK(get<Answered>(outputs[3]).peers == 2);
  // The offer is that peer's.
  host.client.signal(candidate, host.now);
  host.client.ask(root_of(3), host.now);
  host.pass(limits::candidates_wait);
  CHECK(host.sent() == std::vector<Message>{Ask{{root_of(3)}}});
}

TEST_CASE("an ask does not wait for an offer that is late, refused or too long") {
  const auto ends = [](auto end) {
    Host host;
    host.connect({}, "");
    host.client.expect_offer(host.now);
    host.client.ask(root_of(1), host.now);
    CHECK(host.sent().empty());
    end(host);
    CHECK(host.sent() == std::vector<Message>{Ask{{root_of(1)}}});
    CHECK_FALSE(host.client.offer("v=0"));
  };
  ends([](Host& host) { host.pass(limits::offer_made_wait); });
  ends([](Host& host) { host.client.decline(PeerId{}, host.now); });
  ends([](Host& host) {
    CHECK_FALSE(host.client.offer(std::string(limits::offer_bytes + 1, 'v')));
    host.client.decline(PeerId{}, host.now);
  });
}

TEST_CASE(
    "an offer is over when the answer names nobody for it, and when nobody knows whose it is") {
  const auto over = [](auto end) {
    Host host;
    host.connect({}, "");
    host.client.expect_offer(host.now);
    host.client.ask(root_of(1), host.now);
    REQUIRE(host.client.offer("v=0"));
    host.drain();
    end(host);
    const auto left = host.take<Left>();
    REQUIRE(left.size() == 1);
    CHECK(left[0].peer == PeerId{});
    return host;
  };
  over([](Host& host) { host.hear(Answer{{root_of(1)}, {1}}); });
  over([](Host& host) { host.client.handle_socket_closed(host.now); });
  // Whom it is given to afterwards is told that it is nobody's.
  Host late = over([](Host& host) { host.pass(limits::answer_wait); });
  late.hear(Answer{{root_of(1)}, {1}, {}, PeerId{5}});
  CHECK(late.sent() == std::vector<Message>{Decline{PeerId{5}}});
  CHECK_FALSE(late.client.introduced(PeerId{5}));
}

TEST_CASE("the answer to a probe says nothing of an offer") {
  Host host;
  host.connect({}, "");
  host.client.handle_network_changed(host.now);
  host.client.expect_offer(host.now);
  host.client.ask(root_of(1), host.now);
  REQUIRE(host.client.offer("v=0"));
  host.drain();
  host.hear(Answer{});
  CHECK(host.take<Left>().empty());
  host.hear(Answer{{root_of(1)}, {1}, {}, PeerId{5}});
  CHECK(host.take<Introduced>().size() == 1);
}

TEST_CASE("while something is asked for, and to a coordinator that is not lean, no offer is made") {
  Host host;
  host.connect({}, "");
  host.client.ask(root_of(1), host.now);
  CHECK_FALSE(host.client.may_offer());
  Host plain;
  plain.connect();
  CHECK_FALSE(plain.client.may_offer());
}

TEST_CASE("the hello says what a page could want, and the host hears what has changed since") {
  Host host;
  host.client.want(marks_of({b, a, a}), host.now);
  host.client.start(host.now);
  host.client.handle_socket_open(host.now);
  const auto hello = host.sent();
  REQUIRE(hello.size() == 1);
  CHECK(read_wants(*get<Hello>(hello[0]).wants).value() == std::vector<CutMark>{cut(a), cut(b)});
  host.hear(Welcome{version, PeerId{100}, true});
  host.hear(Present{{}, {}, true, "0:wAAA"});
  CHECK(host.told() == "+aaaaaaaa +bbbbbbbb \n");
  CHECK(host.client.anyone_has(root_of(a)));
  host.hear(Present{{}, {}, false, "0:wAAA"});
  CHECK(host.told() == "\n");
  host.hear(Present{{}, {}, false, "0:QAAA"});
  CHECK(host.told() == "-aaaaaaaa \n");
  CHECK_FALSE(host.client.anyone_has(root_of(a)));
  // A coordinator that has too many lists tells marks.
  host.hear(Present{{c}, {}, true});
  CHECK(host.told() == "+cccccccc -bbbbbbbb \n");
  host.hear(Present{{d}, {c}});
  CHECK(host.told() == "+dddddddd -cccccccc \n");
  host.hear(Present{{}, {}, true, ""});
  CHECK(host.told() == "-dddddddd \n");
  CHECK_FALSE(host.client.next_timeout());
}

TEST_CASE("of a list with nothing in it nothing is told that anybody waits for") {
  Host host;
  host.greet(true);
  host.hear(Present{{}, {}, true, ""});
  CHECK(host.told() == "nothing\n");
  host.client.want(marks_of({a}), host.now);
  CHECK(host.sent() == std::vector<Message>{Want{write_wants(marks_of({a}))}});
  host.hear(Present{{}, {}, true, ""});
  CHECK(host.told() == "\n");
}

TEST_CASE("what is told of a list before is ignored until the last list is answered") {
  Host host;
  host.connect(marks_of({a, b}), "0:gAAA");
  host.client.want(marks_of({a, b}), host.now);
  CHECK(host.sent().empty());  // it is the same
  host.client.want(marks_of({b, c}), host.now);
  host.client.want(marks_of({c, d}), host.now);
  CHECK(host.sent() == std::vector<Message>{Want{write_wants(marks_of({b, c}))},
                                            Want{write_wants(marks_of({c, d}))}});
  host.hear(Present{{}, {}, false, "0:wAAA"});  // of a and b
  host.hear(Present{{}, {}, true, "0:gAAA"});   // of b and c
  host.hear(Present{{}, {}, false, "0:QAAA"});
  CHECK(host.told().empty());
  CHECK(host.client.anyone_has(root_of(a)));   // as it was known
  host.hear(Present{{}, {}, true, "0:gAAA"});  // of c and d
  CHECK(host.told() == "+cccccccc -aaaaaaaa \n");
  host.hear(Present{{}, {}, false, "0:wAAA"});
  CHECK(host.told() == "+dddddddd \n");
  CHECK_FALSE(host.client.next_timeout());
}

TEST_CASE("a list that changes before the welcome is said with it") {
  Host host;
  host.client.start(host.now);
  host.client.handle_socket_open(host.now);
  host.drain();
  host.client.want(marks_of({a}), host.now);
  CHECK(host.sent().empty());
  SUBCASE("to a lean coordinator") {
    host.hear(Welcome{version, PeerId{100}, true});
    CHECK(host.sent() == std::vector<Message>{Want{write_wants(marks_of({a}))}});
    host.hear(Present{{}, {}, true, ""});  // of the hello's
    CHECK(host.told().empty());
    CHECK_FALSE(host.client.connected());
    host.hear(Present{{}, {}, true, "0:gAAA"});
    CHECK(host.told() == "+aaaaaaaa \n");
  }
  SUBCASE("and to no other, which tells all") {
    host.hear(Welcome{version, PeerId{100}});
    host.hear(Present{{a, b}, {}});
    CHECK(host.sent().empty());
    host.client.want(marks_of({c}), host.now);
    host.hear(Present{{c}, {a}});
    CHECK(host.sent().empty());
    CHECK(host.client.anyone_has(root_of(b)));
    CHECK(host.client.anyone_has(root_of(c)));
  }
}

TEST_CASE("a coordinator that does not answer a list is taken for dead") {
  Host host;
  SUBCASE("the hello's") {
    host.greet(true);
  }
  SUBCASE("another one") {
    host.connect({}, "");
    host.client.want(marks_of({a}), host.now);
    host.hear(Present{{}, {}, false, "0:gAAA"});
  }
  host.drain();
  host.pass(limits::list_wait - 1ms);
  CHECK(host.drain().empty());
  host.pass(1ms);
  const auto closed = host.take<CloseSocket>();
  REQUIRE(closed.size() == 1);
  CHECK(closed[0].error == Error::no_coordinator);
  host.pass(limits::reconnect_max);
  CHECK(host.take<OpenSocket>().size() == 1);
}

TEST_CASE("the first word of another session says all, whether or not it says so") {
  Host host;
  for (const bool lean : {true, false}) {
    CAPTURE(lean);
    host.connect(marks_of({a, b}), "0:wAAA");
    host.client.handle_socket_closed(host.now);
    host.drain();
    CHECK_FALSE(host.client.anyone_has(root_of(a)));
    host.pass(limits::reconnect_max);
    host.client.handle_socket_open(host.now);
    host.drain();
    host.hear(Welcome{version, PeerId{100}, lean});
    CHECK_FALSE(host.client.anyone_has(root_of(a)));
    host.hear(lean ? Present{{}, {}, true, "0:QAAA"} : Present{{b}, {}});
    CHECK(host.told() == "-aaaaaaaa \n");
    host.client.stop(host.now);
    host.drain();
  }
}

TEST_CASE("cells that cannot be read change nothing, and those beyond the list mean nothing") {
  Host host;
  host.connect(marks_of({a, b}), "0:gAAA");
  host.hear(Present{{}, {}, false, "0:QAA"});
  const auto reports = host.take<SignalReport>();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].error == Error::malformed_message);
  CHECK(host.client.anyone_has(root_of(a)));
  host.hear(Present{{}, {}, false, "0:////////,999:////"});
  CHECK(host.told() == "+bbbbbbbb \n");
}

TEST_CASE("a coordinator that tells more marks than a site may have is not believed") {
  Host host;
  host.greet();
  Present present;
  for (Mark mark = 0; mark < limits::roots_per_site + 5; ++mark) present.add.push_back(mark);
  host.hear(present);
  CHECK(host.take<Told>()[0].marks.size() == limits::roots_per_site);
  CHECK_FALSE(host.client.anyone_has(root_of(limits::roots_per_site)));
}
