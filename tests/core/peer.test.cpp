#include "peer/peer.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/limits.hpp"

namespace peer_cdn::peer {
namespace {

using namespace std::chrono_literals;
constexpr Instant start = Instant(10s);
constexpr ReaderId reader = {1};
constexpr PeerId nobody{};

struct Fixture {
  Fixture()
      : geometry(*Geometry::parse(100000, limits::piece_bytes_min)), peer(std::string(32, 'a'), 1) {
    root.bytes.fill(5);
    other.bytes.fill(6);
  }
  void connect(List<Mark> marks = {}, bool lean = false) {
    peer.start(start);
    peer.handle_socket_open(start);
    peer.handle_message(signal::Welcome{signal::version, {50}, lean}, start);
    peer.handle_message(signal::Present{std::move(marks), {}, lean}, start);
    drain();
  }
  // A lean coordinator's page asks for what somebody has, and makes a connection for the offer.
  void ask_with_offer() {
    connect({mark_of(root), mark_of(other)}, true);
    open(root);
    const auto created = first<CreatePair>();
    REQUIRE(created);
    CHECK((created->offer && created->peer == nobody));
    CHECK_FALSE(told<signal::Ask>());
    peer.handle_local_description(nobody, {true, "offer"}, start);
    const auto ask = told<signal::Ask>();
    REQUIRE(ask);
    CHECK((ask->roots == List<Root>{root} && ask->offer == "offer"));
  }
  std::vector<Output> drain() {
    std::vector<Output> all;
    while (auto output = peer.poll_output()) all.push_back(std::move(*output));
    return all;
  }
  template <class T>
  std::optional<T> first() {
    for (Output& output : drain()) {
      if (T* found = get_if<T>(&output)) return std::move(*found);
    }
    return std::nullopt;
  }
  // The first message to the coordinator of this type.
  template <class T>
  std::optional<T> told() {
    for (Output& output : drain()) {
      if (auto* sent = get_if<signal::SendMessage>(&output)) {
        if (T* found = get_if<T>(&sent->message)) return std::move(*found);
      }
    }
    return std::nullopt;
  }
  void open(const Root& which) { peer.open(reader, which, geometry, {geometry.all(), {}}, start); }

  Root root, other;
  Geometry geometry;
  Peer peer;
};

}  // namespace

TEST_CASE("that nobody has a root is known without a round trip") {
  Fixture f;
  f.connect({mark_of(f.other)});
  f.open(f.root);
  CHECK(f.first<swarm::End>()->error == Error::nobody_has_it);
  f.open(f.other);
  CHECK(f.told<signal::Ask>()->roots == List<Root>{f.other});
}

TEST_CASE("in company other peers are asked for, although no mark tells of them yet") {
  Fixture f;
  f.geometry = *Geometry::parse(4 * limits::mib, limits::piece_bytes_min);
  f.connect();
  f.open(f.root);
  CHECK(f.told<signal::Ask>()->roots == List<Root>{f.root});
  f.peer.handle_message(signal::Answer{{f.root}, {2}}, start);
  CHECK(f.first<swarm::Company>());
  f.open(f.root);
  CHECK(f.told<signal::Ask>()->roots == List<Root>{f.root});
}

TEST_CASE("in company no ask brings an offer, whatever marks tell") {
  Fixture f;
  f.geometry = *Geometry::parse(4 * limits::mib, limits::piece_bytes_min);
  f.connect({}, true);
  f.open(f.root);
  f.drain();
  f.peer.handle_message(signal::Answer{{f.root}, {2}}, start);
  f.peer.handle_message(signal::Present{{mark_of(f.root)}, {}}, start);
  f.drain();
  f.open(f.root);
  const auto ask = f.told<signal::Ask>();
  REQUIRE(ask);
  CHECK(ask->offer.empty());
  CHECK_FALSE(f.peer.swarm().has_pair(nobody));
}

TEST_CASE("without WebRTC every reader ends at once") {
  Fixture f;
  f.peer.handle_no_webrtc(start);
  f.peer.start(start);
  CHECK(f.drain().empty());
  f.open(f.root);
  CHECK(f.first<swarm::End>()->error == Error::no_webrtc);
}

TEST_CASE("while there is no socket nobody has it, and no reader waits for one") {
  Fixture f;
  f.peer.start(start);
  f.open(f.root);
  CHECK(f.first<swarm::End>()->error == Error::nobody_has_it);
  f.connect({mark_of(f.root)});
  f.open(f.root);
  CHECK(f.told<signal::Ask>()->roots == List<Root>{f.root});
  f.peer.swarm().close(reader, start);
  f.peer.handle_socket_closed(start);
  f.drain();
  f.open(f.root);
  CHECK(f.first<swarm::End>()->error == Error::nobody_has_it);
}

TEST_CASE("the holder offers at once, the asker creates its connection when the offer comes") {
  Fixture f;
  f.connect();
  f.peer.handle_message(signal::Introduce{{60}, true}, start);
  const auto offering = f.first<CreatePair>();
  REQUIRE(offering);
  CHECK(offering->offer);
  f.peer.handle_message(signal::Introduce{{61}, false}, start);
  CHECK_FALSE(f.first<CreatePair>());
  f.peer.handle_message(signal::Signal{{61}, signal::Description{true, "sdp"}}, start);
  const auto all = f.drain();
  REQUIRE(all.size() == 2);
  CHECK_FALSE(get<CreatePair>(all[0]).offer);
  CHECK(get<RemoteDescription>(all[1]).description.sdp == "sdp");
  f.peer.handle_local_description({61}, {false, "mine"}, start);
  CHECK(get<signal::Description>(f.told<signal::Signal>()->what).sdp == "mine");
}

TEST_CASE("the first that an ask introduces answers the offer which the ask brought") {
  Fixture f;
  f.ask_with_offer();
  f.peer.handle_message(signal::Answer{{f.root}, {1}, {}, {60}}, start);
  CHECK(f.first<GivePair>()->peer == PeerId{60});
  CHECK(f.peer.swarm().has_pair({60}));
  CHECK_FALSE(f.peer.swarm().has_pair(nobody));
  f.peer.handle_local_candidate({60}, {"c", "0", 0}, start);
  f.peer.handle_timeout(start + limits::candidates_wait);
  CHECK(f.told<signal::Signal>()->peer == PeerId{60});
  f.peer.handle_message(signal::Signal{{60}, signal::Description{false, "answer"}}, start);
  CHECK(f.first<RemoteDescription>()->description.sdp == "answer");
  // Who has a pair may have it with whoever is named.
  f.open(f.other);
  CHECK(f.told<signal::Ask>()->offer.empty());
}

TEST_CASE("a connection whose offer nobody took is closed, and no other is made for a while") {
  Fixture f;
  f.ask_with_offer();
  f.peer.handle_message(signal::Answer{{f.root}, {0}}, start);
  CHECK(f.first<swarm::ClosePair>()->peer == nobody);
  CHECK_FALSE(f.peer.swarm().has_pair(nobody));
  f.open(f.other);
  CHECK(f.told<signal::Ask>()->offer.empty());
}

TEST_CASE("an ask goes without an offer where the browser makes none, or too late") {
  Fixture f;
  f.connect({mark_of(f.root)}, true);
  f.open(f.root);
  CHECK(f.first<CreatePair>());
  SUBCASE("refused") {
    f.peer.handle_pair_closed(nobody, start);
    CHECK(f.told<signal::Ask>()->offer.empty());
  }
  SUBCASE("late") {
    f.peer.handle_timeout(start + limits::offer_made_wait);
    CHECK(f.told<signal::Ask>()->offer.empty());
    f.peer.handle_local_description(nobody, {true, "offer"}, start + 1s);
    CHECK(f.first<swarm::ClosePair>()->peer == nobody);
  }
  CHECK_FALSE(f.peer.swarm().has_pair(nobody));
}

TEST_CASE("an offer for somebody who was banned, or too late, is for nobody") {
  Fixture f;
  f.ask_with_offer();
  SUBCASE("late") {
    f.peer.handle_timeout(start + limits::pair_open_wait);
  }
  SUBCASE("the socket went") {
    f.peer.handle_socket_closed(start);
    CHECK(f.first<swarm::ClosePair>()->peer == nobody);
    return;
  }
  CHECK(f.first<swarm::ClosePair>()->peer == nobody);
  f.peer.handle_message(signal::Answer{{f.root}, {1}, {}, {60}}, start);
  CHECK(f.told<signal::Decline>()->peer == PeerId{60});
}

TEST_CASE("a holder answers the offer that the ask brought, if it makes connections at all") {
  Fixture f;
  f.connect({}, true);
  SUBCASE("it does") {
    f.peer.handle_message(signal::Introduce{{60}, false, true}, start);
    const auto created = f.first<CreatePair>();
    REQUIRE(created);
    CHECK((created->peer == PeerId{60} && !created->offer));
    f.peer.handle_message(signal::Signal{{60}, signal::Description{true, "offer"}}, start);
    CHECK(f.first<RemoteDescription>()->description.sdp == "offer");
    // That it fails says nothing of our own network.
    for (std::uint32_t peer = 60; peer < 60 + limits::pair_failures - 1; ++peer) {
      f.peer.handle_message(signal::Introduce{{peer}, false, true}, start);
      f.peer.handle_pair_closed({peer}, start);
    }
    CHECK(f.peer.swarm().is_reachable(start));
  }
  SUBCASE("it does not") {
    f.peer.handle_ahead(false, start);
    f.peer.handle_message(signal::Introduce{{60}, false, true}, start);
    CHECK(f.told<signal::Decline>()->peer == PeerId{60});
  }
}

TEST_CASE("signals of peers that were not introduced, or have no pair, do nothing") {
  Fixture f;
  f.connect();
  f.peer.handle_message(signal::Signal{{61}, signal::Description{true, "sdp"}}, start);
  f.peer.handle_message(signal::Introduce{{62}, false}, start);
  f.peer.handle_message(signal::Signal{{62}, signal::Candidate{"c", "0", 0}}, start);
  f.peer.handle_message(signal::Signal{{62}, signal::Description{false, "answer"}}, start);
  CHECK(f.drain().empty());
}

TEST_CASE("of a peer that offers again and again so many offers are answered") {
  Fixture f;
  f.connect();
  const auto answered = [&f](Instant at, int offers) {
    int count = 0;
    for (int i = 0; i < offers; ++i) {
      f.peer.handle_message(signal::Signal{{61}, signal::Description{true, "sdp"}}, at);
      for (const Output& output : f.drain()) count += holds_alternative<RemoteDescription>(output);
    }
    return count;
  };
  f.peer.handle_message(signal::Introduce{{61}, true}, start);
  f.peer.handle_pair_open({61}, start);
  CHECK(answered(start, 100) == limits::reoffers_burst);
  CHECK(answered(start + limits::reoffer_wait, 100) == 1);
  // Whose path goes and comes is heard.
  for (int i = 10; i < 30; ++i) CHECK(answered(start + i * limits::pair_restart_wait, 1) == 1);
}

TEST_CASE(
    "a peer that describes more than data channels is refused, before its pair is open and after") {
  for (const bool offer : {true, false}) {
    CAPTURE(offer);
    Fixture f;
    f.connect();
    f.peer.handle_message(signal::Introduce{{61}, true}, start);
    REQUIRE(f.first<CreatePair>());
    if (!offer) f.peer.handle_pair_open({61}, start);
    const std::string one = "v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n";
    f.peer.handle_message(signal::Signal{{61}, signal::Description{false, one}}, start);
    CHECK(f.first<RemoteDescription>());
    const std::string more = one + "m=audio 0 UDP/TLS/RTP/SAVPF 111\r\n";
    f.peer.handle_message(signal::Signal{{61}, signal::Description{offer, more}}, start);
    bool closed = false, declined = false;
    for (Output& output : f.drain()) {
      CHECK_FALSE(holds_alternative<RemoteDescription>(output));
      if (const auto* close = get_if<swarm::ClosePair>(&output)) {
        closed = close->peer == PeerId{61} && close->error == Error::malformed_message;
      }
      if (const auto* sent = get_if<signal::SendMessage>(&output)) {
        declined |= holds_alternative<signal::Decline>(sent->message);
      }
    }
    CHECK((closed && declined));
    CHECK_FALSE(f.peer.swarm().has_pair({61}));
  }
}

TEST_CASE("an introduction beyond what a page may have is declined") {
  Fixture f;
  f.connect();
  for (std::uint32_t i = 0; i < limits::pair_failures; ++i) {
    f.peer.handle_message(signal::Introduce{{100 + i}, true}, start);
    CHECK(f.first<CreatePair>());
    f.peer.handle_pair_closed({100 + i}, start);
    CHECK(f.told<signal::Decline>());
  }
  f.peer.handle_message(signal::Introduce{{200}, true}, start);
  CHECK(f.told<signal::Decline>()->peer == PeerId{200});
}

TEST_CASE("where no connection comes up nobody is asked for any more, until a pause is over") {
  Fixture f;
  f.connect({mark_of(f.root)});
  for (std::uint32_t i = 0; i < limits::unreachable_failures; ++i) {
    f.open(f.root);
    CHECK(f.told<signal::Ask>());
    f.peer.handle_message(signal::Answer{{f.root}, {1}}, start);
    f.peer.handle_message(signal::Introduce{{60 + i}, false}, start);
    f.peer.handle_message(signal::Signal{{60 + i}, signal::Description{true, "sdp"}}, start);
    CHECK(f.first<CreatePair>());
    f.peer.handle_pair_closed({60 + i}, start);
    f.peer.swarm().close(reader, start);
    f.drain();
  }
  f.open(f.root);
  const auto all = f.drain();
  REQUIRE(all.size() == 1);
  CHECK(get<swarm::End>(all[0]).error == Error::nobody_has_it);
  f.peer.handle_timeout(start + limits::unreachable_pause_min);
  f.drain();
  f.peer.open(reader, f.root, f.geometry, {f.geometry.all(), {}},
              start + limits::unreachable_pause_min);
  CHECK(f.told<signal::Ask>());
}

TEST_CASE("only a leading tab announces") {
  Fixture f;
  f.connect();
  f.peer.swarm().handle_held(f.root, f.geometry, {0, 1}, start);
  f.drain();
  f.peer.handle_timeout(start + 1s);
  CHECK_FALSE(f.told<signal::Have>());
  f.peer.handle_leading(true, start + 1s);
  f.drain();
  f.peer.handle_timeout(start + 2s);
  CHECK(f.told<signal::Have>()->add == List<Root>{f.root});
  f.peer.handle_leading(false, start + 2s);
  f.drain();
  f.peer.handle_timeout(start + 3s);
  CHECK(f.told<signal::Have>()->remove == List<Root>{f.root});
}

TEST_CASE(
    "while idle a page makes pairs with peers that have what is missing here, the most first") {
  Fixture f;
  const Geometry large = *Geometry::parse(300000, limits::piece_bytes_min);
  Root unheard;
  unheard.bytes.fill(7);
  f.connect({mark_of(f.root), mark_of(f.other)});
  f.peer.handle_listed(f.root, f.geometry, start);
  f.peer.handle_listed(f.other, large, start);
  f.peer.handle_listed(unheard, large, start);
  f.peer.handle_idle(false, false, start);
  CHECK_FALSE(f.told<signal::Ask>());  // what is held is not told yet
  f.peer.handle_list_complete(start);
  CHECK(f.told<signal::Ask>()->roots == List<Root>{f.other});
  SUBCASE("one at a time, the next when nobody answers") {
    f.peer.handle_idle(false, false, start + limits::idle_interval);
    CHECK_FALSE(f.told<signal::Ask>());
    f.peer.handle_message(signal::Answer{{f.other}, {0}}, start);
    CHECK(f.told<signal::Ask>()->roots == List<Root>{f.root});
    f.peer.handle_message(signal::Answer{{f.root}, {0}}, start);
    CHECK_FALSE(f.told<signal::Ask>());
  }
  SUBCASE("each root in turn, ever more slowly") {
    f.peer.handle_message(signal::Answer{{f.other}, {1}}, start);
    f.peer.handle_idle(false, false, start + limits::idle_interval - 1ms);
    CHECK_FALSE(f.told<signal::Ask>());
    f.peer.handle_idle(false, false, start + limits::idle_interval);
    CHECK(f.told<signal::Ask>()->roots == List<Root>{f.root});
    f.peer.handle_message(signal::Answer{{f.root}, {1}}, start);
    f.peer.handle_idle(false, false, start + 3 * limits::idle_interval - 1ms);
    CHECK_FALSE(f.told<signal::Ask>());
    f.peer.handle_idle(false, false, start + 3 * limits::idle_interval);
    CHECK(f.told<signal::Ask>()->roots == List<Root>{f.other});
  }
  SUBCASE("the only one that anybody has again after two waits") {
    f.peer.handle_message(signal::Present{{}, {mark_of(f.root)}}, start);
    f.peer.handle_message(signal::Answer{{f.other}, {0}}, start);
    f.peer.handle_idle(false, false, start + 2 * limits::idle_interval - 1ms);
    CHECK_FALSE(f.told<signal::Ask>());
    f.peer.handle_idle(false, false, start + 2 * limits::idle_interval);
    CHECK(f.told<signal::Ask>()->roots == List<Root>{f.other});
  }
  SUBCASE("until some are there") {
    f.peer.handle_message(signal::Answer{{f.other}, {4}}, start);
    for (std::uint32_t i = 0; i < limits::pairs_warm_min; ++i) {
      f.peer.handle_message(signal::Introduce{{60 + i}, false}, start);
      if (i % 2 == 0) continue;
      f.peer.handle_message(signal::Signal{{60 + i}, signal::Description{true, "sdp"}}, start);
      CHECK_FALSE(f.first<CreatePair>()->offer);
      f.peer.handle_pair_open({60 + i}, start);
    }
    f.drain();
    f.peer.handle_idle(false, false, start + limits::idle_interval);
    CHECK_FALSE(f.told<signal::Ask>());
  }
  SUBCASE("what is held is not asked for") {
    f.peer.handle_message(signal::Answer{{f.other}, {1}}, start);
    f.peer.swarm().handle_held(f.root, f.geometry, f.geometry.all(), start);
    f.drain();
    f.peer.handle_idle(false, false, start + limits::idle_interval);
    CHECK_FALSE(f.told<signal::Ask>());
  }
}

TEST_CASE(
    "no connection is made ahead for a file of which the page itself may be the only holder") {
  Fixture f;
  bool is_ours = false;
  SUBCASE("it has a part") {
    is_ours = true;
  }
  SUBCASE("another has it") {}
  f.connect({mark_of(f.root)}, true);
  if (is_ours) f.peer.swarm().handle_held(f.root, f.geometry, {0, 1}, start);
  f.peer.handle_listed(f.root, f.geometry, start);
  f.peer.handle_list_complete(start);
  f.drain();
  f.peer.handle_idle(false, false, start);
  const std::vector<Output> outputs = f.drain();
  const auto creates = [](const Output& each) { return get_if<CreatePair>(&each) != nullptr; };
  CHECK(std::any_of(outputs.begin(), outputs.end(), creates) != is_ours);
}

TEST_CASE("the list is bounded: the file that was told first goes") {
  Fixture f;
  f.connect({mark_of(f.root)});
  f.peer.handle_listed(f.root, f.geometry, start);
  for (std::size_t i = 0; i < limits::listed_roots; ++i) {
    Root root;
    root.bytes.fill(static_cast<std::uint8_t>(100 + i));
    f.peer.handle_listed(root, f.geometry, start);
  }
  f.peer.handle_list_complete(start);
  f.peer.handle_idle(false, false, start);
  CHECK_FALSE(f.told<signal::Ask>());
  f.peer.handle_listed(f.root, f.geometry, start);
  f.peer.handle_list_complete(start);
  f.peer.handle_idle(false, false, start);
  CHECK(f.told<signal::Ask>());
}

TEST_CASE("who reads makes no pairs ahead of need") {
  Fixture f;
  f.connect({mark_of(f.root), mark_of(f.other)});
  f.peer.handle_listed(f.other, f.geometry, start);
  f.open(f.root);
  CHECK(f.told<signal::Ask>()->roots == List<Root>{f.root});
  f.peer.handle_list_complete(start);
  f.peer.handle_idle(false, false, start);
  CHECK_FALSE(f.told<signal::Ask>());
}

TEST_CASE("a peer whose offer does not come is declined") {
  Fixture f;
  f.connect();
  f.peer.handle_message(signal::Introduce{{60}, false}, start);
  f.drain();
  CHECK(f.peer.next_timeout() == start + limits::offer_wait);
  f.peer.handle_timeout(start + limits::offer_wait);
  CHECK(f.told<signal::Decline>()->peer == PeerId{60});
  f.peer.handle_message(signal::Signal{{60}, signal::Description{true, "sdp"}}, start);
  CHECK(f.drain().empty());
}

TEST_CASE("a pair that lost its path starts again on the same connection, where signals reach") {
  Fixture f;
  f.connect();
  f.peer.handle_message(signal::Introduce{{60}, true}, start);
  f.drain();
  f.peer.handle_pair_open({60}, start);
  f.drain();
  SUBCASE("by our offer") {
    f.peer.handle_pair_lost({60}, start);
    CHECK(f.first<swarm::RestartPair>()->peer == PeerId{60});
    f.peer.handle_local_description({60}, {true, "again"}, start);
    CHECK(f.told<signal::Signal>());
    f.peer.handle_message(signal::Signal{{60}, signal::Description{false, "sdp"}}, start);
    CHECK(f.first<RemoteDescription>());
    f.peer.handle_pair_found({60}, start);
    f.peer.handle_timeout(start + limits::pair_lost_wait);
    CHECK(f.drain().empty());
  }
  SUBCASE("by theirs") {
    f.peer.handle_message(signal::Signal{{60}, signal::Description{true, "sdp"}}, start);
    const auto all = f.drain();
    REQUIRE(all.size() == 1);
    CHECK(holds_alternative<RemoteDescription>(all[0]));
  }
  SUBCASE("it is given up") {
    f.peer.handle_pair_lost({60}, start);
    f.drain();
    f.peer.handle_timeout(start + limits::pair_lost_wait);
    CHECK(f.first<swarm::ClosePair>());
  }
  SUBCASE("while there is no coordinator it waits, and goes on when introduced again") {
    f.peer.handle_socket_closed(start);
    f.drain();
    f.peer.handle_pair_lost({60}, start);
    CHECK_FALSE(f.first<swarm::RestartPair>());
    f.peer.handle_timeout(start + limits::reconnect_min);
    f.drain();
    f.peer.handle_socket_open(start);
    const auto hello = f.told<signal::Hello>();
    CHECK(hello->peer == PeerId{50});
    CHECK(hello->peers == List<PeerId>{{60}});
    f.peer.handle_message(signal::Welcome{signal::version, {50}}, start);
    f.peer.handle_message(signal::Resume{{60}}, start);
    CHECK(f.first<swarm::RestartPair>());
    f.peer.handle_message(signal::Resume{{61}}, start);
    CHECK(f.told<signal::Decline>()->peer == PeerId{61});
  }
  SUBCASE("on another network it does so at once, and the socket is looked after") {
    f.peer.handle_network_changed(start);
    const auto all = f.drain();
    REQUIRE(all.size() == 2);
    CHECK(holds_alternative<swarm::RestartPair>(all[0]));
    CHECK(holds_alternative<signal::SendMessage>(all[1]));
  }
}

}  // namespace peer_cdn::peer
