#include "swarm/download.hpp"

#include <doctest/doctest.h>

#include <string>

#include "base/limits.hpp"

namespace peer_cdn::swarm {
namespace {

using namespace std::chrono_literals;
constexpr Instant start = Instant(10s);
constexpr std::uint32_t piece_bytes = 2 * limits::block_bytes;

// A download with its outputs as text: D3 deliver, T3 take, V3 digest, S0-2 store, F3 forget,
// P pending, L fetch the digest list, A ask, E<code> end.
struct Fixture {
  explicit Fixture(std::uint32_t pieces)
      : geometry(*Geometry::parse(std::uint64_t{pieces} * piece_bytes, piece_bytes)),
        download(Root{}, geometry, 1) {}

  void holder(std::uint32_t peer, std::string_view has) {
    download.add_holder({peer}, peer, start);
    PieceSet have(geometry.count());
    for (PieceIndex i = 0; i < has.size(); ++i) {
      if (has[i] == 'x') have.add(i);
    }
    download.handle_have(*download.holder({peer}), have);
  }

  void list() {
    Bytes bytes;
    for (PieceIndex i = 0; i < geometry.count(); ++i) {
      const Digest digest = digest_of(i);
      bytes.insert(bytes.end(), digest.bytes.begin(), digest.bytes.end());
    }
    download.handle_digests(*DigestList::parse(geometry, bytes), out);
  }

  static Digest digest_of(PieceIndex piece) {
    Digest digest;
    digest.bytes[0] = static_cast<std::uint8_t>(piece + 1);
    return digest;
  }

  std::optional<wire::Block> ask(std::uint32_t peer, bool idle = false) {
    return download.next_block(*download.holder({peer}), idle, true);
  }
  void come(std::uint32_t peer, const wire::Block& block) {
    download.handle_block({peer}, block, start, out);
  }
  // The next piece that this peer is asked for arrives, whole and right.
  void piece(std::uint32_t peer) {
    const auto first = ask(peer);
    REQUIRE(first);
    const auto second = ask(peer);
    REQUIRE(second);
    come(peer, *first);
    come(peer, *second);
    good(first->piece);
  }
  void good(PieceIndex piece) { download.handle_digest(piece, digest_of(piece), out); }

  std::string said(Instant now = start) {
    download.settle(now, out);
    download.write_back(now, false, out);
    std::string text;
    const auto number = [](std::uint32_t n) { return std::to_string(n); };
    while (auto output = out.poll()) {
      if (auto* o = get_if<Deliver>(&*output)) text += "D" + number(o->piece) + " ";
      if (auto* o = get_if<DigestPiece>(&*output)) text += "V" + number(o->piece) + " ";
      if (auto* o = get_if<Forget>(&*output)) text += "F" + number(o->piece) + " ";
      if (auto* o = get_if<StoreRun>(&*output)) {
        text += "S" + number(o->pieces.begin) + "-" + number(o->pieces.end) + " ";
      }
      if (auto* o = get_if<End>(&*output)) text += "E" + std::string(code(o->error)) + " ";
      if (get_if<Pending>(&*output)) text += "P ";
      if (get_if<FetchDigests>(&*output)) text += "L ";
      if (get_if<AskFor>(&*output)) text += "A ";
    }
    return text;
  }

  Geometry geometry;
  Outputs out;
  Download download;
};

constexpr ReaderId reader = {1};

}  // namespace

TEST_CASE("pieces are delivered in order, whatever order they come in, and stored as one run") {
  Fixture f(3);
  f.download.open(reader, {{0, 3}, {}}, start, f.out);
  f.download.grant(reader, limits::mib, start);
  f.holder(1, "xxx");
  f.holder(2, "xxx");
  CHECK(f.said() == "A L P ");
  f.list();
  const auto slow = f.ask(1);
  CHECK(slow->piece == 0);
  f.piece(2);
  CHECK(f.said() == "V1 ");
  f.piece(2);
  f.said();
  f.come(1, *slow);
  f.come(1, *f.ask(1));
  f.good(0);
  CHECK(f.said() == "V0 D0 D1 D2 Enone S0-3 ");
  f.download.handle_kept({0, 3}, true, f.out);
  CHECK(f.said() == "F0 F1 F2 ");
  CHECK(f.download.finished());
}

TEST_CASE("nothing is written while a reader waits for pieces on their way, but not for ever") {
  Fixture f(40);  // of 8 pieces a segment
  f.list();
  f.download.open(reader, {{0, 40}, {}}, start, f.out);
  f.download.grant(reader, limits::resource_bytes_max, start);
  f.holder(1, std::string(40, 'x'));
  f.holder(2, std::string(39, '.') + 'x');
  f.ask(2);
  for (int i = 0; i < 16; ++i) f.piece(1);
  CHECK(f.said().find('S') == std::string::npos);
  const Instant later = start + limits::store_wait / 2;
  for (int i = 0; i < 8; ++i) f.piece(1);
  CHECK(f.said(later).find('S') == std::string::npos);
  CHECK(*f.download.next_timeout() <= start + limits::store_wait);
  SUBCASE("a segment at a time, each when it has waited") {
    const auto due = [&](Instant since) { return f.said(since + limits::store_wait); };
    CHECK(due(start) == "S0-8 ");
    CHECK(due(start) == "");
    f.download.handle_kept({0, 8}, true, f.out);
    CHECK(due(start).find("S8-16 ") != std::string::npos);
    f.download.handle_kept({8, 16}, true, f.out);
    CHECK(due(start).find('S') == std::string::npos);
    CHECK(due(later) == "S16-24 ");
  }
  SUBCASE("but at once when there is much in memory") {
    f.download.write_back(start, true, f.out);
    CHECK(f.said() == "S0-8 ");
  }
  SUBCASE("or when nobody waits any more") {
    f.download.close(reader, f.out);
    CHECK(f.said().find("S0-8 ") != std::string::npos);
  }
}

TEST_CASE("all peers together are asked for half of the read-ahead, each for its share") {
  Fixture f(40);
  const auto span_of = [&](std::uint64_t one, std::uint64_t other) {
    f.download.holder({1})->rate = one;
    f.download.holder({2})->rate = other;
    return f.download.request_span();
  };
  CHECK(f.download.request_span() == limits::pipeline_span);  // of nobody
  f.holder(1, std::string(40, 'x'));
  f.holder(2, std::string(40, 'x'));
  CHECK(span_of(0, 0) == limits::pipeline_span);  // not known yet
  CHECK(span_of(limits::mib, limits::mib) == limits::pipeline_span);
  CHECK(span_of(12 * limits::mib, 4 * limits::mib) == 250ms);
  f.download.holder({1})->stalled = true;
  CHECK(span_of(12 * limits::mib, 4 * limits::mib) == limits::pipeline_span);
}

TEST_CASE("a page that closes writes all that is verified, once") {
  Fixture f(40);
  f.list();
  f.download.open(reader, {{0, 40}, {}}, start, f.out);
  f.download.grant(reader, limits::resource_bytes_max, start);
  f.holder(1, std::string(40, 'x'));
  f.holder(2, std::string(39, '.') + 'x');
  f.ask(2);
  for (int i = 0; i < 3; ++i) f.piece(1);
  CHECK(f.said().find('S') == std::string::npos);
  f.download.write_all(f.out);
  CHECK(f.said() == "S0-3 ");
  f.download.write_all(f.out);
  CHECK(f.said() == "");
}

TEST_CASE("credit is kept, and the first piece may exceed it") {
  Fixture f(3);
  f.list();
  f.download.open(reader, {{0, 3}, {}}, start, f.out);
  f.holder(1, "xxx");
  for (int i = 0; i < 3; ++i) f.piece(1);
  CHECK(f.said().find('D') == std::string::npos);
  f.download.grant(reader, 1, start);
  CHECK(f.said() == "D0 ");
  f.download.grant(reader, piece_bytes - 1, start);
  CHECK(f.said() == "");
  f.download.grant(reader, piece_bytes + 1, start);
  CHECK(f.said() == "D1 D2 Enone ");
}

TEST_CASE("a piece stays until every reader that wants it had it") {
  Fixture f(2);
  f.list();
  f.download.open(reader, {{0, 2}, {}}, start, f.out);
  f.download.open({2}, {{0, 1}, {}}, start, f.out);
  f.download.grant(reader, limits::mib, start);
  f.holder(1, "xx");
  f.piece(1);
  f.piece(1);
  f.said();
  f.download.handle_kept({0, 2}, true, f.out);
  CHECK(f.said() == "F1 ");
  f.download.grant({2}, limits::mib, start);
  CHECK(f.said() == "D0 F0 Enone ");
  CHECK(f.download.finished());
}

TEST_CASE("a reader that closes leaves verified pieces to the store, and drops the rest") {
  Fixture f(4);
  f.list();
  f.download.open(reader, {{0, 4}, {}}, start, f.out);
  f.download.grant(reader, limits::mib, start);
  f.holder(1, "xxxx");
  f.piece(1);
  const auto half = f.ask(1);
  f.ask(1);
  f.come(1, *half);
  f.said();
  f.download.close(reader, f.out);
  CHECK(f.said() == "F1 S0-1 ");
  CHECK(f.download.take_unneeded().size() == 1);
  CHECK_FALSE(f.download.finished());
  f.download.handle_kept({0, 1}, true, f.out);
  CHECK(f.download.finished());
}

TEST_CASE("a wrong piece names its only sender, and is fetched again") {
  Fixture f(2);
  f.list();
  f.download.open(reader, {{0, 2}, {}}, start, f.out);
  f.holder(1, "xx");
  f.holder(2, "xx");
  f.come(1, *f.ask(1));
  f.come(1, *f.ask(1));
  CHECK(f.download.handle_digest(0, Digest{}, f.out) == PeerId{1});
  f.download.remove_holder({1});
  CHECK(f.ask(2)->piece == 0);
}

TEST_CASE("a wrong piece of two senders names nobody, and comes from one the next time") {
  Fixture f(1);
  Fixture two(2);
  two.list();
  two.download.open(reader, {{0, 1}, {}}, start, two.out);
  two.holder(1, "xx");
  two.holder(2, "xx");
  const auto first = two.ask(1);
  const auto shared = two.ask(2, true);
  REQUIRE(shared);
  CHECK(first->piece == shared->piece);
  CHECK(first->offset != shared->offset);  // from the other end
  two.come(1, *first);
  two.come(2, *shared);
  CHECK(two.download.handle_digest(0, Digest{}, two.out) == std::nullopt);
  CHECK(two.ask(2)->piece == 0);
  CHECK(two.ask(1, true) == std::nullopt);
}

TEST_CASE("a piece that the browser could not digest ends its readers, and is no peer's fault") {
  Fixture f(2);
  f.download.open(reader, {{0, 2}, {}}, start, f.out);
  f.download.grant(reader, limits::mib, start);
  f.holder(1, "xx");
  f.list();
  f.said();
  for (int blocks = 0; blocks < 2; ++blocks) f.come(1, *f.ask(1));
  CHECK(f.said() == "V0 ");
  f.download.handle_undigested(1, f.out);
  CHECK(f.said().empty());
  f.download.handle_undigested(0, f.out);
  CHECK(f.said() == "F0 Estorage-lost ");
  f.download.handle_undigested(0, f.out);
  CHECK(f.said().empty());
  CHECK(f.download.finished());
}

TEST_CASE("in the endgame the slower request is cancelled at once, and its block not taken twice") {
  Fixture f(2);
  f.list();
  f.download.open(reader, {{0, 1}, {}}, start, f.out);
  f.holder(1, "xx");
  f.holder(2, "xx");
  const auto a = f.ask(1), b = f.ask(1);
  CHECK(f.ask(2) == std::nullopt);  // not idle: nothing to share
  const auto c = f.ask(2, true);
  CHECK(*c == *b);
  f.come(2, *c);
  const auto unneeded = f.download.take_unneeded();
  REQUIRE(unneeded.size() == 1);
  CHECK(unneeded[0].peer == PeerId{1});
  CHECK(unneeded[0].block == *b);
  f.come(1, *a);
  CHECK(f.said().find("V0") != std::string::npos);
}

TEST_CASE("nothing is asked for beyond the read-ahead") {
  Fixture f(400);
  f.list();
  f.download.open(reader, {{10, 400}, {}}, start, f.out);
  f.holder(1, std::string(400, 'x'));
  PieceIndex last = 0;
  while (const auto block = f.ask(1)) last = std::max(last, block->piece);
  const PieceIndex span = limits::read_ahead_bytes / piece_bytes;
  CHECK(last == f.geometry.segment_end(10 + span - 1) - 1);
}

TEST_CASE("a slow peer is asked for the furthest piece, unless only it has the next one") {
  Fixture f(64);
  f.list();
  f.download.open(reader, {{0, 64}, {}}, start, f.out);
  const std::string all(64, 'x');
  f.holder(1, all);
  f.holder(2, all);
  CHECK(f.ask(2)->piece == 0);  // no peer is known to be faster
  f.download.holder({1})->rate = limits::mib;
  f.download.holder({2})->rate = limits::mib / limits::slow_peer_factor;
  CHECK(f.ask(2)->piece == 0);
  CHECK(f.ask(2)->piece == 1);
  f.download.holder({2})->rate -= 1;
  CHECK(f.ask(2)->piece == 1);
  CHECK(f.ask(2)->piece == 63);
  CHECK(f.ask(2)->piece == 63);
  f.download.handle_reject({1},
                           {2, 0, limits::block_bytes});  // the peer has not got piece 2 after all
  CHECK(f.ask(2)->piece == 2);
  CHECK(f.ask(1)->piece == 0);
}

TEST_CASE(
    "a piece that a reader waits for, in flight with a slow peer, is shared by a faster one") {
  Fixture f(64);
  f.list();
  f.download.open(reader, {{0, 64}, {}}, start, f.out);
  const std::string all(64, 'x');
  f.holder(1, all);
  f.holder(2, all);
  CHECK(*f.ask(2) == wire::block_at(0, 0, piece_bytes));
  CHECK(f.ask(1)->piece == 1);
  CHECK(f.ask(1)->piece == 1);
  f.download.holder({1})->rate = limits::mib;
  CHECK(*f.ask(1) == wire::block_at(0, limits::block_bytes, piece_bytes));
}

TEST_CASE("how a reader ends when there is nobody, or nobody any more") {
  Fixture f(2);
  f.list();
  f.download.open(reader, {{0, 2}, {}}, start, f.out);
  SUBCASE("the coordinator knows nobody: at once") {
    f.download.handle_answered(0);
    CHECK(f.said() == "A Enobody-has-it ");
  }
  SUBCASE("the coordinator knows nobody, but a connected peer has not answered") {
    f.download.add_holder({1}, 1, start);
    f.download.handle_answered(0);
    CHECK(f.said() == "A ");
    CHECK(f.download.next_timeout() == start + limits::ask_again_min);  // and not before want_wait
    f.download.handle_not(*f.download.holder({1}));
    CHECK(f.said() == "Enobody-has-it ");
  }
  SUBCASE("somebody was introduced, and never came") {
    f.download.handle_answered(1);
    CHECK(f.said() == "A P ");
    CHECK(f.said(start + limits::introduction_wait - 1ms) == "A ");
    CHECK(f.said(start + limits::introduction_wait) == "Epeer-gone ");
  }
  SUBCASE("the last holder goes: one more question, and a short wait") {
    f.holder(1, "xx");
    CHECK(f.said() == "A P ");
    f.download.remove_holder({1});
    CHECK(f.said(start + 1s) == "A ");
    f.download.handle_answered(2);
    CHECK(f.said(start + 1s) == "A ");  // fewer peers than could be used: asked again now and then
    CHECK(f.said(start + 1s + limits::resume_wait) == "Epeer-gone ");
  }
  SUBCASE("and if the coordinator knows nobody either, no wait") {
    f.holder(1, "xx");
    f.said();
    f.download.remove_holder({1});
    f.said(start + 1s);
    f.download.handle_answered(0);
    CHECK(f.said(start + 1s) == "Epeer-gone ");
  }
  SUBCASE("a holder that gives nothing: stalled, but only while there is credit") {
    f.holder(1, "xx");
    CHECK(f.said(start) == "A P ");
    CHECK(f.said(start + 60s) == "");
    f.download.grant(reader, 1, start + 60s);
    CHECK(f.said(start + 62s) == "");
    CHECK(f.said(start + 64s) == "Epeer-stalled ");
  }
  SUBCASE("it has no credit for minutes: its worker may be gone") {
    f.holder(1, "xx");
    f.said();
    CHECK(f.said(start + limits::reader_idle - 1ms) == "");
    CHECK(f.said(start + limits::reader_idle) == "Etimed-out ");
  }
  SUBCASE("no digest list: nothing can be verified") {
    Fixture g(2);
    g.download.open(reader, {{0, 2}, {}}, start, g.out);
    g.holder(1, "xx");
    CHECK(g.said() == "A L P ");
    g.download.handle_digests_failed(g.out);
    CHECK(g.said() == "Edigests-mismatch ");
  }
}

TEST_CASE("peers that give less than the least rate for a while end the reader, piece by piece") {
  Fixture f(400);
  f.list();
  f.download.open(reader, {{0, 400}, {}}, start, f.out);
  f.download.grant(reader, limits::resource_bytes_max, start);
  f.holder(1, std::string(400, 'x'));
  f.said();
  const auto ended_after = [&](Duration each) -> std::optional<Duration> {
    for (Instant now = start + each; now < start + 60s; now += each) {
      f.piece(1);
      if (f.said(now).find("Epeer-stalled") != std::string::npos) return now - start;
    }
    return std::nullopt;
  };
  SUBCASE("128 KiB every 700 ms are 183 KiB/s") {
    const auto ended = ended_after(700ms);
    REQUIRE(ended);
    CHECK(*ended <= limits::reader_stall + 1200ms);
  }
  SUBCASE("128 KiB every 400 ms are 320 KiB/s") {
    CHECK_FALSE(ended_after(400ms));
  }
  SUBCASE("fast, then slow: ended one measured span later at most") {
    for (int i = 0; i < 50; ++i) f.piece(1);
    f.said(start + 2s);
    CHECK(*ended_after(1s) <= 2 * (limits::reader_stall + 1s));
  }
}

TEST_CASE("a reader that is slow itself is not ended for it") {
  Fixture f(100);
  f.list();
  f.download.open(reader, {{0, 100}, {}}, start, f.out);
  f.holder(1, std::string(100, 'x'));
  for (int i = 0; i < 60; ++i) {
    f.piece(1);
    f.download.grant(reader, piece_bytes, start + 1s * i);
    CHECK(f.said(start + 1s * i).find('E') == std::string::npos);
  }
}

TEST_CASE("one piece is its own digest list") {
  Fixture f(1);
  f.download.open(reader, {{0, 1}, {}}, start, f.out);
  f.holder(1, "x");
  CHECK(f.said() == "A P ");
}

TEST_CASE("a piece that is in the store already is not stored again") {
  Fixture f(1);
  f.download.handle_kept({0, 1}, true, f.out);
  f.download.open(reader, {{0, 1}, {}}, start, f.out);
  f.download.grant(reader, limits::mib, start);
  f.holder(1, "x");
  f.come(1, *f.ask(1));
  f.come(1, *f.ask(1));
  f.said();
  f.download.handle_digest(0, Root{}, f.out);
  CHECK(f.said() == "D0 F0 Enone ");
}

TEST_CASE("a piece that the store had, and lost while others were read, is stored again") {
  Fixture f(1);
  f.download.handle_kept({0, 1}, true, f.out);
  f.download.open(reader, {{0, 1}, {}}, start, f.out);
  f.download.grant(reader, limits::mib, start);
  f.download.handle_dropped({0, 1});
  f.holder(1, "x");
  f.come(1, *f.ask(1));
  f.come(1, *f.ask(1));
  f.said();
  f.download.handle_digest(0, Root{}, f.out);
  CHECK(f.said() == "D0 Enone S0-1 ");
}

}  // namespace peer_cdn::swarm
