#include "http/body.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "base/limits.hpp"

using namespace peer_cdn;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t piece_bytes = 64 * 1024;

Digest digest_of(PieceIndex piece, int version = 1) {
  Digest digest;
  digest.bytes[0] = static_cast<std::uint8_t>(piece);
  digest.bytes[1] = static_cast<std::uint8_t>(piece >> 8);
  digest.bytes[2] = static_cast<std::uint8_t>(version);
  return digest;
}

Geometry geometry_of(std::uint64_t bytes) {
  return *Geometry::parse(bytes, piece_bytes);
}

// A host that performs a body's outputs only when it is told to, and writes all down.
struct Host {
  Geometry geometry;
  Body body;
  Instant now{};
  std::map<std::uint32_t, Body::Read> reads;
  std::map<std::uint32_t, Body::OpenPeers> peers;
  std::map<std::uint32_t, Body::Fetch> windows;
  std::map<std::uint32_t, Body::Accept> accepts;
  std::map<std::uint32_t, std::uint64_t> credit;
  std::map<std::uint32_t, PieceIndex> next;  // of each job, what it brings next
  std::vector<std::uint32_t> closed;
  std::vector<std::uint32_t> dropped;  // jobs whose run is to be forgotten
  std::vector<PieceIndex> kept;        // buffers of the host
  std::vector<PieceRange> stored;
  std::vector<ByteRange> passed;
  std::uint64_t windows_opened = 0;
  bool done = false;
  Error error = Error::none;
  std::uint32_t answer_of = 0;  // the window whose answer the page gets as it is

  Host(std::uint64_t bytes, ByteRange range, PieceSet held, Opening opening)
      : geometry(geometry_of(bytes)), body(geometry, range, std::move(held), opening) {
    std::vector<std::uint8_t> list;
    for (PieceIndex piece = 0; piece < geometry.count(); ++piece) {
      const Digest digest = digest_of(piece);
      list.insert(list.end(), digest.bytes.begin(), digest.bytes.end());
    }
    body.handle_digests(DigestList::parse(geometry, list).value());
    body.start(now);
    drain();
  }

  void drain() {
    while (const auto output = body.poll_output()) perform(*output);
  }

  void perform(const Body::Output& output) {
    REQUIRE_FALSE(done);
    REQUIRE(error == Error::none);
    if (const auto* read = std::get_if<Body::Read>(&output)) {
      reads[read->job.value] = *read;
      next[read->job.value] = read->pieces.begin;
    }
    if (const auto* open = std::get_if<Body::OpenPeers>(&output)) {
      peers[open->job.value] = *open;
      next[open->job.value] = open->pieces.begin;
    }
    if (const auto* grant = std::get_if<Body::Grant>(&output))
      credit[grant->job.value] += grant->bytes;
    if (const auto* fetch = std::get_if<Body::Fetch>(&output)) {
      windows[fetch->job.value] = *fetch;
      next[fetch->job.value] = fetch->pieces.begin;
      ++windows_opened;
    }
    if (const auto* accept = std::get_if<Body::Accept>(&output)) {
      const auto known = accepts.emplace(accept->job.value, *accept);
      if (!known.second) {
        CHECK(accept->until > known.first->second.until);
        known.first->second.until = accept->until;
      }
    }
    if (const auto* store = std::get_if<Body::Store>(&output)) {
      CHECK(geometry.segment_end(store->pieces.begin) >= store->pieces.end);
      stored.push_back(store->pieces);
    }
    if (const auto* drop = std::get_if<Body::Drop>(&output)) {
      CHECK(reads.count(drop->job.value) == 1);
      dropped.push_back(drop->job.value);
    }
    if (const auto* close = std::get_if<Body::Close>(&output)) {
      closed.push_back(close->job.value);
      reads.erase(close->job.value);
      peers.erase(close->job.value);
      windows.erase(close->job.value);
      accepts.erase(close->job.value);
    }
    if (const auto* enqueue = std::get_if<Body::Enqueue>(&output)) {
      const auto buffer = std::find(kept.begin(), kept.end(), enqueue->piece);
      REQUIRE(buffer != kept.end());
      kept.erase(buffer);
      const std::uint64_t begin = geometry.range_of({enqueue->piece, enqueue->piece + 1}).begin;
      passed.push_back({begin + enqueue->begin, begin + enqueue->end});
    }
    if (std::holds_alternative<Body::Done>(output)) done = true;
    if (const auto* fail = std::get_if<Body::Fail>(&output)) error = fail->error;
    if (const auto* pass = std::get_if<Body::Pass>(&output)) {
      CHECK(windows.count(pass->job.value) == 1);
      CHECK(passed.empty());
      answer_of = pass->job.value;
      error = body.origin_error();
    }
  }

  void pull(std::int64_t bytes) {
    body.handle_pull(bytes, now);
    drain();
  }
  // Of a page, or of the store, which is digested.
  void piece(std::uint32_t job, PieceIndex piece) {
    if (reads.count(job) > 0) return digest(job, piece);
    next[job] = piece + 1;
    if (body.handle_piece(JobId{job}, piece, geometry.bytes_of(piece), PieceSource::peers, now)) {
      kept.push_back(piece);
    }
    drain();
  }
  void digest(std::uint32_t job, PieceIndex piece, int version = 1) {
    next[job] = piece + 1;
    if (body.handle_digest(JobId{job}, piece, geometry.bytes_of(piece), digest_of(piece, version),
                           now)) {
      kept.push_back(piece);
    }
    drain();
  }
  void head(std::uint32_t job, std::uint32_t status, const std::string& content_range = "",
            const std::string& encoding = "", const std::string& cache_control = "",
            const std::string& length = "") {
    OriginAnswer answer;
    answer.status = status;
    answer.type = "basic";
    answer.cache_control = cache_control;
    answer.content_range = content_range;
    answer.content_encoding = encoding;
    answer.content_length = length;
    body.handle_head(JobId{job}, answer, now);
    drain();
  }
  // A part of the resource, in bytes; half-open.
  void part(std::uint32_t job, std::uint64_t begin, std::uint64_t end) {
    head(job, 206,
         "bytes " + std::to_string(begin) + "-" + std::to_string(end - 1) + "/" +
             std::to_string(geometry.bytes()));
  }
  void good_head(std::uint32_t job) {
    const Body::Fetch& window = windows.at(job);
    const ByteRange range = geometry.range_of(window.pieces);
    if (window.whole) return head(job, 200);
    part(job, range.begin, range.end);
  }
  // The whole of a window arrives.
  void window(std::uint32_t job) {
    const PieceRange pieces = windows.at(job).pieces;
    good_head(job);
    for (PieceIndex each = pieces.begin; each < pieces.end; ++each) digest(job, each);
  }
  void end(std::uint32_t job, Error why = Error::none) {
    body.handle_end(JobId{job}, why, now);
    drain();
  }
  // Whether its credit lets a page send its next piece.
  bool may_send(std::uint32_t job) const {
    const PieceRange brought{peers.at(job).pieces.begin, next.at(job)};
    const std::uint64_t sent = brought.count() == 0 ? 0 : geometry.range_of(brought).bytes();
    return brought.end < peers.at(job).pieces.end &&
           sent + geometry.bytes_of(brought.end) <= credit.at(job);
  }
  // From here on the reader takes all, and every source does as it is told, as far as it may. The
  // law: that ends the body, so there never is a moment at which nobody is asked for what is next.
  void finish() {
    for (int turn = 0; !done && error == Error::none; ++turn) {
      REQUIRE(turn < 20000);
      pull(1 << 30);
      if (done || error != Error::none) return;
      bool acted = false;
      const auto act = [&](auto& jobs, auto&& one) {
        if (acted || jobs.empty()) return;
        // Turn by turn another one, so that none that is paused hides one that is not.
        const auto at = static_cast<std::ptrdiff_t>(static_cast<std::size_t>(turn) % jobs.size());
        const std::uint32_t id = std::next(jobs.begin(), at)->first;
        acted = one(id);
      };
      for (std::size_t i = 0; i < 2 && !acted; ++i, ++turn) {
        act(reads, [&](std::uint32_t id) { return piece(id, next[id]), true; });
        act(peers, [&](std::uint32_t id) {
          if (!may_send(id)) return false;
          return piece(id, next[id]), true;
        });
        act(windows, [&](std::uint32_t id) {
          const auto accept = accepts.find(id);
          if (accept == accepts.end()) return good_head(id), true;
          if (next[id] >= accept->second.until) return false;
          return digest(id, next[id]), true;
        });
      }
      REQUIRE_MESSAGE(acted, "somebody is asked for something");
    }
  }

  std::uint64_t passed_bytes() const {
    std::uint64_t bytes = 0;
    for (const ByteRange& range : passed) bytes += range.bytes();
    return bytes;
  }
  // What was passed on is the asked range from its first byte on, without a gap.
  void check_in_order() const {
    std::uint64_t at = body.range().begin;
    for (const ByteRange& range : passed) {
      REQUIRE(range.begin == at);
      at = range.end;
    }
    if (done) CHECK(at == body.range().end);
  }
};

PieceSet none() {
  return PieceSet(limits::pieces_per_resource);
}
PieceSet held(std::initializer_list<PieceRange> ranges) {
  PieceSet set = none();
  for (const PieceRange& range : ranges) set.add(range);
  return set;
}

Host whole(std::uint64_t pieces, PluginKind opener, PieceSet set = none()) {
  const std::uint64_t bytes = pieces * piece_bytes;
  return Host(bytes, {0, bytes}, std::move(set), {opener});
}

}  // namespace

TEST_CASE("what the store holds is read segment by segment and passed on as it comes") {
  Host host = whole(20, PluginKind::cache, held({{0, 20}}));
  REQUIRE(host.reads.size() == 1);
  CHECK(host.reads.at(1).pieces == PieceRange{0, 16});
  host.pull(1 << 30);
  for (PieceIndex piece = 0; piece < 16; ++piece) host.piece(1, piece);
  REQUIRE(host.reads.size() == 1);
  CHECK(host.reads.at(2).pieces == PieceRange{16, 20});
  for (PieceIndex piece = 16; piece < 20; ++piece) host.piece(2, piece);
  CHECK(host.done);
  CHECK(host.body.counts().from_cache == 20 * piece_bytes);
  CHECK(host.stored.empty());
  host.check_in_order();
}

TEST_CASE("a range passes on its own bytes only, in whole pieces' parts") {
  Host host(10 * piece_bytes, {100, 3 * piece_bytes + 7}, none(), {PluginKind::network, false});
  CHECK(host.windows.at(1).pieces == PieceRange{0, 4});
  CHECK_FALSE(host.windows.at(1).whole);
  host.pull(1 << 30);
  host.window(1);
  CHECK(host.done);
  CHECK(host.passed.front() == ByteRange{100, piece_bytes});
  CHECK(host.passed.back() == ByteRange{3 * piece_bytes, 3 * piece_bytes + 7});
  CHECK(host.stored == std::vector<PieceRange>{{0, 4}});
  CHECK(host.body.counts().from_origin == 3 * piece_bytes + 7 - 100);
}

TEST_CASE("a resource of one window is asked for without a Range header") {
  Host host = whole(3, PluginKind::network);
  CHECK(host.windows.at(1).whole);
  host.pull(1 << 30);
  host.window(1);
  CHECK(host.done);
}

TEST_CASE("the second window starts when the first piece has come, and there are never three") {
  Host host = whole(100, PluginKind::network);
  host.pull(1 << 30);
  CHECK(host.windows.size() == 1);
  host.good_head(1);
  CHECK(host.windows.size() == 1);
  host.digest(1, 0);
  CHECK(host.windows.size() == 2);
  CHECK(host.windows.at(2).pieces == PieceRange{4, 12});
  host.good_head(2);
  CHECK(host.windows.size() == 2);
  SUBCASE("the second one's pieces wait for the first one's") {
    for (PieceIndex piece = 4; piece < 12; ++piece) host.digest(2, piece);
    CHECK(host.passed_bytes() == piece_bytes);
    CHECK(host.stored == std::vector<PieceRange>{{4, 12}});
    for (PieceIndex piece = 1; piece < 4; ++piece) host.digest(1, piece);
    CHECK(host.passed_bytes() == 12 * piece_bytes);
    host.check_in_order();
  }
}

TEST_CASE("from a fast origin the second window is as long as they get") {
  const std::uint64_t bytes = 200 * piece_bytes;
  Host host(bytes, {0, bytes}, none(), {PluginKind::network, true, limits::window_bytes_max});
  CHECK(host.windows.begin()->second.pieces == PieceRange{0, 4});
  host.window(host.windows.begin()->first);
  CHECK(host.windows.begin()->second.pieces == PieceRange{4, 32});
}

TEST_CASE("windows grow, and end with whole segments") {
  Host host = whole(200, PluginKind::network);
  std::vector<PieceRange> asked;
  while (!host.windows.empty()) {
    host.pull(1 << 30);
    asked.push_back(host.windows.begin()->second.pieces);
    host.window(host.windows.begin()->first);
  }
  asked.resize(6);
  CHECK(asked == std::vector<PieceRange>{{0, 4}, {4, 12}, {12, 16}, {16, 48}, {48, 80}, {80, 112}});
  CHECK(host.done);
  for (const PieceRange& run : host.stored) CHECK(host.geometry.segment_end(run.begin) >= run.end);
}

TEST_CASE("a window of pieces larger than itself is one of them") {
  const auto geometry = Geometry::parse(100 * limits::mib, 4 * limits::mib);
  Body body(*geometry, {0, 100 * limits::mib}, none(), {PluginKind::network});
  body.start(Instant{});
  const auto fetch = std::get<Body::Fetch>(body.poll_output().value());
  CHECK(fetch.pieces == PieceRange{0, 1});
}

TEST_CASE("a window ends at its segment, and before what is held") {
  Host host = whole(40, PluginKind::network, held({{5, 7}, {16, 32}}));
  host.pull(1 << 30);
  CHECK(host.windows.at(1).pieces == PieceRange{0, 4});
  CHECK(host.reads.size() == 1);
  CHECK(host.reads.begin()->second.pieces == PieceRange{5, 7});
  host.good_head(1);
  host.digest(1, 0);
  CHECK(host.windows.at(3).pieces == PieceRange{4, 5});
  host.window(3);
  host.good_head(4);
  CHECK(host.windows.at(4).pieces == PieceRange{7, 16});
}

TEST_CASE("a reader that stops is not read ahead for beyond the limit") {
  Host host = whole(512, PluginKind::network);
  host.pull(0);
  for (int i = 0; i < 50 && !host.windows.empty(); ++i) host.window(host.windows.begin()->first);
  CHECK(host.passed.empty());
  CHECK(host.kept.size() * piece_bytes == limits::body_ahead_bytes);
  host.pull(piece_bytes);
  CHECK(host.passed_bytes() == piece_bytes);
}

TEST_CASE(
    "peers are asked for what is missing up to what is held, with credit that what is passed on "
    "renews") {
  Host host = whole(100, PluginKind::delegate, held({{40, 50}}));
  REQUIRE(host.peers.size() == 1);
  const std::uint32_t job = host.peers.begin()->first;
  CHECK(host.peers.at(job).pieces == PieceRange{0, 40});
  CHECK(host.credit.at(job) == limits::bridge_bytes);
  host.pull(0);
  for (PieceIndex piece = 0; piece < 4; ++piece) host.piece(job, piece);
  CHECK(host.credit.at(job) == limits::bridge_bytes);
  host.pull(3 * piece_bytes);
  CHECK(host.credit.at(job) == limits::bridge_bytes);
  host.pull(piece_bytes);
  CHECK(host.credit.at(job) == limits::bridge_bytes + limits::grant_bytes);
  CHECK(host.windows.empty());
}

TEST_CASE("peers that have nothing before the first byte end the body with their code") {
  Host host = whole(10, PluginKind::delegate);
  host.end(1, Error::nobody_has_it);
  CHECK(host.error == Error::nobody_has_it);
  CHECK(host.windows_opened == 0);
}

TEST_CASE("peers that take long to begin are helped out by the origin, one window at a time") {
  Host host = whole(100, PluginKind::delegate);
  host.pull(1 << 30);
  CHECK(host.windows.empty());
  host.body.handle_hedge(host.now);
  host.drain();
  REQUIRE(host.windows.size() == 1);
  CHECK(host.windows.at(2).pieces == PieceRange{0, 4});
  CHECK(host.peers.size() == 1);
  SUBCASE("the next window follows while nothing comes") {
    host.window(2);
    REQUIRE(host.windows.size() == 1);
    CHECK(host.windows.at(3).pieces == PieceRange{4, 12});
    CHECK(host.passed_bytes() == 4 * piece_bytes);
  }
  SUBCASE("peers that begin go on after the window that is running") {
    host.good_head(2);
    host.digest(2, 0);
    host.piece(1, 0);
    REQUIRE(host.peers.size() == 1);
    CHECK(host.peers.begin()->second.pieces == PieceRange{4, 100});
    CHECK(host.windows.size() == 1);
    for (PieceIndex piece = 1; piece < 4; ++piece) host.digest(2, piece);
    const std::uint32_t job = host.peers.begin()->first;
    for (PieceIndex piece = 4; piece < 100; ++piece) host.piece(job, piece);
    CHECK(host.done);
    CHECK(host.windows_opened == 1);
    CHECK(host.body.counts().wasted == piece_bytes);
  }
  SUBCASE("peers that are first after all need no window") {
    host.good_head(2);
    host.piece(1, 0);
    CHECK(host.windows.empty());
    for (PieceIndex piece = 1; piece < 100; ++piece) host.piece(1, piece);
    CHECK(host.done);
    CHECK(host.body.counts().from_peers == 100 * piece_bytes);
  }
  SUBCASE("peers that give up leave it to the origin") {
    host.end(1, Error::peer_gone);
    while (!host.windows.empty()) host.window(host.windows.begin()->first);
    CHECK(host.done);
  }
  host.check_in_order();
}

TEST_CASE("peers that break off are followed by the origin at that very byte") {
  for (const Error why : {Error::none, Error::peer_gone, Error::peer_stalled}) {
    Host host = whole(40, PluginKind::delegate);
    host.pull(1 << 30);
    for (PieceIndex piece = 0; piece < 5; ++piece) host.piece(1, piece);
    host.end(1, why);
    REQUIRE(host.windows.size() == 1);
    CHECK(host.windows.begin()->second.pieces == PieceRange{5, 9});
    while (!host.windows.empty()) host.window(host.windows.begin()->first);
    CHECK(host.done);
    CHECK(host.body.counts().from_peers == 5 * piece_bytes);
    CHECK(host.body.counts().from_origin == 35 * piece_bytes);
    CHECK(host.body.counts().wasted == 0);
    host.check_in_order();
  }
}

TEST_CASE("a page that sends out of order, or a wrong length, is given up") {
  Host host = whole(40, PluginKind::delegate);
  host.pull(1 << 30);
  host.piece(1, 0);
  SUBCASE("order") {
    host.piece(1, 2);
  }
  SUBCASE("length") {
    CHECK_FALSE(host.body.handle_piece(JobId{1}, 1, 5, PieceSource::peers, host.now));
    host.drain();
  }
  CHECK(host.peers.empty());
  CHECK(host.windows.begin()->second.pieces == PieceRange{1, 5});
}

TEST_CASE("a page that owes pieces for too long is given up; one without credit is not") {
  Host host = whole(100, PluginKind::delegate);
  host.pull(piece_bytes);
  host.piece(1, 0);
  REQUIRE(host.body.next_timeout());
  SUBCASE("it owes") {
    host.now = *host.body.next_timeout();
    host.body.handle_timeout(host.now);
    host.drain();
    CHECK(host.peers.empty());
    CHECK(host.windows.size() == 1);
  }
  SUBCASE("its credit is used up because the reader stopped") {
    for (PieceIndex piece = 1; piece < 17; ++piece) host.piece(1, piece);
    CHECK_FALSE(host.body.next_timeout());
  }
}

TEST_CASE("a page gets longer for a larger piece than for a small one: its own patience and more") {
  for (const std::uint32_t bytes_of_piece : {limits::piece_bytes_min, limits::piece_bytes_max}) {
    const auto geometry = Geometry::parse(4ULL * bytes_of_piece, bytes_of_piece);
    Body body(*geometry, {0, geometry->bytes()}, none(), {PluginKind::delegate});
    body.start(Instant{});
    body.handle_pull(1LL << 40, Instant{});
    CHECK(body.handle_piece(JobId{1}, 0, bytes_of_piece, PieceSource::peers, Instant{}));
    REQUIRE(body.next_timeout());
    const auto seconds = std::chrono::seconds(bytes_of_piece / limits::reader_rate_min);
    CHECK(*body.next_timeout() >= Instant{} + seconds + limits::bridge_stall);
    CHECK(*body.next_timeout() < Instant{} + seconds + 2 * limits::bridge_stall);
  }
}

TEST_CASE(
    "an origin that ignores Range: one body is skipped into, paced, and nothing else is asked") {
  const std::uint64_t bytes = 300 * piece_bytes;
  Host host(bytes, {40 * piece_bytes, bytes}, none(), {PluginKind::network, false});
  host.pull(0);
  host.head(1, 200);
  CHECK(host.windows.size() == 1);
  CHECK(host.accepts.at(1).skip == 40 * piece_bytes);
  const std::uint32_t ahead = limits::body_ahead_bytes / piece_bytes;
  CHECK(host.accepts.at(1).until == 40 + ahead);
  for (PieceIndex piece = 40; piece < 40 + ahead; ++piece) host.digest(1, piece);
  CHECK(host.windows.size() == 1);
  host.pull(1 << 30);
  CHECK(host.accepts.at(1).until == 40 + 2 * ahead);
  for (PieceIndex piece = 40 + ahead; piece < 300; ++piece) host.digest(1, piece);
  CHECK(host.done);
  CHECK(host.windows_opened == 1);
  host.check_in_order();
}

TEST_CASE(
    "an answer that cannot be taken goes to the page as it is, or the request goes on alone") {
  struct Case {
    const char* name;
    std::uint32_t status;
    const char* content_range;
    const char* cache_control;
    Error error;
    bool is_answer;  // also without a Range header in the page's request
  };
  const Case cases[] = {
      {"another total: a new version", 206, "bytes 0-262143/6553601", "", Error::origin_changed,
       false},
      {"another range", 206, "bytes 1-262143/6553600", "", Error::origin_unusable, false},
      {"less than a piece", 206, "bytes 0-65534/6553600", "", Error::origin_unusable, false},
      {"no Content-Range", 206, "", "", Error::origin_unusable, false},
      {"gone", 404, "", "", Error::origin_changed, false},
      {"refused", 403, "", "", Error::origin_unusable, false},
      {"shorter now", 416, "bytes */5", "", Error::origin_changed, false},
      {"a private part", 206, "bytes 0-262143/6553600", "private", Error::origin_unusable, false},
      {"a private whole", 200, "", "private", Error::origin_unusable, true},
      {"too many requests", 429, "", "", Error::origin_unreachable, true},
      {"overloaded", 503, "", "", Error::origin_unreachable, true},
      {"in trouble, perhaps with ranges", 500, "", "", Error::origin_unreachable, false},
  };
  for (const Case& each : cases) {
    CAPTURE(each.name);
    Host host = whole(100, PluginKind::network);
    host.head(1, each.status, each.content_range, "", each.cache_control);
    CHECK(host.error == each.error);
    CHECK(host.answer_of == (each.is_answer ? 1U : 0U));
    CHECK(host.windows_opened == 1);
    // To a range only what is no word on the range.
    Host ranged(100 * piece_bytes, {0, 100 * piece_bytes}, none(), {PluginKind::network, false});
    ranged.head(1, each.status, each.content_range, "", each.cache_control);
    CHECK(ranged.error == each.error);
    CHECK(ranged.answer_of == (each.error == Error::origin_unreachable ? 1U : 0U));  // a range too
  }
}

TEST_CASE(
    "a small file of another length is asked for once more past the HTTP cache, then passed") {
  for (const char* length : {"196609", "196607", "0"}) {
    CAPTURE(length);
    Host host = whole(3, PluginKind::network);
    host.head(1, 200, "", "", "", length);
    REQUIRE(host.windows.size() == 1);
    CHECK(host.windows.at(2).reload);
    host.head(2, 200, "", "", "", length);
    CHECK(host.answer_of == 2);
    CHECK(host.error == Error::origin_changed);
  }
}

TEST_CASE("a whole answer that ends too soon, or goes on, is another file") {
  for (const Error end : {Error::none, Error::wrong_length}) {
    Host host = whole(3, PluginKind::network);
    host.head(1, 200);
    host.digest(1, 0);
    host.end(1, end);
    CHECK(host.error == Error::none);
    CHECK(host.windows.at(2).reload);
    host.head(2, 206, "bytes 65536-196607/196608");
    host.digest(2, 1);
    host.end(2, end);
    // The reader has a part of it, so there is no other way out.
    CHECK(host.error == (end == Error::none ? Error::none : Error::origin_changed));
    CHECK(host.answer_of == 0);
  }
}

TEST_CASE("less than was asked for is taken, and the origin is asked for as much from there on") {
  const std::uint64_t bytes = 100 * piece_bytes;
  Host host(bytes, {0, bytes}, none(), {PluginKind::network, false});
  host.pull(1 << 30);
  // A server that sends at most a million bytes at once: fifteen pieces and a bit.
  std::vector<PieceRange> asked;
  while (!host.done) {
    REQUIRE(host.error == Error::none);
    REQUIRE(!host.windows.empty());
    const std::uint32_t job = host.windows.begin()->first;
    const PieceRange pieces = host.windows.at(job).pieces;
    asked.push_back(pieces);
    const ByteRange range = host.geometry.range_of(pieces);
    host.part(job, range.begin, std::min(range.end, range.begin + 1'000'000));
    for (PieceIndex piece = pieces.begin; host.windows.count(job) > 0; ++piece) {
      host.digest(job, piece);
    }
  }
  asked.resize(6);
  CHECK(asked == std::vector<PieceRange>{{0, 4}, {4, 12}, {12, 16}, {16, 48}, {31, 46}, {46, 61}});
  host.check_in_order();
  for (const PieceRange& run : host.stored) CHECK(host.geometry.segment_end(run.begin) >= run.end);
}

TEST_CASE("while peers may come, an origin that refuses does not end the body") {
  Host host = whole(100, PluginKind::delegate);
  host.pull(1 << 30);
  host.body.handle_hedge(host.now);
  host.drain();
  const std::uint32_t window = host.windows.begin()->first;
  host.head(window, 429);
  CHECK(host.error == Error::none);
  CHECK(host.windows_opened == 1);
  SUBCASE("they come: all is from them") {
    host.piece(1, 0);
    CHECK(host.closed == std::vector<std::uint32_t>{window});
    host.finish();
    CHECK(host.done);
    CHECK(host.windows_opened == 1);
    CHECK(host.body.origin_error() == Error::origin_unreachable);
  }
  SUBCASE("they do not: the page gets the answer that came") {
    host.end(1, Error::nobody_has_it);
    CHECK(host.answer_of == window);
  }
  SUBCASE("the reader goes: the answer is let go") {
    host.body.handle_cancel();
    host.drain();
    CHECK(host.windows.empty());
  }
  host.check_in_order();
}

TEST_CASE("peers that carry on need no origin, also where its bytes are others now") {
  Host host = whole(100, PluginKind::delegate);
  host.pull(1 << 30);
  host.body.handle_hedge(host.now);
  host.drain();
  host.head(host.windows.begin()->first, 206, "bytes 0-262143/6553601");
  CHECK(host.error == Error::none);
  host.finish();
  CHECK(host.done);
  CHECK(host.body.counts().from_peers == 100 * piece_bytes);
  CHECK(host.body.origin_error() == Error::origin_changed);
}

TEST_CASE("wrong bytes before the first one leave the request to the network, at once") {
  Host host = whole(100, PluginKind::network);
  host.good_head(1);
  host.digest(1, 0, 2);
  CHECK(host.error == Error::origin_changed);
  CHECK(host.windows_opened == 1);
}

TEST_CASE("a reader that has begun is worth one more question, past the HTTP cache") {
  Host host = whole(100, PluginKind::network);
  host.pull(1 << 30);
  host.good_head(1);
  host.digest(1, 0);
  host.digest(1, 1, 2);
  CHECK(host.error == Error::none);
  const auto again = std::find_if(host.windows.begin(), host.windows.end(), [](const auto& window) {
    return window.second.pieces == PieceRange{1, 16};
  });
  // The window beside it may still be waited for; the one that failed is asked again after it.
  if (again == host.windows.end()) {
    host.window(host.windows.begin()->first);
  }
  std::uint32_t retry = 0;
  for (const auto& [job, window] : host.windows) {
    if (window.pieces.begin == 1) retry = job;
  }
  REQUIRE(retry != 0);
  CHECK(host.windows.at(retry).reload);
  host.good_head(retry);
  SUBCASE("still wrong") {
    host.digest(retry, 1, 2);
    CHECK(host.error == Error::origin_changed);
    CHECK(host.passed_bytes() == piece_bytes);
    CHECK(host.stored.front() == PieceRange{0, 1});
  }
  SUBCASE("it was the HTTP cache") {
    host.digest(retry, 1);
    CHECK(host.error == Error::none);
    CHECK(host.passed_bytes() == 2 * piece_bytes);
  }
  host.check_in_order();
}

TEST_CASE("an unreachable origin is asked again after a wait, and then the body fails") {
  Host host = whole(10, PluginKind::network);
  host.pull(1 << 30);
  host.good_head(1);
  host.digest(1, 0);
  host.end(1, Error::origin_unreachable);  // cut off
  std::vector<Duration> waits;
  while (host.error == Error::none) {
    REQUIRE(host.windows.size() == 1);
    waits.push_back(host.windows.begin()->second.wait);
    CHECK(host.windows.begin()->second.pieces == PieceRange{1, 10});
    host.end(host.windows.begin()->first, Error::origin_unreachable);
  }
  CHECK(host.error == Error::origin_unreachable);
  CHECK(waits == std::vector<Duration>{limits::origin_retry_wait, 2 * limits::origin_retry_wait});
}

TEST_CASE("an origin that is busy in the middle is asked again when it says so") {
  struct Case {
    const char* retry_after;
    Duration wait;
  };
  const Case cases[] = {
      {"3", 3s}, {"0", limits::origin_retry_wait}, {"86400", 10s}, {"", 1s}, {"tomorrow", 1s}};
  for (const Case& each : cases) {
    CAPTURE(each.retry_after);
    Host host = whole(10, PluginKind::network);
    host.pull(1 << 30);
    host.good_head(1);
    host.digest(1, 0);
    host.end(1, Error::origin_unreachable);
    OriginAnswer busy;
    busy.status = 429;
    busy.retry_after = each.retry_after;
    const std::uint32_t first = host.windows.begin()->first;
    CHECK(host.windows.at(first).wait == limits::origin_retry_wait);
    host.body.handle_head(JobId{first}, busy, host.now);
    host.drain();
    REQUIRE(host.windows.size() == 1);
    const Duration least = 2 * limits::origin_retry_wait;
    CHECK(host.windows.begin()->second.wait == std::max(each.wait, least));
    host.finish();
    CHECK(host.done);
  }
}

TEST_CASE(
    "before the first byte an unreachable origin fails at once: the network answers for itself") {
  Host host = whole(10, PluginKind::network);
  host.end(1, Error::origin_unreachable);
  CHECK(host.error == Error::origin_unreachable);
}

TEST_CASE("a run that the browser took away is fetched instead") {
  Host host = whole(20, PluginKind::cache, held({{0, 20}}));
  host.pull(1 << 30);
  host.piece(1, 0);
  host.end(1, Error::storage_lost);
  REQUIRE(host.windows.size() == 1);
  CHECK(host.windows.begin()->second.pieces == PieceRange{1, 5});
}

TEST_CASE("a run with wrong bytes, or too few, is forgotten, and another source gives its pieces") {
  Host host = whole(20, PluginKind::network, held({{0, 20}}));
  host.pull(1 << 30);
  host.piece(1, 0);
  SUBCASE("wrong") {
    host.digest(1, 1, 2);
  }
  SUBCASE("short") {
    CHECK_FALSE(host.body.handle_digest(JobId{1}, 1, 5, digest_of(1), host.now));
    host.drain();
  }
  CHECK(host.dropped == std::vector<std::uint32_t>{1});
  CHECK(host.passed_bytes() == piece_bytes);
  REQUIRE(host.windows.size() == 1);
  CHECK(host.windows.begin()->second.pieces == PieceRange{1, 5});
  host.finish();
  CHECK(host.done);
  CHECK(host.stored == std::vector<PieceRange>{{1, 5}, {5, 13}, {13, 16}});
  CHECK(host.body.counts().from_cache == 5 * piece_bytes);
  host.check_in_order();
}

TEST_CASE("a store whose bytes are wrong before the first one leaves it to the next plugin") {
  Host host = whole(20, PluginKind::cache, held({{0, 20}}));
  host.digest(1, 0, 2);
  CHECK(host.error == Error::storage_lost);
  CHECK(host.dropped == std::vector<std::uint32_t>{1});
}

TEST_CASE("nothing is taken without a digest but from a page") {
  Host host = whole(20, PluginKind::network, held({{0, 5}}));
  CHECK_FALSE(host.body.handle_piece(JobId{1}, 0, piece_bytes, PieceSource::peers, host.now));
  CHECK_FALSE(host.body.handle_piece(JobId{2}, 5, piece_bytes, PieceSource::peers, host.now));
  CHECK(host.passed.empty());
}

TEST_CASE("what the store loses before the pieces that peers are asked for comes from the origin") {
  Host host = whole(100, PluginKind::delegate, held({{0, 32}}));
  host.pull(1 << 30);
  const std::uint32_t peers = host.peers.begin()->first;
  CHECK(host.peers.at(peers).pieces == PieceRange{32, 100});
  for (PieceIndex piece = 0; piece < 16; ++piece) host.piece(1, piece);
  for (PieceIndex piece = 32; piece < 48; ++piece) host.piece(peers, piece);
  host.end(host.reads.begin()->first, Error::storage_lost);
  REQUIRE(host.windows.size() == 1);
  CHECK(host.windows.begin()->second.pieces == PieceRange{16, 20});
  while (!host.windows.empty()) host.window(host.windows.begin()->first);
  CHECK(host.passed_bytes() == 48 * piece_bytes);
  for (PieceIndex piece = 48; piece < 100; ++piece) host.piece(peers, piece);
  CHECK(host.done);
  host.check_in_order();
}

TEST_CASE("what the store has lost before the first byte is asked of peers with all the rest") {
  Host host = whole(100, PluginKind::delegate, held({{0, 4}}));
  host.pull(1 << 30);
  CHECK(host.peers.at(2).pieces == PieceRange{4, 100});
  SUBCASE("at once") {
    host.end(1, Error::storage_lost);
    REQUIRE(host.peers.size() == 1);
    CHECK(host.peers.begin()->second.pieces == PieceRange{0, 100});
  }
  SUBCASE("and later, but for what peers have brought") {
    for (PieceIndex piece = 4; piece < 10; ++piece) host.piece(2, piece);
    host.end(1, Error::storage_lost);
    REQUIRE(host.peers.size() == 1);
    CHECK(host.peers.begin()->second.pieces == PieceRange{0, 4});
  }
  CHECK(host.closed == std::vector<std::uint32_t>{1, 2});
  host.finish();
  CHECK(host.done);
  CHECK(host.windows_opened == 0);
  host.check_in_order();
}

TEST_CASE("what the store has lost while the origin was asked to help is asked of peers too") {
  Host host = whole(100, PluginKind::delegate, held({{0, 4}}));
  host.pull(1 << 30);
  host.body.handle_hedge(host.now);
  host.drain();
  REQUIRE(host.windows.size() == 1);
  CHECK(host.windows.begin()->second.pieces.begin == 4);
  host.end(1, Error::storage_lost);
  REQUIRE(host.peers.size() == 1);
  const std::uint32_t peers = host.peers.begin()->first;
  CHECK(host.peers.at(peers).pieces == PieceRange{0, 100});
  SUBCASE("and an origin that does not answer holds nothing up") {
    for (PieceIndex piece = 0; piece < 100; ++piece) host.piece(peers, piece);
  }
  SUBCASE("and the origin begins where the reader does") {
    REQUIRE(host.windows.size() == 1);
    CHECK(host.windows.begin()->second.pieces.begin == 0);
    host.finish();
  }
  CHECK(host.done);
  host.check_in_order();
}

TEST_CASE("what a hedge's window loses before the peers' pieces is asked for again") {
  Host host = whole(100, PluginKind::delegate);
  host.pull(1 << 30);
  host.body.handle_hedge(host.now);
  host.drain();
  host.good_head(2);
  host.digest(2, 0);
  host.piece(1, 0);
  REQUIRE(host.peers.begin()->second.pieces == PieceRange{4, 100});
  host.end(2, Error::origin_unreachable);
  REQUIRE(host.windows.size() == 1);
  CHECK(host.windows.begin()->second.pieces == PieceRange{1, 4});
  host.finish();
  CHECK(host.done);
  host.check_in_order();
}

TEST_CASE(
    "one origin of several that ignores Range does not take a window away that comes before") {
  Host host = whole(64, PluginKind::network);
  host.pull(1 << 30);
  host.good_head(1);
  host.digest(1, 0);
  host.head(2, 200);
  REQUIRE(host.windows.count(1) == 1);
  CHECK(host.accepts.at(2).skip == 4 * piece_bytes);
  SUBCASE("and it goes on") {
    host.finish();
    CHECK(host.windows_opened == 2);
  }
  SUBCASE("and it is asked for again if it breaks off, though the rest is paused") {
    for (PieceIndex piece = 4; piece < 64; ++piece) host.digest(2, piece);
    host.end(1, Error::origin_unreachable);
    REQUIRE(host.windows.size() == 1);
    CHECK(host.windows.begin()->second.pieces == PieceRange{1, 4});
    host.finish();
  }
  CHECK(host.done);
  host.check_in_order();
}

TEST_CASE("what nobody has comes from the origin beside the question, and company may come yet") {
  Host host = whole(100, PluginKind::delegate);
  host.pull(1 << 30);
  host.body.handle_hedge(host.now);
  host.drain();
  host.good_head(2);
  host.end(1, Error::nobody_has_it);
  CHECK_FALSE(host.done);
  CHECK(host.error == Error::none);
  host.digest(2, 0);
  host.body.handle_company(host.now);
  host.drain();
  CHECK(host.windows.empty());
  REQUIRE(host.peers.size() == 1);
  CHECK(host.peers.begin()->second.pieces == PieceRange{1, 100});
}

TEST_CASE("with company, what is left is asked of a page, and whole pieces are kept") {
  Host host = whole(100, PluginKind::network);
  host.pull(1 << 30);
  host.good_head(1);
  host.digest(1, 0);
  host.good_head(2);
  host.digest(2, 4);
  host.body.handle_company(host.now);
  host.drain();
  CHECK(host.windows.empty());
  REQUIRE(host.peers.size() == 1);
  const std::uint32_t job = host.peers.begin()->first;
  SUBCASE("up to what came already, and then beyond it") {
    CHECK(host.peers.at(job).pieces == PieceRange{1, 4});
    CHECK(host.stored == std::vector<PieceRange>{{4, 5}, {0, 1}});
    host.finish();
    CHECK(host.windows_opened == 2);
    CHECK(host.body.counts().from_peers == 98 * piece_bytes);
    CHECK(host.body.counts().wasted == 0);
  }
  SUBCASE("a page has pieces from the origin too") {
    if (host.body.handle_piece(JobId{job}, 1, piece_bytes, PieceSource::origin, host.now))
      host.kept.push_back(1);
    host.next[job] = 2;
    host.drain();
    CHECK(host.body.counts().from_origin == 2 * piece_bytes);
    host.finish();
  }
  SUBCASE("what a page had already is from this visitor's own") {
    const std::uint64_t before = host.body.counts().from_cache;
    CHECK(host.body.handle_piece(JobId{job}, 1, piece_bytes, PieceSource::store, host.now));
    host.kept.push_back(1);
    host.next[job] = 2;
    host.drain();
    CHECK(host.body.counts().from_cache == before + piece_bytes);
    host.finish();
  }
  SUBCASE("told again, it changes nothing") {
    host.body.handle_company(host.now);
    host.drain();
    CHECK(host.peers.size() == 1);
    host.finish();
  }
  SUBCASE("peers that break off are not asked again") {
    host.end(job, Error::peer_stalled);
    CHECK(host.peers.empty());
    host.body.handle_company(host.now);
    host.drain();
    CHECK(host.peers.empty());
    host.finish();
    CHECK(host.body.counts().from_peers == 0);
  }
  SUBCASE("a page that says that it is at it is waited for") {
    host.body.handle_company(host.now);
    const Instant first = host.body.next_timeout().value();
    host.now = first - Duration(1);
    host.body.handle_alive(JobId{job}, host.now);
    host.drain();
    host.body.handle_timeout(first);
    host.drain();
    CHECK(host.peers.count(job) == 1);
    CHECK(*host.body.next_timeout() - host.now == first - Instant{});
    host.finish();
  }
  SUBCASE("a page that brings nothing is given up in time") {
    host.body.handle_company(host.now);
    REQUIRE(host.body.next_timeout());
    host.body.handle_timeout(*host.body.next_timeout());
    host.drain();
    CHECK(host.peers.empty());
    host.finish();
  }
  CHECK(host.done);
  host.check_in_order();
}

TEST_CASE(
    "company before the first piece: the first window goes on, and a page is asked for the rest") {
  Host host = whole(100, PluginKind::network);
  host.pull(1 << 30);
  host.good_head(1);
  host.body.handle_company(host.now);
  host.drain();
  CHECK(host.windows.count(1) == 1);
  REQUIRE(host.peers.size() == 1);
  CHECK(host.peers.begin()->second.pieces == PieceRange{4, 100});
  host.window(1);
  CHECK(host.passed_bytes() == 4 * piece_bytes);
  host.finish();
  CHECK(host.done);
  CHECK(host.windows_opened == 1);
  CHECK(host.body.counts().wasted == 0);
  host.check_in_order();
}

TEST_CASE("an origin that gives all that is left in one body goes on alone, whoever comes") {
  Host host = whole(100, PluginKind::network);
  host.pull(1 << 30);
  host.head(1, 200);
  host.body.handle_company(host.now);
  host.drain();
  CHECK(host.peers.empty());
  host.finish();
  CHECK(host.done);
}

TEST_CASE("pieces that somebody else stored meanwhile are not fetched again") {
  Host host = whole(60, PluginKind::network);
  host.pull(1 << 30);
  host.good_head(1);
  host.body.handle_held({32, 48});
  while (!host.windows.empty()) host.window(host.windows.begin()->first);
  REQUIRE(host.reads.size() == 1);
  CHECK(host.reads.begin()->second.pieces == PieceRange{32, 48});
}

TEST_CASE(
    "a reader that goes away: what is verified is stored, every job is closed, and that is all") {
  Host host = whole(100, PluginKind::network);
  host.good_head(1);
  for (PieceIndex piece = 0; piece < 3; ++piece) host.digest(1, piece);
  host.body.handle_cancel();
  host.drain();
  CHECK(host.stored == std::vector<PieceRange>{{0, 3}});
  CHECK(host.windows.empty());
  host.digest(1, 3);
  host.pull(1 << 30);
  CHECK_FALSE(host.done);
  CHECK(host.error == Error::none);
  CHECK(host.body.counts().wasted == piece_bytes);
}

// Whatever the sources do, what is passed on is the asked range from its first byte on, in order; a
// body that did not fail passes on all of it; at most one job per source (two windows) runs; and no
// piece that came good is fetched twice. And wherever that left it, sources that work from then on
// end it.
TEST_CASE("a random host never gets anything but the range") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  const auto chance = [&random](unsigned percent) { return random() % 100 < percent; };
  for (int round = 0; round < 400; ++round) {
    CAPTURE(round);
    const std::uint64_t bytes = 1 + random() % (200 * piece_bytes);
    const std::uint64_t begin = random() % bytes;
    const std::uint64_t end = begin + 1 + random() % (bytes - begin);
    PieceSet set = none();
    for (auto i = random() % 5; i > 0; --i) {
      const auto from = static_cast<PieceIndex>(random() % 200);
      set.add(PieceRange{from, from + static_cast<PieceIndex>(random() % 30)});
    }
    const PluginKind opener = chance(50) ? PluginKind::delegate : PluginKind::network;
    Host host(bytes, {begin, end}, set, {opener, false});
    std::map<std::uint32_t, bool> headed;
    std::map<std::uint32_t, bool> rest;
    const unsigned ignores_range = chance(50) ? 0 : chance(50) ? 100 : 30;  // percent of windows
    std::size_t steps = random() % 600;
    while (!host.done && host.error == Error::none && steps-- > 0) {
      REQUIRE(host.reads.size() <= 1);
      REQUIRE(host.peers.size() <= 1);
      REQUIRE(host.windows.size() <= limits::windows_in_flight);
      host.now += Duration(1000);
      if (chance(40)) host.pull(static_cast<std::int64_t>(random() % (8 * piece_bytes)));
      const auto step = [&](auto& jobs, auto&& act) {
        if (jobs.empty()) return;
        const auto job =
            std::next(jobs.begin(), static_cast<std::ptrdiff_t>(random() % jobs.size()));
        const std::uint32_t id = job->first;
        act(id, job->second.pieces);
      };
      const auto trusted = [&](std::uint32_t id, PieceRange pieces) {
        if (chance(1)) return host.end(id, Error::peer_gone);
        if (host.next[id] == pieces.end) return host.end(id);
        if (host.peers.count(id) > 0 && !host.may_send(id)) return;
        host.piece(id, host.next[id]);
      };
      if (chance(5)) {
        host.body.handle_hedge(host.now);
        host.drain();
      }
      if (chance(1)) {
        host.body.handle_company(host.now);
        host.drain();
      }
      step(host.reads, trusted);
      step(host.peers, trusted);
      step(host.windows, [&](std::uint32_t id, PieceRange pieces) {
        if (chance(1)) return host.end(id, Error::origin_unreachable);
        if (!headed[id]) {
          headed[id] = true;
          rest[id] = chance(ignores_range);
          return rest[id] ? host.head(id, 200) : host.good_head(id);
        }
        const auto accept = host.accepts.find(id);
        if (accept == host.accepts.end() || host.next[id] >= accept->second.until) return;
        const PieceIndex last = rest[id] ? host.geometry.count() : pieces.end;
        if (host.next[id] == last) return host.end(id);
        host.digest(id, host.next[id], chance(1) && chance(10) ? 2 : 1);
      });
    }
    host.finish();
    host.check_in_order();
    const Body::Counts& counts = host.body.counts();
    CHECK(counts.from_cache + counts.from_peers + counts.from_origin == host.passed_bytes());
    CHECK(host.kept.size() * piece_bytes <= limits::body_ahead_bytes + 2 * limits::bridge_bytes);
    if (ignores_range == 0 && host.error == Error::none) CHECK(counts.wasted <= 2 * piece_bytes);
  }
}
