#include "swarm/session.hpp"

#include <doctest/doctest.h>

#include "base/limits.hpp"

namespace peer_cdn::swarm {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t full = limits::block_bytes;
constexpr Instant start = Instant(10s);

wire::Block block(PieceIndex piece, std::uint32_t index = 0) {
  return {piece, index * full, full};
}

std::size_t fill(Session& session, Instant now, PieceIndex piece = 0) {
  std::size_t asked = 0;
  while (session.has_room()) session.ask(1, block(piece, static_cast<std::uint32_t>(asked++)), now);
  return asked;
}

}  // namespace

TEST_CASE("the first frame is a hello of our version, and the only one") {
  CHECK(Session({1}).handle_hello(wire::version + 1) == Error::version_mismatch);
  Session session({1});
  CHECK(session.handle_hello(wire::version) == Error::none);
  CHECK(session.greeted());
  CHECK(session.handle_hello(wire::version) == Error::unknown_message);
}

TEST_CASE(
    "a new peer is asked for a few blocks, a fast one for half a second's, a slow one for the "
    "least") {
  Session session({1});
  CHECK(fill(session, start) == limits::pipeline_blocks_start);
  struct Case {
    std::uint64_t rate;
    std::size_t blocks;
  };
  const Case cases[] = {{100 * limits::mib, limits::pipeline_blocks_max},
                        {2 * limits::mib, 16},
                        {50 * limits::kib, limits::pipeline_blocks_min}};
  for (const Case& c : cases) {
    const std::uint64_t rate = c.rate;
    const std::size_t blocks = c.blocks;
    CAPTURE(rate);
    Session peer({1});
    const Duration per_block(static_cast<Duration::rep>(full * 1'000'000ULL / rate));
    Instant now = start;
    for (std::uint32_t i = 0; i < 2000; ++i) {
      peer.ask(1, block(0, i), now);
      now += per_block;
      REQUIRE(peer.handle_block({1, block(0, i)}, now));
      peer.ask(1, block(1, i), now);  // never idle: the pause would not count
      REQUIRE(peer.handle_block({1, block(1, i)}, now + per_block));
      now += per_block;
    }
    const std::size_t asked = fill(peer, now, 2);
    CHECK(asked >= blocks - blocks / 8);
    CHECK(asked <= blocks + blocks / 8);
  }
}

TEST_CASE("a peer whose word came to nothing too often is not believed for a while") {
  Session session({1});
  for (std::uint32_t i = 0; i < limits::claims_missed; ++i) {
    CHECK(session.is_believed(start));
    session.handle_let_down(start);
  }
  CHECK_FALSE(session.is_believed(start));
  const Instant later = start + limits::peer_stall_memory;
  CHECK(session.is_believed(later));
  session.handle_let_down(later);
  CHECK(session.is_believed(later));
}

TEST_CASE(
    "where many peers serve, less of the rate of each is in flight, but never more than alone") {
  Session session({1});
  Instant now = start;
  for (std::uint32_t i = 0; i < 100; ++i) {
    session.ask(1, block(0, i), now);
    now += Duration(full * 1'000'000ULL / (2 * limits::mib));
    REQUIRE(session.handle_block({1, block(0, i)}, now));
  }
  session.limit_span(limits::pipeline_span / 4);
  const std::size_t few = fill(session, now, 2);
  CHECK(few >= 3);
  CHECK(few <= 5);
  session.limit_span(limits::pipeline_span);
  const std::size_t all = few + fill(session, now, 3);
  CHECK(all >= 14);
  CHECK(all <= 18);
}

TEST_CASE("more is asked for once a quarter of what may be in flight has come") {
  Session session({1});
  CHECK(session.is_due());
  const std::size_t asked = fill(session, start);
  const std::size_t quarter = limits::pipeline_blocks_start / 4;
  for (std::uint32_t i = 0; i < asked; ++i) {
    CHECK(session.is_due() == (i >= quarter));
    REQUIRE(session.handle_block({1, block(0, i)}, start));
  }
  CHECK(session.is_due());
}

TEST_CASE("a block is taken once, and only as it was asked for") {
  Session session({1});
  session.ask(1, block(0), start);
  session.ask(1, {1, 0, 100}, start);
  CHECK(session.handle_block({2, block(0)}, start).error() == Error::unasked_block);
  CHECK(session.handle_block({1, block(5)}, start).error() == Error::unasked_block);
  CHECK(session.handle_block({1, block(0, 9)}, start).error() == Error::unasked_block);
  CHECK(session.handle_block({1, {1, 0, 99}}, start).error() == Error::unasked_block);
  CHECK(session.handle_block({1, block(0)}, start).value());
  CHECK(session.handle_block({1, block(0)}, start).error() == Error::unasked_block);
}

TEST_CASE("a cancelled block may still come, once, or be rejected") {
  Session session({1});
  session.ask(1, block(0), start);
  session.ask(1, block(1), start);
  CHECK(session.cancel(1, block(0)));
  CHECK_FALSE(session.cancel(1, block(0)));
  CHECK(session.abandon(1).size() == 1);
  const auto late = session.handle_block({1, block(0)}, start);
  REQUIRE(late);
  CHECK_FALSE(*late);
  CHECK_FALSE(session.handle_reject(1, block(1)));
  CHECK(session.handle_block({1, block(1)}, start).error() == Error::unasked_block);
}

TEST_CASE("a block that was cancelled and asked for again is told by its answers") {
  Session session({1});
  session.ask(1, block(0), start);
  session.cancel(1, block(0));
  session.ask(1, block(0), start);
  SUBCASE("the cancel came in time: a reject, then the block") {
    CHECK_FALSE(session.handle_reject(1, block(0)));
    CHECK(session.handle_block({1, block(0)}, start).value());
  }
  SUBCASE("it came too late: two blocks, one is taken") {
    CHECK(session.handle_block({1, block(0)}, start).value());
    CHECK_FALSE(session.handle_block({1, block(0)}, start).value());
  }
  CHECK(session.handle_block({1, block(0)}, start).error() == Error::unasked_block);
}

TEST_CASE("a peer that answers no cancel is asked for nothing more") {
  Session session({1});
  for (PieceIndex piece = 0; session.has_room(); ++piece) {
    REQUIRE(piece < 1000);
    session.ask(1, block(piece), start);
    session.cancel(1, block(piece));
  }
  CHECK(session.idle());
  CHECK(session.next_timeout() == start + limits::peer_stall);
  CHECK_FALSE(session.stalls(start + limits::peer_stall - 1ms));
  CHECK(session.stalls(start + limits::peer_stall));
  CHECK(session.recovers(start + limits::peer_stall + limits::peer_stall_pause));
  CHECK(session.stalls(start + limits::peer_stall + limits::peer_stall_pause));
  CHECK(session.stalls() == 2);
}

TEST_CASE("a peer that does not say what it has stalls, until it does") {
  Session session({1});
  CHECK(session.want(start) != session.want(start + 1s));
  CHECK(session.next_timeout() == start + 2s);
  session.handle_answer(start + 1s);
  CHECK_FALSE(session.stalls(start + 1min));
  session.want(start + 2s);
  CHECK_FALSE(session.stalls(start + 3999ms));
  CHECK(session.stalls(start + 4s));
  CHECK_FALSE(session.has_room());
  SUBCASE("it says so late") {
    session.handle_answer(start + 5s);
    CHECK(session.recovers(start + 5s));
    CHECK_FALSE(session.stalls(start + 1min));
    CHECK(session.next_timeout() == std::nullopt);
  }
  SUBCASE("it never does") {
    CHECK(session.recovers(start + 14s));
    CHECK(session.stalls(start + 14s));
    CHECK(session.stalls() == 2);
  }
  SUBCASE("its path was gone") {
    session.handle_lost();
    session.handle_found(start + 14s);
    CHECK(session.stalls() == 0);
    CHECK_FALSE(session.stalls(start + 15s));
    CHECK(session.stalls(start + 16s));
  }
}

TEST_CASE("no bytes for two seconds with requests in flight is a stall") {
  Session session({1});
  CHECK_FALSE(session.stalls(start + 60s));
  CHECK(session.next_timeout() == std::nullopt);
  session.ask(1, block(0), start);
  session.ask(1, block(1), start + 1s);
  CHECK(session.next_timeout() == start + 2s);
  CHECK_FALSE(session.stalls(start + 1999ms));
  CHECK(session.handle_block({1, block(0)}, start + 1999ms).value());
  CHECK_FALSE(session.stalls(start + 3s));
  CHECK(session.stalls(start + 3999ms));
  CHECK(session.stalls() == 1);
  CHECK(session.stalled());
  CHECK_FALSE(session.has_room());
  CHECK_FALSE(session.stalls(start + 9s));
  SUBCASE("it is over after a pause") {
    CHECK_FALSE(session.recovers(start + 13s));
    CHECK(session.recovers(start + 14s));
  }
  SUBCASE("or when a block comes late") {
    session.abandon(std::nullopt);
    CHECK_FALSE(session.handle_block({1, block(1)}, start + 5s).value());
    CHECK(session.recovers(start + 5s));
  }
  CHECK_FALSE(session.stalled());
}

TEST_CASE("a stall of long ago is forgiven") {
  Session session({1});
  session.ask(1, block(0), start);
  CHECK(session.stalls(start + 2s));
  CHECK(session.recovers(start + 12s));
  SUBCASE("but not one of a minute ago") {
    CHECK(session.stalls(start + 1min));
    CHECK(session.stalls() == 2);
  }
  SUBCASE("after five minutes") {
    CHECK(session.stalls(start + 2s + limits::peer_stall_memory));
    CHECK(session.stalls() == 1);
  }
}

TEST_CASE("while the path to a peer is gone it is asked for nothing, and did not stall") {
  Session session({1});
  session.ask(1, block(0), start);
  SUBCASE("seen before the stall") {
    session.handle_lost();
    session.abandon(std::nullopt);
    CHECK_FALSE(session.stalls(start + 1min));
  }
  SUBCASE("seen after it") {
    CHECK(session.stalls(start + limits::peer_stall));
    session.handle_lost();
  }
  CHECK(session.stalled());
  CHECK_FALSE(session.has_room());
  session.handle_found(start + 1min);
  CHECK_FALSE(session.stalled());
  CHECK(session.has_room());
  CHECK(session.stalls() == 0);
}

}  // namespace peer_cdn::swarm
