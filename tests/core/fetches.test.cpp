// Which pieces a download fetches from the origin, and which it leaves to others.
#include <doctest/doctest.h>

#include <set>
#include <string>

#include "base/limits.hpp"
#include "swarm/download.hpp"

namespace peer_cdn::swarm {
namespace {

using namespace std::chrono_literals;
constexpr Instant start = Instant(10s);
constexpr std::uint32_t piece_bytes = limits::piece_bytes_min;
constexpr ReaderId reader = {1};
constexpr Duration patience = 200ms;

// A download with its outputs as text: G1:0-4 fetch 1 gets pieces 0 to 4, X1 cancel it, D3 deliver,
// O3 deliver from the origin, E<code> end.
struct Fixture {
  explicit Fixture(std::uint32_t pieces, std::uint32_t each = piece_bytes, std::uint64_t seed = 1)
      : geometry(*Geometry::parse(std::uint64_t{pieces} * each, each)),
        download(Root{}, geometry, seed) {
    Bytes bytes;
    for (PieceIndex i = 0; i < pieces; ++i) {
      const Digest digest = digest_of(i);
      bytes.insert(bytes.end(), digest.bytes.begin(), digest.bytes.end());
    }
    if (pieces > 1) download.handle_digests(*DigestList::parse(geometry, bytes), out);
  }
  static Digest digest_of(PieceIndex piece) {
    Digest digest;
    digest.bytes[0] = static_cast<std::uint8_t>(piece + 1);
    return digest;
  }
  void open(std::uint32_t slower = 1) {
    download.open(reader, {geometry.all(), {slower, patience}}, start, out);
    download.grant(reader, limits::resource_bytes_max, start);
  }
  void holder(std::uint32_t peer, std::string_view has) {
    download.add_holder({peer}, peer, start);
    PieceSet have(geometry.count());
    for (PieceIndex i = 0; i < has.size(); ++i) {
      if (has[i] == 'x') have.add(i);
    }
    download.handle_have(*download.holder({peer}), have);
  }
  bool come(std::uint32_t fetch, PieceIndex piece, Instant now = start) {
    if (!download.handle_fetched({fetch}, piece, now, out)) return false;
    download.handle_digest(piece, digest_of(piece), out);
    return true;
  }
  std::string said(Instant now = start) {
    download.settle(now, out);
    download.settle_fetches(now, true, last, out);
    std::string text;
    const auto number = [](std::uint32_t n) { return std::to_string(n); };
    while (auto output = out.poll()) {
      if (auto* o = get_if<FetchPieces>(&*output)) {
        text += "G" + number(o->fetch.value) + ":" + number(o->pieces.begin) + "-" +
                number(o->pieces.end) + " ";
      }
      if (auto* o = get_if<CancelFetch>(&*output)) text += "X" + number(o->fetch.value) + " ";
      if (auto* o = get_if<Deliver>(&*output)) {
        text += std::string(1, "SDO"[static_cast<std::size_t>(o->from)]) + number(o->piece) + " ";
      }
      if (auto* o = get_if<End>(&*output)) text += "E" + std::string(code(o->error)) + " ";
    }
    return text;
  }

  Geometry geometry;
  Outputs out;
  Download download;
  FetchId last;
};

}  // namespace

TEST_CASE("where nobody has the resource the page asks no origin, because the worker does") {
  Fixture f(8);
  f.open();
  CHECK(f.said() == "");
  f.download.handle_answered(0);
  CHECK(f.said() == "Enobody-has-it ");
}

TEST_CASE("peers have the reader's patience to begin, and none if they all answered") {
  Fixture f(16);
  f.open();
  f.download.handle_answered(1);
  SUBCASE("nobody is connected yet") {
    CHECK(f.said() == "");
    CHECK(f.download.next_timeout() == start + patience);
    CHECK(f.said(start + patience) == "G1:0-8 G2:8-16 ");
  }
  SUBCASE("the introduced peer has a part, and fetches too: the rest, a stretch at a time") {
    f.holder(1, "xxxx");
    const std::string said = f.said();
    CHECK(said.find("G1:") != std::string::npos);
    CHECK(said.find("G2:") == std::string::npos);
    CHECK(said.find(":0-") == std::string::npos);
  }
  SUBCASE("the introduced peer has all of it") {
    f.holder(1, std::string(16, 'x'));
    CHECK(f.said() == "");
  }
}

TEST_CASE(
    "of few pages each fetches a segment of its own, in longer stretches than one of a crowd") {
  for (std::uint32_t others = 1; others <= limits::introductions_per_ask; ++others) {
    CAPTURE(others);
    const bool are_few = others < limits::introductions_per_ask;
    std::set<PieceIndex> begins;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      Fixture f(64, piece_bytes, seed);
      f.open();
      f.download.handle_answered(others);
      for (std::uint32_t i = 1; i <= others; ++i) f.holder(i, "");
      f.said();
      const PieceRange pieces = f.download.take_claims().front().pieces;
      const std::uint64_t bytes = are_few ? limits::fetch_few_bytes : limits::fetch_start_bytes;
      CHECK(pieces.count() <= f.geometry.pieces_in(bytes));
      if (are_few) CHECK(pieces.count() == f.geometry.pieces_in(bytes));
      if (are_few) CHECK(f.geometry.segment_begin(pieces.begin) == pieces.begin);
      begins.insert(pieces.begin);
    }
    CHECK(begins.size() > 2);
  }
}

TEST_CASE("pieces that were asked of a peer in hope are fetched when it takes long to answer") {
  Fixture f(16);
  f.open();
  f.download.handle_answered(1);
  Download::Holder& frozen = f.download.add_holder({1}, 1, start);
  for (PieceIndex piece = 0; piece < 4; ++piece) {
    CHECK(f.download.next_block(frozen, piece == 0, true)->piece == piece);
  }
  // What was not asked for goes first. The peer may have the rest, and take this long to say so.
  const std::string said = f.said(start + patience);
  CHECK(said.find("G1:") == 0);
  CHECK(said.find(":0-") == std::string::npos);
  CHECK(f.download.next_timeout() == start + limits::hope_wait);
  frozen.silent = true;
  CHECK(f.said(start + limits::hope_wait) == "G2:0-4 ");
  SUBCASE("the peer says at last that it has all: then it is left to it") {
    PieceSet all(16);
    all.add(f.geometry.all());
    f.download.handle_have(frozen, all);
    CHECK(f.said(start + limits::hope_wait).find("X2") != std::string::npos);
    CHECK(f.download.take_unneeded().size() == 0);
  }
  SUBCASE("it says nothing: what it was asked for is withdrawn, piece by piece") {
    CHECK(f.come(2, 0, start + limits::hope_wait));
    CHECK(f.download.take_unneeded().size() == 1);
    CHECK(f.said(start + limits::hope_wait) == "O0 ");
  }
}

TEST_CASE("a fetched piece is verified and delivered as any other, and says where it came from") {
  Fixture f(4);
  f.open();
  f.download.handle_answered(1);
  CHECK(f.said(start + patience) == "G1:0-4 ");
  CHECK(f.come(1, 0));
  CHECK(f.said() == "O0 ");
  CHECK_FALSE(f.come(1, 0));  // twice
  CHECK_FALSE(f.come(2, 1));  // of no fetch
  CHECK(f.come(1, 1));
  CHECK(f.come(1, 2));
  CHECK(f.come(1, 3));
  CHECK(f.said() == "O1 O2 O3 Enone ");
}

TEST_CASE("a piece that another page claims is left to it, for a while") {
  Fixture f(8);
  f.open();
  f.download.handle_answered(1);
  f.holder(1, "");
  f.download.handle_claim({1}, {{0, 4}, 0}, start);
  CHECK(f.said().find("G1:0") == std::string::npos);
  SUBCASE("until it does not come") {
    const std::string later = f.said(start + limits::claim_wait);
    CHECK(later.find(":0-") != std::string::npos);
  }
  SUBCASE("and it is not told on twice") {
    CHECK(f.download.take_claims().front().pieces == PieceRange{0, 4});
    f.download.handle_claim({1}, {{0, 4}, 0}, start + 10ms);
    CHECK(f.download.take_claims().empty());
    f.download.handle_claim({1}, {{0, 4}, 0}, start + limits::claim_wait / 2);
    CHECK(f.download.take_claims().size() == 1);
  }
}

TEST_CASE("of two pages that fetch the same piece the lower rank goes on") {
  Fixture f(4);
  f.open();
  f.download.handle_answered(1);
  f.holder(1, "");
  const std::string first = f.said(start + limits::origin_wait);
  CHECK(first.substr(0, 2) == "G1");
  const std::uint32_t rank = f.download.claims(start + limits::origin_wait)[0].rank;
  SUBCASE("the other's is lower") {
    f.download.handle_claim({1}, {{0, 4}, rank - 1}, start + limits::origin_wait);
    CHECK(f.said(start + limits::origin_wait).find("X1") != std::string::npos);
  }
  SUBCASE("the other's is lower for the first piece: the pieces after it go on at once") {
    const std::string begin = first.substr(3, 1);
    const PieceIndex piece = static_cast<PieceIndex>(std::stoul(begin));
    f.download.handle_claim({1}, {{piece, piece + 1}, rank - 1}, start + limits::origin_wait);
    const std::string said = f.said(start + limits::origin_wait);
    CHECK(said.find("X1") != std::string::npos);
    CHECK(said.find(":" + std::to_string(piece + 1) + "-4") != std::string::npos);
  }
  SUBCASE("ours is lower") {
    f.download.handle_claim({1}, {{0, 4}, rank + 1}, start + limits::origin_wait);
    CHECK(f.said(start + limits::origin_wait) == "");
  }
}

TEST_CASE("a piece that a peer has by now is not fetched on, but those after it are") {
  Fixture f(16);
  f.open();
  f.download.handle_answered(1);
  CHECK(f.said(start + patience) == "G1:0-8 G2:8-16 ");
  f.holder(1, "  xx");
  CHECK(f.come(1, 0));
  CHECK(f.said(start + patience) == "O0 ");
  CHECK(f.come(1, 1));
  CHECK(f.said(start + patience) == "O1 X1 G3:4-8 ");
  CHECK(f.download.next_block(*f.download.holder({1}), true, true)->piece == 2);
}

TEST_CASE("what a peer offers that has refused much is fetched on") {
  Fixture f(8);
  f.open();
  f.download.handle_answered(1);
  f.holder(1, std::string(8, 'x'));
  Download::Holder& holder = *f.download.holder({1});
  CHECK(f.said() == "");
  for (std::uint32_t refused = 0; refused < limits::refusals_max; ++refused) {
    f.download.handle_update(holder, f.geometry.all());
    const auto block = f.download.next_block(holder, true, true);
    REQUIRE(block);
    f.download.handle_reject({1}, *block);
  }
  CHECK(f.said() == "");
  const Instant late = start + limits::origin_wait;
  CHECK(f.said(late) == "G1:0-1 ");
  f.download.handle_update(holder, f.geometry.all());
  CHECK(f.said(late) == "");
  CHECK(f.come(1, 0, late));
  CHECK(f.said(late) == "O0 ");
}

TEST_CASE("peers that have a piece and do not bring it are helped after a while") {
  Fixture f(8);
  f.open();
  f.download.handle_answered(1);
  f.holder(1, std::string(8, 'x'));
  const auto block = f.download.next_block(*f.download.holder({1}), true, true);
  CHECK(f.said() == "");
  const Instant late = start + patience + limits::origin_wait;
  CHECK(f.said(late - 1ms) == "");
  CHECK(f.said(late) == "G1:0-4 ");
  CHECK(f.download.next_block(*f.download.holder({1}), false, true)->piece == 4);
  SUBCASE("the origin is first: the peer's request is withdrawn, and the peer is not blamed") {
    CHECK(f.come(1, 0, late));
    CHECK(f.said(late) == "O0 ");
    CHECK(f.download.take_unneeded().size() == 1);
  }
  SUBCASE("the peer is first: the fetch is cut") {
    f.download.handle_block({1}, *block, start, f.out);
    f.download.handle_digest(0, Fixture::digest_of(0), f.out);
    CHECK(f.said(late) == "D0 X1 ");
    CHECK_FALSE(f.come(1, 0, late));
  }
}

TEST_CASE(
    "of several pages that wait for a late piece some ask sooner, all within twice the wait") {
  const Instant late = start + patience + limits::origin_wait;
  std::vector<std::size_t> asked(4);
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Fixture f(8, piece_bytes, seed);
    f.open();
    f.download.handle_answered(3);
    f.holder(1, std::string(8, 'x'));
    f.holder(2, "");
    f.holder(3, "");
    CHECK(f.said() == "");
    std::size_t step = 0;
    while (step < 4 && f.said(late + step * limits::origin_wait / 3).empty()) ++step;
    REQUIRE(step < 4);
    ++asked[step];
  }
  CHECK(asked[0] > 0);
  CHECK(asked[0] < 20);
  CHECK(asked[3] == 0);
}

TEST_CASE("a large piece whose blocks still come is not late") {
  Fixture f(4, 4 * piece_bytes);
  f.open();
  f.download.handle_answered(1);
  f.holder(1, "xxxx");
  const auto block = f.download.next_block(*f.download.holder({1}), false, true);
  const Instant came = start + patience + limits::origin_wait - 1ms;
  REQUIRE(block->piece == 0);
  CHECK(f.said() == "");
  f.download.handle_block({1}, *block, came, f.out);
  CHECK(f.said(came + limits::origin_wait - 1ms) == "");
  CHECK(f.download.next_timeout() == came + limits::origin_wait);
  CHECK(f.said(came + limits::origin_wait) == "G1:0-1 ");
}

TEST_CASE(
    "where the site lets peers be slower the origin helps later, and only those that are slower "
    "yet") {
  Fixture f(32);
  f.open(3);
  f.download.handle_answered(1);
  f.holder(1, std::string(32, 'x'));
  Download::Holder& peer = *f.download.holder({1});
  f.download.next_block(peer, true, true);
  CHECK(f.said() == "");
  const Instant late = start + patience + 3 * limits::origin_wait;
  SUBCASE("three times as slow is not too slow") {
    peer.rate = limits::origin_rate_unknown / 3 + 1;
    CHECK(f.said(late - 1ms) == "");
    CHECK(f.said(late) == "G1:0-4 ");
  }
  SUBCASE("slower is: what the reader waits for comes at once, the rest from the other end") {
    peer.rate = limits::origin_rate_unknown / 4;
    CHECK(f.said(start + limits::origin_wait) == "G1:0-4 G2:28-32 ");
  }
}

TEST_CASE("few peers that are slower than the origin are helped, from the other end") {
  Fixture f(32);
  f.open();
  f.download.handle_answered(1);
  f.holder(1, std::string(32, 'x'));
  Download::Holder& peer = *f.download.holder({1});
  const Instant measured = start + std::max<Duration>(patience, limits::origin_wait);
  SUBCASE("not before their rate is known") {
    peer.rate = limits::mib;
    CHECK(f.said(measured - 1ms) == "");
    CHECK(*f.download.next_timeout() <= measured);
  }
  SUBCASE("not if the origin is hardly faster") {
    peer.rate = limits::origin_rate_unknown * 2 / 3 + 1;
    CHECK(f.said(measured) == "");
    --peer.rate;
    CHECK(f.said(measured) == "G1:28-32 G2:24-28 ");
  }
  SUBCASE("not if there are enough of them") {
    f.download.handle_answered(limits::introductions_per_ask);
    peer.rate = 256 * limits::kib;
    CHECK(f.said(measured) == "");
  }
  SUBCASE("two stretches at a time, and no more when the origin turns out to be slower") {
    peer.rate = 5 * limits::mib / 2;
    CHECK(f.said(measured) == "G1:28-32 G2:24-28 ");
    for (PieceIndex i = 28; i < 32; ++i) f.come(1, i, measured + (i - 27) * 20ms);
    for (PieceIndex i = 24; i < 28; ++i) f.come(2, i, measured + (i - 19) * 20ms);
    CHECK(f.said(measured + 160ms) == "");
  }
  SUBCASE("also by an origin that is far away, which is not slow") {
    peer.rate = 5 * limits::mib / 2;
    CHECK(f.said(measured) == "G1:28-32 G2:24-28 ");
    const Instant first = measured + 3 * limits::rate_span;
    for (PieceIndex i = 28; i < 32; ++i) f.come(1, i, first + (i - 28) * 10ms);
    for (PieceIndex i = 24; i < 28; ++i) f.come(2, i, first + (i - 20) * 10ms);
    CHECK(f.said(first + 70ms) == "G3:0-4 G4:20-24 ");
  }
  SUBCASE("until they meet: peers are asked for these too, when they come so far") {
    peer.rate = limits::mib;
    CHECK(f.said(measured) == "G1:28-32 G2:24-28 ");
    PieceIndex furthest = 0;
    while (const auto block = f.download.next_block(peer, true, true)) furthest = block->piece;
    CHECK(furthest == 31);
  }
}

TEST_CASE("an origin that fails, or sends something else, is not asked again") {
  Fixture f(16);
  f.open();
  f.download.handle_answered(1);
  CHECK(f.said(start + patience) == "G1:0-8 G2:8-16 ");
  const Instant now = start + patience;
  SUBCASE("it fails, and nobody else has it") {
    f.download.handle_answered(0);
    f.download.handle_fetch_end({1}, Error::origin_unreachable, f.out);
    CHECK(f.said(now) == "X2 Eorigin-unreachable ");
  }
  SUBCASE("wrong bytes: no peer is blamed, and peers go on") {
    f.holder(1, std::string(16, 'x'));
    REQUIRE(f.download.handle_fetched({1}, 0, now, f.out));
    CHECK(f.download.handle_digest(0, Digest{}, f.out) == std::nullopt);
    CHECK(f.said(now) == "X1 X2 ");
    CHECK(f.download.next_block(*f.download.holder({1}), true, true)->piece == 0);
    CHECK(f.said(now + 2s) == "");
  }
  SUBCASE("it is slow: to ask it once more from elsewhere would bring nothing sooner") {
    CHECK(f.said(now + 50s) == "");
    f.come(1, 0, now + 55s);
    CHECK(f.said(now + 55s) == "O0 ");
  }
  SUBCASE("it gives nothing") {
    CHECK(f.said(now + 50s) == "");
    CHECK(f.said(now + limits::fetch_silence).find("Eorigin-unreachable") != std::string::npos);
  }
}

TEST_CASE("a piece that one reader had from the origin or from peers, the next has from here") {
  Fixture f(2);
  f.open();
  f.download.handle_answered(1);
  f.said(start + patience);
  CHECK(f.come(1, 0));
  CHECK(f.said(start + patience) == "O0 ");
  f.download.open({8}, {{0, 1}, {}}, start + patience, f.out);
  f.download.grant({8}, piece_bytes, start + patience);
  CHECK(f.said(start + patience) == "S0 Enone ");
}

TEST_CASE("when every peer is gone the origin gives the rest") {
  Fixture f(4);
  f.open();
  f.download.handle_answered(1);
  f.holder(1, "xxxx");
  CHECK(f.said() == "");
  f.download.remove_holder({1});
  f.download.handle_answered(0);
  CHECK(f.said(start + 1s) == "G1:0-4 ");
}

TEST_CASE("a reader that closes takes its fetches with it") {
  Fixture f(4);
  f.open();
  f.download.handle_answered(1);
  CHECK(f.said(start + patience) == "G1:0-4 ");
  f.download.close(reader, f.out);
  CHECK(f.said(start + patience) == "X1 ");
  CHECK(f.download.finished());
}

TEST_CASE("a piece of which a peer sent a part before it went is fetched whole") {
  Fixture f(2, 2 * limits::block_bytes);
  f.open();
  f.holder(1, "xx");
  f.said();
  const auto block = f.download.next_block(*f.download.holder({1}), true, true);
  REQUIRE(block);
  f.download.handle_block({1}, *block, start, f.out);
  f.download.remove_holder({1});
  CHECK(f.said(start + limits::answer_wait) == "G1:0-2 ");
  CHECK(f.come(1, block->piece, start + limits::answer_wait));
}

}  // namespace peer_cdn::swarm
