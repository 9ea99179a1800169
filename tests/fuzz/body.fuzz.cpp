// Law: whatever the sources and the reader do, in any order and with any job, what a body passes on
// is the asked range from its first byte on, each piece once, and only pieces whose buffer the host
// was told to keep; after Done or Fail nothing comes out; Done means all of it; and wherever the
// input leaves a body that was not cancelled, sources that work from then on end it.
//
// And a body that shares streams with another joins only what is kept for it, and stores only that.
//
// Input: six bytes for the resource, the range, what is held and the opener; then two bytes a step,
// what is done and to what. Each step with an odd piece is done to the second of two bodies.
#include "http/body.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/limits.hpp"

using namespace peer_cdn;

namespace {

void check(bool holds, int line = __builtin_LINE()) {
  if (holds) return;
  std::fprintf(stderr, "the law of line %d does not hold\n", line);
  std::abort();
}

constexpr std::uint32_t piece_bytes = 64 * 1024;

// What the readers of each stream let go of, and with which status one was taken.
struct Shared {
  std::map<StreamId, PieceIndex> forgotten{};
  std::map<StreamId, std::uint32_t> taken{};
};

struct Host {
  // What the host was asked for and did not end yet.
  struct Job {
    PieceIndex next = 0;
    PieceIndex until = 0;      // so far it may go
    std::uint64_t credit = 0;  // a page
    bool page = false;
    bool window = false;
    ByteRange bytes;
    StreamId stream = 0;
    bool answered = false;  // a window's head
  };
  Geometry geometry;
  Body body;
  std::map<std::uint32_t, Job> jobs;
  std::set<PieceIndex> kept;
  std::uint64_t at;  // the next byte
  bool over = false;
  bool has_head = false;
  bool is_passed = false;
  bool is_spilt = false;
  Shared& shared;
  std::uint32_t status = 0;  // of the head that is told

  Host(Geometry cut, Body made, Shared& with)
      : geometry(cut), body(std::move(made)), at(body.range().begin), shared(with) {}

  void drain() {
    while (const auto output = body.poll_output()) {
      check(!over);
      if (const auto* read = std::get_if<Body::Read>(&*output)) {
        jobs[read->job.value] = {read->pieces.begin, read->pieces.end, 0, false, false, {}, 0};
      }
      if (const auto* peers = std::get_if<Body::OpenPeers>(&*output)) {
        jobs[peers->job.value] = {peers->pieces.begin, peers->pieces.end, 0, true, false, {}, 0};
      }
      if (const auto* fetch = std::get_if<Body::Fetch>(&*output)) {
        jobs[fetch->job.value] = {fetch->pieces.begin,
                                  fetch->pieces.begin,
                                  0,
                                  false,
                                  true,
                                  geometry.range_of(fetch->asked),
                                  fetch->stream};
        check(fetch->pieces.begin >= shared.forgotten[fetch->stream]);
      }
      if (const auto* grant = std::get_if<Body::Grant>(&*output)) {
        jobs.at(grant->job.value).credit += grant->bytes;
      }
      if (const auto* accept = std::get_if<Body::Accept>(&*output)) {
        Job& job = jobs.at(accept->job.value);
        const bool is_first = job.until == 0;
        job.until = accept->until;
        job.answered = true;
        // A whole answer is told from its first piece on.
        const bool is_whole = shared.taken.emplace(job.stream, status).first->second == 200;
        if (is_first && is_whole) job.next = 0;
        PieceIndex& gone = shared.forgotten[job.stream];
        gone = std::max(gone, accept->keep);
      }
      if (const auto* store = std::get_if<Body::Store>(&*output)) {
        const Job& job = jobs.at(store->job.value);
        check(!store->pieces.empty());
        if (job.window) check(store->pieces.begin >= shared.forgotten[job.stream]);
      }
      if (const auto* close = std::get_if<Body::Close>(&*output)) {
        check(jobs.erase(close->job.value) == 1);
      }
      if (const auto* enqueue = std::get_if<Body::Enqueue>(&*output)) {
        check(kept.erase(enqueue->piece) == 1);
        const std::uint64_t begin = std::uint64_t{enqueue->piece} * piece_bytes;
        check(!is_spilt);
        check(begin + enqueue->begin == at && enqueue->begin < enqueue->end);
        at = begin + enqueue->end;
      }
      if (std::holds_alternative<Body::Done>(*output)) {
        check(at == body.range().end);
        over = true;
      }
      if (std::holds_alternative<Body::Fail>(*output)) over = true;
      if (std::holds_alternative<Body::Head>(*output)) {
        check(!has_head && !is_passed);
        has_head = true;
      }
      if (const auto* pass = std::get_if<Body::Pass>(&*output)) {
        check(jobs.at(pass->job.value).window && at == body.range().begin);
        check(!has_head && !is_passed);
        is_passed = true;
        // One that is compared goes on.
        over = body.finished();
      }
      if (const auto* spill = std::get_if<Body::Spill>(&*output)) {
        check(jobs.at(spill->job.value).until > 0 && !is_spilt);
        check(at == body.range().begin && body.range() == ByteRange{0, geometry.bytes()});
        is_spilt = true;
      }
    }
  }

  Digest digest_of(PieceIndex piece) const {
    Digest digest;
    digest.bytes.fill(static_cast<std::uint8_t>(piece));
    return digest;
  }

  void start(Instant now) {
    std::vector<std::uint8_t> list;
    for (PieceIndex piece = 0; piece < geometry.count(); ++piece) {
      list.insert(list.end(), Digest::bytes_size, static_cast<std::uint8_t>(piece));
    }
    body.handle_digests(DigestList::parse(geometry, list).value());
    body.start(now);
    drain();
  }

  void head(JobId id, const Job& job, std::uint32_t with, std::string_view range, Instant now) {
    // Another body was told the same answer.
    if (shared.taken.count(job.stream) > 0) return body.handle_joined(id, now);
    OriginAnswer answer;
    answer.status = status = with;
    answer.type = "basic";
    answer.content_range = range;
    body.handle_head(id, answer, now);
  }

  // One job does the next thing that it was told to, if it may.
  bool work(std::uint32_t id, Job& job, Instant now) {
    if (job.window && !job.answered) {
      // Each third window brings one piece only, however much was asked for.
      const std::uint64_t end = job.stream % 3 == 0
                                    ? std::min(job.bytes.end, job.bytes.begin + piece_bytes)
                                    : job.bytes.end;
      const std::string range = "bytes " + std::to_string(job.bytes.begin) + "-" +
                                std::to_string(end - 1) + "/" + std::to_string(geometry.bytes());
      job.answered = true;
      head(JobId{id}, job, 206, range, now);
      return true;
    }
    if (job.next >= job.until) return false;
    const PieceIndex piece = job.next;
    const std::uint64_t bytes = geometry.bytes_of(piece);
    if (job.page && job.credit < bytes) return false;
    if (job.page) job.credit -= bytes;
    ++job.next;
    const bool keep =
        !job.page ? body.handle_digest(JobId{id}, piece, bytes, digest_of(piece), now)
                  : body.handle_piece(JobId{id}, piece, bytes,
                                      PieceSource{static_cast<std::uint8_t>(piece % 3)}, now);
    if (keep) check(kept.insert(piece).second);
    return true;
  }

  void finish(Instant now) {
    for (int turn = 0; !over; ++turn) {
      check(turn < 20000);
      body.handle_pull(1 << 30, now);
      drain();
      bool acted = over;
      for (auto job = jobs.begin(); !acted && job != jobs.end(); ++job) {
        acted = work(job->first, job->second, now);
        if (acted) break;
      }
      check(acted);
      drain();
    }
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 6) return 0;
  const std::uint64_t bytes = 1 + std::uint64_t{data[0]} * 21000;
  const auto geometry = Geometry::parse(bytes, piece_bytes);
  const std::uint64_t begin = bytes * data[1] / 256;
  const std::uint64_t end = begin + 1 + (bytes - begin - 1) * data[2] / 255;
  PieceSet held(geometry->count());
  held.add(PieceRange{data[3], static_cast<PieceIndex>(data[3] + data[4] % 32)});
  const auto opener = static_cast<PluginKind>(1 + data[5] % 3);
  Shared shared;
  Streams streams;
  Opening opening{opener, data[5] % 2 == 0 && begin == 0 && end == bytes};
  opening.known = data[5] < 128;
  opening.streams = &streams;
  Forms forms;
  opening.forms = &forms;
  Opening network{PluginKind::network};
  network.streams = &streams;
  network.forms = &forms;
  network.checks = data[5] >= 224;
  Host hosts[] = {
      {*geometry, Body(*geometry, {begin, end}, held, opening), shared},
      {*geometry, Body(*geometry, {0, bytes}, PieceSet(geometry->count()), network), shared}};
  bool cancelled[] = {false, false};
  Instant now{};
  for (Host& each : hosts) each.start(now);
  for (std::size_t i = 6; i + 1 < size; i += 2) {
    now += Duration(500000);
    const JobId job{data[i] / 16U};
    const PieceIndex piece = data[i + 1] % geometry->count();
    Host& host = hosts[piece % 2];
    const Digest digest = host.digest_of(piece);
    const auto known = host.jobs.find(job.value);
    bool keep = false;
    switch (data[i] % 8) {
      case 0:
        host.body.handle_pull(std::int64_t{data[i + 1]} * 9999, now);
        break;
      case 1:
        keep = host.body.handle_piece(job, piece, geometry->bytes_of(piece),
                                      PieceSource{static_cast<std::uint8_t>(piece % 3)}, now);
        break;
      case 2:
        keep = host.body.handle_digest(job, piece, geometry->bytes_of(piece), digest, now);
        break;
      case 3:
        if (data[i + 1] >= 9 && data[i + 1] < 64 && known != host.jobs.end() &&
            known->second.window && !known->second.answered) {
          host.work(job.value, known->second, now);
          break;
        }
        if (known == host.jobs.end() || !known->second.window) break;
        known->second.answered = true;
        host.head(job, known->second, data[i + 1] < 9 ? 500 : 200, {}, now);
        break;
      case 4:
        host.body.handle_end(job, data[i + 1] % 2 ? Error::none : Error::peer_gone, now);
        break;
      case 5:
        host.body.handle_timeout(now);
        break;
      case 6:
        host.body.handle_held({piece, piece + 3}, now);
        break;
      default:
        if (data[i + 1] == 255) host.body.handle_cancel();
        if (data[i + 1] == 255) cancelled[piece % 2] = true;
        if (data[i + 1] == 254) host.body.handle_known();
        if (data[i + 1] < 9) host.body.handle_hedge(now);
        if (data[i + 1] >= 9 && data[i + 1] < 32) host.body.handle_company(now);
        break;
    }
    if (keep) check(host.kept.insert(piece).second);
    if (keep && known != host.jobs.end()) {
      // As a source does: in order, and a page within its credit.
      known->second.next = piece + 1;
      known->second.credit -=
          std::min<std::uint64_t>(known->second.credit, geometry->bytes_of(piece));
    }
    host.drain();
  }
  for (int i = 0; i < 2; ++i) {
    if (!cancelled[i]) hosts[i].finish(now);
  }
  return 0;
}
