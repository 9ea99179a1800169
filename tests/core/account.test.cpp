#include "peer/account.hpp"

#include <doctest/doctest.h>

#include <string>

#include "base/limits.hpp"
#include "signal/reports.hpp"

namespace peer_cdn::peer {
namespace {

constexpr PeerId ann = {1};

std::string candidate(const std::string& type) {
  return "candidate:1 1 udp 2122 192.0.2.1 9 typ " + type + " raddr 0.0.0.0 rport 0";
}

// What a coordinator reads of the report.
Figures told(const Account& account) {
  const auto figures = signal::parse_report(account.report());
  REQUIRE(!!figures);
  return *figures;
}
std::uint64_t told(const Account& account, Figure figure) {
  return told(account)[static_cast<std::size_t>(figure)];
}

// A connection whose sides have these candidates, which takes a route or none.
Figures connect(const std::vector<std::string>& ours, const std::vector<std::string>& theirs,
                std::optional<Route> route) {
  Account account;
  account.handle_try(ann);
  for (const auto& type : ours) account.handle_candidate(ann, true, candidate(type));
  for (const auto& type : theirs) account.handle_candidate(ann, false, candidate(type));
  route ? account.handle_open(ann, *route) : account.handle_failed(ann);
  return account.report().empty() ? Figures{} : told(account);
}
Figures connections(std::uint64_t local_tried, std::uint64_t local_open, std::uint64_t direct_tried,
                    std::uint64_t direct_open, std::uint64_t relayed_tried,
                    std::uint64_t relayed_open) {
  return {0,           0, 0, 0, local_tried, local_open, direct_tried, direct_open, relayed_tried,
          relayed_open};
}

}  // namespace

TEST_CASE("a page that did nothing has nothing to report") {
  Account account;
  CHECK(account.report().empty());
  account.handle_counting();
  account.handle_transfer("a", {}, true);
  account.handle_try(ann);
  CHECK(account.report().empty());
}

TEST_CASE("a report has a version and each figure, and nothing else") {
  Account account;
  account.handle_counting();
  account.handle_transfer("a", {7, 2, 3, 4}, true);
  CHECK(account.report() ==
        "{\"version\":1,\"fromPeers\":7,\"fromOrigin\":2,\"fromCache\":3,\"wasted\":4,"
        "\"localTried\":0,\"localOpen\":0,\"directTried\":0,\"directOpen\":0,\"relayedTried\":0,"
        "\"relayedOpen\":0}");
}

TEST_CASE("the longest report is one that a coordinator takes") {
  Account account;
  account.handle_counting();
  const auto most = limits::reported_bytes;
  account.handle_transfer("a", {most, most, most, most}, true);
  CHECK(told(account, Figure::wasted) == most);
}

TEST_CASE("a response counts as it goes, and each of its bytes once") {
  Account account;
  account.handle_counting();
  account.handle_transfer("a", {10, 0, 0, 0}, false);
  account.handle_transfer("b", {0, 5, 0, 1}, false);
  account.handle_transfer("a", {25, 0, 0, 0}, false);
  CHECK(told(account, Figure::from_peers) == 25);
  account.handle_transfer("a", {30, 0, 0, 0}, true);
  CHECK(told(account, Figure::from_peers) == 30);
  CHECK(told(account, Figure::from_origin) == 5);
  CHECK(told(account, Figure::wasted) == 1);
}

TEST_CASE("a tab that takes over counts only what comes from then on") {
  Account account;
  account.handle_transfer("over", {100, 0, 0, 0}, true);
  account.handle_transfer("under way", {40, 0, 0, 0}, false);
  CHECK(account.report().empty());
  account.handle_counting();
  account.handle_transfer("under way", {60, 0, 0, 0}, true);
  CHECK(told(account, Figure::from_peers) == 20);
}

TEST_CASE("of too many responses at once those beyond count when they are over") {
  Account account;
  account.handle_counting();
  for (std::size_t i = 0; i < limits::counted_transfers; ++i) {
    account.handle_transfer(std::to_string(i), {1, 0, 0, 0}, false);
  }
  account.handle_transfer("beyond", {0, 3, 0, 0}, false);
  CHECK(told(account, Figure::from_origin) == 0);
  account.handle_transfer("beyond", {0, 4, 0, 0}, true);
  CHECK(told(account, Figure::from_origin) == 4);
  CHECK(told(account, Figure::from_peers) == limits::counted_transfers);
}

TEST_CASE("a connection tries the routes for which both sides have candidates") {
  CHECK(connect({"host"}, {"host"}, Route::local) == connections(1, 1, 0, 0, 0, 0));
  CHECK(connect({"host"}, {"host"}, {}) == connections(1, 0, 0, 0, 0, 0));
  CHECK(connect({"host", "srflx"}, {"host", "srflx"}, Route::direct) ==
        connections(1, 0, 1, 1, 0, 0));
  CHECK(connect({"host"}, {"srflx"}, {}) == connections(0, 0, 1, 0, 0, 0));
  CHECK(connect({"host", "srflx", "relay"}, {"host", "srflx"}, Route::relayed) ==
        connections(1, 0, 1, 0, 1, 1));
  CHECK(connect({"relay"}, {"relay"}, {}) == connections(0, 0, 0, 0, 1, 0));
  CHECK(connect({"relay"}, {"host"}, {}) == connections(0, 0, 0, 0, 1, 0));
}

TEST_CASE("a connection without candidates of one side tried nothing") {
  CHECK(connect({"host", "relay"}, {}, {}) == Figures{});
  CHECK(connect({}, {"host"}, {}) == Figures{});
}

TEST_CASE("the route that opened was tried, though no candidate named it") {
  CHECK(connect({"host"}, {"host"}, Route::direct) == connections(1, 0, 1, 1, 0, 0));
  CHECK(connect({}, {}, Route::local) == connections(1, 1, 0, 0, 0, 0));
}

TEST_CASE("each connection counts once, by the way it went last") {
  Account account;
  account.handle_try(ann);
  account.handle_open(ann, Route::direct);
  CHECK(told(account) == connections(0, 0, 1, 1, 0, 0));
  account.handle_open(ann, Route::local);
  CHECK(told(account) == connections(1, 1, 0, 0, 0, 0));
  account.handle_failed(ann);
  CHECK(told(account) == connections(1, 1, 0, 0, 0, 0));
  account.handle_open(ann, Route::relayed);
  account.handle_over(ann);
  CHECK(told(account) == connections(1, 1, 0, 0, 0, 0));
}

TEST_CASE("a connection that is over before it opened or failed does not count") {
  Account account;
  account.handle_try(ann);
  account.handle_candidate(ann, true, candidate("host"));
  account.handle_candidate(ann, false, candidate("host"));
  account.handle_over(ann);
  account.handle_failed(ann);
  CHECK(account.report().empty());
}

}  // namespace peer_cdn::peer
