// One swarm against a peer that is played by hand, frame by frame.
#include "swarm/swarm.hpp"

#include <doctest/doctest.h>

#include <cstdlib>

#include "base/limits.hpp"

namespace peer_cdn::swarm {
namespace {

using namespace std::chrono_literals;
constexpr Instant start = Instant(10s);
constexpr std::uint32_t full = limits::block_bytes;
constexpr PeerId peer = {7};

struct Fixture {
  explicit Fixture(std::uint32_t count = 4)
      : geometry(*Geometry::parse(std::uint64_t{count} * 2 * full, 2 * full)), swarm(1) {
    root.bytes.fill(9);
  }
  void connect() {
    swarm.handle_pair_open(peer, start);
    say(wire::Hello{wire::version});
  }
  void say(const wire::Message& message, Instant now = start) {
    swarm.handle_control(peer, wire::encode(message), now);
  }
  void block(const wire::BlockHeader& header, std::size_t bytes) {
    swarm.handle_block(peer, wire::encode(header), bytes, start);
  }
  // All outputs, in order.
  std::vector<Output> drain() {
    std::vector<Output> all;
    while (auto output = swarm.poll_output()) all.push_back(std::move(*output));
    return all;
  }
  // The frames among the outputs, as the other side parses them.
  std::vector<wire::Message> heard() {
    std::vector<wire::Message> messages;
    for (const Output& output : drain()) {
      if (const auto* o = get_if<SendControl>(&output))
        messages.push_back(*wire::parse_message(o->frame));
    }
    return messages;
  }
  std::optional<Error> closed() {
    for (const Output& output : drain()) {
      if (const auto* o = get_if<ClosePair>(&output)) return o->error;
    }
    return std::nullopt;
  }
  std::size_t blocks_sent() {
    std::size_t count = 0;
    for (const Output& output : drain()) count += holds_alternative<SendBlock>(output) ? 1U : 0U;
    return count;
  }

  Root root;
  Geometry geometry;
  Swarm swarm;
};

template <class T>
const T* find(const std::vector<wire::Message>& messages) {
  for (const auto& message : messages) {
    if (const T* found = get_if<T>(&message)) return found;
  }
  return nullptr;
}

}  // namespace

TEST_CASE("a pair begins with hello, and another version ends it") {
  Fixture f;
  f.swarm.handle_pair_open(peer, start);
  const auto first = f.heard();
  REQUIRE(first.size() == 1);
  CHECK(get<wire::Hello>(first[0]).version == wire::version);
  SUBCASE("another version") {
    f.say(wire::Hello{2});
    CHECK(f.closed() == Error::version_mismatch);
    CHECK(f.swarm.is_banned(peer));
  }
  SUBCASE("no hello") {
    f.say(wire::Done{1});
    CHECK(f.closed() == Error::unknown_message);
  }
  SUBCASE("noise") {
    f.swarm.handle_control(peer, Bytes{77, 0, 0, 0, 0}, start);
    CHECK(f.closed() == Error::unknown_message);
  }
}

TEST_CASE(
    "a want is answered with the held pieces, told of more, and ended when the root is dropped") {
  Fixture f;
  f.connect();
  f.heard();
  f.say(wire::Want{3, f.root});
  CHECK(find<wire::Not>(f.heard()) != nullptr);
  f.swarm.handle_held(f.root, f.geometry, {0, 2}, start);
  CHECK(holds_alternative<Announce>(f.drain().at(0)));
  f.say(wire::Want{4, f.root});
  const auto answer = f.heard();
  REQUIRE(find<wire::Have>(answer));
  CHECK(find<wire::Have>(answer)->bitfield == Bytes{3});
  f.swarm.handle_held(f.root, f.geometry, {2, 4}, start);
  const auto more = f.heard();
  REQUIRE(find<wire::Update>(more));
  CHECK(find<wire::Update>(more)->pieces == PieceRange{2, 4});
  f.swarm.handle_dropped(f.root, start);
  CHECK(find<wire::Not>(f.heard())->handle == 4);
}

TEST_CASE("a request for a block that cannot be closes the pair, and says why") {
  struct Case {
    wire::Block block;
    Error error;
  };
  const Case cases[] = {{{4, 0, full}, Error::piece_out_of_bounds},
                        {{0, 2 * full, full}, Error::piece_out_of_bounds},
                        {{0, 1, full}, Error::piece_out_of_bounds},
                        {{0, 0, full - 1}, Error::piece_out_of_bounds}};
  for (const Case& c : cases) {
    Fixture f;
    f.connect();
    f.swarm.handle_held(f.root, f.geometry, {0, 4}, start);
    f.say(wire::Want{1, f.root});
    f.drain();
    f.say(wire::Request{1, {c.block}});
    CHECK(f.closed() == c.error);
    CHECK_FALSE(f.swarm.admit(peer, true, false, start));
  }
}

TEST_CASE("a flood of requests closes the pair") {
  Fixture f;
  f.connect();
  f.swarm.handle_held(f.root, f.geometry, {0, 4}, start);
  f.say(wire::Want{1, f.root});
  f.drain();
  f.say(wire::Request{1, List<wire::Block>(limits::requests_from_peer, {0, 0, full})});
  CHECK(f.blocks_sent() == limits::buffered_min / full);
  f.say(wire::Request{1, List<wire::Block>(limits::requests_from_peer, {0, 0, full})});
  CHECK(f.closed() == Error::request_flood);
  CHECK(f.swarm.is_banned(peer));
}

TEST_CASE(
    "every request is answered once: block, or reject when cancelled, unreadable, unheld, off") {
  Fixture f;
  f.connect();
  f.swarm.handle_held(f.root, f.geometry, {0, 3}, start);
  f.say(wire::Want{1, f.root});
  f.drain();
  f.say(wire::Request{1, {{3, 0, full}}});
  CHECK(find<wire::Reject>(f.heard())->blocks[0].piece == 3);
  List<wire::Block> all;
  for (PieceIndex piece = 0; piece < 3; ++piece) {
    all.push_back({piece, 0, full});
    all.push_back({piece, full, full});
  }
  f.say(wire::Request{1, all});
  CHECK(f.blocks_sent() == limits::buffered_min / full);
  f.say(wire::Cancel{1, {all[0], all[5]}});  // one is out already, one is queued
  auto heard = f.heard();
  REQUIRE(find<wire::Reject>(heard));
  CHECK(find<wire::Reject>(heard)->blocks == List<wire::Block>{all[5]});
  f.swarm.handle_unreadable(peer, f.root, 0, start);
  heard = f.heard();
  CHECK(find<wire::Reject>(heard)->blocks[0].piece == 0);
  f.swarm.handle_upload_options({false, 0, 0}, start);
  const auto off = f.drain();
  CHECK(holds_alternative<Announce>(off.at(0)));
  f.say(wire::Want{2, f.root});
  CHECK(find<wire::Not>(f.heard()) != nullptr);
}

TEST_CASE("under a cap on the rate each asker has its turn, however often the page is woken") {
  for (int wakes = 0; wakes < 6; ++wakes) {
    CAPTURE(wakes);
    Fixture f(16);
    f.swarm.handle_held(f.root, f.geometry, {0, 16}, start);
    f.swarm.handle_upload_options({true, 4 * full, 0}, start);
    List<wire::Block> all;
    for (PieceIndex piece = 0; piece < 16; ++piece) {
      all.push_back({piece, 0, full});
      all.push_back({piece, full, full});
    }
    for (const PeerId each : {PeerId{1}, PeerId{2}}) {
      const auto say = [&](const wire::Message& message) {
        f.swarm.handle_control(each, wire::encode(message), start);
      };
      f.swarm.handle_pair_open(each, start);
      say(wire::Hello{wire::version});
      say(wire::Want{1, f.root});
      say(wire::Request{1, all});
    }
    int sent[] = {0, 0, 0};
    for (Instant now = start; now < start + 6s; now += 250ms) {
      f.swarm.handle_timeout(now);
      while (const auto output = f.swarm.poll_output()) {
        const auto* block = get_if<SendBlock>(&*output);
        if (block == nullptr) continue;
        ++sent[block->peer.value];
        f.swarm.handle_block_sent(block->peer, 0, now);
      }
      for (int i = 0; i < wakes; ++i) f.swarm.handle_timeout(now);
    }
    CHECK(sent[1] + sent[2] >= 20);
    CHECK(std::abs(sent[1] - sent[2]) <= 2);
  }
}

TEST_CASE("a peer is asked for two files in turn, however often the page is woken") {
  for (int wakes = 0; wakes < 4; ++wakes) {
    CAPTURE(wakes);
    Fixture f(64);
    f.connect();
    Root roots[] = {f.root, f.root};
    roots[1].bytes.fill(10);
    for (std::uint32_t i = 0; i < 2; ++i) {
      f.swarm.open({i}, roots[i], f.geometry, {{0, 64}, {}}, start);
      f.swarm.grant({i}, 64 * 2 * full, start);
    }
    int brought[] = {0, 0};
    List<wire::BlockHeader> asked;
    for (int block = 0; block < 80; ++block) {
      for (const wire::Message& message : f.heard()) {
        if (const auto* want = get_if<wire::Want>(&message)) {
          f.say(wire::Have{want->handle, Bytes(8, 255)});
        } else if (const auto* request = get_if<wire::Request>(&message)) {
          for (const wire::Block& each : request->blocks) asked.push_back({request->handle, each});
        }
      }
      REQUIRE_FALSE(asked.empty());
      const wire::BlockHeader next = asked.front();
      asked.erase(asked.begin());
      ++brought[next.handle - 1];
      f.block(next, wire::block_header_bytes + full);
      for (int i = 0; i < wakes; ++i) f.swarm.handle_timeout(start);
    }
    CHECK(std::abs(brought[0] - brought[1]) <= 8);
  }
}

TEST_CASE("a block that nobody asked for closes the pair") {
  Fixture f;
  f.connect();
  f.swarm.open({1}, f.root, f.geometry, {{0, 4}, {}}, start);
  const auto heard = f.heard();
  const wire::Handle handle = find<wire::Want>(heard)->handle;
  f.say(wire::Have{handle, {15}});
  const auto asked = f.heard();
  REQUIRE(find<wire::Request>(asked));
  const wire::Block block = find<wire::Request>(asked)->blocks[0];
  SUBCASE("as asked: taken") {
    f.block({handle, block}, wire::block_header_bytes + full);
    CHECK(holds_alternative<TakeBlock>(f.drain().at(0)));
  }
  SUBCASE("twice") {
    f.block({handle, block}, wire::block_header_bytes + full);
    CHECK_FALSE(f.swarm.is_banned(peer));
    f.block({handle, block}, wire::block_header_bytes + full);
    CHECK(f.closed() == Error::unasked_block);
    CHECK(f.swarm.is_banned(peer));
  }
  SUBCASE("another handle") {
    f.block({handle + 1, block}, wire::block_header_bytes + full);
    CHECK(f.closed() == Error::unasked_block);
  }
  SUBCASE("shorter than it says") {
    f.block({handle, block}, wire::block_header_bytes + full - 1);
    CHECK(f.closed() == Error::wrong_length);
  }
  SUBCASE("a bitfield of another length") {
    f.say(wire::Have{handle, {15, 0}});
    CHECK(f.closed() == Error::malformed_message);
  }
  SUBCASE("what it has, for the second time") {
    f.say(wire::Have{handle, {15}});
    CHECK(f.closed() == Error::malformed_message);
  }
  SUBCASE("an update beyond the end") {
    f.say(wire::Update{handle, {3, 5}});
    CHECK(f.closed() == Error::piece_out_of_bounds);
  }
}

TEST_CASE("over an open pair the first blocks of a large file are asked for with the question") {
  Fixture f(9);
  f.connect();
  f.drain();
  f.swarm.open({1}, f.root, f.geometry, {{0, 9}, {}}, start);
  const auto first = f.heard();
  REQUIRE(find<wire::Request>(first));
  const wire::Handle handle = find<wire::Request>(first)->handle;
  const List<wire::Block> blocks = find<wire::Request>(first)->blocks;
  CHECK(handle == find<wire::Want>(first)->handle);
  CHECK(blocks.size() == limits::pipeline_blocks_start);
  const auto asked_again = [&] {
    const auto heard = f.heard();
    const auto* again = find<wire::Request>(heard);
    return again != nullptr && again->blocks == blocks;
  };
  SUBCASE("and are taken, although the answer comes after them") {
    f.block({handle, blocks[0]}, wire::block_header_bytes + full);
    CHECK(holds_alternative<TakeBlock>(f.drain().at(0)));
  }
  SUBCASE("but nothing more before the answer") {
    f.say(wire::Reject{handle, blocks});
    CHECK(find<wire::Request>(f.heard()) == nullptr);
    f.say(wire::Have{handle, {255, 1}});
    CHECK(asked_again());
  }
  SUBCASE("of another peer, if this one has nothing") {
    const auto say = [&](const wire::Message& message) {
      f.swarm.handle_control({8}, wire::encode(message), start);
    };
    f.swarm.handle_pair_open({8}, start);
    say(wire::Hello{wire::version});
    f.drain();
    f.say(wire::Not{handle});
    say(wire::Have{1, {3, 0}});
    CHECK(asked_again());
  }
  SUBCASE("and the reader's next piece of another too, if the answer takes long") {
    const auto say = [&](const wire::Message& message, Duration after) {
      f.swarm.handle_control({8}, wire::encode(message), start + after);
      const auto heard = f.heard();
      const auto* request = find<wire::Request>(heard);
      return request != nullptr && request->blocks[0].piece == 0;
    };
    f.swarm.handle_pair_open({8}, start);
    say(wire::Hello{wire::version}, 0ms);
    CHECK_FALSE(say(wire::Have{1, {255, 1}}, 0ms));
    CHECK(say(wire::Reject{1, {{2, 0, full}}}, limits::hope_wait));
  }
  SUBCASE("but not of a peer that has said that it has nothing") {
    f.say(wire::Not{handle});
    f.drain();
    f.swarm.handle_answered(f.root, 1, start);
    const auto heard = f.heard();
    CHECK(find<wire::Want>(heard) != nullptr);
    CHECK(find<wire::Request>(heard) == nullptr);
  }
}

TEST_CASE("neither a small file nor a peer that has not said hello is asked for so") {
  const auto is_asked = [](Fixture& f) { return find<wire::Request>(f.heard()) != nullptr; };
  Fixture small(8);
  small.connect();
  small.swarm.open({1}, small.root, small.geometry, {{0, 8}, {}}, start);
  CHECK_FALSE(is_asked(small));
  Fixture early(9);
  early.swarm.handle_pair_open(peer, start);
  early.swarm.open({1}, early.root, early.geometry, {{0, 9}, {}}, start);
  CHECK_FALSE(is_asked(early));
  early.say(wire::Hello{wire::version});
  CHECK_FALSE(is_asked(early));
}

TEST_CASE("a peer that sent a wrong piece is closed and never let in again") {
  Fixture f(1);
  f.connect();
  f.swarm.open({1}, f.root, f.geometry, {{0, 1}, {}}, start);
  const wire::Handle handle = find<wire::Want>(f.heard())->handle;
  f.say(wire::Have{handle, {1}});
  const auto asked = f.heard();
  for (const wire::Block& block : find<wire::Request>(asked)->blocks) {
    f.block({handle, block}, wire::block_header_bytes + block.bytes);
  }
  f.drain();
  f.swarm.handle_digest(f.root, 0, Digest{}, start);
  CHECK(f.closed() == Error::wrong_digest);
  CHECK_FALSE(f.swarm.admit(peer, true, false, start));
  f.swarm.handle_pair_open(peer, start);
  CHECK(f.closed() == Error::too_many_peers);
}

TEST_CASE("what is verified is written when the page is hidden, though a reader waits for more") {
  Fixture f(2);
  f.connect();
  f.swarm.open({1}, f.root, f.geometry, {{0, 2}, {}}, start);
  f.swarm.grant({1}, limits::resource_bytes_max, start);
  const wire::Handle handle = find<wire::Want>(f.heard())->handle;
  f.swarm.handle_digests(f.root, *DigestList::parse(f.geometry, Bytes(64, 5)), start);
  f.say(wire::Have{handle, {3}});
  const auto asked = f.heard();
  for (const wire::Block& block : find<wire::Request>(asked)->blocks) {
    if (block.piece == 0) f.block({handle, block}, wire::block_header_bytes + block.bytes);
  }
  f.drain();
  Digest digest;
  digest.bytes.fill(5);
  f.swarm.handle_digest(f.root, 0, digest, start);
  const auto stored = [&f] {
    PieceRange pieces{};
    for (const Output& output : f.drain()) {
      if (const auto* o = get_if<StoreRun>(&output)) pieces = o->pieces;
    }
    return pieces;
  };
  CHECK(stored() == PieceRange{});
  f.swarm.handle_hidden(start);
  CHECK(stored() == PieceRange{0, 1});
  f.swarm.handle_hidden(start);
  CHECK(stored() == PieceRange{});
}

TEST_CASE(
    "a stalled peer is asked for nothing, reported, not counted, and may come again at last") {
  Fixture f;
  f.connect();
  f.swarm.open({1}, f.root, f.geometry, {{0, 4}, {}}, start);
  f.say(wire::Have{find<wire::Want>(f.heard())->handle, {15}});
  f.drain();
  f.swarm.handle_timeout(start + 2s);
  bool reported = false, cancelled = false;
  for (const Output& output : f.drain()) {
    if (const auto* o = get_if<Report>(&output)) reported = o->error == Error::peer_stalled;
    if (const auto* o = get_if<SendControl>(&output)) {
      cancelled |= holds_alternative<wire::Cancel>(*wire::parse_message(o->frame));
    }
  }
  CHECK(reported);
  CHECK(cancelled);
  CHECK(f.swarm.answering() == 0);
  // It stalls whenever it is asked: the pair is closed, and a new one would show that it answers.
  Instant now = start + limits::peer_stall;
  for (std::uint32_t stalls = 1; stalls < limits::peer_stalls_max; ++stalls) {
    f.drain();
    now += limits::peer_stall_pause;
    f.swarm.handle_timeout(now);
    CHECK(f.swarm.answering() == 1);
    f.swarm.open({1 + stalls}, f.root, f.geometry, {{0, 4}, {}}, now);
    const auto wants = f.heard();
    if (const auto* want = find<wire::Want>(wants)) f.say(wire::Have{want->handle, {15}}, now);
    f.drain();
    now += limits::peer_stall;
    f.swarm.handle_timeout(now);
  }
  CHECK(f.closed() == Error::peer_stalled);
  CHECK_FALSE(f.swarm.is_banned(peer));
}

TEST_CASE("a peer that does not say what it has is not counted, and given up before long") {
  Fixture f;
  f.connect();
  f.swarm.open({1}, f.root, f.geometry, {{0, 4}, {}}, start);
  const wire::Handle handle = find<wire::Want>(f.heard())->handle;
  CHECK(f.swarm.answering() == 1);
  Instant now = *f.swarm.next_timeout();
  while (now < start + limits::peer_stall) {
    f.swarm.handle_timeout(now);
    now = *f.swarm.next_timeout();
  }
  f.swarm.handle_timeout(now);
  CHECK(f.swarm.answering() == 0);
  SUBCASE("it answers late") {
    f.say(wire::Have{handle, {15}}, now + 1s);
    CHECK(f.swarm.answering() == 1);
    CHECK(find<wire::Request>(f.heard()) != nullptr);
  }
  SUBCASE("it never does") {
    f.drain();
    for (int pauses = 1; pauses < static_cast<int>(limits::peer_stalls_max); ++pauses) {
      CHECK(f.swarm.has_pair(peer));
      f.swarm.handle_timeout(now += limits::peer_stall_pause);
      CHECK(f.swarm.answering() == 0);
    }
    CHECK(f.closed() == Error::peer_stalled);
    CHECK_FALSE(f.swarm.is_banned(peer));
  }
}

TEST_CASE("answers that nobody waits for do not make up for blocks that do not come") {
  Fixture f;
  f.connect();
  f.swarm.open({1}, f.root, f.geometry, {{0, 4}, {}}, start);
  f.say(wire::Have{find<wire::Want>(f.heard())->handle, {15}});
  REQUIRE(find<wire::Request>(f.heard()));
  for (Duration after = 500ms; after <= limits::peer_stall; after += 500ms) {
    f.say(wire::Not{77}, start + after);
    f.say(wire::Have{78, {15}}, start + after);
  }
  CHECK(f.swarm.answering() == 0);
}

TEST_CASE("a peer whose path is gone is asked for nothing until it is back, on the same session") {
  Fixture f;
  f.connect();
  f.swarm.open({1}, f.root, f.geometry, {{0, 4}, {}}, start);
  f.say(wire::Have{find<wire::Want>(f.heard())->handle, {15}});
  f.drain();
  f.swarm.handle_pair_lost(peer, start);
  CHECK(find<wire::Cancel>(f.heard()) != nullptr);
  f.swarm.handle_timeout(start + 500ms);
  CHECK(find<wire::Request>(f.heard()) == nullptr);
  f.swarm.handle_pair_found(peer, start + 500ms);
  CHECK(find<wire::Request>(f.heard()) != nullptr);
}

TEST_CASE("readers and downloads are bounded") {
  Fixture f;
  for (std::uint32_t i = 0; i < limits::readers_per_page; ++i)
    f.swarm.open({i}, f.root, f.geometry, {{0, 4}, {}}, start);
  f.drain();
  f.swarm.open({1000}, f.root, f.geometry, {{0, 4}, {}}, start);
  CHECK(get<End>(f.drain().at(0)).error == Error::rate_limited);
  f.swarm.open({1001}, f.root, f.geometry, {{0, 5}, {}}, start);
  CHECK(get<End>(f.drain().at(0)).error == Error::piece_out_of_bounds);
}

}  // namespace peer_cdn::swarm
