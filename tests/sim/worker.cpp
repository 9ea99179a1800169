#include "worker.hpp"

#include <algorithm>
#include <string>

#include "base/limits.hpp"
#include "base/range.hpp"
#include "world.hpp"

namespace peer_cdn::sim {
namespace {

// How long the browser needs to read a run, and to write one.
constexpr Duration read_time = 2ms;
constexpr Duration write_time = 5ms;
// The only page that the worker knows.
constexpr PageId page{1};

std::string path_of(const File& file) {
  return "/" + to_hex(file.root);
}

}  // namespace

// The manifest has just come, and how long it took is what is known of the origin. The route is
// that of the README.
Worker::Worker(World& world, Visitor& visitor, const std::vector<const File*>& files, bool disabled)
    : world_(world), visitor_(visitor) {
  const auto route =
      engine_.add_route("/", Strategy::ordered,
                        {{PluginKind::cache},
                         {PluginKind::delegate, limits::delegate_timeout, limits::patience},
                         {PluginKind::network}});
  world_.check(static_cast<bool>(route), "the route can be added");
  for (const File* file : files) {
    ResourceFields fields;
    fields.path = path_of(*file);
    fields.bytes = static_cast<double>(file->geometry.bytes());
    fields.piece_bytes = file->geometry.piece_bytes();
    fields.root = to_hex(file->root);
    fields.type = "video/mp4";
    world_.check(engine_.add_resource(fields) == Error::none, "the file can be listed");
  }
  engine_.commit_manifest(disabled, false);
  const Instant now = world_.now();
  engine_.handle_manifest_loaded(ManifestFetch::other, wall(), {}, now);
  engine_.handle_origin_answered(2 * world_.to_server(visitor_), now);
  engine_.handle_hello(page, true, now);
  if (const auto& marks = visitor.marks_) handle_present({marks->begin(), marks->end()}, {});
}

double Worker::wall() const {
  return to_ms(world_.now());
}

template <class F>
void Worker::tell(F event) {
  event(world_.now());
  if (is_draining_) return;
  is_draining_ = true;
  for (;;) {
    const List<Command> commands = engine_.take_commands(world_.now());
    if (commands.empty()) break;
    for (const Command& each : commands) {
      std::visit([this](const auto& it) { this->perform(it); }, each);
    }
  }
  is_draining_ = false;
  wake();
}

template <class F>
void Worker::tell_part(BodyId body, F event) {
  tell([&](Instant now) {
    if (Part* part = engine_.part(body)) event(*part, now);
  });
}

// One timer: a later deadline than the one that is set is looked at when that one comes.
void Worker::wake() {
  const auto next = engine_.next_timeout();
  if (!next || (woken_at_ && *woken_at_ <= *next)) return;
  woken_at_ = next;
  world_.at(std::max(*next, world_.now() + Duration(1)), visitor_.id,
            [this, when = *next](Visitor&) {
              if (woken_at_ != when) return;
              woken_at_.reset();
              tell([this](Instant now) { engine_.handle_timeout(now); });
            });
}

void Worker::never() {
  world_.check(false, "the worker is not told to do what its world has not");
}

// --- A request -----------------------------------------------------------------------------------

Request& Worker::fetch(const File& file, std::uint64_t bytes_per_second) {
  requests.push_back(std::make_unique<Request>(Request{file, world_.now(), bytes_per_second}));
  Request& request = *requests.back();
  const std::string path = path_of(file);
  FetchEvent event;
  event.fields.method = "GET";
  event.fields.same_origin = true;
  event.path = path;
  event.page = page;
  tell([&](Instant now) {
    const auto id = engine_.open(
        event, [](auto...) { return false; }, now, wall());
    if (!id) return pass_through(request, {}, std::nullopt);
    exchanges_[*id] = &request;
  });
  return request;
}

void Worker::abort(Request& request) {
  if (request.done() || request.answer == BodyId{}) return;
  request.is_aborted = true;
  tell_part(request.answer, [](Part& part, Instant now) { part.cancel(now); });
}

void Worker::perform(const command::FallThrough& fall) {
  pass_through(*exchanges_.at(fall.exchange), fall.exchange, std::nullopt);
}

void Worker::perform(const command::Through& through) {
  pass_through(*exchanges_.at(through.exchange), through.exchange, through.plugin);
}

// How the origin sends a file.
OriginAnswer Worker::head_of(bool whole, std::string_view content_range) {
  OriginAnswer head;
  head.type = "basic";
  head.status = whole ? 200 : 206;
  head.accept_ranges = "bytes";
  head.content_range = content_range;
  head.headers = "content-type\nvideo/mp4\netag\n\"1\"";
  return head;
}

void Worker::pass_through(Request& request, ExchangeId exchange,
                          std::optional<std::uint32_t> plugin) {
  request.fell_through = true;
  Origin::Sink sink;
  sink.head = [this, exchange, plugin](Visitor&) {
    if (!plugin) return;
    tell([&](Instant now) {
      Exchange* asked = engine_.exchange(exchange);
      engine_.handle_passed(exchange, head_of(true, {}), now);
      const bool is_used = asked != nullptr && asked->handle_answer(*plugin, true, {}, now);
      world_.check(is_used, "the network is not asked beside who answers");
    });
  };
  sink.bytes = [this, &request](Visitor&, std::uint32_t bytes) {
    request.passed += bytes;
    if (!request.first_byte) request.first_byte = world_.now();
  };
  sink.end = [this, &request](Visitor&, bool) { end(request); };
  world_.origin.open(visitor_, request.file, request.file.geometry.all(), std::move(sink));
}

void Worker::perform(const command::Respond& respond) {
  exchanges_.at(respond.exchange)->answer = respond.body;
  if (respond.body != BodyId{}) show(respond.body);
}

void Worker::perform(const command::Over& over) {
  const Request* request = exchanges_.at(over.exchange);
  exchanges_.erase(over.exchange);
  std::erase_if(bodies_, [request](const auto& each) { return each.second.request == request; });
}

void Worker::perform(const command::NeedList& need) {
  const File& file = exchanges_.at(need.exchange)->file;
  const std::string_view list(reinterpret_cast<const char*>(file.digests.data()),
                              file.digests.size());
  const Error error = engine_.handle_list(file.root, 200, file.root, list);
  world_.check(error == Error::none, "the digest list is good");
}

void Worker::end(Request& request) {
  if (request.done()) return;
  request.ended_at = world_.now();
  if (world_.on_done) world_.on_done(visitor_, request);
}

// --- A body --------------------------------------------------------------------------------------

void Worker::perform(const command::Gather& gather) {
  bodies_[gather.body] = {exchanges_.at(gather.exchange)};
}

void Worker::perform(const command::Take& take) {
  bodies_.at(take.body).kept.insert(take.piece);
  if (take.stream == 0) return;
  const Answer& answer = answers_.at(take.stream);
  world_.check(take.piece >= answer.keep && take.piece < answer.cut,
               "what is taken of a stream is kept by it");
}

void Worker::perform(const command::Enqueue& enqueue) {
  Gathering& body = bodies_.at(enqueue.body);
  world_.check(body.kept.erase(enqueue.piece) == 1, "only what is kept is passed on");
  const std::uint32_t bytes = enqueue.end - enqueue.begin;
  body.passed += bytes;
  show(enqueue.body);
  body.unread += bytes;
  const std::uint64_t rate = body.request->bytes_per_second;
  if (rate == 0) return handle_read(enqueue.body, bytes);
  body.read_at = std::max(body.read_at, world_.now()) + World::span(bytes, rate);
  world_.at(body.read_at, visitor_.id,
            [this, id = enqueue.body, bytes](Visitor&) { handle_read(id, bytes); });
}

void Worker::handle_read(BodyId id, std::uint32_t bytes) {
  const auto body = bodies_.find(id);
  if (body == bodies_.end()) return;
  body->second.unread -= bytes;
  const auto takes = limits::stream_bytes - static_cast<std::int64_t>(body->second.unread);
  tell_part(id, [takes](Part& part, Instant now) { part.handle_pull(takes, now); });
}

void Worker::perform(const command::Finish& finish) {
  Gathering& body = bodies_.at(finish.body);
  world_.check(body.passed == body.request->file.geometry.bytes(),
               "a body that is done passed on all of it");
  body.is_over = true;
  show(finish.body);
}

void Worker::perform(const command::Break& ended) {
  bodies_.at(ended.body).is_over = true;
  show(ended.body);
}

void Worker::show(BodyId id) {
  const Gathering& body = bodies_.at(id);
  Request& request = *body.request;
  if (request.answer != id || request.fell_through) return;
  request.passed = body.passed;
  if (!request.first_byte && body.passed > 0) request.first_byte = world_.now();
  if (body.is_over) end(request);
}

void Worker::perform(const command::Transfer& transfer) {
  visitor_.handle_transfer(file_of(transfer.body), transfer.from_origin, transfer.done);
}

// --- The store -----------------------------------------------------------------------------------

void Worker::perform(const command::Read& read) {
  errands_[{read.body, read.job}] = {};
  world_.after(read_time, visitor_.id,
               [this, read, &file = file_of(read.body)](Visitor&) { read_run(read, file); });
}

void Worker::read_run(const command::Read& read, const File& file) {
  const auto is_closed = [&] { return errands_.count({read.body, read.job}) == 0; };
  if (is_closed()) return;
  const bool is_found = runs_.count({file.root, read.run.begin, read.run.end}) > 0 &&
                        !world_.random.chance(visitor_.faults.loses);
  if (!is_found) {
    return tell_part(read.body,
                     [&](Part& part, Instant now) { part.handle_run_gone(read.job, now); });
  }
  for (PieceIndex piece = read.pieces.begin; piece < read.pieces.end && !is_closed(); ++piece) {
    tell_part(read.body, [&](Part& part, Instant now) {
      part.handle_digest(read.job, piece, file.geometry.bytes_of(piece),
                         digest_of(file.tags(piece)), now);
    });
  }
}

void Worker::perform(const command::DropRun& drop) {
  runs_.erase({file_of(drop.body).root, drop.run.begin, drop.run.end});
}

void Worker::perform(const command::Store& store) {
  const Answer& answer = answers_.at(store.stream);
  world_.check(store.pieces.begin >= answer.keep && store.pieces.end <= answer.cut,
               "what is stored of a stream is kept by it");
  world_.check(store.fits, "a store without a quota has room");
  const File& file = file_of(store.body);
  runs_.insert({file.root, store.pieces.begin, store.pieces.end});
  held_.push_back({store, &file});
}

void Worker::perform(const command::Hand& /*hand*/) {}

// The simulated pages store what they have before they go, and their worker goes with them.
void Worker::perform(const command::Release& release) {
  world_.check(release.pieces.empty(), "no page leaves its worker behind");
}

void Worker::perform(const command::WriteNext& /*write*/) {
  const Held held = held_.front();
  held_.pop_front();
  world_.after(write_time, visitor_.id, [this, held](Visitor& visitor) {
    visitor.handle_stored(*held.file, held.store.pieces);
    tell([&](Instant) {
      engine_.handle_store_done(held.store.body, held.file->root, held.store.pieces,
                                StoreOutcome::stored);
    });
  });
}

// It is as new as the visit.
void Worker::perform(const command::NeedRecord& need) {
  const Root root = engine_.listed(need.exchange)->root;
  world_.after(read_time, visitor_.id, [this, need, root](Visitor&) {
    tell([&](Instant now) { engine_.handle_record(need.exchange, root, {}, now); });
  });
}

void Worker::perform(const command::ListStore&) {
  engine_.handle_store_begin(0, 0);
  tell([this](Instant now) { engine_.handle_store_listed(true, now); });
}

// The page stored it.
void Worker::handle_stored(const Root& root, PieceRange run) {
  runs_.insert({root, run.begin, run.end});
  tell([&](Instant) { engine_.handle_stored(root, run); });
}

// --- The page ------------------------------------------------------------------------------------

void Worker::handle_present(const std::vector<Mark>& add, const std::vector<Mark>& remove) {
  List<Mark> marks;
  for (const Mark mark : add) marks.push_back(mark);
  for (const Mark mark : remove) marks.push_back(mark);
  engine_.pages().handle_present(page, marks, add.size());
}

void Worker::handle_company(const Root& root) {
  tell([&](Instant now) { engine_.handle_company(root, now); });
}

void Worker::perform(const command::AskPage& ask) {
  const Errand errand{ask.body, ask.job};
  errands_[errand] = visitor_.open(file_of(ask.body), ask.pieces, {ask.slower, ask.patience}, true);
  say_alive(errand);
}

// As web/bridge.js does: when it is asked, and again as long as it is.
void Worker::say_alive(Errand errand) {
  if (errands_.count(errand) == 0) return;
  tell_part(errand.first,
            [&](Part& part, Instant now) { part.handle_page_alive(errand.second, now); });
  world_.after(limits::bridge_alive, visitor_.id, [this, errand](Visitor&) { say_alive(errand); });
}

void Worker::perform(const command::Grant& grant) {
  const auto errand = errands_.find({grant.body, grant.job});
  if (errand != errands_.end()) visitor_.grant(errand->second, grant.bytes);
}

void Worker::perform(const command::Close& close) {
  const auto errand = errands_.find({close.body, close.job});
  if (errand == errands_.end()) return;
  const ReaderId reader = errand->second;
  errands_.erase(errand);
  if (reader != ReaderId{}) visitor_.close(reader);
}

const Worker::Errand* Worker::errand_of(ReaderId reader) const {
  for (const auto& [errand, of] : errands_) {
    if (of == reader) return &errand;
  }
  return nullptr;
}

void Worker::handle_pending(const swarm::Pending& output) {
  const Errand* found = errand_of(output.reader);
  if (found == nullptr) return;
  tell_part(found->first, [&, job = found->second](Part& part, Instant) {
    part.handle_page_pending(job, output.warm);
  });
}

void Worker::handle_delivered(const swarm::Deliver& output) {
  const Errand* found = errand_of(output.reader);
  if (found == nullptr) return;
  const std::uint32_t bytes = file_of(found->first).geometry.bytes_of(output.piece);
  tell_part(found->first, [&, job = found->second](Part& part, Instant now) {
    part.handle_page_piece(job, {output.piece, bytes, output.from, 0}, now);
  });
}

void Worker::handle_end(const swarm::End& output) {
  const Errand* found = errand_of(output.reader);
  if (found == nullptr) return;
  tell_part(found->first, [&, job = found->second](Part& part, Instant now) {
    part.handle_end(job, output.error, now);
  });
}

// --- The origin ----------------------------------------------------------------------------------

void Worker::perform(const command::OpenStream& open) {
  answers_[open.stream] = {&file_of(open.body), 0, open.pieces.begin, open.pieces.begin};
  world_.after(open.wait, visitor_.id, [this, open](Visitor&) {
    if (answers_.count(open.stream) > 0) ask(open);
  });
}

void Worker::ask(const command::OpenStream& open) {
  const peer_cdn::StreamId stream = open.stream;
  Answer& answer = answers_.at(stream);
  Origin::Sink sink;
  sink.head = [this, open, &file = *answer.file](Visitor&) {
    const Text range = content_range(file.geometry.range_of(open.pieces), file.geometry.bytes());
    const OriginAnswer head =
        head_of(open.whole, open.whole ? std::string_view() : std::string_view(range));
    tell([&](Instant now) { engine_.handle_stream_head(open.stream, head, now); });
  };
  sink.bytes = [this, stream](Visitor&, std::uint32_t bytes) {
    Answer& of = answers_.at(stream);
    of.arrived += bytes;
    for (Request* each : of.pages) {
      each->passed += bytes;
      if (!each->first_byte) each->first_byte = world_.now();
    }
  };
  sink.piece = [this, stream](Visitor&, PieceIndex, bool right) {
    answers_.at(stream).came.push_back(right);
    cut(stream);
  };
  sink.end = [this, stream](Visitor&, bool all) {
    const auto ended = answers_.find(stream);
    if (ended == answers_.end()) return;
    for (Request* each : std::exchange(ended->second.pages, {})) end(*each);
    if (ended->second.is_closed) return void(answers_.erase(ended));
    ended->second.ended = all ? Error::none : Error::origin_unreachable;
    cut(stream);
  };
  answer.id = world_.origin.open(visitor_, *answer.file, open.pieces, std::move(sink));
}

// Hands in what came, as far as it is accepted.
void Worker::cut(peer_cdn::StreamId stream) {
  for (;;) {
    const auto found = answers_.find(stream);
    if (found == answers_.end() || found->second.is_closed) return;
    Answer& answer = found->second;
    // What comes after a pause waited here, and says nothing of the origin's rate.
    if (answer.cut >= answer.until && !std::exchange(answer.is_rated, true)) {
      engine_.handle_stream_rate(stream, answer.arrived, world_.now());
    }
    if (answer.came.empty()) {
      const auto ended = std::exchange(answer.ended, std::nullopt);
      if (!ended) return;
      return tell([&](Instant now) { engine_.handle_stream_end(stream, *ended, now); });
    }
    if (answer.cut >= answer.until) return;
    const PieceIndex piece = answer.cut++;
    Tags tags = answer.file->tags(piece);
    if (!answer.came.front()) tags[0] ^= 1;
    answer.came.pop_front();
    const std::uint32_t bytes = answer.file->geometry.bytes_of(piece);
    tell([&](Instant now) {
      engine_.handle_stream_piece(stream, piece, bytes, digest_of(tags), now);
    });
  }
}

void Worker::perform(const command::Accept& accept) {
  Answer& answer = answers_.at(accept.stream);
  answer.keep = std::max(answer.keep, accept.keep);
  answer.until = accept.until;
  // A page takes all.
  if (answer.pages.empty()) world_.origin.pace(answer.id, accept.until);
  if (answer.came.empty()) return;
  world_.after(Duration(0), visitor_.id, [this, stream = accept.stream](Visitor&) { cut(stream); });
}

// The page gets all of an answer, whatever it is.
void Worker::hand_over(peer_cdn::StreamId stream, BodyId body) {
  Answer& answer = answers_.at(stream);
  Request& request = *bodies_.at(body).request;
  world_.check(request.passed == 0, "nothing was passed on before");
  request.fell_through = true;
  request.passed = answer.arrived;
  if (answer.arrived > 0) request.first_byte = world_.now();
  // All of it has come.
  if (answer.ended) return end(request);
  answer.pages.push_back(&request);
  world_.origin.pace(answer.id, answer.file->geometry.count());
}

void Worker::perform(const command::PassStream& pass) {
  hand_over(pass.stream, pass.body);
  if (!pass.shared) answers_.at(pass.stream).is_closed = true;
}

void Worker::perform(const command::Spill& spill) {
  bodies_.at(spill.body).is_over = true;
  hand_over(spill.stream, spill.body);
}

void Worker::perform(const command::CloseStream& close) {
  Answer& answer = answers_.at(close.stream);
  answer.is_closed = true;
  if (!answer.pages.empty()) return;
  world_.origin.close(answer.id);
  answers_.erase(close.stream);
}

// --- The manifest --------------------------------------------------------------------------------

// It is fresh.
void Worker::perform(const command::FetchManifest&) {
  tell([this](Instant now) {
    engine_.handle_origin_answered(2 * world_.to_server(visitor_), now);
    engine_.handle_manifest_fetched(ManifestFetch::same, wall(), now);
  });
}

}  // namespace peer_cdn::sim
