// Pages that want a root that nobody has find each other: one swarm against a peer that is played
// by hand.
#include <doctest/doctest.h>

#include "base/limits.hpp"
#include "swarm/swarm.hpp"

namespace peer_cdn::swarm {
namespace {

using namespace std::chrono_literals;
constexpr Instant start = Instant(10s);
constexpr PeerId peer = {7};

struct Fixture {
  explicit Fixture(std::uint32_t count = 32)
      : geometry(*Geometry::parse(std::uint64_t{count} * limits::piece_bytes_min,
                                  limits::piece_bytes_min)),
        swarm(1) {
    root.bytes.fill(9);
  }
  void connect() {
    swarm.handle_pair_open(peer, start);
    say(wire::Hello{wire::version});
    drain();
  }
  void open(Instant now = start) {
    swarm.open({1}, root, geometry, {geometry.all(), {true, 200ms}}, now);
  }
  // A reader that ended because nobody has the root.
  void alone() {
    open();
    swarm.handle_answered(root, 0, start);
  }
  void say(const wire::Message& message, Instant now = start) {
    swarm.handle_control(peer, wire::encode(message), now);
  }
  std::vector<Output> drain() {
    std::vector<Output> all;
    while (auto output = swarm.poll_output()) all.push_back(std::move(*output));
    return all;
  }
  template <class T>
  std::optional<T> first() {
    for (const Output& output : drain()) {
      if (const T* found = get_if<T>(&output)) return *found;
    }
    return std::nullopt;
  }
  template <class T>
  std::optional<T> heard() {
    for (const Output& output : drain()) {
      const auto* sent = get_if<SendControl>(&output);
      if (sent == nullptr) continue;
      const auto message = wire::parse_message(sent->frame);
      if (const T* found = get_if<T>(&*message)) return *found;
    }
    return std::nullopt;
  }

  Root root;
  Geometry geometry;
  Swarm swarm;
};

}  // namespace

TEST_CASE("a root that nobody has is announced and asked for while it comes from the origin") {
  Fixture f;
  f.alone();
  f.swarm.handle_transfer(f.root, 1, false, start);
  f.swarm.handle_transfer(f.root, 1, false, start);
  bool ended = false;
  std::size_t announced = 0;
  std::size_t asked = 0;
  for (const Output& output : f.drain()) {
    if (const auto* o = get_if<End>(&output)) ended = o->error == Error::nobody_has_it;
    if (const auto* o = get_if<Announce>(&output); o != nullptr && o->on) ++announced;
    if (holds_alternative<AskFor>(output)) ++asked;
  }
  CHECK(ended);
  CHECK(announced == 1);
  CHECK(asked == 2);  // once with a mark, once without
  CHECK(f.swarm.watches(f.root));
  SUBCASE("until the worker is done with it") {
    f.swarm.handle_transfer(f.root, 1, true, start);
    CHECK_FALSE(f.first<Announce>()->on);
  }
  SUBCASE("until it is listed no more") {
    f.swarm.handle_held(f.root, f.geometry, {0, 1}, start + 30s);
    f.drain();
    f.swarm.handle_dropped(f.root, start + 31s);
    CHECK_FALSE(f.first<Announce>()->on);
  }
  SUBCASE("and never heard of again") {
    f.swarm.handle_timeout(start + limits::watch_wait - 1ms);
    CHECK_FALSE(f.first<Announce>());
    f.swarm.handle_timeout(start + limits::watch_wait);
    CHECK_FALSE(f.first<Announce>()->on);
    CHECK_FALSE(f.swarm.next_timeout());
  }
}

TEST_CASE("a watched root is not announced before the origin's answer may be shared") {
  Fixture f;
  f.alone();
  CHECK_FALSE(f.first<Announce>());
  f.swarm.handle_transfer(f.root, 0, false, start);
  CHECK_FALSE(f.first<Announce>());
  CHECK(f.swarm.watches(f.root));
  f.swarm.handle_transfer(f.root, 1, true, start);
  CHECK_FALSE(f.first<Announce>());
}

TEST_CASE("with too many watched roots the oldest is announced no more, and no other") {
  Fixture f;
  Root oldest;
  oldest.bytes.fill(1);
  std::vector<Root> ended;
  for (std::size_t i = 0; i <= limits::watched_roots; ++i) {
    f.root.bytes.fill(static_cast<std::uint8_t>(i + 1));
    f.alone();
    f.swarm.handle_transfer(f.root, 1, false, start);
    for (const Output& output : f.drain()) {
      if (const auto* o = get_if<Announce>(&output); o != nullptr && !o->on)
        ended.push_back(o->root);
    }
  }
  CHECK(ended == std::vector<Root>{oldest});
}

TEST_CASE("a small file is not watched") {
  Fixture f(16);
  f.alone();
  CHECK_FALSE(f.first<Announce>());
}

TEST_CASE("company is told once: somebody was introduced, or wants it") {
  Fixture f;
  f.connect();
  f.alone();
  f.say(wire::Not{1});
  f.swarm.handle_transfer(f.root, 1, false, start);
  f.drain();
  SUBCASE("introduced") {
    f.swarm.handle_answered(f.root, 2, start);
    CHECK(f.first<Company>()->root == f.root);
    f.swarm.handle_answered(f.root, 2, start);
    CHECK_FALSE(f.first<Company>());
  }
  SUBCASE("it is wanted: nothing yet, and updates follow") {
    f.say(wire::Want{3, f.root});
    bool told = false, empty = false;
    for (const Output& output : f.drain()) {
      told |= holds_alternative<Company>(output);
      if (const auto* sent = get_if<SendControl>(&output)) {
        const auto message = wire::parse_message(sent->frame);
        if (const auto* have = get_if<wire::Have>(&*message)) empty = have->bitfield == Bytes(4, 0);
      }
    }
    CHECK(told);
    CHECK(empty);
    f.swarm.handle_held(f.root, f.geometry, {0, 16}, start);
    CHECK(f.heard<wire::Update>()->pieces == PieceRange{0, 16});
  }
}

TEST_CASE("in company the page fetches, and claims the pieces; a verified piece is held at once") {
  Fixture f;
  f.connect();
  f.alone();
  f.say(wire::Not{1});
  f.swarm.handle_transfer(f.root, 1, false, start);
  f.say(wire::Want{3, f.root});
  f.drain();
  f.open();
  std::optional<wire::Want> want;
  std::optional<FetchPieces> fetch;
  std::optional<wire::Claim> claim;
  for (const Output& output : f.drain()) {
    if (const auto* o = get_if<FetchPieces>(&output); o != nullptr && !fetch) fetch = *o;
    if (const auto* sent = get_if<SendControl>(&output)) {
      const auto message = wire::parse_message(sent->frame);
      if (const auto* o = get_if<wire::Want>(&*message)) want = *o;
      if (const auto* o = get_if<wire::Claim>(&*message); o != nullptr && !claim) claim = *o;
    }
  }
  REQUIRE(want);
  REQUIRE(fetch);
  REQUIRE(claim);
  CHECK(claim->handle == 3);
  CHECK(claim->pieces == fetch->pieces);
  f.swarm.handle_answered(f.root, 0, start);
  f.say(wire::Have{want->handle, Bytes(4, 0)});
  const PieceIndex piece = fetch->pieces.begin;
  CHECK(f.swarm.handle_fetched(fetch->fetch, piece, start));
  Bytes list(32 * Digest::bytes_size);
  f.swarm.handle_digests(f.root, *DigestList::parse(f.geometry, list), start);
  f.drain();
  f.swarm.handle_digest(f.root, piece, Digest{}, start);
  CHECK(f.heard<wire::Update>()->pieces == PieceRange{piece, piece + 1});
  f.say(wire::Request{3, {{piece, 0, limits::block_bytes}}});
  CHECK(f.first<SendBlock>()->in_memory);
  SUBCASE("a claim beyond the end closes the pair") {
    f.say(wire::Claim{want->handle, {0, 33}, 0});
    CHECK(f.first<ClosePair>()->error == Error::piece_out_of_bounds);
  }
}

// How long a reader takes for file `n`, of which the peer claims all pieces again and again, and
// brings none. The origin answers at once.
Duration read_beside_claims(Fixture& f, std::uint8_t n, Instant from) {
  f.root.bytes.fill(n);
  const std::uint32_t count = f.geometry.count();
  f.swarm.open({n}, f.root, f.geometry, {f.geometry.all(), {1, 200ms}}, from);
  f.swarm.grant({n}, f.geometry.bytes(), from);
  f.swarm.handle_answered(f.root, 1, from);
  wire::Handle handle = 0;
  for (Instant now = from; now < from + 1min; now += 50ms) {
    for (auto outputs = f.drain(); !outputs.empty(); outputs = f.drain()) {
      for (const Output& output : outputs) {
        if (get_if<End>(&output) != nullptr) return now - from;
        if (get_if<FetchDigests>(&output) != nullptr) {
          const Bytes list(count * Digest::bytes_size);
          f.swarm.handle_digests(f.root, *DigestList::parse(f.geometry, list), now);
        }
        if (const auto* o = get_if<DigestPiece>(&output)) {
          f.swarm.handle_digest(f.root, o->piece, Digest{}, now);
        }
        if (const auto* o = get_if<FetchPieces>(&output)) {
          for (PieceIndex i = o->pieces.begin; i < o->pieces.end; ++i) {
            f.swarm.handle_fetched(o->fetch, i, now);
          }
          f.swarm.handle_fetch_end(o->fetch, Error::none, now);
        }
        const auto* sent = get_if<SendControl>(&output);
        if (sent == nullptr) continue;
        const auto message = wire::parse_message(sent->frame);
        if (const auto* want = get_if<wire::Want>(&*message)) {
          handle = want->handle;
          f.say(wire::Have{handle, Bytes(count / 8, 0)}, now);
        }
      }
    }
    if (handle != 0) f.say(wire::Claim{handle, {0, count}, 0}, now);
    f.swarm.handle_timeout(now);
  }
  return 1min;
}

TEST_CASE("a peer that claims all and brings nothing holds up one file, and not the next") {
  Fixture f(144);
  f.connect();
  const Duration first = read_beside_claims(f, 1, start);
  const Duration second = read_beside_claims(f, 2, start + 1min);
  CHECK(first < 1min);
  CHECK(second + 2 * limits::claim_wait < first);
}

// What a peer can have this page send to others, by a message of 17 bytes.
TEST_CASE("a claim of pieces of which some are here is told on in one message to each peer") {
  constexpr std::uint32_t count = limits::pieces_per_resource;
  Fixture f(count);
  f.connect();
  for (PieceIndex piece = 0; piece < count; piece += 2) {
    f.swarm.handle_held(f.root, f.geometry, {piece, piece + 1}, start);
  }
  f.open();
  f.swarm.handle_answered(f.root, 1, start);
  const auto want = f.heard<wire::Want>();
  REQUIRE(want);
  f.say(wire::Have{want->handle, Bytes(count / 8, 0)});
  f.say(wire::Want{3, f.root});
  f.drain();
  f.say(wire::Claim{want->handle, {0, count}, 1});
  std::size_t told = 0;
  for (const Output& output : f.drain()) {
    const auto* sent = get_if<SendControl>(&output);
    if (sent == nullptr) continue;
    const auto message = wire::parse_message(sent->frame);
    const auto* claim = get_if<wire::Claim>(&*message);
    if (claim == nullptr || claim->rank != 1) continue;
    ++told;
    CHECK(claim->pieces == PieceRange{0, count});
  }
  CHECK(told == 1);
}

TEST_CASE("where upload is off nothing is announced") {
  Fixture f;
  f.swarm.handle_upload_options({false, 0, 0}, start);
  f.drain();
  f.alone();
  CHECK_FALSE(f.first<Announce>());
}

}  // namespace peer_cdn::swarm
