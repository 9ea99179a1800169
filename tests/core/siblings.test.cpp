// Several coordinators on one bus, and the visitors of each.
#include "signal/siblings.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "signal/coordinator.hpp"

using namespace peer_cdn;
using namespace peer_cdn::signal;
using namespace std::chrono_literals;

namespace {

const char* const site = "https://a.example";

Root root_of(std::uint32_t n) {
  Root root;
  for (std::size_t i = 0; i < 4; ++i) root.bytes[i] = static_cast<std::uint8_t>(n >> (24 - 8 * i));
  return root;
}

struct Process {
  explicit Process(std::uint64_t name_) : name(name_), coordinator(name_) {}
  bus::Name name;
  Coordinator coordinator;
  bool reaches_bus = true;  // false: split from it, and perhaps not told so yet
  bool is_alive = true;
  std::map<std::uint32_t, std::vector<Message>> inbox;
  std::map<std::uint32_t, std::vector<Relayed>> relayed;  // whom it is for: who it is from
  std::map<std::uint32_t, Error> closed;
};

struct World {
  std::vector<std::unique_ptr<Process>> processes;
  Instant now{1h};
  std::size_t frames = 0;
  std::size_t frame_bytes = 0;

  explicit World(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      processes.push_back(std::make_unique<Process>(1000 + i));
      processes.back()->coordinator.handle_bus_open(1000 + i, now);
    }
    pass(10ms);
  }

  Process& at(std::size_t i) { return *processes[i]; }

  static void drain(Process& process) {
    while (auto output = process.coordinator.poll_output()) {
      if (auto* tell = get_if<Tell>(&*output)) {
        process.inbox[tell->peer.value].push_back(tell->message);
      } else if (auto* relay = get_if<Relay>(&*output)) {
        Relayed signal = relay->signal;
        signal.peer = relay->from;
        process.relayed[relay->signal.peer.value].push_back(signal);
      } else if (auto* all = get_if<TellAll>(&*output)) {
        for (const PeerId peer : all->peers) process.inbox[peer.value].push_back(all->message);
      } else if (auto* close = get_if<Close>(&*output)) {
        process.closed[close->peer.value] = close->error;
      }
    }
  }
  // All that is on the bus arrives, and what follows of it.
  void settle() {
    for (bool is_busy = true; is_busy;) {
      is_busy = false;
      now += limits::bus_wait;
      for (const auto& process : processes) {
        if (process->is_alive) process->coordinator.handle_timeout(now);
      }
      for (const auto& from : processes) {
        if (!from->is_alive) continue;
        drain(*from);
        while (auto publish = from->coordinator.poll_publish(now)) {
          is_busy = true;
          ++frames;
          frame_bytes += publish->frame.size();
          for (const auto& to : processes) {
            const bool is_for = publish->to == 0 || publish->to == to->name;
            if (!is_for || !to->is_alive || !from->reaches_bus || !to->reaches_bus) continue;
            to->coordinator.handle_frame(bytes_of(publish->frame), now);
            drain(*to);
          }
        }
      }
    }
  }
  void pass(Duration duration) {
    const Instant until = now + duration;
    for (;;) {
      std::optional<Instant> next;
      for (const auto& process : processes) {
        const auto due = process->is_alive ? process->coordinator.next_timeout() : std::nullopt;
        if (due && *due <= until && (!next || *due < *next)) next = due;
      }
      if (!next) break;
      now = std::max(now, *next);
      for (const auto& process : processes) {
        if (process->is_alive) process->coordinator.handle_timeout(now);
      }
      settle();
    }
    now = std::max(now, until);
    settle();
  }

  PeerId join(std::size_t i, char browser, Hello hello = {}, Place place = {}) {
    const auto peer = at(i).coordinator.handle_connect(site, now, place);
    REQUIRE(peer);
    hello.version = version;
    hello.browser = std::string(32, browser);
    say(i, *peer, hello);
    if (hello.peer.value != 0 && !inbox(i, hello.peer).empty()) return hello.peer;
    return *peer;
  }
  PeerId lean(std::size_t i, char browser) {
    return join(i, browser, Hello{0, {}, PeerId{}, {}, true});
  }
  PeerId holder(std::size_t i, char browser, List<Root> roots) {
    const PeerId peer = join(i, browser);
    say(i, peer, Have{std::move(roots), {}});
    pass(limits::presence_wait);
    return peer;
  }
  void say(std::size_t i, PeerId peer, const Message& message) {
    at(i).coordinator.handle_message(peer, message, now);
    settle();
  }
  void signal(std::size_t i, PeerId peer, Relayed what) {
    at(i).coordinator.handle_signal(peer, std::move(what), now);
    settle();
  }
  void leave(std::size_t i, PeerId peer) {
    at(i).coordinator.handle_disconnect(peer, now);
    settle();
  }
  std::vector<Message>& inbox(std::size_t i, PeerId peer) { return at(i).inbox[peer.value]; }
  template <class T>
  std::vector<T> take(std::size_t i, PeerId peer) {
    std::vector<T> taken;
    for (const Message& message : inbox(i, peer)) {
      if (const T* each = get_if<T>(&message)) taken.push_back(*each);
    }
    inbox(i, peer).clear();
    return taken;
  }
  void clear() {
    for (const auto& process : processes) process->inbox.clear();
  }
};

}  // namespace

TEST_CASE("an asker meets a holder of a sibling, and what they signal reaches them") {
  World w(2);
  const PeerId ann = w.holder(0, 'a', {root_of(1)});
  const PeerId bob = w.join(1, 'b');
  CHECK(w.take<Present>(1, bob) == std::vector<Present>{Present{{1}, {}}});
  w.clear();
  w.say(1, bob, Ask{{root_of(1)}});
  CHECK(w.inbox(0, ann) == std::vector<Message>{Introduce{bob, true}});
  CHECK(w.inbox(1, bob) == std::vector<Message>{Introduce{ann}, Answer{{root_of(1)}, {1}}});
  w.signal(0, ann, {bob, "{}", {}});
  w.signal(1, bob, {ann, {}, {"{}"}});
  CHECK(w.at(1).relayed[bob.value] == std::vector<Relayed>{{ann, "{}", {}}});
  CHECK(w.at(0).relayed[ann.value] == std::vector<Relayed>{{bob, {}, {"{}"}}});
  CHECK(w.at(1).coordinator.stats().introductions == 1);
  CHECK(w.at(0).coordinator.stats().introductions == 0);
}

TEST_CASE("a lean asker's answer names a sibling's holders and waits for an offer, as for ours") {
  World w(2);
  const PeerId ann = w.lean(0, 'a'), bob = w.lean(1, 'b');
  w.say(0, ann, Have{{root_of(1)}, {}});
  w.pass(1s);
  w.clear();
  w.say(1, bob, Ask{{root_of(1)}});
  CHECK(w.inbox(1, bob).empty());
  w.signal(0, ann, {bob, "{}", {}});
  CHECK(w.inbox(1, bob) == std::vector<Message>{Answer{{root_of(1)}, {1}, {ann}}});
}

TEST_CASE("two who ask for each other at once are introduced, and one of them offers") {
  World w(2);
  const PeerId ann = w.holder(0, 'a', {root_of(1)}), bob = w.holder(1, 'b', {root_of(1)});
  w.clear();
  w.at(0).coordinator.handle_message(ann, Ask{{root_of(1)}}, w.now);
  w.at(1).coordinator.handle_message(bob, Ask{{root_of(1)}}, w.now);
  w.settle();
  w.pass(limits::sibling_answer_wait);
  const bool ann_offers = ann.value < bob.value;
  const std::size_t offerer = ann_offers ? 0 : 1;
  const PeerId from = ann_offers ? ann : bob, to = ann_offers ? bob : ann;
  CHECK(w.take<Introduce>(offerer, from) == std::vector<Introduce>{Introduce{to, true}});
  const std::vector<Message> heard = w.inbox(1 - offerer, to);
  CHECK(std::count(heard.begin(), heard.end(), Message(Gone{from})) == 1);
  CHECK(w.take<Introduce>(1 - offerer, to) ==
        std::vector<Introduce>{Introduce{from, true}, Introduce{from}});
  w.signal(offerer, from, {to, "{}", {}});
  w.signal(1 - offerer, to, {from, "{}", {}});
  CHECK(w.at(0).relayed[ann.value].size() == 1);
  CHECK(w.at(1).relayed[bob.value].size() == 1);
  CHECK(w.at(0).coordinator.stats().introductions + w.at(1).coordinator.stats().introductions == 1);
}

TEST_CASE("our own holders come first, and siblings are asked for the rest") {
  World w(3);
  std::vector<PeerId> holders;
  for (std::size_t i = 0; i < 6; ++i) {
    holders.push_back(w.holder(i % 3, static_cast<char>('a' + i), {root_of(1)}));
  }
  const PeerId asker = w.join(0, 'f');
  w.clear();
  const std::size_t before = w.frames;
  w.say(0, asker, Ask{{root_of(1)}});
  CHECK(w.take<Answer>(0, asker) ==
        std::vector<Answer>{Answer{{root_of(1)}, {limits::introductions_per_ask}}});
  CHECK(w.take<Introduce>(0, holders[0]).size() == 1);
  CHECK(w.take<Introduce>(0, holders[3]).size() == 1);
  CHECK(w.frames == before + 4);
  for (char browser = '0'; browser <= '9'; ++browser) w.holder(0, browser, {root_of(1)});
  const PeerId other = w.join(0, 'e');
  const std::size_t then = w.frames;
  w.say(0, other, Ask{{root_of(1)}});
  CHECK(w.frames == then);
}

TEST_CASE("a holder of a sibling that the asker knows counts for other roots too") {
  World w(2);
  w.holder(0, 'a', {root_of(1), root_of(2)});
  const PeerId bob = w.join(1, 'b');
  w.say(1, bob, Ask{{root_of(1)}});
  w.clear();
  w.say(1, bob, Ask{{root_of(2)}});
  CHECK(w.inbox(1, bob) == std::vector<Message>{Answer{{root_of(2)}, {1}}});
}

TEST_CASE("what is known here is answered at once, though siblings are asked for something else") {
  World w(2);
  w.holder(0, 'a', {root_of(1)});
  const PeerId bob = w.join(1, 'b');
  w.clear();
  w.at(0).reaches_bus = false;
  w.say(1, bob, Ask{{root_of(1), root_of(2)}});
  CHECK(w.take<Answer>(1, bob) == std::vector<Answer>{Answer{{root_of(2)}, {0}}});
  w.pass(limits::sibling_answer_wait);
  CHECK(w.take<Answer>(1, bob) == std::vector<Answer>{Answer{{root_of(1)}, {0}}});
}

TEST_CASE("our own holders are told to offer before a sibling has answered") {
  World w(2);
  w.holder(0, 'a', {root_of(1)});
  const PeerId ann = w.holder(1, 'b', {root_of(1)});
  const PeerId bob = w.join(1, 'c');
  w.clear();
  w.at(0).reaches_bus = false;
  w.say(1, bob, Ask{{root_of(1)}});
  CHECK(w.take<Introduce>(1, ann) == std::vector<Introduce>{Introduce{bob, true}});
  CHECK(w.take<Answer>(1, bob).empty());
  w.pass(limits::sibling_answer_wait);
  CHECK(w.take<Answer>(1, bob) == std::vector<Answer>{Answer{{root_of(1)}, {1}}});
}

TEST_CASE("an offer that overtakes a pending answer comes after its introduction") {
  World w(3);
  const PeerId ann = w.lean(0, 'a'), cat = w.lean(2, 'c'), bob = w.lean(1, 'b');
  w.say(0, ann, Have{{root_of(1)}, {}});
  w.say(2, cat, Have{{root_of(1)}, {}});
  w.pass(1s);
  w.clear();
  w.at(2).reaches_bus = false;
  w.say(1, bob, Ask{{root_of(1)}});
  w.signal(0, ann, {bob, "{}", {}});
  CHECK(w.inbox(1, bob) == std::vector<Message>{Introduce{ann}});
  CHECK(w.at(1).relayed[bob.value].size() == 1);
  w.pass(limits::sibling_answer_wait + limits::answer_hold);
  CHECK(w.take<Answer>(1, bob) == std::vector<Answer>{Answer{{root_of(1)}, {1}}});
}

TEST_CASE("a holder of a sibling that declines is replaced once, here or there") {
  World w(3);
  const PeerId ann = w.holder(0, 'a', {root_of(1)});
  const PeerId bob = w.join(1, 'b');
  w.say(1, bob, Ask{{root_of(1)}});
  const PeerId cat = w.holder(2, 'c', {root_of(1)});
  w.clear();
  w.say(0, ann, Decline{bob});
  CHECK(w.inbox(1, bob) == std::vector<Message>{Gone{ann}, Introduce{cat}});
  CHECK(w.inbox(2, cat) == std::vector<Message>{Introduce{bob, true}});
  w.clear();
  w.say(2, cat, Decline{bob});
  CHECK(w.inbox(1, bob) == std::vector<Message>{Gone{cat}});
  w.say(1, bob, Ask{{root_of(1)}});
  CHECK(w.take<Answer>(1, bob) == std::vector<Answer>{Answer{{root_of(1)}, {0}}});
}

TEST_CASE("a visitor that leaves is gone at the siblings too, with what it had") {
  World w(2);
  const PeerId ann = w.holder(0, 'a', {root_of(1)});
  const PeerId bob = w.join(1, 'b');
  w.say(1, bob, Ask{{root_of(1)}});
  w.clear();
  w.leave(0, ann);
  CHECK(w.take<Gone>(1, bob) == std::vector<Gone>{Gone{ann}});
  w.pass(1s);
  CHECK(w.take<Present>(1, bob) == std::vector<Present>{Present{{}, {1}}});
}

TEST_CASE("a mark is told once whoever has it, and goes with the last one") {
  World w(2);
  const PeerId bob = w.holder(1, 'b', {root_of(1)});
  const PeerId ann = w.holder(0, 'a', {root_of(1)});
  w.pass(5s);
  w.clear();
  w.leave(0, ann);
  w.pass(5s);
  CHECK(w.inbox(1, bob).empty());
  w.say(1, bob, Have{{}, {root_of(1)}});
  w.pass(5s);
  CHECK(w.take<Present>(1, bob) == std::vector<Present>{Present{{}, {1}}});
}

TEST_CASE("a sibling that is killed is forgotten within seconds, one that says goodbye at once") {
  for (const bool is_killed : {true, false}) {
    World w(2);
    const PeerId ann = w.holder(0, 'a', {root_of(1)});
    const PeerId bob = w.join(1, 'b');
    w.say(1, bob, Ask{{root_of(1)}});
    w.clear();
    if (!is_killed) {
      w.at(0).coordinator.leave_bus(w.now);
      w.settle();
    }
    w.at(0).is_alive = false;
    w.pass(is_killed ? limits::sibling_silence + limits::sibling_heartbeat : Duration(1s));
    CHECK(w.at(1).coordinator.stats().siblings == 0);
    CHECK(w.take<Gone>(1, bob) == std::vector<Gone>{Gone{ann}});
    w.say(1, bob, Ask{{root_of(1)}});
    CHECK(w.take<Answer>(1, bob) == std::vector<Answer>{Answer{{root_of(1)}, {0}}});
  }
}

TEST_CASE("a visitor that comes back at a sibling keeps its number and its pairs") {
  World w(3);
  const PeerId ann = w.holder(0, 'a', {root_of(1)});
  PeerId bob = w.join(1, 'b');
  w.say(1, bob, Ask{{root_of(1)}});
  const PeerId before = bob;
  for (const bool is_noticed : {true, false}) {
    const std::size_t from = is_noticed ? 1 : 2, to = is_noticed ? 2 : 0;
    if (is_noticed) w.leave(from, bob);
    w.clear();
    bob = w.join(to, 'b', Hello{0, {}, bob, {ann}, false});
    CHECK(bob == before);
    // A socket that is dead, which nobody has noticed, is closed.
    if (!is_noticed) CHECK(w.at(from).closed[bob.value] == Error::timed_out);
    CHECK(w.take<Resume>(to, bob) == std::vector<Resume>{Resume{ann}});
    // To ann it was never gone where nobody noticed.
    CHECK(w.take<Resume>(0, ann) == std::vector<Resume>(is_noticed ? 1 : 0, Resume{bob}));
    w.signal(to, bob, {ann, "{}", {}});
    CHECK(w.at(0).relayed[ann.value].back() == Relayed{bob, "{}", {}});
  }
}

TEST_CASE("a visitor that is back before its dead socket was noticed keeps its pairs elsewhere") {
  World w(2);
  const PeerId ann = w.holder(0, 'a', {root_of(1)});
  const PeerId bob = w.join(1, 'b');
  w.say(1, bob, Ask{{root_of(1)}});
  const auto reach_each_other = [&] {
    w.signal(1, bob, {ann, "{}", {}});
    w.signal(0, ann, {bob, "{}", {}});
    const bool is_heard =
        !w.at(0).relayed[ann.value].empty() && !w.at(1).relayed[bob.value].empty();
    w.at(0).relayed.clear();
    w.at(1).relayed.clear();
    return is_heard;
  };
  CHECK(reach_each_other());
  w.clear();
  CHECK(w.join(1, 'b', Hello{0, {}, bob, {ann}, false}) == bob);
  CHECK(w.at(1).closed.size() == 1);
  CHECK(w.take<Resume>(1, bob) == std::vector<Resume>{Resume{ann}});
  // To ann it was never gone.
  CHECK(w.take<Gone>(0, ann).empty());
  CHECK(reach_each_other());

  SUBCASE("a pair that it does not name is over") {
    w.clear();
    CHECK(w.join(1, 'b', Hello{0, {}, bob, {}, false}) == bob);
    CHECK(w.take<Gone>(0, ann) == std::vector<Gone>{Gone{bob}});
  }
  SUBCASE("if what it says next is refused its pairs are over") {
    w.clear();
    Hello hello{0, {}, bob, {ann}, false};
    hello.wants = "%";
    w.join(1, 'b', hello);
    CHECK(w.take<Gone>(0, ann) == std::vector<Gone>{Gone{bob}});
  }
}

TEST_CASE("a visitor of a killed process comes back before anybody noticed, and its pair goes on") {
  World w(3);
  const PeerId ann = w.holder(0, 'a', {root_of(1)});
  PeerId bob = w.join(1, 'b');
  w.say(1, bob, Ask{{root_of(1)}});
  w.clear();
  w.at(1).is_alive = false;
  bob = w.join(2, 'b', Hello{0, {}, bob, {ann}, false});
  CHECK(w.take<Resume>(2, bob) == std::vector<Resume>{Resume{ann}});
  CHECK(w.inbox(0, ann).empty());
  w.pass(10s);
  CHECK(w.take<Gone>(0, ann).empty());
  w.signal(0, ann, {bob, "{}", {}});
  CHECK(w.at(2).relayed[bob.value] == std::vector<Relayed>{{ann, "{}", {}}});
}

TEST_CASE("who takes the number of a visitor that is there gets none of its introductions") {
  World w(3);
  const PeerId ann = w.holder(0, 'a', {root_of(1)});
  const PeerId bob = w.join(1, 'b');
  w.say(1, bob, Ask{{root_of(1)}});
  w.clear();
  const PeerId eve = w.join(2, 'e', Hello{0, {}, bob, {ann}, false});
  CHECK(eve == bob);
  CHECK(w.take<Resume>(2, eve).empty());
  CHECK(w.at(1).closed.empty());
  w.signal(0, ann, {bob, "{}", {}});
  CHECK(w.at(1).relayed[bob.value].size() == 1);
  CHECK(w.at(2).relayed.empty());
}

TEST_CASE("what the bus loses is asked for again") {
  World w(2);
  const PeerId bob = w.join(1, 'b');
  w.at(1).reaches_bus = false;
  const PeerId ann = w.holder(0, 'a', {root_of(1)});
  w.pass(1500ms);
  w.at(1).reaches_bus = true;
  w.clear();
  w.pass(3s);
  CHECK(w.take<Present>(1, bob) == std::vector<Present>{Present{{1}, {}}});
  w.say(1, bob, Ask{{root_of(1)}});
  CHECK(w.take<Answer>(1, bob) == std::vector<Answer>{Answer{{root_of(1)}, {1}}});
  CHECK(w.take<Introduce>(0, ann).size() == 1);
}

TEST_CASE("without the bus each serves its own, and pairs are resumed when it is back") {
  for (const bool is_told : {true, false}) {
    World w(2);
    const PeerId ann = w.holder(0, 'a', {root_of(1)}), cat = w.holder(1, 'c', {root_of(2)});
    const PeerId bob = w.join(1, 'b');
    w.say(1, bob, Ask{{root_of(1)}});
    for (const auto& process : w.processes) {
      process->reaches_bus = false;
      if (is_told) process->coordinator.handle_bus_closed();
    }
    w.clear();
    w.pass(10s);
    CHECK(w.take<Gone>(1, bob) == std::vector<Gone>{Gone{ann}});
    w.say(1, bob, Ask{{root_of(1), root_of(2)}});
    CHECK(w.take<Answer>(1, bob) == std::vector<Answer>{Answer{{root_of(1), root_of(2)}, {0, 1}}});
    CHECK(w.take<Introduce>(1, cat).size() == 1);
    for (const auto& process : w.processes) {
      process->reaches_bus = true;
      if (is_told) process->coordinator.handle_bus_open(process->name, w.now);
    }
    w.clear();
    w.pass(3s);
    CHECK(w.at(1).coordinator.stats().siblings == 1);
    CHECK(w.take<Resume>(1, bob) == std::vector<Resume>{Resume{ann}});
    CHECK(w.take<Resume>(0, ann) == std::vector<Resume>{Resume{bob}});
  }
}

TEST_CASE("a short loss of the bus parts nobody for longer than it takes to be back") {
  World w(2);
  const PeerId ann = w.holder(0, 'a', {root_of(1)});
  const PeerId bob = w.join(1, 'b');
  w.say(1, bob, Ask{{root_of(1)}});
  w.clear();
  w.at(1).coordinator.handle_bus_closed();
  w.pass(500ms);
  CHECK(w.inbox(1, bob).empty());
  w.at(1).coordinator.handle_bus_open(w.at(1).name, w.now);
  w.pass(2s);
  CHECK(w.inbox(1, bob) == std::vector<Message>{Gone{ann}, Resume{ann}});
  CHECK(w.inbox(0, ann) == std::vector<Message>{Gone{bob}, Resume{bob}});
}

TEST_CASE("a frame that is not valid changes nothing and is counted") {
  World w(2);
  CHECK(w.at(0).coordinator.handle_frame(bytes_of("what is this"), w.now) ==
        Error::version_mismatch);
  w.settle();
  CHECK(w.at(0).coordinator.stats().frames_refused == 1);
  CHECK(w.at(0).coordinator.stats().siblings == 1);
}

TEST_CASE("what a visitor says of its pairs cannot make siblings refuse what else is said") {
  World w(2);
  const PeerId ann = w.holder(0, 'a', {root_of(1)});
  const PeerId before{77};
  w.join(1, 'b', Hello{0, {}, before, {PeerId{0}, ann}, false});
  w.at(1).coordinator.handle_bus_closed();
  w.at(1).coordinator.handle_bus_open(w.at(1).name, w.now);
  w.pass(3s);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(w.at(i).coordinator.stats().frames_refused == 0);
    CHECK(w.at(i).coordinator.stats().siblings == 1);
  }
  const std::string long_site(limits::site_bytes + 1, 'a');
  CHECK(w.at(0).coordinator.handle_connect(long_site, w.now).error() == Error::message_too_long);
}

TEST_CASE("more siblings than there are bits for are left out") {
  Siblings siblings;
  siblings.open(1, Instant{1h});
  std::size_t known = 0;
  for (bus::Name name = 2; name <= 100; ++name)
    known += siblings.number_of(name, Instant{1h}) ? 1 : 0;
  CHECK(known == limits::siblings_max);
}

TEST_CASE("marks that siblings have beyond what is remembered are left out, and no others") {
  Siblings siblings;
  siblings.open(1, Instant{1h});
  const Siblings::Number one = *siblings.number_of(2, Instant{1h});
  const Siblings::Number two = *siblings.number_of(3, Instant{1h});
  constexpr auto full = static_cast<Mark>(limits::marks_elsewhere);
  for (Mark mark = 0; mark < full; ++mark) siblings.add_mark(one, site, mark);
  CHECK_FALSE(siblings.add_mark(one, site, full));
  CHECK_FALSE(siblings.has(site, full));
  SUBCASE("a sibling that has one too has it when the other has lost it") {
    CHECK_FALSE(siblings.add_mark(two, site, 7));
    CHECK_FALSE(siblings.remove_mark(one, site, 7));
    CHECK(siblings.has(site, 7));
    CHECK(siblings.remove_mark(two, site, 7));
  }
  SUBCASE("a sibling that tells all that it has has it still") {
    siblings.begin_all(one);
    for (Mark mark = 0; mark < full; ++mark) siblings.add_mark(one, site, mark);
    std::size_t went = 0;
    siblings.end_all(one, [&](const std::string&, Mark) { ++went; });
    CHECK(went == 0);
  }
  SUBCASE("there is room again when one is lost") {
    CHECK(siblings.remove_mark(one, site, 7));
    CHECK(siblings.add_mark(two, site, full));
  }
}

TEST_CASE("what siblings tell of comings and goings is bounded, and all of it comes in the end") {
  World w(2);
  constexpr std::uint32_t files = 1000;
  List<Root> roots;
  for (std::uint32_t i = 0; i < files; ++i) roots.push_back(root_of(i));
  // Both have somebody who has all of it, by turns.
  const PeerId ann = w.join(0, 'a');
  w.say(0, ann, Have{roots, {}});
  w.pass(limits::presence_wait);
  std::size_t bytes = 0;
  const Instant began = w.now;
  for (int turn = 0; turn < 60; ++turn) {
    w.at(0).coordinator.handle_disconnect(ann, w.now);
    const PeerId next = w.join(0, 'a');
    w.at(0).coordinator.handle_message(next, Have{roots, {}}, w.now);
    w.at(0).coordinator.handle_disconnect(next, w.now);
    w.pass(100ms);
    bytes += std::exchange(w.frame_bytes, 0);
  }
  const double seconds = to_ms(w.now - began) / 1000;
  CHECK(static_cast<double>(bytes) < 1.2 * 4 * limits::bus_marks_per_second * seconds + 4 * files);
  const PeerId bob = w.join(1, 'b');
  const PeerId cat = w.holder(0, 'c', {root_of(7)});
  w.pass(1s);
  w.clear();
  w.say(1, bob, Ask{{root_of(7), root_of(8)}});
  CHECK(w.take<Answer>(1, bob) ==
        std::vector<Answer>{Answer{{root_of(8)}, {0}}, Answer{{root_of(7)}, {1}}});
  CHECK(w.take<Introduce>(0, cat) == std::vector<Introduce>{Introduce{bob, true}});
}

TEST_CASE("a sibling's holders that are near the asker come first") {
  World w(2);
  std::vector<PeerId> near;
  const std::string browsers = "0123456789ab";
  for (std::size_t i = 0; i < browsers.size(); ++i) {
    const bool is_near = i % 3 == 0;
    const PeerId holder =
        w.join(0, browsers[i], {}, is_near ? Place{{7, 6}, {}} : Place{{9, 8}, {}});
    w.say(0, holder, Have{{root_of(1)}, {}});
    if (is_near) near.push_back(holder);
  }
  w.pass(limits::presence_wait);
  // It came a day later.
  const PeerId asker = w.join(1, 'f', {}, {{17, 7}, {}});
  w.clear();
  w.say(1, asker, Ask{{root_of(1)}});
  CHECK(w.take<Answer>(1, asker) == std::vector<Answer>{Answer{{root_of(1)}, {4}}});
  for (const PeerId holder : near) CHECK(w.take<Introduce>(0, holder).size() == 1);
}
