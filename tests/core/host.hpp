// The worker's host on a virtual clock: events in, commands out, as text. It performs nothing by
// itself; a test says what comes when. Every command is held against what the glue in sw/ relies
// on, so that each test of a request is a test of the border too. tests/fuzz has the same host.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/engine.hpp"

namespace peer_cdn {

class Host {
 public:
  // Something that must hold, whatever the host does.
  using Law = void (*)(bool holds, const char* what);

  // What a body has asked for: a run that is read, or a page that is asked.
  struct Job {
    PageId page{};  // 0: a run of the store
    PieceRange run{};
    PieceRange pieces{};
    PieceIndex next = 0;       // the host brings this piece next
    std::uint64_t credit = 0;  // bytes that the page may send
    bool is_found = false;     // the run was read, or the page's reply is to be checked
  };
  struct Body {
    ExchangeId exchange;
    ByteRange range;       // of the response
    std::uint64_t at = 0;  // the next byte that is passed on
    bool has_begun = false;
    bool is_over = false;
    bool is_passed = false;  // the origin's own answer is the response
    std::uint64_t told = 0;  // bytes, by its last Transfer
    std::set<PieceIndex> kept{};
    std::map<std::uint32_t, Job> jobs{};
  };
  struct Stream {
    ExchangeId exchange;
    PieceRange pieces{};
    bool whole = false;
    bool reload = false;
    Instant asked_at{};
    bool has_head = false;
    bool is_ended = false;
    bool is_passed = false;  // the page reads the answer itself
    bool is_read = false;    // a body reads it beside the page, and compares
    bool is_spilt = false;   // pages read it from its first byte on
    std::uint64_t spilt_at = 0;
    std::uint32_t status = 0;
    PieceIndex until = 0;
    PieceIndex next = 0;
    PieceIndex keep = 0;
    PieceIndex last = 0;  // the end of what its body holds
  };
  struct Request {
    Root root{};
    std::optional<Geometry> geometry{};  // of a listed resource
    std::uint64_t length = 0;
    unsigned manifest = 0;  // that it began with
    bool is_answered = false;
    bool is_over = false;
    bool is_listed_on = false;             // passed on, and the network's word is to be told
    std::vector<std::uint32_t> asked{};    // plugins of the site's
    std::map<std::uint32_t, bool> gets{};  // whether it has its result
    std::vector<std::pair<std::uint32_t, GetId>>
        on{};  // passed on to the network, not answered yet
  };

  // The record of an exchange's resource, as that was when it was asked for.
  struct RecordRead {
    ExchangeId id;
    Root root;
    std::string key;
  };

  explicit Host(Law law) : law_(law) {}

  Engine engine;
  Instant now{};
  double wall = 1e12;  // Date.now() at the beginning
  std::map<std::uint32_t, Request> requests;
  std::map<std::uint32_t, Body> bodies;
  std::map<std::uint32_t, Stream> streams;
  std::vector<std::uint32_t> lists;            // exchanges whose digest list is on its way
  std::vector<RecordRead> reads;               // those that are on their way
  bool reads_records = true;                   // at once
  std::map<std::string, std::string> records;  // of the store
  std::map<std::uint32_t, PieceRange> handed;  // by pages, kept until Release
  bool is_fetching_manifest = false;
  bool is_listing_store = false;
  std::uint32_t busy = 0;
  bool holds = false;  // the worker, for the last answer

  // --- The site ----------------------------------------------------------------------------------

  void route(std::initializer_list<PluginKind> kinds, Strategy strategy = Strategy::ordered,
             std::string_view path = "/") {
    List<Plugin> plugins;
    for (const PluginKind kind : kinds) plugins.push_back({kind});
    route(std::move(plugins), strategy, path);
  }
  void route(List<Plugin> plugins, Strategy strategy = Strategy::ordered,
             std::string_view path = "/") {
    law_(static_cast<bool>(engine.add_route(path, strategy, std::move(plugins))), "a good route");
  }
  // A file of so many bytes whose root is this digit 64 times.
  static ResourceFields file(std::string path, double bytes, char digit = 'a') {
    ResourceFields fields;
    fields.path = std::move(path);
    fields.bytes = bytes;
    fields.piece_bytes = 65536;
    fields.root = std::string(64, digit);
    return fields;
  }
  static Root root_of(char digit) { return *parse_digest(std::string(64, digit)); }
  void list(const std::vector<ResourceFields>& files, bool disabled = false) {
    engine.begin_manifest();
    for (const auto& each : files) {
      law_(engine.add_resource(each) == Error::none, "a good entry of the manifest");
    }
    engine.commit_manifest(disabled, false);
    ++manifests_;
  }
  // The manifest is in memory and new, the store is listed and empty, and there is a store.
  void start(const std::vector<ResourceFields>& files) {
    list(files);
    engine.handle_manifest_loaded(ManifestFetch::other, wall, {}, now);
    engine.handle_store_begin(0, 0);
    engine.handle_store_listed(true, now);
    hear();
  }
  // Whoever is told so puts it into the store anew, and says so if it is another one.
  void manifest_fetched(bool ok, bool changed) {
    is_fetching_manifest = false;
    const auto fetch = !ok       ? ManifestFetch::failed
                       : changed ? ManifestFetch::other
                                 : ManifestFetch::same;
    kept_manifest_ = changed;
    engine.handle_manifest_fetched(fetch, wall + to_ms(now), now);
    hear();
    law_(!ok || !kept_manifest_, "a manifest that came is kept");
    kept_manifest_.reset();
  }
  // A worker before this one was told so of the origin of this path.
  void lose(std::string_view path, Error error) {
    const std::string lost = std::string(code(error)) + "\n" + std::string(path);
    engine.handle_manifest_loaded(ManifestFetch::other, wall + to_ms(now), lost, now);
    hear();
  }
  // A run that a worker before this one stored.
  void hold(char digit, PieceRange run) { engine.add_stored(root_of(digit), run); }

  // --- Requests ----------------------------------------------------------------------------------

  // What else the next requests say.
  FetchEvent asks{{"GET", true, {}, "default", false, false, false}, {}, {}, {}, {}};

  ExchangeId open(std::string_view path, std::string_view range = {}, PageId page = {},
                  std::string_view destination = {}) {
    const auto id = try_open(path, range, page, destination);
    law_(id.has_value(), "the request is ours");
    return *id;
  }
  std::optional<ExchangeId> try_open(std::string_view path, std::string_view range = {},
                                     PageId page = {}, std::string_view destination = {},
                                     bool is_navigation = false) {
    FetchEvent event = asks;
    event.fields.destination = destination;
    event.path = path;
    event.conditions = range;
    event.page = page;
    if (is_navigation) event.fields.mode = "navigate";
    return try_open(event);
  }
  // Of a GET, unless the event says what else.
  std::optional<ExchangeId> try_open(FetchEvent event) {
    if (event.fields.method.empty()) event.fields.method = "GET";
    event.fields.same_origin = true;
    if (event.fields.cache.empty()) event.fields.cache = "default";
    event.fields.has_condition = Conditions::of(event.conditions).any();
    const auto none = [](std::uint32_t, std::string_view) { return false; };
    const auto id = engine.open(event, none, now, wall + to_ms(now));
    if (id) requests[id->value];
    if (id) name(*id);
    hear();
    return id;
  }
  // By its method and the six lines of its conditions.
  ExchangeId ask(std::string_view method, std::string_view path, std::string_view conditions = {}) {
    FetchEvent event;
    event.fields.method = method;
    event.path = path;
    event.conditions = conditions;
    const auto id = try_open(event);
    law_(id.has_value(), "the request is ours");
    return *id;
  }
  // What the store has as the record of an exchange's resource came.
  void record_came(ExchangeId id) {
    const auto at = std::find_if(reads.begin(), reads.end(),
                                 [&](const RecordRead& each) { return each.id == id; });
    law_(at != reads.end(), "a record that was asked for");
    const RecordRead it = *at;
    reads.erase(at);
    engine.handle_record(id, it.root, records[it.key], now);
    hear();
  }
  // The network answered to what was passed on, and this plugin gives that.
  void passed(ExchangeId id, std::uint32_t status, std::string_view headers = {}) {
    engine.handle_passed(id, answer_of(status, headers), now);
    hear();
  }
  // What a middleware of the site's gave, or what came of a Through of a plugin.
  bool answer(ExchangeId id, std::uint32_t plugin, bool has_response, BodyId made = {}) {
    Exchange* exchange = engine.exchange(id);
    const bool is_used = exchange && exchange->handle_answer(plugin, has_response, made, now);
    hear();
    return is_used;
  }
  GetId get(ExchangeId id, const Plugin& what) {
    Exchange* exchange = engine.exchange(id);
    if (!exchange) return {};
    const GetId get = exchange->handle_get(what, now);
    if (requests.count(id.value) > 0) requests[id.value].gets[get.value] = false;
    hear();
    return get;
  }
  void pull(BodyId body, std::int64_t bytes) {
    if (Part* part = engine.part(body)) part->handle_pull(bytes, now);
    hear();
  }
  void cancel(BodyId body) {
    if (Part* part = engine.part(body)) part->cancel(now);
    hear();
  }

  // --- What the host brings
  // -----------------------------------------------------------------------

  // The digest list of a resource: the right one.
  Error list_came(ExchangeId id, std::uint32_t status = 200) {
    take_list(id, true);
    const Request& request = requests.at(id.value);
    std::string bytes;
    for (PieceIndex piece = 0; piece < request.geometry->count(); ++piece) {
      const Digest digest = digest_of(request, piece);
      bytes.append(digest.bytes.begin(), digest.bytes.end());
    }
    const Error error = engine.handle_list(request.root, status, request.root, bytes);
    hear();
    return error;
  }
  void no_list(ExchangeId id) {
    take_list(id, false);
    engine.handle_no_list(requests.at(id.value).root);
    hear();
  }

  // Whether the last request for a list brought it; nothing while that is on its way. The glue
  // waits for it with what it digests.
  std::optional<bool> has_list(ExchangeId id) const {
    const Request& request = requests.at(id.value);
    if (request.geometry->count() == 1) return true;
    const auto at = last_lists_.find(request.root);
    return at == last_lists_.end() ? std::nullopt : at->second.second;
  }

  // Of what was asked for, by an origin that knows ranges.
  void head(StreamId id) {
    const Stream& stream = streams.at(id);
    const Geometry& geometry = *requests.at(stream.exchange.value).geometry;
    if (stream.whole) return head_of(id, 200, "content-type\na/b\naccept-ranges\nbytes");
    const ByteRange range = geometry.range_of(stream.pieces);
    head(id, 206,
         "bytes " + std::to_string(range.begin) + "-" + std::to_string(range.end - 1) + "/" +
             std::to_string(geometry.bytes()));
  }
  void head(StreamId id, std::uint32_t status, const std::string& content_range = {},
            const std::string& type = "a/b", const std::string& cache_control = {}) {
    std::string headers = "content-type\n" + type;
    if (!content_range.empty()) headers += "\ncontent-range\n" + content_range;
    if (!cache_control.empty()) headers += "\ncache-control\n" + cache_control;
    head_of(id, status, headers);
  }
  // `headers`: a name and a value, a line each.
  void head_of(StreamId id, std::uint32_t status, std::string_view headers) {
    if (const auto at = streams.find(id); at != streams.end()) {
      Stream& stream = at->second;
      const Geometry& geometry = *requests.at(stream.exchange.value).geometry;
      stream.has_head = true;
      stream.status = status;
      stream.last = status == 200 ? geometry.count() : stream.pieces.end;
      stream.next = status == 200 ? 0 : stream.pieces.begin;
    }
    engine.handle_stream_head(id, answer_of(status, headers), now);
    hear();
  }
  // As the border makes it of what a Response has (src/bind/worker.cpp).
  static OriginAnswer answer_of(std::uint32_t status, std::string_view headers) {
    OriginAnswer answer;
    answer.status = status;
    answer.type = "basic";
    answer.cache_control = header_of(headers, "cache-control");
    answer.vary = header_of(headers, "vary");
    answer.content_range = header_of(headers, "content-range");
    answer.content_encoding = header_of(headers, "content-encoding");
    answer.content_length = header_of(headers, "content-length");
    answer.content_type = header_of(headers, "content-type");
    answer.retry_after = header_of(headers, "retry-after");
    answer.accept_ranges = header_of(headers, "accept-ranges");
    answer.headers = headers;
    return answer;
  }
  // The next piece of a stream, if the core takes one more.
  bool bring_one(StreamId id) {
    const auto at = streams.find(id);
    if (at == streams.end()) return false;
    Stream& stream = at->second;
    if (!may_bring(stream) || stream.next >= stream.until) return false;
    stream_piece(id, stream.next, 1);
    return true;
  }
  // The host cuts it.
  static bool may_bring(const Stream& stream) {
    return stream.has_head && !stream.is_ended && !stream.is_spilt &&
           (!stream.is_passed || stream.is_read);
  }
  // What the core takes of a stream now, at most so many pieces; and its end, if that was all.
  void bring(StreamId id, std::uint32_t pieces = limits::pieces_per_resource) {
    while (pieces-- > 0 && bring_one(id)) {
    }
    const auto at = streams.find(id);
    if (at == streams.end() || at->second.next < at->second.last) return;
    stream_end(id, Error::none);
  }
  void stream_piece(StreamId id, PieceIndex piece, int version) {
    const auto at = streams.find(id);
    if (at == streams.end()) return;
    Stream& stream = at->second;
    const Request& request = requests.at(stream.exchange.value);
    stream.next = piece + 1;
    engine.handle_stream_piece(id, piece, request.geometry->bytes_of(piece),
                               digest_of(request, piece, version), now);
    hear();
  }
  // `cancelled`: its page gave up its own Request, and another one may ask by the same number.
  void stream_end(StreamId id, Error error) {
    if (const auto at = streams.find(id); at != streams.end()) at->second.is_ended = true;
    if (error == Error::cancelled) streams.erase(id);
    engine.handle_stream_end(id, error, now);
    hear();
  }

  // A page verified a piece, or a piece of a run was digested.
  void page_piece(BodyId body, JobId job, PieceIndex piece, std::uint64_t bytes,
                  PieceSource from = PieceSource::peers, std::uint64_t wasted = 0) {
    hand_in(body, job, piece, [&](Part& part) {
      part.handle_page_piece(job, {piece, bytes, from, wasted}, now);
    });
  }
  void page_piece(BodyId body, PieceIndex piece, PieceSource from = PieceSource::peers,
                  std::uint64_t wasted = 0) {
    page_piece(body, page_job(body), piece, geometry_of(body).bytes_of(piece), from, wasted);
  }
  void digest(BodyId body, JobId job, PieceIndex piece, int version = 1) {
    const Request& request = requests.at(bodies.at(body.value).exchange.value);
    const std::uint64_t bytes = request.geometry->bytes_of(piece);
    hand_in(body, job, piece, [&](Part& part) {
      part.handle_digest(job, piece, bytes, digest_of(request, piece, version), now);
    });
  }
  void page_pending(BodyId body, bool warm) {
    const JobId job = page_job(body);
    if (Part* part = engine.part(body)) part->handle_page_pending(job, warm);
    hear();
  }
  void page_alive(BodyId body) {
    const JobId job = page_job(body);
    if (Part* part = engine.part(body)) part->handle_page_alive(job, now);
    hear();
  }
  void page_reply(BodyId body, std::uint64_t bytes, std::uint32_t status = 200) {
    const JobId job = page_job(body);
    if (Part* part = engine.part(body)) part->handle_page_reply(job, status, bytes, now);
    hear();
  }
  void end(BodyId body, JobId job, Error error) {
    if (Part* part = engine.part(body)) part->handle_end(job, error, now);
    hear();
  }
  void page_end(BodyId body, Error error) { end(body, page_job(body), error); }
  void run_gone(BodyId body, JobId job) {
    if (Part* part = engine.part(body)) part->handle_run_gone(job, now);
    hear();
  }
  // The run that a body reads is there, and good.
  void read(BodyId body) { digest_all(body, store_job(body)); }
  // The pieces that a job still owes, one after another; of a run that is read, those of that run.
  void digest_all(BodyId body, JobId job) {
    const Job* of = find(body, job);
    const PieceIndex end = of ? of->pieces.end : 0;
    for (; of && of->next < end; of = find(body, job)) {
      const PieceIndex piece = of->next;
      digest(body, job, piece);
    }
  }
  void hello(PageId page) {
    engine.handle_hello(page, true, now);
    hear();
  }
  void gone(PageId page) {
    engine.handle_page_gone(page, now);
    hear();
  }
  void company(char digit) {
    engine.handle_company(root_of(digit), now);
    hear();
  }
  void stored(char digit, PieceRange run) {
    engine.handle_stored(root_of(digit), run);
    hear();
  }
  void unstored(char digit, PieceRange run) {
    engine.handle_unstored(root_of(digit), run);
    hear();
  }

  // Time goes on, and the core is told where it asked to be.
  void wait(Duration time) {
    const Instant end = now + time;
    for (int turn = 0;; ++turn) {
      law_(turn < 10000, "time goes on");
      const auto at = engine.next_timeout();
      if (!at || *at > end) break;
      now = std::max(now, *at);
      engine.handle_timeout(now);
      hear();
    }
    now = end;
  }

  // --- What the core said
  // -------------------------------------------------------------------------

  // Since it was last asked: the commands one after another. Without those that others imply: what
  // the host keeps, what a page may send, how far a stream is read, how it goes.
  std::string said() {
    std::string all;
    for (const std::string& each : std::exchange(said_, {})) {
      if (each.empty()) continue;
      if (!all.empty()) all += "; ";
      all += each;
    }
    return all;
  }
  // How the last body that was over turned out: bytes from the cache, peers, the origin, and
  // wasted.
  std::string counts;
  Terms terms{};  // of the last page that was asked
  std::vector<PageId> looked_for;

  // Null if it is not open.
  Job* find(BodyId body, JobId job) {
    const auto of = bodies.find(body.value);
    if (of == bodies.end()) return nullptr;
    const auto at = of->second.jobs.find(job.value);
    return at == of->second.jobs.end() ? nullptr : &at->second;
  }
  JobId page_job(BodyId body) const { return job_of(body, true); }
  JobId store_job(BodyId body) const { return job_of(body, false); }
  // Numbers by name: the first exchange is x1, the first body b1, the first stream s1, the first
  // get g1.
  BodyId body(std::uint32_t number) const { return {number_of(body_names_, number)}; }
  StreamId stream(std::uint32_t number) const { return number_of(stream_names_, number); }
  std::uint64_t bytes_of(BodyId body) const {
    const Body& of = bodies.at(body.value);
    return of.at - of.range.begin;
  }
  // Nothing is left of any request, here and there.
  bool is_empty() {
    for (const auto& [id, request] : requests) {
      if (!request.is_over) return false;
    }
    if (!bodies.empty() || !streams.empty() || engine.open_bodies() + engine.waiting() > 0) {
      return false;
    }
    wait(limits::progress_wait);  // for the news
    return !engine.next_timeout() && busy == 0;
  }

  // What the host is to do, and what it must not be told.
  void hear() {
    ++turn_;
    for (const Command& each : engine.take_commands(now)) {
      said_.push_back(std::visit([this](const auto& it) { return perform(it); }, each));
    }
    if (reads_records && !reads.empty()) record_came(reads.front().id);
  }

  Digest digest_of(const Request& request, PieceIndex piece, int version = 1) const {
    Digest digest = request.root;  // of one piece
    if (request.geometry->count() == 1 && version == 1) return digest;
    digest.bytes[1] = static_cast<std::uint8_t>(piece);
    digest.bytes[2] = static_cast<std::uint8_t>(piece >> 8);
    digest.bytes[3] = static_cast<std::uint8_t>(version);
    return digest;
  }
  // Where the store has the record of an exchange's resource.
  std::string key_of(ExchangeId id) {
    const Resource* resource = engine.listed(id);
    return resource ? key_of(*resource) : "";
  }
  static std::string key_of(const Resource& resource) {
    return text_of(resource.root) + "?" + std::string(std::string_view(resource.path));
  }
  static std::string text_of(const Root& root) {
    Text text;
    append_hex(text, root);
    return std::string(std::string_view(text));
  }
  const Geometry& geometry_of(BodyId body) const {
    return *requests.at(bodies.at(body.value).exchange.value).geometry;
  }

 private:
  using Names = std::map<std::uint32_t, std::uint32_t>;  // by the core's number

  static std::uint32_t number_of(const Names& names, std::uint32_t wanted) {
    for (const auto& [number, name] : names) {
      if (name == wanted) return number;
    }
    return 0;
  }
  static std::string name_in(Names& names, std::uint32_t number, const char* letter) {
    const auto next = static_cast<std::uint32_t>(names.size() + 1);
    return letter + std::to_string(names.emplace(number, next).first->second);
  }
  std::string name(ExchangeId id) { return name_in(exchange_names_, id.value, "x"); }
  std::string name(BodyId id) { return name_in(body_names_, id.value, "b"); }
  std::string name(GetId id) { return name_in(get_names_, id.value, "g"); }
  std::string name(StreamId id) { return name_in(stream_names_, id, "s"); }
  static std::string text(PieceRange pieces) {
    return std::to_string(pieces.begin) + "-" + std::to_string(pieces.end);
  }
  static std::string text(Error error) { return std::string(code(error)); }

  JobId job_of(BodyId body, bool is_of_page) const {
    const auto at = bodies.find(body.value);
    if (at == bodies.end()) return {};
    for (const auto& [id, job] : at->second.jobs) {
      if ((job.page != PageId{}) == is_of_page) return {id};
    }
    return {};
  }

  // A page sees this head.
  void see_head(ExchangeId id) {
    const Exchange* exchange = engine.exchange(id);
    law_(exchange != nullptr, "an exchange is there while it is performed");
    const ResponseHead head = exchange->head();
    const std::string_view lines = head.headers;
    const Resource& resource = *exchange->asked().resource;
    const bool is_part = head.status == 206;
    law_(is_part || head.status == 200 || head.status == 304, "a head of ours has a status");
    // In a 200 it means nothing (RFC 9110 14.4): there it is what the origin said.
    const bool says_where = !header_of(lines, "content-range").empty();
    law_(head.status == 200 || is_part == says_where, "a part says where it lies");
    law_(head.status == 304 || is_part == exchange->asked().part.has_value(),
         "who asks for a part gets a part");
    const std::string length(header_of(lines, "content-length"));
    const bool is_ours = is_part || !resource.record.is_whole();
    if (head.status != 304 && is_ours) {
      law_(length == std::to_string(exchange->asked().range().bytes()),
           "the length is the response's");
    }
    // As long as the manifest is the same: what is open stays with the one that it began with.
    const std::string tag = std::string(header_of(lines, "etag")) + "\n" +
                            std::string(header_of(lines, "last-modified"));
    const auto key = std::pair(requests.at(id.value).manifest, key_of(resource));
    const auto given = given_.emplace(key, Given{tag, id}).first;
    law_(given->second.tag == tag, "tag and date are given as they were first");
  }

  void take_list(ExchangeId id, bool is_good) {
    lists.erase(std::remove(lists.begin(), lists.end(), id.value), lists.end());
    auto& last = last_lists_[requests.at(id.value).root];
    if (last.first == id.value) last.second = is_good;
  }

  template <class Tell>
  void hand_in(BodyId body, JobId job, PieceIndex piece, Tell&& tell) {
    if (Job* of = find(body, job)) of->next = piece + 1;
    arriving_ = {body, piece};
    if (Part* part = engine.part(body)) tell(*part);
    hear();
    arriving_.reset();
  }

  Request& open_request(ExchangeId id) {
    const auto at = requests.find(id.value);
    law_(at != requests.end(), "an exchange that was opened");
    law_(!at->second.is_over, "nothing more is said of an exchange that is over");
    name(id);
    return at->second;
  }
  Body& known_body(BodyId id) {
    const auto at = bodies.find(id.value);
    law_(at != bodies.end(), "a body that was gathered, of an exchange that is not over");
    return at->second;
  }
  Body& open_body(BodyId id) {
    Body& body = known_body(id);
    law_(!body.is_over, "nothing more is asked for a body that is over");
    return body;
  }
  Job& open_job(BodyId body, JobId job) {
    Job* open = find(body, job);
    law_(open, "a job that is open");
    return *open;
  }
  Stream& open_stream(StreamId id) {
    const auto at = streams.find(id);
    law_(at != streams.end(), "a stream that was opened, and not closed yet");
    return at->second;
  }
  void settle(Request& request, GetId id) {
    const auto at = request.gets.find(id.value);
    law_(at != request.gets.end() && !at->second, "a get has one result");
    at->second = true;
  }

  std::string perform(const command::Begin& it) {
    Request& request = open_request(it.exchange);
    const Resource& resource = *engine.exchange(it.exchange)->asked().resource;
    request.root = resource.root;
    request.manifest = manifests_;
    request.geometry = resource.geometry;
    request.length = it.length;
    law_(it.bytes == resource.geometry.bytes() && it.length <= it.bytes,
         "the length of a response");
    return {};
  }
  std::string perform(const command::Ask& it) {
    open_request(it.exchange).asked.push_back(it.plugin);
    return "ask " + name(it.exchange) + " plugin " + std::to_string(it.plugin);
  }
  std::string perform(const command::GiveUp& it) {
    const std::vector<std::uint32_t>& asked = open_request(it.exchange).asked;
    law_(std::count(asked.begin(), asked.end(), it.plugin) == 1, "who is given up was asked");
    return "give up " + name(it.exchange) + " plugin " + std::to_string(it.plugin);
  }
  std::string perform(const command::Through& it) {
    Request& request = open_request(it.exchange);
    if (it.get != GetId{}) settle(request, it.get);
    if (it.get == GetId{}) request.on.emplace_back(it.plugin, it.get);
    request.is_listed_on |= it.listed;
    return "through " + name(it.exchange) +
           (it.get == GetId{} ? " plugin " + std::to_string(it.plugin) : " " + name(it.get)) +
           (it.own ? " own" : "") + (it.listed ? " listed" : "");
  }
  std::string perform(const command::Open& it) {
    open_request(it.exchange);
    Body& body = open_body(it.body);
    law_(!body.has_begun, "a response is made once");
    body.has_begun = true;
    see_head(it.exchange);
    return "open " + name(it.body);
  }
  std::string perform(const command::Respond& it) {
    Request& request = open_request(it.exchange);
    law_(!request.is_answered, "a page gets one answer");
    request.is_answered = true;
    holds = it.holds;
    if (it.body != BodyId{}) law_(known_body(it.body).has_begun, "a response that was made");
    return "respond " + name(it.exchange) + " plugin " + std::to_string(it.plugin) +
           (it.body == BodyId{} ? "" : " with " + name(it.body));
  }
  std::string perform(const command::Settle& it) {
    settle(open_request(it.exchange), it.get);
    if (it.body != BodyId{}) law_(known_body(it.body).has_begun, "a response that was made");
    return "settle " + name(it.get) + " with " +
           (it.body == BodyId{} ? std::string("null") : name(it.body)) + (it.copy ? " copied" : "");
  }
  std::string perform(const command::Put& it) {
    law_(open_request(it.exchange).is_answered, "a put comes after the answer");
    if (it.body != BodyId{}) law_(known_body(it.body).has_begun, "a response that was made");
    return "put " + name(it.exchange) + " plugin " + std::to_string(it.plugin) +
           (it.body == BodyId{} ? "" : " with " + name(it.body));
  }
  std::string perform(const command::FallThrough& it) {
    Request& request = open_request(it.exchange);
    law_(!request.is_answered, "a page gets one answer");
    request.is_answered = true;
    return "fall through " + name(it.exchange);
  }
  std::string perform(const command::AnswerEmpty& it) {
    Request& request = open_request(it.exchange);
    law_(!request.is_answered, "a page gets one answer");
    request.is_answered = true;
    request.manifest = manifests_;
    see_head(it.exchange);
    return "answer " + name(it.exchange) + " empty " +
           std::to_string(engine.exchange(it.exchange)->head().status);
  }
  std::string perform(const command::NeedRecord& it) {
    const Request& request = open_request(it.exchange);
    law_(!request.is_answered && !request.geometry, "a record is read before anything else");
    reads.push_back({it.exchange, engine.listed(it.exchange)->root, key_of(it.exchange)});
    return reads_records ? "" : "need record " + name(it.exchange);
  }
  std::string perform(const command::KeepRecord& it) {
    open_request(it.exchange);
    const Resource* resource = engine.listed(it.exchange);
    if (resource && resource->record.is_given()) {
      records[key_of(it.exchange)] = std::string_view(resource->record.text());
    }
    return {};
  }
  std::string perform(const command::Over& it) {
    Request& request = open_request(it.exchange);
    law_(request.is_answered, "a request is answered before it is over");
    for (const auto& [id, is_settled] : request.gets) law_(is_settled, "every get has its result");
    request.is_over = true;
    for (auto at = bodies.begin(); at != bodies.end();) {
      const bool is_its = at->second.exchange == it.exchange;
      // Of one that gave way to the origin's own answer nothing is said.
      const bool is_done = at->second.is_over || !at->second.has_begun;
      if (is_its) law_(is_done, "all bodies of an exchange are over before it is");
      if (is_its) law_(at->second.jobs.empty(), "all jobs of a body are closed before it is over");
      at = is_its ? bodies.erase(at) : std::next(at);
    }
    return "over " + name(it.exchange);
  }
  std::string perform(const command::Report& it) {
    open_request(it.exchange);
    law_(it.error != Error::none && told(it.error) == it.error, "what is told is of the file");
    return "report " + name(it.exchange) + " " + text(it.error);
  }
  std::string perform(const command::KeepManifest& it) {
    if (!kept_manifest_) return "keep manifest";
    law_(*kept_manifest_ == it.is_new, "pages are told of another manifest");
    kept_manifest_.reset();
    return {};
  }
  std::string perform(const command::Announce& it) {
    busy = it.open;
    return it.error == Error::none ? "" : "announce " + text(it.error);
  }
  std::string perform(const command::NeedList& it) {
    open_request(it.exchange);
    lists.push_back(it.exchange.value);
    last_lists_[requests.at(it.exchange.value).root] = {it.exchange.value, std::nullopt};
    return "need list " + name(it.exchange);
  }
  std::string perform(const command::Gather& it) {
    const Request& request = open_request(it.exchange);
    const ByteRange range = engine.exchange(it.exchange)->asked().range();
    law_(request.geometry.has_value(), "a body is of a listed resource");
    law_(bodies.emplace(it.body.value, Body{it.exchange, range, range.begin}).second,
         "a body has a number of its own");
    name(it.body);
    return {};
  }
  std::string perform(const command::Take& it) {
    Body& body = open_body(it.body);
    law_(body.kept.insert(it.piece).second, "a piece is taken once");
    if (it.stream == 0) {
      const bool is_it = arriving_ && *arriving_ == std::pair(it.body, it.piece);
      law_(is_it, "what is taken is what has just come");
    } else {
      const Stream& stream = open_stream(it.stream);
      law_(it.piece >= stream.keep && it.piece < stream.next, "the stream keeps what is taken");
    }
    return {};
  }
  std::string perform(const command::Enqueue& it) {
    Body& body = open_body(it.body);
    const std::uint64_t piece = std::uint64_t{it.piece} * geometry_of(it.body).piece_bytes();
    law_(body.has_begun, "bytes come after the head");
    law_(body.kept.erase(it.piece) == 1, "what is passed on was taken");
    law_(piece + it.begin == body.at && it.begin < it.end, "bytes are passed on in order, once");
    body.at = piece + it.end;
    law_(body.at <= body.range.end, "no byte behind the range is passed on");
    return {};
  }
  std::string perform(const command::Finish& it) {
    Body& body = open_body(it.body);
    law_(body.at == body.range.end, "every byte of a finished body was passed on");
    body.is_over = true;
    return "finish " + name(it.body);
  }
  std::string perform(const command::Break& it) {
    Body& body = open_body(it.body);
    body.is_over = true;
    law_(it.error != Error::none, "a body breaks with a code");
    // The head that it had given first was of other bytes.
    if (it.error == Error::origin_changed && body.at == body.range.begin) {
      std::erase_if(given_, [&](const auto& each) { return each.second.by == body.exchange; });
    }
    return "break " + name(it.body) + " " + text(it.error);
  }
  std::string perform(const command::Transfer& it) {
    Body& body = known_body(it.body);
    law_(!body.is_passed, "the origin's own answer is no transfer");
    const std::uint64_t sum = it.from_cache + it.from_peers + it.from_origin;
    // While it goes on, it may count what is passed on right after.
    const std::uint64_t passed = body.at - body.range.begin;
    law_(it.done ? sum == passed : sum >= passed, "the sources add up to what was passed on");
    law_(sum <= body.range.bytes(), "no more is passed on than was asked for");
    law_(sum >= body.told && it.took >= Duration(0), "what was passed on only grows");
    law_(it.done == body.is_over, "the last word comes when it is over");
    body.told = sum;
    counts = std::to_string(it.from_cache) + " cache, " + std::to_string(it.from_peers) +
             " peers, " + std::to_string(it.from_origin) + " origin, " + std::to_string(it.wasted) +
             " wasted";
    return {};
  }
  std::string perform(const command::Read& it) {
    Body& body = open_body(it.body);
    law_(it.run.begin <= it.pieces.begin && it.pieces.end <= it.run.end && !it.pieces.empty(),
         "a run holds what is read of it");
    body.jobs[it.job.value] = {{}, it.run, it.pieces, it.pieces.begin};
    return "read " + name(it.body) + " run " + text(it.run) + " for " + text(it.pieces);
  }
  std::string perform(const command::DropRun& it) {
    known_body(it.body);
    return "drop run " + text(it.run) + " of " + name(it.body);
  }
  std::string perform(const command::AskPage& it) {
    Body& body = open_body(it.body);
    law_(body.jobs.count(it.job.value) == 0, "a page is asked under a job of its own");
    body.jobs[it.job.value] = {it.page, {}, it.pieces, it.pieces.begin};
    terms = {it.slower, it.patience};
    return "ask page " + std::to_string(it.page.value) + " of " + name(it.body) + " for " +
           text(it.pieces);
  }
  std::string perform(const command::LookFor& it) {
    looked_for.push_back(it.page);
    return {};
  }
  std::string perform(const command::Grant& it) {
    open_body(it.body);
    Job& job = open_job(it.body, it.job);
    law_(job.page != PageId{}, "credit is a page's");
    job.credit += it.bytes;
    return {};
  }
  std::string perform(const command::Check& it) {
    open_body(it.body);
    Job& job = open_job(it.body, it.job);
    law_(job.page != PageId{}, "a page's reply is checked");
    job.pieces = it.pieces;
    job.next = it.pieces.begin;
    job.is_found = true;
    return "check " + name(it.body) + " " + text(it.pieces);
  }
  std::string perform(const command::Close& it) {
    open_job(it.body, it.job);
    known_body(it.body).jobs.erase(it.job.value);
    return "close " + name(it.body) + " job " + std::to_string(it.job.value);
  }
  std::string perform(const command::Store& it) {
    Body& body = known_body(it.body);
    law_(!it.pieces.empty(), "a run that is stored has pieces");
    const Geometry& geometry = geometry_of(it.body);
    law_(it.pieces.end <= geometry.segment_end(it.pieces.begin), "a run is inside of a segment");
    if (it.stream == 0) {
      law_(body.jobs.count(it.job.value) > 0, "a reply is there while it is stored");
      law_(it.pieces.end <= body.jobs[it.job.value].next, "what is stored of a reply was checked");
    } else {
      const Stream& stream = open_stream(it.stream);
      law_(it.pieces.begin >= stream.keep && it.pieces.end <= stream.next,
           "the stream keeps what is stored");
    }
    ++held_;
    return "store " + name(it.body) + " " + text(it.pieces) + (it.fits ? "" : " without room");
  }
  std::string perform(const command::Hand& it) {
    open_body(it.body);
    law_(arriving_ && arriving_->first == it.body, "what is handed over has just come");
    const PieceIndex piece = arriving_->second;
    PieceRange& run = handed.try_emplace(it.run.value, PieceRange{piece, piece}).first->second;
    law_(run.end == piece, "a run that a page hands over has its pieces in order");
    ++run.end;
    const Geometry& geometry = geometry_of(it.body);
    law_(run.end <= geometry.segment_end(run.begin), "a run is inside of a segment");
    return {};
  }
  std::string perform(const command::Release& it) {
    const auto at = handed.find(it.run.value);
    law_(at != handed.end(), "a run that is let go of is kept");
    law_(it.pieces.empty() || it.pieces == at->second, "all pieces of a run are stored");
    handed.erase(at);
    if (it.pieces.empty()) return "release";
    ++held_;
    return "release and store " + text(it.pieces) + (it.fits ? "" : " without room");
  }
  std::string perform(const command::OpenStream& it) {
    const Body& body = open_body(it.body);
    const Geometry& geometry = geometry_of(it.body);
    law_(!it.pieces.empty() && it.pieces.end <= geometry.count(), "what is asked for is there");
    law_(!it.whole || it.pieces == geometry.all(), "only the whole is asked for as a whole");
    const bool is_new =
        streams
            .emplace(it.stream, Stream{body.exchange, it.pieces, it.whole,
                                       it.how.cache == CacheMode::reload, now + it.wait})
            .second;
    law_(is_new, "a stream has a number of its own");
    streams[it.stream].next = it.pieces.begin;
    std::string words =
        "open " + name(it.stream) + " of " + name(it.body) + " for " + text(it.pieces);
    if (it.whole) words += " whole";
    if (it.how.cache == CacheMode::reload) words += " reload";
    if (it.how.is_same_origin) words += " same-origin";
    if (it.whole && !it.how.is_own) words += " remade";
    if (it.wait > Duration(0)) words += " after " + std::to_string(it.wait.count() / 1000);
    return words;
  }
  std::string perform(const command::Accept& it) {
    Stream& stream = open_stream(it.stream);
    law_(stream.has_head && (!stream.is_passed || stream.is_read),
         "an answer that came is accepted");
    stream.until = it.until;
    stream.keep = std::max(stream.keep, it.keep);
    return {};
  }
  std::string perform(const command::PassStream& it) {
    Stream& stream = open_stream(it.stream);
    law_(stream.has_head, "an answer that is passed on came");
    law_(stream.until == 0, "nothing of an answer that is passed on was read");
    Body& body = open_body(it.body);
    law_(!body.has_begun, "a response is made once");
    body.has_begun = body.is_passed = true;
    // One that is compared goes on.
    body.is_over = engine.part(it.body) == nullptr;
    law_(it.compared == !body.is_over, "a body that goes on beside its page compares");
    law_(!it.compared || it.shared, "an answer that is compared is shared with the page");
    std::string words =
        "pass " + name(it.stream) + " as " + name(it.body) + (it.shared ? " shared" : "");
    stream.is_passed = true;
    stream.is_read = !body.is_over;
    if (!it.shared) streams.erase(it.stream);
    return words;
  }
  std::string perform(const command::Spill& it) {
    Body& body = open_body(it.body);
    Stream& stream = open_stream(it.stream);
    const bool opens = !body.has_begun;
    // What its head said was of other bytes.
    if (const Exchange* exchange = engine.exchange(body.exchange)) {
      const unsigned manifest = requests.at(body.exchange.value).manifest;
      given_.erase({manifest, key_of(*exchange->asked().resource)});
    }
    law_(!body.is_passed && body.at == body.range.begin, "what is spilt has a head at most");
    law_(stream.has_head && stream.until > 0 && (stream.whole || stream.status == 200),
         "what is spilt is a whole answer, or one to a request for all, and is read");
    law_(opens || stream.status == 200, "the head that was made is of a whole answer");
    body.has_begun = true;
    body.is_passed = opens;
    law_(body.range == ByteRange{0, geometry_of(it.body).bytes()}, "who gets all asked for all");
    law_(!stream.is_passed, "an answer is passed on or spilt");
    law_(!stream.is_spilt || stream.spilt_at == turn_, "who is spilt an answer is told at once");
    stream.is_spilt = true;
    stream.spilt_at = turn_;
    body.is_over = true;
    return "spill " + name(it.stream) + " to " + name(it.body) + (opens ? " with its head" : "");
  }
  std::string perform(const command::CloseStream& it) {
    known_body(it.body);
    open_stream(it.stream);
    streams.erase(it.stream);
    return "close " + name(it.stream);
  }
  std::string perform(const command::FetchManifest&) {
    law_(!is_fetching_manifest, "the manifest is fetched once at a time");
    is_fetching_manifest = true;
    return "fetch manifest";
  }
  std::string perform(const command::ListStore&) {
    is_listing_store = true;
    return "list store";
  }
  std::string perform(const command::DropUnlisted&) { return "drop unlisted"; }
  std::string perform(const command::MakeRoom&) { return "make room"; }
  std::string perform(const command::WriteNext&) {
    law_(held_ > 0, "what is written was kept");
    --held_;
    return {};
  }
  std::string perform(const command::TellNews&) { return {}; }
  std::string perform(const command::Busy& it) {
    law_((busy == 0) == (it.open > 0), "the first response is told, and the last one");
    busy = it.open;
    return {};
  }

  Law law_;
  std::vector<std::string> said_;
  unsigned held_ = 0;  // runs that wait to be written
  std::optional<std::pair<BodyId, PieceIndex>> arriving_;
  std::optional<bool> kept_manifest_;  // the manifest came just now; whether it is another one
  // By root: the exchange that asked for its list last, and whether it came.
  std::map<Root, std::pair<std::uint32_t, std::optional<bool>>> last_lists_;
  std::uint64_t turn_ = 0;
  // By manifest, root and path: what pages were given as tag and date.
  struct Given {
    std::string tag;
    ExchangeId by;
  };
  std::map<std::pair<unsigned, std::string>, Given> given_;
  unsigned manifests_ = 0;
  Names exchange_names_;
  Names body_names_;
  Names get_names_;
  Names stream_names_;
};

}  // namespace peer_cdn
