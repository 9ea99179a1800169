#include "signal/coordinator.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

using namespace peer_cdn;
using namespace peer_cdn::signal;
using namespace std::chrono_literals;

namespace {

Root root_of(std::uint32_t n) {
  Root root;
  for (std::size_t i = 0; i < 4; ++i) root.bytes[i] = static_cast<std::uint8_t>(n >> (24 - 8 * i));
  return root;
}

// A coordinator, and what it said to each peer.
struct Table {
  Coordinator coordinator{42};
  Instant now{1h};
  std::map<std::uint32_t, std::vector<Message>> inbox;
  std::map<std::uint32_t, Error> closed;
  std::map<std::uint32_t, std::vector<Relayed>> relayed;  // whom it is for: who it is from

  void drain() {
    while (auto output = coordinator.poll_output()) {
      if (auto* tell = get_if<Tell>(&*output)) {
        inbox[tell->peer.value].push_back(tell->message);
      } else if (auto* relay = get_if<Relay>(&*output)) {
        Relayed& signal = relayed[relay->signal.peer.value].emplace_back(relay->signal);
        signal.peer = relay->from;
      } else if (auto* all = get_if<TellAll>(&*output)) {
        for (const PeerId peer : all->peers) inbox[peer.value].push_back(all->message);
      } else if (auto* close = get_if<Close>(&*output)) {
        closed[close->peer.value] = close->error;
      }
    }
  }
  PeerId connect(const char* site = "https://a.example") {
    const auto peer = coordinator.handle_connect(site, now);
    REQUIRE(peer);
    drain();
    return *peer;
  }
  PeerId join(char browser, const char* site = "https://a.example") {
    const PeerId peer = connect(site);
    say(peer, Hello{version, std::string(32, browser)});
    return peer;
  }
  // A peer comes back under its number of `before`. Returns the number that it gets.
  PeerId rejoin(char browser, PeerId before, List<PeerId> paired,
                const char* site = "https://a.example") {
    const PeerId peer = connect(site);
    say(peer, Hello{version, std::string(32, browser), before, std::move(paired)});
    return inbox.count(peer.value) > 0 && !inbox[peer.value].empty() ? peer : before;
  }
  PeerId holder(char browser, List<Root> roots, const char* site = "https://a.example") {
    const PeerId peer = join(browser, site);
    say(peer, Have{std::move(roots), {}});
    return peer;
  }
  void say(PeerId peer, Message message) {
    coordinator.handle_message(peer, message, now);
    drain();
  }
  void signal(PeerId peer, Relayed what) {
    coordinator.handle_signal(peer, std::move(what), now);
    drain();
  }
  void pass(Duration duration) {
    now += duration;
    coordinator.handle_timeout(now);
    drain();
  }
  void leave(PeerId peer) {
    coordinator.handle_disconnect(peer, now);
    drain();
  }
  template <class T>
  std::vector<T> take(PeerId peer) {
    std::vector<T> taken;
    for (const Message& message : inbox[peer.value]) {
      if (const T* each = get_if<T>(&message)) taken.push_back(*each);
    }
    inbox[peer.value].clear();
    return taken;
  }
  std::size_t asked(PeerId peer, std::uint32_t root) {
    say(peer, Ask{{root_of(root)}});
    const auto answers = std::vector<Message>(inbox[peer.value]);
    REQUIRE(!answers.empty());
    const Answer* const answer = get_if<Answer>(&answers.back());
    REQUIRE(answer);
    REQUIRE(answer->roots == List<Root>{root_of(root)});
    return answer->peers[0];
  }
};

}  // namespace

TEST_CASE("a welcome is followed by what anyone has, even if that is nothing") {
  Table t;
  const PeerId ann = t.join('a');
  CHECK(t.inbox[ann.value] == std::vector<Message>{Welcome{version, ann}, Present{}});
  t.say(ann, Have{{root_of(5)}, {}});
  const PeerId bob = t.join('b');
  CHECK(t.inbox[bob.value] == std::vector<Message>{Welcome{version, bob}, Present{{5}, {}}});
}

TEST_CASE("an asker and a holder are introduced, the asker first, and the holder offers") {
  Table t;
  const PeerId ann = t.holder('a', {root_of(1)});
  const PeerId bob = t.join('b');
  t.inbox.clear();
  CHECK(t.asked(bob, 1) == 1);
  CHECK(t.inbox[ann.value] == std::vector<Message>{Introduce{bob, true}});
  CHECK(t.inbox[bob.value] ==
        std::vector<Message>{Introduce{ann, false}, Answer{{root_of(1)}, {1}}});
  t.say(ann, Signal{bob, Description{true, "v=0"}});
  CHECK(t.take<Signal>(bob) == std::vector<Signal>{Signal{ann, Description{true, "v=0"}}});
}

TEST_CASE("a lean asker is told whom it meets in the answer, and lean peers get signals whole") {
  Table t;
  const PeerId ann = t.connect(), bob = t.connect();
  t.say(ann, Hello{version, std::string(32, 'a'), PeerId{}, {}, true});
  t.say(bob, Hello{version, std::string(32, 'b'), PeerId{}, {}, true});
  CHECK(t.take<Welcome>(ann) == std::vector<Welcome>{Welcome{version, ann, true}});
  t.say(ann, Have{{root_of(1)}, {}});
  t.inbox.clear();
  t.say(bob, Ask{{root_of(1), root_of(2)}});
  CHECK(t.inbox[ann.value] == std::vector<Message>{Introduce{bob, true}});
  CHECK(t.take<Answer>(bob) ==
        std::vector<Answer>{Answer{{root_of(1), root_of(2)}, {1, 0}, {ann}}});
  t.signal(ann, {bob, "{}", {"{}", "{}"}});
  CHECK(t.relayed[bob.value] == std::vector<Relayed>{{ann, "{}", {"{}", "{}"}}});
}

TEST_CASE("an answer that only introduces waits for the offer, and not for long") {
  Table t;
  std::vector<PeerId> peers;
  for (char browser = 'a'; browser <= 'c'; ++browser) {
    peers.push_back(t.connect());
    t.say(peers.back(), Hello{version, std::string(32, browser), PeerId{}, {}, true});
  }
  const PeerId ann = peers[0], bob = peers[1], cat = peers[2];
  t.say(ann, Have{{root_of(1), root_of(2)}, {}});
  t.pass(1s);
  t.inbox.clear();
  const Answer introduction{{root_of(1)}, {1}, {ann}};
  t.say(bob, Ask{{root_of(1)}});
  CHECK(t.inbox[bob.value].empty());
  t.signal(ann, {bob, "{}", {}});
  CHECK(t.inbox[bob.value] == std::vector<Message>{introduction});
  CHECK(t.relayed[bob.value].size() == 1);
  t.inbox.clear();
  // It knows her already, and can ask her at once.
  t.say(bob, Ask{{root_of(2)}});
  CHECK(t.take<Answer>(bob) == std::vector<Answer>{Answer{{root_of(2)}, {1}, {}}});
  // An ask without roots is there to be answered.
  t.say(bob, Ask{});
  CHECK(t.take<Answer>(bob).size() == 1);
  t.say(cat, Ask{{root_of(1)}});
  CHECK(t.inbox[cat.value].empty());
  t.pass(limits::answer_hold);
  CHECK(t.inbox[cat.value] == std::vector<Message>{introduction});
  t.inbox.clear();
  // A holder that declines is told of after it was introduced.
  const PeerId dan = t.connect();
  t.say(dan, Hello{version, std::string(32, 'd'), PeerId{}, {}, true});
  t.inbox.clear();
  t.say(dan, Ask{{root_of(1)}});
  t.say(ann, Decline{dan});
  CHECK(t.inbox[dan.value] == std::vector<Message>{introduction, Gone{ann}});
}

TEST_CASE("the first holder that an ask introduces gets the offer that the ask brings") {
  Table t;
  const auto lean = [&](char browser, List<Root> roots) {
    const PeerId peer = t.connect();
    t.say(peer, Hello{version, std::string(32, browser), PeerId{}, {}, true});
    t.say(peer, Have{std::move(roots), {}});
    return peer;
  };
  const PeerId bob = lean('b', {}), ann = lean('a', {root_of(2)});
  const auto ask = [&](List<Root> roots) {
    t.inbox.clear();
    t.relayed.clear();
    t.say(bob, Ask{std::move(roots), "offer"});
  };
  SUBCASE("it answers, and learns that it need not offer") {
    ask({root_of(1), root_of(2)});
    CHECK(t.inbox[ann.value] == std::vector<Message>{Introduce{bob, false, true}});
    CHECK(t.relayed[ann.value] == std::vector<Relayed>{{bob, "offer", {}}});
    CHECK(t.take<Answer>(bob) ==
          std::vector<Answer>{Answer{{root_of(1), root_of(2)}, {0, 1}, {}, ann}});
    // What follows goes there too, though the asker does not know it yet.
    t.signal(bob, {PeerId{}, "", {"c"}});
    CHECK(t.relayed[ann.value].back() == Relayed{bob, "", {"c"}});
    t.say(bob, Signal{PeerId{}, Candidate{"c", "0", 0}});
    CHECK(t.take<Signal>(ann) == std::vector<Signal>{Signal{bob, Candidate{"c", "0", 0}}});
    // An ask that brings nothing changes nothing of it; another offer does.
    t.say(bob, Ask{{root_of(1)}});
    t.signal(bob, {PeerId{}, "", {"d"}});
    CHECK(t.relayed[ann.value].back() == Relayed{bob, "", {"d"}});
    ask({root_of(2)});
    CHECK(t.take<Answer>(bob) == std::vector<Answer>{Answer{{root_of(2)}, {1}}});
    t.signal(bob, {PeerId{}, "", {"e"}});
    CHECK(t.relayed[ann.value].empty());
  }
  SUBCASE("an answer that only names it waits for its answer, and not for long") {
    ask({root_of(2)});
    CHECK(t.inbox[bob.value].empty());
    t.pass(limits::answer_hold);
    CHECK(t.take<Answer>(bob) == std::vector<Answer>{Answer{{root_of(2)}, {1}, {}, ann}});
  }
  SUBCASE("the others offer, as ever") {
    const PeerId cat = lean('c', {root_of(2)});
    ask({root_of(2)});
    t.pass(limits::answer_hold);
    const auto answers = t.take<Answer>(bob);
    REQUIRE(answers.size() == 1);
    const PeerId given = answers[0].offered, other = given == ann ? cat : ann;
    CHECK((given == ann || given == cat));
    CHECK(answers[0] == Answer{{root_of(2)}, {2}, {other}, given});
    CHECK(t.take<Introduce>(given) == std::vector<Introduce>{Introduce{bob, false, true}});
    CHECK(t.take<Introduce>(other) == std::vector<Introduce>{Introduce{bob, true}});
    CHECK(t.relayed[other.value].empty());
  }
  SUBCASE("if it declines, another one is introduced, which offers") {
    ask({root_of(2)});
    const PeerId cat = lean('c', {root_of(2)});
    t.say(ann, Decline{bob});
    CHECK(t.take<Gone>(bob) == std::vector<Gone>{Gone{ann}});
    CHECK(t.take<Introduce>(cat) == std::vector<Introduce>{Introduce{bob, true}});
    t.signal(bob, {PeerId{}, "", {"c"}});
    CHECK(t.relayed[ann.value].size() == 1);
  }
  SUBCASE("if nobody takes it, what follows it goes nowhere, and counts as nothing") {
    ask({root_of(1)});
    CHECK(t.take<Answer>(bob) == std::vector<Answer>{Answer{{root_of(1)}, {0}}});
    t.signal(bob, {PeerId{}, "", {"c"}});
    t.say(bob, Signal{PeerId{}, Candidate{"d", "0", 0}});
    CHECK(t.relayed.empty());
    CHECK(t.coordinator.stats().not_introduced == 0);
  }
  SUBCASE("whoever is not lean gets it in parts, and cannot give one") {
    const PeerId old = t.holder('o', {root_of(3)});
    ask({root_of(3)});
    CHECK(t.take<Introduce>(old) == std::vector<Introduce>{Introduce{bob, false, true}});
    CHECK(t.relayed[old.value] == std::vector<Relayed>{{bob, "offer", {}}});
    t.say(old, Ask{{root_of(2)}, "offer"});
    CHECK(t.take<Introduce>(ann) == std::vector<Introduce>{Introduce{old, true}});
    CHECK(t.relayed[ann.value].empty());
  }
}

TEST_CASE("a peer of version 1's beginning gets a signal in its parts") {
  Table t;
  const PeerId ann = t.holder('a', {root_of(1)});
  const PeerId bob = t.join('b');
  CHECK(t.asked(bob, 1) == 1);
  t.signal(ann, {bob, "d", {"c1", "c2"}});
  CHECK(t.relayed[bob.value] ==
        std::vector<Relayed>{{ann, "d", {}}, {ann, {}, {"c1"}}, {ann, {}, {"c2"}}});
}

TEST_CASE("a signal that is not read has the rules of every message") {
  Table t;
  const PeerId ann = t.holder('a', {root_of(1)});
  const PeerId bob = t.join('b');
  t.signal(bob, {ann, "d", {}});
  CHECK(t.relayed.empty());
  CHECK(t.coordinator.stats().not_introduced == 1);
  const PeerId silent = t.connect();
  t.signal(silent, {ann, "d", {}});
  CHECK(t.closed[silent.value] == Error::malformed_message);
  for (int i = 0; i < limits::messages_burst; ++i) t.signal(bob, {ann, "d", {}});
  CHECK(t.closed[bob.value] == Error::rate_limited);
}

TEST_CASE("a peer is introduced only for what its token covers") {
  Table t;
  const auto covered = [&](char browser, List<Root> roots) {
    const PeerId peer = t.connect();
    List<RootKey> keys;
    for (const Root& root : roots) keys.push_back(key_of(root));
    t.coordinator.handle_token(peer, std::move(keys));
    t.say(peer, Hello{version, std::string(32, browser)});
    return peer;
  };
  const PeerId ann = covered('a', {root_of(2), root_of(1)});
  t.say(ann, Have{{root_of(1), root_of(2), root_of(3)}, {}});
  const PeerId bob = covered('b', {root_of(3), root_of(2)});
  CHECK(t.asked(bob, 1) == 0);
  CHECK(t.asked(bob, 2) == 1);
  CHECK(t.asked(bob, 1) == 0);  // the two know each other now
  CHECK(t.asked(bob, 3) == 0);
  CHECK(t.coordinator.stats().not_covered == 3);
  SUBCASE("also when it comes back and goes on with what it had announced") {
    t.leave(ann);
    const PeerId again = covered('z', {root_of(9)});
    REQUIRE(again != ann);
    const PeerId cat = t.connect();
    t.coordinator.handle_token(cat, {key_of(root_of(1))});
    t.say(cat, Hello{version,
                     std::string(32, 'a'),
                     ann,
                     {},
                     false,
                     summand_of(root_of(1)) + summand_of(root_of(2))});
    CHECK(t.asked(bob, 2) == 0);
    CHECK(t.asked(t.join('d'), 1) == 1);
  }
  SUBCASE("no file at all, if it covers none") {
    const PeerId eve = covered('e', {});
    CHECK(t.asked(eve, 2) == 0);
  }
}

TEST_CASE("nobody has it is an answer") {
  Table t;
  const PeerId ann = t.holder('a', {root_of(1)});
  CHECK(t.asked(ann, 2) == 0);
  CHECK(t.asked(ann, 1) == 0);  // but for the asker
}

TEST_CASE("a browser is never introduced to itself") {
  Table t;
  const PeerId tab = t.holder('a', {root_of(1)});
  const PeerId other_tab = t.join('a');
  CHECK(t.asked(other_tab, 1) == 0);
  CHECK(t.take<Introduce>(tab).empty());
}

TEST_CASE("sites know nothing of each other") {
  Table t;
  const PeerId ann = t.holder('a', {root_of(1)}, "https://a.example");
  const PeerId bob = t.join('b', "https://b.example");
  CHECK(t.asked(bob, 1) == 0);
  t.pass(1s);
  CHECK(t.take<Present>(bob) == std::vector<Present>{Present{}});
  t.say(bob, Signal{ann, Candidate{}});
  CHECK(t.take<Signal>(ann).empty());
}

TEST_CASE("a pair that knows each other counts and is not introduced again") {
  Table t;
  const PeerId ann = t.holder('a', {root_of(1), root_of(2)});
  const PeerId bob = t.join('b');
  CHECK(t.asked(bob, 1) == 1);
  t.inbox.clear();
  CHECK(t.asked(bob, 2) == 1);
  CHECK(t.asked(bob, 1) == 1);
  CHECK(t.take<Introduce>(ann).empty());
  CHECK(t.coordinator.stats().introductions == 1);
}

TEST_CASE("only introduced pairs are relayed, and nobody is punished for trying") {
  Table t;
  const PeerId ann = t.holder('a', {root_of(1)});
  const PeerId bob = t.join('b');
  for (const PeerId to : {ann, bob, PeerId{0}, PeerId{12345}}) {
    t.say(bob, Signal{to, Candidate{}});
    t.say(bob, Decline{to});
  }
  CHECK(t.take<Signal>(ann).empty());
  CHECK(t.take<Gone>(ann).empty());
  CHECK(t.coordinator.stats().not_introduced == 7);  // 0 is whoever took an offer
  CHECK(t.closed.empty());
}

TEST_CASE("an ask names at most four holders, those with fewest introductions") {
  Table t;
  for (char browser = 'a'; browser <= 'f'; ++browser) {
    t.holder(browser, {root_of(1)});
    t.holder(browser == 'a' ? '0' : static_cast<char>('0' + browser - 'a'), {root_of(1)});
  }
  const PeerId first = t.join('9');
  CHECK(t.asked(first, 1) == limits::introductions_per_ask);
  const PeerId second = t.join('8');
  CHECK(t.asked(second, 1) == limits::introductions_per_ask);
  const PeerId third = t.join('7');
  CHECK(t.asked(third, 1) == limits::introductions_per_ask);
  // Twelve holders, twelve introductions: each got one.
  for (const auto& [peer, messages] : t.inbox) {
    const auto count = std::count_if(messages.begin(), messages.end(), [](const Message& m) {
      return holds_alternative<Introduce>(m) && get<Introduce>(m).offer;
    });
    CHECK(count ==
          (PeerId{peer} == first || PeerId{peer} == second || PeerId{peer} == third ? 0 : 1));
  }
}

TEST_CASE("a peer that asks again gets more holders, as far as more are faster") {
  Table t;
  for (char browser = 'a'; browser <= 'o'; ++browser) t.holder(browser, {root_of(1)});
  const PeerId asker = t.join('9');
  CHECK(t.asked(asker, 1) == limits::introductions_per_ask);
  CHECK(t.asked(asker, 1) == limits::introductions_per_root);
  CHECK(t.asked(asker, 1) == limits::introductions_per_root);
  CHECK(t.coordinator.stats().introductions == limits::introductions_per_root);
}

TEST_CASE("holders that are near come first, and nobody is near whose place is not known") {
  Table t;
  const auto join_at = [&t](char browser, std::uint32_t network) {
    const auto peer = t.coordinator.handle_connect("https://a.example", t.now, {{network, 0}, {}});
    REQUIRE(peer);
    t.say(*peer, Hello{version, std::string(32, browser)});
    return *peer;
  };
  std::vector<PeerId> near;
  for (char browser = 'a'; browser <= 'h'; ++browser) {
    const bool is_near = browser >= 'e';
    const PeerId holder = join_at(browser, is_near ? 7 : browser == 'a' ? 0 : 8);
    t.say(holder, Have{{root_of(1)}, {}});
    if (is_near) near.push_back(holder);
  }
  const PeerId asker = join_at('9', 7);
  CHECK(t.asked(asker, 1) == limits::introductions_per_ask);
  for (const PeerId holder : near) CHECK(t.take<Introduce>(holder).size() == 1);
  // Nor do two whose places are both unknown count as near.
  const PeerId stranger = join_at('8', 0);
  CHECK(t.asked(stranger, 1) == limits::introductions_per_ask);
}

TEST_CASE("a holder that declines is replaced once, and not named again for a while") {
  Table t;
  const PeerId ann = t.holder('a', {root_of(1)});
  const PeerId asker = t.join('e');
  CHECK(t.asked(asker, 1) == 1);
  const PeerId bob = t.holder('b', {root_of(1)});
  const PeerId cat = t.holder('c', {root_of(1)});
  t.inbox.clear();
  t.say(ann, Decline{asker});
  const auto said = t.inbox[asker.value];
  REQUIRE(said.size() == 2);
  CHECK(said[0] == Message{Gone{ann}});
  const PeerId second = get<Introduce>(said[1]).peer;
  CHECK((second == bob || second == cat));
  t.inbox.clear();
  t.say(second, Decline{asker});
  CHECK(t.inbox[asker.value] == std::vector<Message>{Gone{second}});
  // Only the third is left to ask, until some time has passed.
  CHECK(t.asked(asker, 1) == 1);
  CHECK(t.asked(asker, 1) == 1);
  t.pass(limits::decline_wait);
  CHECK(t.asked(asker, 1) == 3);
  CHECK(t.coordinator.stats().introductions == 5);
}

TEST_CASE("an asker that declines is not given another") {
  Table t;
  const PeerId ann = t.holder('a', {root_of(1)});
  const PeerId asker = t.join('e');
  CHECK(t.asked(asker, 1) == 1);
  t.holder('b', {root_of(1)});
  t.inbox.clear();
  t.say(asker, Decline{ann});
  CHECK(t.take<Gone>(ann) == std::vector<Gone>{Gone{asker}});
  CHECK(t.inbox[asker.value].empty());
}

TEST_CASE("a peer that leaves is gone for those that know it, and no longer a holder") {
  Table t;
  const PeerId ann = t.holder('a', {root_of(1)});
  const PeerId bob = t.join('b');
  const PeerId cat = t.join('c');
  CHECK(t.asked(bob, 1) == 1);
  t.pass(1s);
  t.inbox.clear();
  t.leave(ann);
  CHECK(t.take<Gone>(bob) == std::vector<Gone>{Gone{ann}});
  CHECK(t.take<Gone>(cat).empty());
  CHECK(t.asked(bob, 1) == 0);
  t.pass(limits::presence_wait);
  CHECK(t.take<Present>(cat) == std::vector<Present>{Present{{}, {1}}});
  t.leave(bob);
  t.leave(cat);
  t.leave(cat);
  CHECK(t.coordinator.stats().peers == 0);
  CHECK(t.coordinator.stats().sites == 0);
}

TEST_CASE("changes in what anyone has are told together, after a moment") {
  Table t;
  const PeerId ann = t.join('a');
  const PeerId bob = t.join('b');
  const PeerId silent = t.connect();
  t.inbox.clear();
  t.say(ann, Have{{root_of(1), root_of(2)}, {}});
  t.pass(limits::presence_wait / 2);
  t.say(ann, Have{{root_of(3)}, {root_of(2)}});
  CHECK(t.inbox[bob.value].empty());
  t.pass(limits::presence_wait / 2);
  auto told = t.take<Present>(bob);
  REQUIRE(told.size() == 1);
  std::sort(told[0].add.begin(), told[0].add.end());
  CHECK(told[0] == Present{{1, 3}, {2}});
  CHECK(t.inbox[silent.value].empty());
  t.pass(1s);
  CHECK(t.inbox[bob.value].empty());
}

TEST_CASE("more marks than fit one message come in several") {
  Table t;
  const PeerId ann = t.join('a');
  const std::uint32_t count = 1900;
  static_assert(count > limits::marks_per_message && count < limits::roots_per_peer);
  for (std::uint32_t i = 0; i < count; i += 100) {
    Have have;
    for (std::uint32_t j = i; j < i + 100; ++j) have.add.push_back(root_of(j));
    t.say(ann, have);
  }
  t.inbox.clear();
  t.pass(limits::presence_wait);
  const PeerId bob = t.join('b');
  for (const PeerId peer : {ann, bob}) {
    std::size_t marks = 0;
    for (const Present& present : t.take<Present>(peer)) {
      CHECK(present.add.size() <= limits::marks_per_message);
      marks += present.add.size();
    }
    CHECK(marks == count);
  }
}

TEST_CASE("a peer that breaks the rules is told why and closed") {
  const struct {
    const char* what;
    std::vector<Message> messages;
    Error error;
  } cases[] = {
      {"not hello first", {Ask{{root_of(1)}}}, Error::malformed_message},
      {"hello twice",
       {Hello{version, std::string(32, 'a')}, Hello{version, std::string(32, 'a')}},
       Error::malformed_message},
      {"another version", {Hello{2, ""}}, Error::version_mismatch},
      {"the coordinator's words",
       {Hello{version, std::string(32, 'a')}, Gone{PeerId{1}}},
       Error::unknown_message},
  };
  for (const auto& each : cases) {
    CAPTURE(each.what);
    Table t;
    const PeerId ann = t.connect();
    for (const Message& message : each.messages) t.say(ann, message);
    CHECK(t.closed[ann.value] == each.error);
    CHECK(t.inbox[ann.value].back() == Message{Refusal{std::string(code(each.error))}});
    CHECK(t.coordinator.stats().peers == 0);
    t.say(ann, Hello{version, std::string(32, 'a')});  // ignored from then on
    t.leave(ann);
    CHECK(t.coordinator.stats().refused == 1);
  }
}

TEST_CASE("a text that is no message closes its socket") {
  Table t;
  const PeerId ann = t.join('a');
  t.coordinator.handle_malformed(ann, Error::message_too_long, t.now);
  t.drain();
  CHECK(t.closed[ann.value] == Error::message_too_long);
}

TEST_CASE("a peer that says nothing is closed after a while, and one that said hello is not") {
  Table t;
  const PeerId silent = t.connect();
  const PeerId ann = t.join('a');
  CHECK(t.coordinator.next_timeout() == t.now + limits::hello_wait);
  t.pass(limits::hello_wait);
  CHECK(t.closed.count(ann.value) == 0);
  CHECK(t.closed[silent.value] == Error::timed_out);
  CHECK_FALSE(t.coordinator.next_timeout());
}

TEST_CASE("a flood of messages is cut off, a steady stream is not") {
  Table t;
  const PeerId ann = t.join('a');
  for (int i = 0; i < 10000 && t.closed.empty(); ++i) {
    t.pass(25ms);  // 40 a second
    t.say(ann, Have{});
  }
  CHECK(t.closed.empty());
  int said = 0;
  for (; said < 10000 && t.closed.empty(); ++said) t.say(ann, Have{});
  CHECK(t.closed[ann.value] == Error::rate_limited);
  CHECK(said <= static_cast<int>(limits::messages_burst) + 1);
}

TEST_CASE("a page whose files come and go for minutes stays, and others hear of so many only") {
  Table t;
  const PeerId ann = t.join('a');
  const PeerId bob = t.join('b');
  t.take<Present>(bob);
  std::size_t came = 0;
  std::size_t went = 0;
  // A map that moves: 200 tiles a second, of which the store keeps 50.
  std::uint32_t tile = 0;
  for (int i = 0; i < 10 * 300; ++i) {
    t.pass(100ms);
    Have have;
    for (int n = 0; n < 20; ++n, ++tile) {
      have.add.push_back(root_of(tile));
      if (tile >= 50) have.remove.push_back(root_of(tile - 50));
    }
    t.say(ann, have);
    CHECK(t.coordinator.stats().refused == 0);
    for (const Present& present : t.take<Present>(bob)) {
      came += present.add.size();
      went += present.remove.size();
    }
  }
  t.pass(10s);
  CHECK(t.closed.empty());
  // What came and went within one batch is told as gone.
  const auto most = static_cast<std::size_t>(limits::adds_burst + 320 * limits::adds_per_second);
  CHECK(came > most / 2);
  CHECK(std::max(came, went) <= most);
  CHECK(t.coordinator.stats().passed_over >= tile - most);
  // What was passed over is not held against it: later ones are taken, and what went is gone.
  t.say(ann, Have{{root_of(tile)}, {}});
  CHECK(t.asked(bob, tile) == 1);
  CHECK(t.asked(bob, tile - 51) == 0);
}

TEST_CASE("a peer that flaps its roots in a flood of messages is cut off") {
  Table t;
  const PeerId ann = t.join('a');
  Have came;
  for (std::uint32_t i = 0; i < 100; ++i) came.add.push_back(root_of(i));
  const Have went{{}, came.add};
  int said = 0;
  for (; said < 10000 && t.closed.empty(); ++said) t.say(ann, said % 2 == 0 ? came : went);
  CHECK(t.closed[ann.value] == Error::rate_limited);
  CHECK(said <= static_cast<int>(limits::messages_burst) + 1);
}

TEST_CASE("asking for many roots costs more than asking for one") {
  Table t;
  const PeerId ann = t.join('a');
  const Ask ask{List<Root>(100, root_of(1))};
  int said = 0;
  for (; said < 10000 && t.closed.empty(); ++said) t.say(ann, ask);
  CHECK(said <= static_cast<int>(limits::messages_burst / 5) + 1);
}

TEST_CASE("a holder that is busy is not named, and an asker is given no more than it can keep") {
  Table t;
  const PeerId ann = t.holder('a', {root_of(1)});
  for (std::size_t i = 0; i < limits::introductions_per_peer; ++i) {
    const PeerId peer = t.connect();
    std::string browser(32, '0');
    browser[0] = static_cast<char>('0' + i % 10);
    browser[1] = static_cast<char>('0' + i / 10);
    t.say(peer, Hello{version, browser});
    CHECK(t.asked(peer, 1) == 1);
  }
  const PeerId late = t.join('e');
  CHECK(t.asked(late, 1) == 0);
  CHECK(t.take<Introduce>(ann).size() == limits::introductions_per_peer);
}

TEST_CASE("an asker that only collects introductions is slowed") {
  Table t;
  const PeerId ann = t.join('a');
  List<Root> roots;
  for (std::uint32_t i = 0; i < 100; ++i) roots.push_back(root_of(i));
  for (std::uint32_t i = 0; i < 100; ++i) {
    const PeerId holder = t.connect();
    std::string browser(32, '0');
    browser[0] = static_cast<char>('0' + i % 10);
    browser[1] = static_cast<char>('0' + i / 10);
    t.say(holder, Hello{version, browser});
    t.say(holder, Have{{root_of(i)}, {}});
  }
  std::size_t introduced = 0;
  for (std::uint32_t i = 0; i < 100; ++i) {
    t.inbox[ann.value].clear();
    t.asked(ann, i);
    for (const Introduce& introduce : t.take<Introduce>(ann)) {
      ++introduced;
      t.say(ann, Decline{introduce.peer});
    }
  }
  CHECK(introduced == static_cast<std::size_t>(limits::introductions_burst));
}

TEST_CASE("the number of peers of a site is bounded") {
  Coordinator coordinator(1);
  const Instant now{1h};
  PeerId last;
  for (std::size_t i = 0; i < limits::peers_per_site; ++i) {
    last = *coordinator.handle_connect("https://a.example", now);
  }
  CHECK(coordinator.handle_connect("https://a.example", now).error() == Error::too_many_peers);
  CHECK(coordinator.handle_connect("https://b.example", now));
  coordinator.handle_disconnect(last, now);
  CHECK(coordinator.handle_connect("https://a.example", now));
}

TEST_CASE("numbers of peers begin elsewhere in each coordinator") {
  const auto first = [](std::uint64_t seed) {
    return *Coordinator(seed).handle_connect("https://a.example", Instant{});
  };
  CHECK(first(1) == first(1));
  CHECK(first(1) != first(2));
}

TEST_CASE("a peer that comes back keeps its number, and its pairs are introduced again") {
  Table t;
  const PeerId ann = t.holder('a', {root_of(1)});
  const PeerId bob = t.join('b');
  t.asked(bob, 1);
  t.leave(ann);
  t.inbox.clear();
  SUBCASE("both still have their pair") {
    CHECK(t.rejoin('a', ann, {bob}) == ann);
    CHECK(t.inbox[ann.value] ==
          std::vector<Message>{Welcome{version, ann}, Present{{}, {}}, Resume{bob}});
    CHECK(t.take<Resume>(bob) == std::vector<Resume>{Resume{ann}});
    t.say(bob, Signal{ann, Candidate{}});
    CHECK(t.take<Signal>(ann).size() == 1);
    t.say(ann, Have{{root_of(1)}, {}});
    CHECK(t.asked(bob, 1) == 1);
    CHECK(t.take<Introduce>(bob).empty());
  }
  SUBCASE("one does not") {
    t.rejoin('a', ann, {});
    CHECK(t.take<Resume>(bob).empty());
  }
  SUBCASE("a stranger names somebody") {
    t.rejoin('c', PeerId{12345}, {bob});
    CHECK(t.take<Resume>(bob).empty());
  }
}

TEST_CASE("a peer that comes back within a minute has announced what it had, by one sum") {
  Table t;
  const PeerId ann = t.holder('a', {root_of(1), root_of(2)});
  const PeerId bob = t.join('b');
  const std::uint64_t held = summand_of(root_of(1)) + summand_of(root_of(2));
  const auto back = [&](char browser, std::uint64_t sum, const char* site = "https://a.example") {
    const PeerId peer = t.connect(site);
    t.inbox.clear();
    t.say(peer, Hello{version, std::string(32, browser), ann, {}, true, sum});
    const auto welcomes = t.take<Welcome>(ann);
    return !welcomes.empty() && welcomes[0].kept;
  };
  SUBCASE("it is told so, and is a holder again") {
    t.leave(ann);
    CHECK(t.asked(bob, 1) == 0);
    t.pass(limits::session_wait - 1ms);
    CHECK(back('a', held));
    CHECK(t.asked(bob, 2) == 1);
    t.say(ann, Have{{}, {root_of(2)}});
    CHECK(t.asked(bob, 2) == 0);
    // Once: what is kept the next time is what it has then.
    t.leave(ann);
    CHECK_FALSE(back('a', held));
  }
  SUBCASE("also while its dead socket is open") {
    CHECK(back('a', held));
    CHECK(t.asked(bob, 1) == 1);
  }
  SUBCASE("not after the minute") {
    t.leave(ann);
    t.pass(limits::session_wait);
    CHECK_FALSE(back('a', held));
  }
  SUBCASE("not if it means other roots, or none") {
    t.leave(ann);
    SUBCASE("none") {
      CHECK_FALSE(back('a', 0));
    }
    SUBCASE("others") {
      CHECK_FALSE(back('a', held - 1));
    }
    CHECK(t.asked(bob, 1) == 0);
  }
  SUBCASE("not to another browser, nor at another site") {
    t.leave(ann);
    CHECK_FALSE(back('c', held));
    t.leave(ann);
    CHECK_FALSE(back('a', held, "https://b.example"));
  }
  SUBCASE("not if it was refused") {
    t.coordinator.handle_malformed(ann, Error::malformed_message, t.now);
    t.drain();
    CHECK_FALSE(back('a', held));
  }
}

TEST_CASE("what is remembered of those who left is bounded, and the oldest goes first") {
  Table t;
  List<Root> all;
  for (std::uint32_t n = 1; n <= limits::roots_per_peer; ++n) all.push_back(root_of(n));
  std::uint64_t held = 0;
  for (const Root& root : all) held += summand_of(root);
  const std::size_t visitors = limits::session_roots / limits::roots_per_peer + 1;
  std::vector<PeerId> left;
  for (std::size_t i = 0; i < visitors; ++i) {
    const PeerId peer = t.join('a');
    for (std::size_t at = 0; at < all.size(); at += limits::roots_per_message) {
      List<Root> some;
      const std::size_t end = std::min(at + limits::roots_per_message, all.size());
      for (std::size_t k = at; k < end; ++k) some.push_back(all[k]);
      t.say(peer, Have{some, {}});
    }
    t.leave(peer);
    t.inbox.clear();
    left.push_back(peer);
  }
  const auto is_kept = [&](PeerId peer) {
    t.say(t.connect(), Hello{version, std::string(32, 'a'), peer, {}, true, held});
    return t.take<Welcome>(peer).at(0).kept;
  };
  CHECK_FALSE(is_kept(left.front()));
  CHECK(is_kept(left.back()));
}

TEST_CASE("a coordinator that was started again gives everybody the number of before") {
  Table t;
  CHECK(t.rejoin('a', PeerId{1001}, {PeerId{1002}}) == PeerId{1001});
  t.rejoin('b', PeerId{1002}, {PeerId{1001}}, "https://b.example");
  CHECK(t.take<Resume>(PeerId{1001}).empty());  // of another site
  t.leave(PeerId{1002});
  CHECK(t.rejoin('b', PeerId{1002}, {PeerId{1001}}) == PeerId{1002});
  CHECK(t.take<Resume>(PeerId{1001}) == std::vector<Resume>{Resume{PeerId{1002}}});
  t.leave(PeerId{1001});
  t.leave(PeerId{1002});
  CHECK(t.coordinator.stats().sites == 0);
}

TEST_CASE("a number is taken over from one's own dead socket, from nobody else's") {
  Table t;
  const PeerId ann = t.holder('a', {root_of(1)});
  const PeerId other = t.rejoin('b', ann, {});
  CHECK(other != ann);
  CHECK(t.closed.empty());
  CHECK(t.rejoin('a', ann, {}) == ann);
  CHECK(t.closed.size() == 1);
  CHECK(t.asked(other, 1) == 0);  // what it had is told again
  t.leave(ann);
  t.leave(other);
  CHECK(t.coordinator.stats().peers == 0);
}

TEST_CASE("what presence costs is bounded, however many there are and however much changes") {
  Table t;
  std::vector<PeerId> crowd;
  constexpr std::size_t visitors = 4000;
  for (std::size_t i = 0; i < visitors; ++i) {
    const PeerId peer = t.connect();
    std::string browser = std::to_string(i);
    browser.insert(0, 32 - browser.size(), '0');
    t.say(peer, Hello{version, browser});
    crowd.push_back(peer);
  }
  t.inbox.clear();
  // The first news comes soon.
  t.say(crowd[0], Have{{root_of(1)}, {}});
  t.pass(limits::presence_wait);
  CHECK(t.take<Present>(crowd[9]) == std::vector<Present>{Present{{1}, {}}});
  // From then on something changes all the time.
  t.inbox.clear();
  constexpr int seconds = 20;
  for (int i = 0; i < 10 * seconds; ++i) {
    const List<Root> root{root_of(static_cast<std::uint32_t>(2 + i / 2))};
    const PeerId peer = crowd[static_cast<std::size_t>(i / 2)];
    t.say(peer, i % 2 == 0 ? Have{root, {}} : Have{{}, root});
    t.pass(100ms);
  }
  std::size_t sent = 0;
  for (const auto& [peer, messages] : t.inbox) sent += messages.size();
  CHECK(sent > 0);
  CHECK(static_cast<double>(sent) <= seconds * limits::presence_sends_per_second + visitors);
}

TEST_CASE("a page that says what it could want is told of nothing else, in bits") {
  Table t;
  const PeerId ann = t.holder('a', {root_of(0), root_of(4097)});
  // Of the cut marks 0 and 1: k = 0, gaps 0 and 1.
  const std::string wants = "AX";
  const PeerId bob = t.connect();
  t.say(bob, Hello{version, std::string(32, 'b'), PeerId{}, {}, true, 0, wants});
  CHECK(t.take<Present>(bob) == std::vector<Present>{Present{{}, {}, true, "0:gAAA"}});
  t.inbox.clear();
  // Its second, by its first bits, and one that it does not list.
  t.say(ann, Have{{root_of(2048), root_of(1u << 30)}, {root_of(0)}});
  t.pass(1s);
  CHECK(t.take<Present>(bob) == std::vector<Present>{Present{{}, {}, false, "0:QAAA"}});
  // What it could not want is no news.
  t.say(ann, Have{{root_of(1u << 31)}, {root_of(1u << 30)}});
  t.pass(1s);
  CHECK(t.take<Present>(bob).empty());
  // Another manifest: all is told anew.
  t.say(bob, Want{""});
  CHECK(t.take<Present>(bob) == std::vector<Present>{Present{{}, {}, true, ""}});
  t.say(bob, Want{wants});
  CHECK(t.take<Present>(bob) == std::vector<Present>{Present{{}, {}, true, "0:QAAA"}});
  t.leave(ann);
  t.pass(1s);
  CHECK(t.take<Present>(bob) == std::vector<Present>{Present{{}, {}, false, "0:AAAA"}});
}

TEST_CASE("pages of the same manifest are told together, and go one by one") {
  Table t;
  std::vector<PeerId> pages;
  for (const char browser : {'b', 'c', 'd'}) {
    pages.push_back(t.connect());
    t.say(pages.back(), Hello{version, std::string(32, browser), PeerId{}, {}, true, 0, "AX"});
  }
  t.inbox.clear();
  const PeerId ann = t.holder('a', {root_of(0)});
  t.leave(pages[0]);
  t.coordinator.handle_timeout(t.now += 1s);
  std::vector<PeerId> told;
  while (auto output = t.coordinator.poll_output()) {
    const auto* all = get_if<TellAll>(&*output);
    if (all && all->message != Message(Present{{0}, {}})) told = all->peers;
  }
  CHECK(told == std::vector<PeerId>{pages[2], pages[1]});
  for (const PeerId page : {pages[2], pages[1]}) t.leave(page);
  CHECK(t.asked(ann, 1) == 0);
}

TEST_CASE("a list that cannot be read closes its socket, and one list more is told of all") {
  Table t;
  const PeerId ann = t.holder('a', {root_of(5)});
  t.pass(1s);
  for (std::size_t i = 0; i < limits::audiences_per_site; ++i) {
    const PeerId page = t.connect();
    t.say(
        page,
        Hello{version, std::string(32, 'b'), PeerId{}, {}, true, 0, "A" + std::string(i + 1, 'A')});
    CHECK(t.take<Present>(page).front().set.has_value());
  }
  const PeerId late = t.connect();
  t.say(late, Hello{version, std::string(32, 'c'), PeerId{}, {}, true, 0, "AX"});
  CHECK(t.take<Present>(late) == std::vector<Present>{Present{{5}, {}, true}});
  t.say(ann, Have{{root_of(6)}, {}});
  t.pass(1s);
  CHECK(t.take<Present>(late) == std::vector<Present>{Present{{6}, {}}});
  const PeerId bad = t.connect();
  t.say(bad, Hello{version, std::string(32, 'd'), PeerId{}, {}, true, 0, "no list"});
  CHECK(t.closed[bad.value] == Error::malformed_message);
  t.say(late, Want{"-"});
  CHECK(t.closed[late.value] == Error::malformed_message);
}

TEST_CASE("a page that changes its list all the time is cut off") {
  Table t;
  const PeerId bob = t.join('b');
  for (std::size_t i = 1; t.closed.empty() && i < 100; ++i) t.say(bob, Want{std::string(i, 'A')});
  CHECK(t.closed[bob.value] == Error::rate_limited);
}

TEST_CASE(
    "a holder of one's own network is asked first, then those of the same label, then others") {
  Table t;
  const auto join_at = [&t](char browser, Place place) {
    const auto peer = t.coordinator.handle_connect("https://a.example", t.now, place);
    REQUIRE(peer);
    t.say(*peer, Hello{version, std::string(32, browser)});
    return *peer;
  };
  const auto hold = [&](char browser, Place place) {
    const PeerId peer = join_at(browser, place);
    t.say(peer, Have{{root_of(1)}, {}});
    return peer;
  };
  const PeerId far = hold('a', {{1, 0}, {4, 0}});
  const PeerId unlabelled = hold('b', {{2, 0}, {0, 0}});
  std::vector<PeerId> labelled;
  for (char browser = 'c'; browser <= 'e'; ++browser)
    labelled.push_back(hold(browser, {{0, 0}, {5, 0}}));
  const PeerId home = hold('f', {{7, 0}, {4, 0}});
  // Those that are near are busier than those that are far.
  for (const char browser : {'1', '2', '3'}) {
    const PeerId other = join_at(browser, {{7, 0}, {5, 0}});
    CHECK(t.asked(other, 1) == 4);
  }
  CHECK(t.take<Introduce>(home).size() == 3);
  for (const PeerId holder : labelled) CHECK(t.take<Introduce>(holder).size() == 3);
  for (const PeerId holder : {far, unlabelled}) CHECK(t.take<Introduce>(holder).empty());
  // Nor are two near whose labels are both unknown.
  CHECK(t.asked(join_at('4', {}), 1) == 4);
  CHECK(t.take<Introduce>(far).size() == 1);
  CHECK(t.take<Introduce>(unlabelled).size() == 1);
}
