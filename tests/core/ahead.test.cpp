// The predicate, and what a page does by it.
#include "peer/ahead.hpp"

#include <doctest/doctest.h>

#include "base/limits.hpp"
#include "peer/peer.hpp"

namespace peer_cdn::peer {
namespace {

using namespace std::chrono_literals;
constexpr Instant start = Instant(10s);

struct Fixture {
  Fixture() : peer(std::string(32, '0'), 1) {
    root.bytes.fill(9);
    peer.start(start);
    peer.handle_socket_open(start);
    peer.handle_message(signal::Welcome{1, PeerId{5}}, start);
    peer.handle_message(signal::Present{{mark_of(root)}, {}}, start);
    peer.handle_listed(root, geometry, start);
    peer.handle_list_complete(start);
    said();
  }
  // Which of these came out: A, an ask; C, a connection; D, a decline.
  std::string said() {
    std::string all;
    while (auto output = peer.poll_output()) {
      if (holds_alternative<CreatePair>(*output)) all += 'C';
      const auto* sent = get_if<signal::SendMessage>(&*output);
      if (sent == nullptr) continue;
      if (holds_alternative<signal::Ask>(sent->message)) all += 'A';
      if (holds_alternative<signal::Decline>(sent->message)) all += 'D';
    }
    return all;
  }

  Root root;
  Geometry geometry = *Geometry::parse(100000, 128 * 1024);
  Peer peer;
};

}  // namespace

TEST_CASE("the site's word holds, then the browser's, and a Mac may ask") {
  using enum Word;
  using enum Permission;
  for (const bool is_mac : {false, true}) {
    for (const Permission permission : {unknown, granted, denied}) {
      CHECK(may_connect_ahead(yes, permission, is_mac));
      CHECK_FALSE(may_connect_ahead(no, permission, is_mac));
    }
    CHECK(may_connect_ahead(unsaid, granted, is_mac));
    CHECK_FALSE(may_connect_ahead(unsaid, denied, is_mac));
    CHECK(may_connect_ahead(unsaid, unknown, is_mac) == !is_mac);
  }
}

TEST_CASE("an idle page asks for a connection ahead, unless it is hidden, saves data or may not") {
  Fixture f;
  SUBCASE("it may") {
    f.peer.handle_idle(false, false, start);
    CHECK(f.said() == "A");
  }
  SUBCASE("hidden") {
    f.peer.handle_idle(true, false, start);
    CHECK(f.said().empty());
  }
  SUBCASE("saves data") {
    f.peer.handle_idle(false, true, start);
    CHECK(f.said().empty());
  }
  SUBCASE("may not") {
    f.peer.handle_ahead(false, start);
    f.peer.handle_idle(false, false, start);
    CHECK(f.said().empty());
  }
}

TEST_CASE("a page that may not connect ahead declines to serve until it has wanted a file itself") {
  Fixture f;
  f.peer.handle_ahead(false, start);
  f.peer.handle_message(signal::Introduce{PeerId{7}, true}, start);
  CHECK(f.said() == "D");
  f.peer.open({1}, f.root, f.geometry, {{0, 1}, {}}, start);
  CHECK(f.said() == "A");
  f.peer.handle_message(signal::Introduce{PeerId{8}, true}, start);
  CHECK(f.said() == "C");
}

TEST_CASE("what is known late is acted on at once: the page was idle before") {
  Peer peer(std::string(32, '0'), 1);
  Fixture f;
  peer.start(start);
  peer.handle_socket_open(start);
  peer.handle_idle(false, false, start);
  const auto asks = [&peer] {
    bool found = false;
    while (auto output = peer.poll_output()) {
      const auto* sent = get_if<signal::SendMessage>(&*output);
      found |= sent != nullptr && holds_alternative<signal::Ask>(sent->message);
    }
    return found;
  };
  const auto know = [&] {
    peer.handle_message(signal::Welcome{1, PeerId{5}}, start);
    peer.handle_message(signal::Present{{mark_of(f.root)}, {}}, start);
  };
  SUBCASE("the manifest came last") {
    know();
    CHECK_FALSE(asks());
    peer.handle_listed(f.root, f.geometry, start);
    CHECK_FALSE(asks());
    peer.handle_list_complete(start);
    CHECK(asks());
  }
  SUBCASE("the coordinator answered last") {
    peer.handle_listed(f.root, f.geometry, start);
    peer.handle_list_complete(start);
    CHECK_FALSE(asks());
    know();
    CHECK(asks());
  }
  SUBCASE("but not when it is hidden by then") {
    peer.handle_listed(f.root, f.geometry, start);
    peer.handle_list_complete(start);
    peer.handle_hidden(start);
    know();
    CHECK_FALSE(asks());
  }
}

}  // namespace peer_cdn::peer
