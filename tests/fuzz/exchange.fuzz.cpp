// Law: whatever a host tells of two listed files, in any order and of any body, job and stream that
// was ever issued, the engine keeps what tests/core/host.hpp holds against each command: bytes are
// passed on in order, once, and only of pieces that were taken; nothing is said of what was never
// issued, or is over. And wherever the input leaves it, a host that answers all from then on sees
// every exchange end, and nothing left of it.
//
// Input: a byte for the route, one for what is held; then two bytes a step: what happens, and to
// what.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "../core/host.hpp"
#include "http/engine.hpp"

using namespace peer_cdn;
using namespace std::chrono_literals;

namespace {

Host* running = nullptr;

void must_hold(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\nbroken: %s\n", running->said().c_str(), what);
  std::abort();
}

constexpr auto user = PluginKind::user;
constexpr auto cache = PluginKind::cache;
constexpr auto delegate = PluginKind::delegate;
constexpr auto network = PluginKind::network;

// The documented ones, and what a site may make of them.
const std::vector<List<Plugin>> routes = {
    {{cache}, {delegate}, {network}},
    {{delegate}, {network}},
    {{delegate, 300ms}, {network}},
    {{delegate, {}, 2}, {network}},
    {{user}, {cache}, {delegate}, {network}},
    {{user}},
    {{network}},
    {{delegate}},
};

std::vector<ResourceFields> files(char small, char large) {
  return {Host::file("/small", 5000, small), Host::file("/large", 40 * 65536 + 5, large)};
}

// The nth of a map, if it has any.
template <class Map>
auto nth(Map& map, std::size_t n) {
  auto at = map.begin();
  if (!map.empty()) std::advance(at, static_cast<std::ptrdiff_t>(n % map.size()));
  return at;
}

struct World : Host {
  std::vector<StreamId> old_streams;
  std::vector<std::pair<BodyId, JobId>> old_jobs;

  const List<Plugin>& plugins;

  explicit World(std::size_t number) : Host(must_hold), plugins(routes[number % routes.size()]) {}

  bool may_digest(ExchangeId id) const { return has_list(id) == true; }
  bool has_no_list(ExchangeId id) const { return has_list(id) == false; }

  void open_one(std::uint8_t what) {
    static constexpr const char* paths[] = {"/small", "/large", "/large", "/other"};
    static constexpr const char* ranges[] = {"", "bytes=100000-", "bytes=2000000-2100000",
                                             "bytes=0-9"};
    if (requests.size() >= 12) return;
    FetchEvent event;
    event.path = paths[what % 4];
    event.conditions = ranges[what / 4 % 4];
    event.page = {what / 16U % 4};
    try_open(event);
  }
  // What a validator, and HEAD, may ask for.
  void open_other(std::uint8_t what) {
    static constexpr const char* conditions[] = {"",
                                                 "\n\n\n\n\"1\"",
                                                 "\n\n\n\n\"0\", W/\"1\"",
                                                 "\n\n\n\n\n1",
                                                 "bytes=0-9",
                                                 "bytes=0-9\n\"1\"",
                                                 "\n\n\"1\"",
                                                 "\n\n\n\n*"};
    if (requests.size() >= 12) return;
    FetchEvent event;
    event.fields.method = what % 2 ? "HEAD" : "GET";
    event.path = what / 2 % 2 ? "/small" : "/large";
    event.conditions = conditions[what / 4 % 8];
    try_open(event);
  }
  void tell_record(std::uint8_t what) {
    if (reads.empty()) return;
    const RecordRead it = reads[what % reads.size()];
    if (what >= 192) records[it.key] = std::string(what % 8, '\n') + "\"2\"";
    record_came(it.id);
  }
  // The network's word on what was passed on.
  void tell_passed(std::uint8_t what) {
    const auto at = nth(requests, what % 16);
    if (at == requests.end() || !at->second.is_listed_on) return;
    static constexpr const char* headers[] = {
        "content-type\na/b\netag\n\"1\"",   "etag\n\"2\"\nlast-modified\n1",
        "cache-control\nprivate",           "content-length\n7",
        "content-range\nbytes 0-9/2621445", "retry-after\n3"};
    static constexpr std::uint32_t statuses[] = {200, 206, 304, 404, 429, 500, 403, 0};
    passed({at->first}, statuses[what / 16 % 8], headers[what % 6]);
  }

  void tell_pages(std::uint8_t what) {
    const PageId page{1U + what % 3};
    switch (what / 3 % 6) {
      case 0:
      case 1:
        return gone(page);
      case 2:
        return engine.pages().handle_present(page, {mark_of(root_of('b'))}, 1);
      case 3:
        return engine.pages().handle_present(page, {mark_of(root_of('b'))}, 0);
      default:
        return hello(page);
    }
  }

  void tell_head(std::uint8_t what) {
    const auto at = nth(streams, what % 16);
    if (at == streams.end() || at->second.has_head || now < at->second.asked_at) return;
    const StreamId id = at->first;
    old_streams.push_back(id);
    switch (what / 16) {
      case 0:
        return head(id, 403);
      case 1:
        return head(id, 429);
      case 2:
        return head(id, 500);
      case 3:
        return head(id, 404);
      case 4:
        return head(id, 200, {}, "a/b", "private");
      case 5:
        return head(id, 206, "bytes 5-9/10");
      case 6:
        return head(id, 200);
      case 9:
        return head_of(id, 200, "content-encoding\ngzip\naccept-ranges\nbytes\netag\n\"2\"");
      case 10:
        return head_of(id, 503, "retry-after\n100");
      case 11:
        return head_of(id, 200, "accept-ranges\nbytes\netag\n\"1\"\nlast-modified\n1");
      case 7:
        return stream_end(id, Error::origin_unreachable);
      case 8: {
        // Less than it was asked for.
        const Stream& stream = at->second;
        if (stream.whole) return head(id, 200);
        const std::uint64_t begin = std::uint64_t{stream.pieces.begin} * 65536;
        return head(id, 206,
                    "bytes " + std::to_string(begin) + "-" + std::to_string(begin + 65535) + "/*");
      }
      default:
        return head(id);
    }
  }

  void tell_stream(std::uint8_t what) {
    const auto at = nth(streams, what % 8);
    if (at == streams.end()) return;
    const StreamId id = at->first;
    const Stream& stream = at->second;
    if (!may_bring(stream) || stream.until == 0) return;
    if (!may_digest(stream.exchange)) return;
    switch (what / 8) {
      case 0:
        if (stream.next < stream.until) stream_piece(id, stream.next, 2);
        return;
      case 1:
        return stream_end(id, Error::origin_unreachable);
      case 2:
        return stream_end(id, Error::none);
      case 3:
        return stream_end(id, Error::wrong_length);
      case 4:
        return engine.handle_stream_rate(id, 100000, now);
      default:
        for (int i = 0; i < what / 8 % 8; ++i) bring_one(id);
        return end_stream(id);
    }
  }
  // A body that has brought all of it ends.
  void end_stream(StreamId id) {
    const auto at = streams.find(id);
    if (at == streams.end() || at->second.is_ended || at->second.next < at->second.last) return;
    if (at->second.is_spilt) return;
    stream_end(id, Error::none);
  }

  void tell_page(std::uint8_t what, std::uint8_t more) {
    const auto at = nth(bodies, what);
    if (at == bodies.end()) return;
    const BodyId body{at->first};
    const JobId job = page_job(body);
    if (job == JobId{}) return;
    old_jobs.emplace_back(body, job);
    Job& asked = *find(body, job);
    const auto from = static_cast<PieceSource>(more % 3);
    const std::uint64_t bytes = geometry_of(body).bytes_of(asked.next % geometry_of(body).count());
    switch (more / 8) {
      case 0:
        return page_piece(body, job, asked.next + 1, bytes, from);
      case 1:
        return page_piece(body, job, asked.next, bytes - 1, from);
      case 2:
        return page_pending(body, more % 2 == 0);
      case 3:
        return page_alive(body);
      case 4:
        return page_end(body, more % 2 ? Error::nobody_has_it : Error::peer_gone);
      case 5:
        if (!asked.is_found)
          page_reply(body, geometry_of(body).bytes() - more % 2, more % 8 < 7 ? 200 : 404);
        return;
      case 6:
        return page_piece(body, job, 4000000000U, bytes, from);
      case 7:
        return page_end(body, Error::none);
      default:
        for (int i = 0; i < more / 8 && bring_of_page(body); ++i) {
        }
    }
  }
  // The next thing that a page owes.
  bool bring_of_page(BodyId body) {
    const JobId job = page_job(body);
    Job* asked = find(body, job);
    if (!asked) return false;
    if (asked->next >= asked->pieces.end) {
      page_end(body, Error::none);
      return true;
    }
    if (asked->is_found) {
      const ExchangeId id = bodies.at(body.value).exchange;
      if (has_no_list(id)) return end(body, job, Error::digests_mismatch), true;
      if (!may_digest(id)) return false;
      digest(body, job, asked->next);
      return true;
    }
    const std::uint64_t bytes = geometry_of(body).bytes_of(asked->next);
    if (asked->credit < bytes) return false;
    asked->credit -= bytes;
    page_piece(body, job, asked->next, bytes);
    return true;
  }

  void tell_store(std::uint8_t what, std::uint8_t more) {
    const auto at = nth(bodies, what);
    if (at == bodies.end()) return;
    const BodyId body{at->first};
    const JobId job = store_job(body);
    const Job* asked = find(body, job);
    if (!asked) return;
    old_jobs.emplace_back(body, job);
    switch (more / 16) {
      case 0:
        return end(body, job, Error::storage_lost);
      case 1:
        if (!asked->is_found) run_gone(body, job);
        return;
      case 2:
        if (asked->is_found && may_digest(at->second.exchange)) digest(body, job, asked->next, 2);
        return;
      case 3:
        return end(body, job, Error::digests_mismatch);
      default:
        for (int i = 0; i < more / 16 && bring_of_store(body); ++i) {
        }
    }
  }
  bool bring_of_store(BodyId body) {
    const JobId job = store_job(body);
    Job* asked = find(body, job);
    if (!asked) return false;
    if (!asked->is_found) {
      asked->is_found = true;
      return true;
    }
    const ExchangeId id = bodies.at(body.value).exchange;
    if (has_no_list(id)) return end(body, job, Error::digests_mismatch), true;
    if (!may_digest(id) || asked->next >= asked->pieces.end) return false;
    digest(body, job, asked->next);
    return true;
  }

  void tell_list(std::uint8_t what) {
    if (lists.empty()) return;
    const ExchangeId id{lists[what / 4U % lists.size()]};
    if (what % 4 == 0) return no_list(id);
    list_came(id);
  }

  void tell_reader(std::uint8_t what, std::uint8_t more) {
    const auto at = nth(bodies, what);
    if (at == bodies.end() || !at->second.has_begun) return;
    if (more == 0) return cancel({at->first});
    pull({at->first}, std::int64_t{more} * 9999 - 100000);
  }

  void tell_middleware(std::uint8_t what, std::uint8_t more) {
    const auto at = nth(requests, what);
    if (at == requests.end()) return;
    Request& request = at->second;
    const ExchangeId id{at->first};
    if (more / 32 == 0 && request.gets.size() < 4) {
      get(id, {static_cast<PluginKind>(1 + more % 3), more % 2 == 0 ? 200ms : 0ms});
      return;
    }
    if (!request.on.empty()) {
      const std::uint32_t plugin = request.on.back().first;
      request.on.pop_back();
      answer(id, plugin, more % 4 != 0);
    } else if (!request.asked.empty()) {
      const std::uint32_t plugin = request.asked.back();
      // What it gives may be a response of ours.
      BodyId made{};
      for (const auto& [number, body] : bodies) {
        if (more % 2 == 0 && body.exchange == id && body.has_begun) made = {number};
      }
      request.asked.pop_back();
      answer(id, plugin, made != BodyId{} || more % 8 == 1, made);
    } else {
      // Once more, or under a number that the route has not.
      const std::uint32_t plugin = more % 2 == 0 ? 0 : 9;
      if (plugin == 9 || plugins[0].kind == user) answer(id, plugin, more % 4 < 2);
    }
  }

  void tell_worker(std::uint8_t what) {
    const PieceIndex begin = what / 16U * 3;
    switch (what % 16) {
      case 0:
        return stored('b', {begin, begin + 4});
      case 1:
        return stored('a', {0, 1});
      case 2:
        return company('b');
      case 3: {
        const auto at = nth(bodies, what / 16);
        const BodyId body{at == bodies.end() ? 0 : at->first};
        engine.handle_store_done(body, root_of('b'), {begin, begin + 4},
                                 static_cast<StoreOutcome>(what / 16 % 3));
        return;
      }
      case 4: {
        List<Root> dropped;
        engine.make_room(root_of('b'), {begin, begin + 4}, what < 128, dropped);
        return;
      }
      case 5:
        engine.drop_unlisted();
        return;
      case 6:
        if (is_fetching_manifest) manifest_fetched(what < 128, what < 64);
        return;
      case 7:
        return list(files(what < 128 ? 'a' : 'c', what < 128 ? 'b' : 'd'));
      case 8:
        return list({}, what < 64);
      case 9:
        engine.handle_store_begin(what < 64 ? 65536 * 8 : 0, 0);
        return;
      case 10:
        is_listing_store = false;
        engine.handle_store_listed(what < 128, now);
        return hear();
      case 11:
        try_open("/", {}, {}, "document", true);
        return;
      case 12:
        return open_other(static_cast<std::uint8_t>(what / 16 * 17));
      case 13:
        return tell_record(what);
      case 14:
        return tell_passed(what);
      default:
        return;
    }
  }

  // Of a stream or a job that is over, or was never issued.
  void tell_late(std::uint8_t what) {
    const StreamId stream = old_streams.empty() ? 99 : old_streams[what % old_streams.size()];
    if (streams.count(stream) == 0) {
      engine.handle_stream_head(stream, answer_of(200, {}), now);
      engine.handle_stream_piece(stream, what, 65536, Digest(), now);
      engine.handle_stream_end(stream, Error::none, now);
    }
    const auto [body, job] =
        old_jobs.empty() ? std::pair(BodyId{99}, JobId{99}) : old_jobs[what % old_jobs.size()];
    if (!find(body, job)) {
      if (Part* part = engine.part(body)) {
        part->handle_page_pending(job, true);
        part->handle_page_alive(job, now);
        part->handle_page_reply(job, 200, 5000, now);
        part->handle_page_piece(job, {what, 65536, PieceSource::peers, 1}, now);
        part->handle_digest(job, what, 65536, Digest(), now);
        part->handle_run_gone(job, now);
        part->handle_end(job, Error::none, now);
      }
    }
    hear();
  }

  void step(std::uint8_t kind, std::uint8_t more) {
    const auto what = static_cast<std::uint8_t>(kind / 16);
    switch (kind % 16) {
      case 0:
        return open_one(more);
      case 1:
        return tell_pages(more);
      case 2:
        return tell_head(more);
      case 3:
      case 4:
        return tell_stream(more);
      case 5:
      case 6:
        return tell_page(what, more);
      case 7:
      case 8:
        return tell_store(what, more);
      case 9:
        return tell_list(more);
      case 10:
      case 11:
        return tell_reader(what, more);
      case 12:
        return tell_middleware(what, more);
      case 13:
        return wait(more * 40ms);
      case 14:
        return tell_worker(more);
      default:
        return tell_late(more);
    }
  }

  // One thing that the engine waits for. False: it waits for nothing but time.
  bool answer_one() {
    if (is_fetching_manifest) return manifest_fetched(true, false), true;
    if (is_listing_store) {
      is_listing_store = false;
      engine.handle_store_listed(true, now);
      return hear(), true;
    }
    if (!reads.empty()) return record_came(reads.front().id), true;
    if (!lists.empty()) return list_came({lists.front()}), true;
    for (auto& [id, request] : requests) {
      if (!request.on.empty()) {
        const std::uint32_t plugin = request.on.back().first;
        request.on.pop_back();
        return answer({id}, plugin, true), true;
      }
      if (!request.asked.empty()) {
        const std::uint32_t plugin = request.asked.back();
        request.asked.pop_back();
        return answer({id}, plugin, false), true;
      }
    }
    for (const auto& [id, stream] : streams) {
      if (stream.is_ended || now < stream.asked_at) continue;
      if (!stream.has_head) return head(id), true;
      // Others than the pages that read it see its end.
      if (stream.is_spilt) return stream_end(id, Error::none), true;
      if (!may_bring(stream)) continue;
      if (has_no_list(stream.exchange) && stream.until > 0) {
        return stream_end(id, Error::digests_mismatch), true;
      }
      if (may_digest(stream.exchange) && bring_one(id)) return true;
      if (stream.next < stream.last || stream.until == 0) continue;
      return stream_end(id, Error::none), true;
    }
    for (const auto& [id, body] : bodies) {
      if (bring_of_page({id}) || bring_of_store({id})) return true;
    }
    return false;
  }

  void finish() {
    for (int turn = 0; !is_empty(); ++turn) {
      must_hold(turn < 3000, "every exchange ends once everything is answered");
      // Readers read.
      std::vector<BodyId> readers;
      for (const auto& [id, body] : bodies) {
        if (body.has_begun && !body.is_over) readers.push_back({id});
      }
      for (const BodyId each : readers) pull(each, 1 << 30);
      if (!is_empty() && !answer_one()) wait(1s);
    }
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  World world(data[0]);
  running = &world;
  world.route(world.plugins, data[0] < 192 ? Strategy::ordered : Strategy::fastest);
  world.reads_records = false;
  world.engine.pages().handle_start(world.now);
  world.start(files('a', 'b'));
  for (PieceIndex i = 0; i < 8; ++i) {
    if (data[1] >> i & 1) world.hold('b', {5 * i, 5 * i + 5});
  }
  for (std::size_t i = 2; i + 1 < size && i < 400; i += 2) world.step(data[i], data[i + 1]);
  world.finish();
  return 0;
}
