#include "http/body.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>
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
  std::unique_ptr<Streams> own = std::make_unique<Streams>();  // if it shares with nobody
  std::unique_ptr<Forms> forms = std::make_unique<Forms>();
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
  std::uint32_t spilt_of = 0;   // the window whose bytes the page gets as they are
  bool has_head = false;        // the page, before any byte

  Host(std::uint64_t bytes, ByteRange range, PieceSet held, Opening opening)
      : geometry(geometry_of(bytes)), body(geometry, range, std::move(held), sharing(opening)) {
    std::vector<std::uint8_t> list;
    for (PieceIndex piece = 0; piece < geometry.count(); ++piece) {
      const Digest digest = digest_of(piece);
      list.insert(list.end(), digest.bytes.begin(), digest.bytes.end());
    }
    body.handle_digests(DigestList::parse(geometry, list).value());
    body.start(now);
    drain();
  }

  Opening sharing(Opening opening) const {
    if (!opening.streams) opening.streams = own.get();
    opening.forms = forms.get();
    return opening;
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
    if (std::holds_alternative<Body::Head>(output)) {
      CHECK_FALSE(std::exchange(has_head, true));
    }
    if (const auto* spill = std::get_if<Body::Spill>(&output)) {
      CHECK(windows.count(spill->job.value) == 1);
      CHECK(body.range() == ByteRange{0, geometry.bytes()});
      CHECK(passed.empty());
      spilt_of = spill->job.value;
    }
    if (const auto* pass = std::get_if<Body::Pass>(&output)) {
      CHECK_FALSE(has_head);
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
            const std::string& length = "", const std::string& ranges = "") {
    OriginAnswer answer;
    answer.status = status;
    answer.type = "basic";
    answer.cache_control = cache_control;
    answer.content_range = content_range;
    answer.content_encoding = encoding;
    answer.content_length = length;
    answer.accept_ranges = ranges;
    // A whole answer is told from its first piece on.
    if (status == 200 && next.count(job) > 0) next[job] = 0;
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
    if (window.whole) return head(job, 200, "", "", "", "", "bytes");
    part(job, range.begin, range.end);
  }
  // The whole of a window arrives.
  void window(std::uint32_t job) {
    const PieceRange pieces = windows.at(job).pieces;
    good_head(job);
    for (PieceIndex each = pieces.begin; each < pieces.end; ++each) digest(job, each);
  }
  void hedge() {
    body.handle_hedge(now);
    drain();
  }
  void company() {
    body.handle_company(now);
    drain();
  }
  void end(std::uint32_t job, Error why = Error::none) {
    body.handle_end(JobId{job}, why, now);
    drain();
  }
  // Nothing happens until the body's own time is up.
  void time_out() {
    now = body.next_timeout().value();
    body.handle_timeout(now);
    drain();
  }
  // The answer to this job brings nothing from this piece on, and a page that is asked has it.
  void falls_silent(std::uint32_t job, PieceIndex piece, Duration wait) {
    const Instant before = now;
    const std::uint64_t brought = body.counts().from_origin;
    time_out();
    CHECK(now - before == wait);
    CHECK(windows.count(job) == 1);
    REQUIRE(peers.size() == 1);
    CHECK(peers.begin()->second.pieces.begin == piece);
    this->piece(peers.begin()->first, piece);
    CHECK(windows.empty());
    finish();
    CHECK(done);
    CHECK(body.counts().from_origin == brought);
    check_in_order();
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

// Peers are known to have it, take long to begin, and the origin helps out.
Host helped(std::uint64_t pieces, std::uint64_t second_window = 2 * limits::window_first_bytes) {
  const std::uint64_t bytes = pieces * piece_bytes;
  Host host(bytes, {0, bytes}, none(), {PluginKind::delegate, true, second_window});
  host.pull(1 << 30);
  host.hedge();
  return host;
}

// Nobody is known to have it: a page is asked to look out for others while the origin begins.
Host unknown(std::uint64_t pieces) {
  const std::uint64_t bytes = pieces * piece_bytes;
  Opening opening{PluginKind::delegate};
  opening.known = false;
  Host host(bytes, {0, bytes}, none(), opening);
  host.pull(1 << 30);
  host.hedge();
  return host;
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

TEST_CASE("where nobody else serves a few requests give all that is missing, each longer") {
  Host host = whole(2000, PluginKind::network);
  host.pull(1 << 30);
  std::vector<PieceRange> asked;
  while (!host.windows.empty()) {
    REQUIRE(host.windows.size() == 1);
    const std::uint32_t job = host.windows.begin()->first;
    const PieceRange pieces = host.windows.at(job).pieces;
    asked.push_back(pieces);
    CHECK_FALSE(host.windows.at(job).whole);
    host.good_head(job);
    for (PieceIndex piece = pieces.begin; piece < pieces.end; ++piece) {
      // The next is asked for when what is gathered ahead gets there.
      const PieceIndex ahead = limits::body_ahead_bytes / piece_bytes;
      CHECK((host.windows.size() == 2) == (piece + ahead > pieces.end && pieces.end < 2000));
      host.digest(job, piece);
    }
  }
  CHECK(asked == std::vector<PieceRange>{{0, 128}, {128, 384}, {384, 1152}, {1152, 2000}});
  CHECK(host.done);
  CHECK(host.body.counts().wasted == 0);
  for (const PieceRange& run : host.stored) CHECK(host.geometry.segment_end(run.begin) >= run.end);
  CHECK(host.stored.front() == PieceRange{0, 4});
  CHECK(host.stored.back().end == 2000);
}

TEST_CASE("one request gives what a page asked for, and nothing behind it") {
  Host host(300 * piece_bytes, {40 * piece_bytes + 5, 90 * piece_bytes - 5}, none(),
            {PluginKind::network, false});
  host.pull(1 << 30);
  CHECK(host.windows.at(1).pieces == PieceRange{40, 90});
  host.finish();
  CHECK(host.windows_opened == 1);
  host.check_in_order();
}

TEST_CASE("while a page looks out for others the origin gives all, and goes on when nobody comes") {
  Host host = unknown(120);
  REQUIRE(host.windows.size() == 1);
  CHECK(host.windows.at(2).pieces == PieceRange{0, 120});
  host.good_head(2);
  host.digest(2, 0);
  host.end(1, Error::nobody_has_it);
  host.finish();
  CHECK(host.done);
  CHECK(host.windows_opened == 1);
  CHECK(host.body.counts().from_origin == 120 * piece_bytes);
}

TEST_CASE("peers that turn up all the same go on after a window of what the origin was to give") {
  Host host = unknown(120);
  host.good_head(2);
  for (PieceIndex piece = 0; piece < 10; ++piece) host.digest(2, piece);
  host.piece(1, 0);
  REQUIRE(host.peers.size() == 1);
  CHECK(host.peers.begin()->second.pieces == PieceRange{14, 120});
  for (PieceIndex piece = 10; piece < 14; ++piece) host.digest(2, piece);
  CHECK(host.windows.empty());
  host.finish();
  CHECK(host.windows_opened == 1);
  CHECK(host.body.counts().from_peers == 106 * piece_bytes);
  CHECK(host.body.counts().wasted == piece_bytes);
}

TEST_CASE("peers that turn up first need no origin") {
  Host host = unknown(120);
  host.good_head(2);
  host.piece(1, 0);
  CHECK(host.windows.empty());
  host.finish();
  CHECK(host.body.counts().from_peers == 120 * piece_bytes);
}

TEST_CASE(
    "of a server that sends less, the second part is asked for when the first piece has come") {
  Host host = whole(100, PluginKind::network);
  host.pull(1 << 30);
  CHECK(host.windows.size() == 1);
  host.part(1, 0, 4 * piece_bytes);
  CHECK(host.windows.size() == 1);
  host.digest(1, 0);
  REQUIRE(host.windows.size() == 2);
  CHECK(host.windows.at(2).pieces == PieceRange{4, 8});
  host.good_head(2);
  CHECK(host.windows.size() == 2);
  SUBCASE("the second one's pieces wait for the first one's") {
    for (PieceIndex piece = 4; piece < 8; ++piece) host.digest(2, piece);
    CHECK(host.passed_bytes() == piece_bytes);
    CHECK(host.stored == std::vector<PieceRange>{{4, 8}});
    for (PieceIndex piece = 1; piece < 4; ++piece) host.digest(1, piece);
    CHECK(host.passed_bytes() == 8 * piece_bytes);
    host.check_in_order();
  }
}

TEST_CASE("from a fast origin the second window is as long as they get") {
  Host host = helped(200, limits::window_bytes_max);
  CHECK(host.windows.begin()->second.pieces == PieceRange{0, 4});
  host.window(host.windows.begin()->first);
  CHECK(host.windows.begin()->second.pieces == PieceRange{4, 32});
}

TEST_CASE("windows beside peers grow, and end with whole segments") {
  Host host = helped(200);
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
  Streams streams;
  Opening opening{PluginKind::delegate};
  opening.streams = &streams;
  Forms forms;
  opening.forms = &forms;
  Body body(*geometry, {0, 100 * limits::mib}, none(), opening);
  body.start(Instant{});
  body.handle_hedge(Instant{});
  PieceRange window;
  while (const auto output = body.poll_output()) {
    if (const auto* fetch = std::get_if<Body::Fetch>(&*output)) window = fetch->pieces;
  }
  CHECK(window == PieceRange{0, 1});
}

TEST_CASE("the origin is asked up to what is held, and from behind it on") {
  Host host = whole(40, PluginKind::network, held({{5, 7}, {16, 32}}));
  host.pull(1 << 30);
  CHECK(host.windows.at(1).pieces == PieceRange{0, 5});
  CHECK(host.reads.size() == 1);
  CHECK(host.reads.begin()->second.pieces == PieceRange{5, 7});
  host.good_head(1);
  host.digest(1, 0);
  CHECK(host.windows.at(3).pieces == PieceRange{7, 16});
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
    CHECK(host.windows.begin()->second.pieces == PieceRange{5, 40});
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
  CHECK(host.windows.begin()->second.pieces == PieceRange{1, 40});
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
    Streams streams;
    Opening opening{PluginKind::delegate};
    opening.streams = &streams;
    Forms forms;
    opening.forms = &forms;
    Body body(*geometry, {0, geometry->bytes()}, none(), opening);
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
    "an origin that ignores Range: one body is read from its beginning, paced, and nothing else is "
    "asked") {
  const std::uint64_t bytes = 300 * piece_bytes;
  Host host(bytes, {40 * piece_bytes, bytes}, none(), {PluginKind::network, false});
  host.pull(0);
  host.head(1, 200);
  CHECK(host.windows.size() == 1);
  const std::uint32_t ahead = limits::body_ahead_bytes / piece_bytes;
  CHECK(host.accepts.at(1).until == 40 + ahead);
  for (PieceIndex piece = 0; piece < 40; ++piece) host.digest(1, piece);
  // What lies before the range is stored on the way, and not kept for the reader.
  CHECK(host.kept.empty());
  CHECK(std::find(host.stored.begin(), host.stored.end(), PieceRange{0, 16}) != host.stored.end());
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
    bool is_answer;  // to a range, where the page asked for all of a long file
  };
  const Case cases[] = {
      {"another total: a new version", 206, "bytes 0-262143/13107201", "", Error::origin_changed,
       false},
      {"another range", 206, "bytes 1-262143/13107200", "", Error::origin_unusable, false},
      {"less than a piece", 206, "bytes 0-65534/13107200", "", Error::origin_unusable, false},
      {"no Content-Range", 206, "", "", Error::origin_unusable, false},
      {"gone", 404, "", "", Error::origin_changed, true},
      {"refused", 403, "", "", Error::origin_unusable, false},
      {"perhaps because of the range", 400, "", "", Error::origin_unusable, false},
      {"shorter now", 416, "bytes */5", "", Error::origin_changed, false},
      {"a private part", 206, "bytes 0-262143/13107200", "private", Error::origin_unusable, false},
      {"a private whole", 200, "", "private", Error::origin_unusable, true},
      {"too many requests", 429, "", "", Error::origin_unreachable, true},
      {"overloaded", 503, "", "", Error::origin_unreachable, true},
      {"in trouble", 500, "", "", Error::origin_unreachable, false},
  };
  for (const Case& each : cases) {
    CAPTURE(each.name);
    Host host = whole(200, PluginKind::network);
    REQUIRE_FALSE(host.windows.at(1).whole);
    host.head(1, each.status, each.content_range, "", each.cache_control);
    if (!each.is_answer) {
      // What is no word on the whole: that is asked for, once.
      CHECK(host.error == Error::none);
      REQUIRE(host.windows.at(2).whole);
      host.head(2, each.status, each.content_range, "", each.cache_control);
      CHECK(host.answer_of == 2);
    } else {
      CHECK(host.answer_of == 1);
    }
    // A 416 to the whole says nothing of its length.
    CHECK(told(host.error) == (each.status == 416 ? Error::origin_unusable : each.error));
    CHECK(host.windows_opened == (each.is_answer ? 1 : 2));
    // What was asked as the page did is its answer, whatever it is.
    Host small = whole(100, PluginKind::network);
    REQUIRE(small.windows.at(1).whole);
    small.head(1, each.status, each.content_range, "", each.cache_control);
    CHECK(small.answer_of == 1);
    // To a range what is no word on which range it is: without us it would be refused as well.
    Host ranged(200 * piece_bytes, {0, 200 * piece_bytes}, none(), {PluginKind::network, false});
    ranged.head(1, each.status, each.content_range, "", each.cache_control);
    CHECK(told(ranged.error) == each.error);
    CHECK(ranged.answer_of == (each.status >= 400 && each.status != 416 ? 1U : 0U));
    // All of one piece is asked for without a range, and its refusal may be about that.
    Host piece(piece_bytes, {0, 100}, none(), {PluginKind::network, false});
    REQUIRE(piece.windows.at(1).whole);
    piece.head(1, each.status, each.content_range, "", each.cache_control);
    CHECK(piece.answer_of == (each.status > 400 && each.status != 416 ? 1U : 0U));
    CHECK(piece.windows_opened == 1);
  }
}

TEST_CASE(
    "an origin that refuses the rest of a file gives all of it, and the beginning is passed over") {
  Host host = whole(200, PluginKind::network, held({{0, 16}}));
  host.pull(1 << 30);
  for (PieceIndex piece = 0; piece < 16; ++piece) host.digest(1, piece);
  host.end(1);
  const std::uint32_t window = host.windows.begin()->first;
  REQUIRE(host.windows.at(window).pieces.begin == 16);
  host.head(window, 403);
  const std::uint32_t all = host.windows.begin()->first;
  REQUIRE(host.windows.at(all).whole);
  host.head(all, 200);
  for (PieceIndex piece = 0; piece < 200; ++piece) host.digest(all, piece);
  CHECK(host.done);
  CHECK(host.forms->has_no_parts);
  host.check_in_order();
}

TEST_CASE("of a compressed file whose rest cannot be had as a part, all is asked for") {
  for (const bool packs : {true, false}) {
    CAPTURE(packs);
    const std::uint64_t bytes = 200 * piece_bytes;
    Opening opening{PluginKind::network};
    opening.packs = packs;
    Host host(bytes, {0, bytes}, held({{0, 16}}), opening);
    host.pull(1 << 30);
    for (PieceIndex piece = 0; piece < 16; ++piece) host.digest(1, piece);
    host.end(1);
    REQUIRE_FALSE(host.windows.begin()->second.whole);
    host.end(host.windows.begin()->first, Error::origin_unreachable);
    CHECK(host.windows.begin()->second.whole == packs);
  }
}

TEST_CASE("a small file of another length is the page's answer, and nobody asks again") {
  for (const char* length : {"196609", "196607", "0"}) {
    CAPTURE(length);
    Host host = whole(3, PluginKind::network);
    host.head(1, 200, "", "", "", length);
    CHECK(host.windows_opened == 1);
    CHECK(host.answer_of == 1);
    CHECK(told(host.error) == Error::origin_changed);
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
  CHECK(asked ==
        std::vector<PieceRange>{{0, 100}, {15, 30}, {30, 45}, {45, 60}, {60, 75}, {75, 90}});
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
  host.head(host.windows.begin()->first, 206, "bytes 0-262143/13107201");
  CHECK(host.error == Error::none);
  host.finish();
  CHECK(host.done);
  CHECK(host.body.counts().from_peers == 100 * piece_bytes);
  CHECK(told(host.body.origin_error()) == Error::origin_changed);
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
  REQUIRE(host.windows.size() == 1);
  const std::uint32_t retry = host.windows.begin()->first;
  CHECK(host.windows.at(retry).pieces == PieceRange{1, 100});
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

TEST_CASE("an origin without ranges that breaks off at the same place is given up") {
  Host host = whole(10, PluginKind::network);
  host.pull(1 << 30);
  unsigned asked = 0;
  while (host.error == Error::none) {
    REQUIRE(host.windows.size() == 1);
    REQUIRE(++asked <= 1 + limits::origin_retries);
    const std::uint32_t id = host.windows.begin()->first;
    host.head(id, 200);
    for (PieceIndex piece = 0; piece < 5; ++piece) host.digest(id, piece);
    host.end(id, Error::origin_unreachable);
  }
  CHECK(asked == 1 + limits::origin_retries);
  CHECK(host.error == Error::origin_unreachable);
}

TEST_CASE("an origin that is busy in the middle is asked again when it says so") {
  struct Case {
    const char* retry_after;
    Duration wait;
  };
  const Case cases[] = {
      {"3", 3s}, {"0", limits::origin_retry_wait}, {"86400", 10s}, {"", 0s}, {"tomorrow", 0s}};
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
  CHECK(host.windows.begin()->second.pieces == PieceRange{1, 16});
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
  CHECK(host.windows.begin()->second.pieces == PieceRange{1, 16});
  host.finish();
  CHECK(host.done);
  CHECK(host.stored == std::vector<PieceRange>{{1, 16}});
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
  host.part(1, 0, 4 * piece_bytes);
  host.digest(1, 0);
  host.head(2, 200);
  REQUIRE(host.windows.count(1) == 1);
  SUBCASE("and it goes on") {
    host.finish();
    CHECK(host.windows_opened == 2);
  }
  SUBCASE("and what it lacks is in the whole answer if it breaks off") {
    host.end(1, Error::origin_unreachable);
    REQUIRE(host.windows.size() == 1);
    CHECK(host.windows.count(2) == 1);
    host.finish();
    CHECK(host.windows_opened == 2);
  }
  CHECK(host.done);
  host.check_in_order();
}

TEST_CASE("what nobody has comes from the origin beside the question, and company may come yet") {
  Host host = unknown(100);
  host.good_head(2);
  host.end(1, Error::nobody_has_it);
  CHECK_FALSE(host.done);
  CHECK(host.error == Error::none);
  host.digest(2, 0);
  host.company();
  CHECK(host.windows.empty());
  REQUIRE(host.peers.size() == 1);
  CHECK(host.peers.begin()->second.pieces == PieceRange{1, 100});
}

TEST_CASE("when somebody turns out to have it, a window is left of what the origin was to give") {
  Host host = unknown(100);
  host.good_head(2);
  host.digest(2, 0);
  host.body.handle_known();
  host.drain();
  CHECK(host.windows.count(2) == 1);
  for (PieceIndex piece = 1; piece < 5; ++piece) host.digest(2, piece);
  CHECK(host.windows.count(2) == 0);
  REQUIRE(host.windows.size() == 1);
  CHECK(host.windows.begin()->second.pieces == PieceRange{5, 13});
  host.piece(1, 0);
  host.finish();
  CHECK(host.done);
}

TEST_CASE("company cuts what the origin was to give, and a page is asked for the rest") {
  Host host = whole(100, PluginKind::network);
  host.pull(1 << 30);
  host.good_head(1);
  host.digest(1, 0);
  host.company();
  CHECK(host.windows.empty());
  REQUIRE(host.peers.size() == 1);
  const std::uint32_t job = host.peers.begin()->first;
  CHECK(host.peers.at(job).pieces == PieceRange{1, 100});
  CHECK(host.stored == std::vector<PieceRange>{{0, 1}});
  SUBCASE("and nothing is asked for twice") {
    host.finish();
    CHECK(host.windows_opened == 1);
    CHECK(host.body.counts().from_peers == 99 * piece_bytes);
    CHECK(host.body.counts().wasted == 0);
  }
  SUBCASE("and what comes of the answer all the same is counted as wasted") {
    host.digest(1, 1);
    CHECK(host.body.counts().wasted == piece_bytes);
    host.finish();
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
  for (PieceIndex piece = 0; piece < 4; ++piece) host.digest(1, piece);
  CHECK(host.windows.empty());
  CHECK(host.passed_bytes() == 4 * piece_bytes);
  host.finish();
  CHECK(host.done);
  CHECK(host.windows_opened == 1);
  CHECK(host.body.counts().wasted == 0);
  host.check_in_order();
}

TEST_CASE("the origin does not help company out beside the first window, which is on its way") {
  Host host = unknown(100);
  host.hedge();
  host.good_head(2);
  host.end(1, Error::nobody_has_it);
  host.body.handle_company(host.now);
  host.drain();
  REQUIRE(host.peers.size() == 1);
  CHECK(host.peers.begin()->second.pieces == PieceRange{4, 100});
  for (PieceIndex piece = 0; piece < 4; ++piece) host.digest(2, piece);
  CHECK(host.windows.empty());
  host.finish();
  CHECK(host.done);
  CHECK(host.windows_opened == 1);
  CHECK(host.body.counts().wasted == 0);
}

TEST_CASE("peers give what an origin that does not answer was to give") {
  Host host = whole(100, PluginKind::network);
  host.pull(1 << 30);
  host.company();
  REQUIRE(host.peers.size() == 1);
  CHECK(host.peers.begin()->second.pieces == PieceRange{4, 100});
  // What came from peers meanwhile is not asked for again.
  host.piece(host.peers.begin()->first, 4);
  host.now = host.body.next_timeout().value();
  CHECK(host.now - Instant{} == limits::hedge_delay);
  host.body.handle_timeout(host.now);
  host.drain();
  REQUIRE(host.peers.size() == 1);
  CHECK(host.peers.begin()->second.pieces == PieceRange{0, 4});
  SUBCASE("and it is left as soon as they begin") {
    CHECK(host.windows.count(1) == 1);
    host.piece(host.peers.begin()->first, 0);
    CHECK(host.windows.empty());
    host.finish();
    CHECK(host.windows_opened == 1);
    CHECK(host.body.counts().from_origin == 0);
  }
  SUBCASE("unless it answers before they begin") {
    host.good_head(1);
    host.digest(1, 0);
    host.piece(host.peers.begin()->first, 0);
    CHECK(host.windows.count(1) == 1);
    CHECK(host.body.counts().wasted == piece_bytes);
    host.finish();
  }
  SUBCASE("and peers that hang too leave it to the origin") {
    host.now = host.body.next_timeout().value();
    host.body.handle_timeout(host.now);
    host.drain();
    CHECK(host.peers.empty());
    CHECK(host.windows.count(1) == 1);
    CHECK(*host.body.next_timeout() - host.now == limits::origin_silence);
    host.finish();
    CHECK(host.body.counts().from_peers == piece_bytes);
  }
  CHECK(host.done);
  host.check_in_order();
}

TEST_CASE("peers give what an answer of a small file does not bring") {
  Host host = whole(8, PluginKind::network);
  host.pull(1 << 30);
  host.company();
  REQUIRE(host.windows.count(1) == 1);
  SUBCASE("of the whole") {
    host.head(1, 200);
  }
  SUBCASE("of a part") {
    host.good_head(1);
  }
  host.now = host.body.next_timeout().value();
  CHECK(host.now - Instant{} == limits::hedge_delay);
  host.body.handle_timeout(host.now);
  host.drain();
  REQUIRE(host.peers.size() == 1);
  CHECK(host.peers.begin()->second.pieces.begin == 0);
  for (PieceIndex piece = 0; piece < 8; ++piece) host.piece(host.peers.begin()->first, piece);
  CHECK(host.done);
  CHECK(host.body.counts().from_origin == 0);
  host.check_in_order();
}

TEST_CASE("an origin that does not answer is waited for where nobody else has it") {
  Host host = whole(100, PluginKind::network);
  host.pull(1 << 30);
  host.company();
  host.end(host.peers.begin()->first, Error::nobody_has_it);
  CHECK(*host.body.next_timeout() - host.now == limits::origin_silence);
  CHECK(host.windows.count(1) == 1);
  SUBCASE("and then a page is asked again") {
    host.time_out();
    REQUIRE(host.peers.size() == 1);
    CHECK(host.peers.begin()->second.pieces.begin == 0);
    CHECK(host.windows.count(1) == 1);
  }
  host.finish();
  CHECK(host.done);
}

TEST_CASE(
    "nobody is asked beside an origin that does not answer where nobody is known to have it") {
  Host host = unknown(100);
  host.end(1, Error::nobody_has_it);
  CHECK_FALSE(host.body.next_timeout());
}

TEST_CASE("peers give what an answer does not bring any more in the middle of a body") {
  SUBCASE("all that is left, and company came") {
    Host host = whole(200, PluginKind::network);
    host.pull(1 << 30);
    host.head(1, 200);
    host.digest(1, 0);
    host.company();
    CHECK(host.peers.empty());
    host.falls_silent(1, 1, limits::stream_silence);
  }
  SUBCASE("all that is left, and company came before its head") {
    Host host = whole(200, PluginKind::network);
    host.pull(1 << 30);
    host.company();
    host.head(1, 200);
    CHECK(host.peers.empty());
    host.falls_silent(1, 0, limits::stream_silence);
  }
  SUBCASE("all that is left, and peers were known from the beginning") {
    Host host = helped(200);
    host.head(2, 200);
    CHECK(host.peers.empty());
    host.digest(2, 0);
    host.falls_silent(2, 1, limits::stream_silence);
  }
  SUBCASE("all that is left, and peers had broken off before") {
    Host host = whole(200, PluginKind::delegate);
    host.pull(1 << 30);
    host.piece(1, 0);
    host.end(1, Error::peer_gone);
    host.head(2, 200);
    host.falls_silent(2, 1, limits::stream_silence);
  }
  SUBCASE("a stretch, and nobody was asked yet") {
    Host host = whole(200, PluginKind::network);
    host.pull(1 << 30);
    host.good_head(1);
    host.digest(1, 0);
    host.falls_silent(1, 1, limits::origin_silence);
  }
  SUBCASE("a first window, and company gives what lies behind it") {
    Host host = whole(200, PluginKind::network);
    host.pull(1 << 30);
    host.company();
    host.good_head(1);
    REQUIRE(host.peers.size() == 1);
    // It brings all that it may, so it owes nothing.
    const std::uint32_t behind = host.peers.begin()->first;
    while (host.may_send(behind)) host.piece(behind, host.next[behind]);
    host.falls_silent(1, 0, limits::origin_silence);
  }
}

TEST_CASE("an answer that is compared is asked for once, also if its pieces come out of order") {
  Opening opening{PluginKind::network};
  opening.checks = true;
  const std::uint64_t bytes = 100 * piece_bytes;
  Host host(bytes, {0, bytes}, none(), opening);
  host.head(1, 200);
  CHECK(host.answer_of == 1);
  host.error = Error::none;  // a body that is compared goes on
  host.digest(1, 90);
  CHECK(host.windows_opened == 1);
  CHECK(host.error == Error::origin_changed);
}

TEST_CASE("an answer that goes on slowly is not silent") {
  Host host = whole(100, PluginKind::network);
  host.pull(1 << 30);
  host.head(1, 200);
  host.company();
  for (PieceIndex piece = 0; piece < 10; ++piece) {
    host.now += limits::stream_silence - Duration(1);
    host.body.handle_timeout(host.now);
    host.digest(1, piece);
    CHECK(host.peers.empty());
  }
}

TEST_CASE("an origin that gives all that is left in one body goes on alone, whoever comes") {
  Host host = whole(100, PluginKind::network);
  host.pull(1 << 30);
  host.head(1, 200);
  host.company();
  CHECK(host.peers.empty());
  SUBCASE("and peers go on when it breaks off") {
    host.digest(1, 0);
    host.end(1, Error::origin_unreachable);
    CHECK(host.windows.empty());
    REQUIRE(host.peers.size() == 1);
    CHECK(host.peers.begin()->second.pieces == PieceRange{1, 100});
  }
  host.finish();
  CHECK(host.done);
}

TEST_CASE("the store gives what a silent answer was to give, if somebody else has stored it") {
  Host host = whole(100, PluginKind::network);
  host.pull(1 << 30);
  host.good_head(1);
  host.body.handle_held({0, 16}, host.now);
  CHECK(host.reads.empty());
  host.time_out();
  CHECK(host.windows.count(1) == 0);
  REQUIRE(host.reads.size() == 1);
  CHECK(host.reads.begin()->second.pieces == PieceRange{0, 16});
  host.finish();
  CHECK(host.done);
}

TEST_CASE("of two windows, the silent one is left to whoever has its pieces") {
  Host host = whole(100, PluginKind::network, held({{5, 7}}));
  host.pull(1 << 30);
  host.good_head(1);
  host.digest(1, 0);
  // The first window is asked for again when the second is there.
  host.end(1, Error::origin_unreachable);
  REQUIRE(host.windows.size() == 2);
  const std::uint32_t second = host.windows.begin()->first;
  const std::uint32_t silent = host.windows.rbegin()->first;
  CHECK(host.windows.at(second).pieces.begin == 7);
  CHECK(host.windows.at(silent).pieces == PieceRange{1, 5});
  host.good_head(second);
  SUBCASE("the store") {
    host.body.handle_held({1, 5}, host.now);
    host.time_out();
  }
  SUBCASE("peers") {
    host.time_out();
    REQUIRE(host.peers.size() == 1);
    host.piece(host.peers.begin()->first, 1);
  }
  CHECK(host.windows.count(silent) == 0);
  CHECK(host.windows.count(second) == 1);
  host.finish();
  CHECK(host.done);
  host.check_in_order();
}

TEST_CASE("pieces that somebody else stored meanwhile are not fetched again") {
  Host host = whole(60, PluginKind::network);
  host.pull(1 << 30);
  host.good_head(1);
  host.body.handle_held({32, 48}, host.now);
  for (PieceIndex piece = 0; piece < 32; ++piece) host.digest(1, piece);
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

namespace {

// The bodies of one resource, and a host that reads each stream once for all of its readers.
struct Page {
  static constexpr std::uint64_t pieces = 80;  // 5 MiB
  struct Reading {
    PieceRange asked;
    PieceIndex next = 0;
    bool headed = false;
  };
  Streams streams;
  std::vector<std::unique_ptr<Host>> hosts;
  std::map<StreamId, Reading> readings;
  std::uint64_t requests = 0;
  std::uint64_t sent = 0;
  std::vector<PieceRange> stored;

  Host& open(ByteRange range) {
    Opening opening{PluginKind::network};
    opening.streams = &streams;
    hosts.push_back(std::make_unique<Host>(pieces * piece_bytes, range, none(), opening));
    hosts.back()->pull(1 << 30);
    return *hosts.back();
  }
  Host& open() { return open({0, pieces * piece_bytes}); }

  // The next thing that an answer brings, to all who read it. False: nobody wants more of it.
  bool bring(StreamId id) {
    PieceIndex until = 0;
    PieceIndex keep = 0;
    bool accepted = false;
    for (const auto& host : hosts) {
      for (const auto& [job, fetch] : host->windows) {
        const auto accept = host->accepts.find(job);
        if (fetch.stream != id) continue;
        readings[id].asked = fetch.asked;
        if (accept == host->accepts.end()) {
          const ByteRange range = host->geometry.range_of(fetch.asked);
          host->part(job, range.begin, range.end);
          return true;
        }
        accepted = true;
        until = std::max(until, accept->second.until);
        keep = std::max(keep, accept->second.keep);
      }
    }
    Reading& reading = readings[id];
    if (!accepted) return false;
    if (!reading.headed) {
      reading.headed = true;
      reading.next = reading.asked.begin;
      ++requests;
    }
    // A reader that joined is told again what is kept, which is what it wants.
    for (const auto& host : hosts) {
      for (const auto& [job, fetch] : host->windows) {
        if (fetch.stream != id || host->next[job] >= reading.next) continue;
        REQUIRE(host->next[job] >= keep);
        host->digest(job, host->next[job]);
        return true;
      }
    }
    if (reading.next >= until) return false;
    sent += piece_bytes;
    ++reading.next;
    return true;
  }

  bool bring_any() {
    std::vector<StreamId> ids;
    for (const auto& host : hosts) {
      for (const auto& [job, fetch] : host->windows) ids.push_back(fetch.stream);
    }
    return std::any_of(ids.begin(), ids.end(), [this](StreamId id) { return bring(id); });
  }
  // What the store has by now is read there.
  bool read_any() {
    for (const auto& host : hosts) {
      if (host->reads.empty()) continue;
      const auto [job, read] = *host->reads.begin();
      if (host->next[job] == read.pieces.end) {
        host->end(job);
      } else {
        host->digest(job, host->next[job]);
      }
      return true;
    }
    return false;
  }
  void finish() {
    for (int turn = 0; bring_any() || read_any(); ++turn) {
      REQUIRE(turn < 100000);
      tell_stored();
    }
  }
  void tell_stored() {
    for (const auto& from : hosts) {
      for (const PieceRange& run : from->stored) {
        stored.push_back(run);
        for (const auto& to : hosts) to->body.handle_held(run, to->now);
      }
      from->stored.clear();
    }
  }
};

}  // namespace

TEST_CASE("bodies of one resource share what is on its way: one copy for all") {
  Page page;
  for (int i = 0; i < 20; ++i) page.open();
  page.finish();
  for (const auto& host : page.hosts) {
    CHECK(host->done);
    host->check_in_order();
  }
  CHECK(page.requests == 1);
  CHECK(page.sent == Page::pieces * piece_bytes);
}

TEST_CASE("one of them stores what they share, and each piece once") {
  Page page;
  for (int i = 0; i < 3; ++i) page.open();
  page.finish();
  CHECK(page.stored ==
        std::vector<PieceRange>{{0, 4}, {4, 16}, {16, 32}, {32, 48}, {48, 64}, {64, 80}});
}

TEST_CASE("bodies share whatever ranges they were asked for") {
  Page page;
  page.open({0, 80 * piece_bytes});
  page.open({10 * piece_bytes + 7, 80 * piece_bytes});
  page.open({20 * piece_bytes, 60 * piece_bytes - 1});
  page.open({5, 6});
  page.finish();
  for (const auto& host : page.hosts) {
    CHECK(host->done);
    host->check_in_order();
  }
  CHECK(page.sent == 80 * piece_bytes);
}

TEST_CASE("a body that begins before what is on its way asks for that alone") {
  Page page;
  page.open({30 * piece_bytes, 80 * piece_bytes});
  Host& all = page.open();
  CHECK(all.windows.at(1).asked == PieceRange{0, 30});
  page.finish();
  CHECK(all.done);
  CHECK(page.sent == 80 * piece_bytes);
}

TEST_CASE("a body that comes late is told what is kept, and asks for nothing") {
  Page page;
  page.open();
  for (int i = 0; i < 20; ++i) page.bring_any();
  CHECK(page.hosts.front()->passed_bytes() > 5 * piece_bytes);
  Host& late = page.open();
  page.finish();
  CHECK(late.done);
  CHECK(page.requests == 1);
  CHECK(page.sent == 80 * piece_bytes);
}

TEST_CASE("what is far behind on its way is asked for at once") {
  Streams streams;
  Opening opening{PluginKind::network, false};
  opening.streams = &streams;
  const std::uint64_t bytes = 1000 * piece_bytes;
  Host film(bytes, {0, bytes}, none(), opening);
  Host seek(bytes, {900 * piece_bytes, bytes}, none(), opening);
  CHECK(seek.windows.at(1).asked == PieceRange{900, 1000});
}

TEST_CASE("a reader that stops holds nobody up, and goes on in the store") {
  const std::uint64_t bytes = 120 * piece_bytes;
  Streams streams;
  Opening opening{PluginKind::network};
  opening.streams = &streams;
  Host slow(bytes, {0, bytes}, none(), opening);
  Host fast(bytes, {0, bytes}, none(), opening);
  slow.pull(piece_bytes);
  fast.pull(1 << 30);
  for (Host* host : {&slow, &fast}) host->good_head(1);
  const auto both = [&](PieceIndex piece) {
    for (Host* host : {&slow, &fast}) {
      if (host->windows.count(1) > 0) host->digest(1, piece);
    }
  };
  for (PieceIndex piece = 0; piece < 120; ++piece) both(piece);
  CHECK(fast.done);
  CHECK(slow.windows.empty());
  CHECK(slow.kept.size() * piece_bytes <= limits::body_ahead_bytes);
  CHECK(slow.body.counts().wasted == 0);
  for (const Host* host : {&slow, &fast}) {
    for (const PieceRange& run : host->stored) slow.body.handle_held(run, slow.now);
  }
  slow.finish();
  CHECK(slow.done);
  CHECK(slow.windows_opened == 1);
  slow.check_in_order();
}

TEST_CASE("the others go on when the body that asked goes away or fails") {
  Page page;
  Host& first = page.open();
  Host& second = page.open();
  for (int i = 0; i < 9; ++i) page.bring_any();
  SUBCASE("its reader goes") {
    first.body.handle_cancel();
    first.drain();
    page.finish();
    CHECK(page.requests == 1);
  }
  SUBCASE("the answer breaks off: one of them asks again from there on, for both") {
    const std::uint64_t before = page.requests;
    for (const auto& host : page.hosts)
      host->end(host->windows.begin()->first, Error::origin_unreachable);
    CHECK(first.windows.begin()->second.stream == second.windows.begin()->second.stream);
    page.finish();
    CHECK(page.requests == before + 1);
    CHECK(first.done);
  }
  CHECK(second.done);
  second.check_in_order();
}

TEST_CASE("company cuts what all of them read") {
  Page page;
  Host& first = page.open();
  Host& second = page.open();
  for (int i = 0; i < 9; ++i) page.bring_any();
  for (const auto& host : page.hosts) host->company();
  CHECK(first.windows.empty());
  CHECK(second.windows.empty());
  CHECK(first.peers.size() == 1);
  for (const auto& host : page.hosts) host->finish();
  CHECK(first.done);
  CHECK(second.done);
}

// Whatever the sources do, what is passed on is the asked range from its first byte on, in order; a
// body that did not fail passes on all of it; at most one job per source runs, but two of the
// origin and two for what the store has lost before them; and no piece that came good is fetched
// twice. And wherever that left it, sources that work from then on end it.
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
      REQUIRE(host.windows.size() <= 2 * limits::windows_in_flight);
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
