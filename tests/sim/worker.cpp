#include "worker.hpp"

#include "base/limits.hpp"
#include "base/range.hpp"
#include "world.hpp"

namespace peer_cdn::sim {
namespace {

// In the route: the store would be the first of three, and has nothing of what is fetched once.
constexpr std::uint32_t delegate = 0, network = 1;
// DelegatePlugin's timeoutAfter.
constexpr Duration timeout_after = 5s;

std::string path_of(const File& file) {
  return "/" + to_hex(file.root);
}

}  // namespace

// What is known of the origin is how long the manifest took.
Worker::Worker(World& world, Visitor& visitor, const std::vector<const File*>& files, bool disabled)
    : world_(world), visitor_(visitor) {
  const auto route =
      engine.add_route("/", Strategy::ordered, {PluginKind::delegate, PluginKind::network});
  world.check(static_cast<bool>(route), "the route can be added");
  for (const File* file : files) {
    ResourceFields fields;
    fields.path = path_of(*file);
    fields.bytes = static_cast<double>(file->geometry.bytes());
    fields.piece_bytes = file->geometry.piece_bytes();
    fields.root = to_hex(file->root);
    fields.type = "video/mp4";
    world.check(engine.add_resource(fields) == Error::none, "the file can be listed");
  }
  engine.commit_manifest(disabled);
  engine.network().handle_first(2 * world.to_server(visitor), world.now());
}

Request& Worker::fetch(const File& file) {
  requests.push_back(std::make_unique<Request>(*this, file));
  Request& request = *requests.back();
  request.start();
  return request;
}

void Worker::handle_company(const Root& root) {
  for (const auto& request : requests) {
    if (request->file.root == root) request->handle_company();
  }
}

void Worker::handle_held(const Root& root, PieceRange pieces) {
  for (const auto& request : requests) {
    if (request->file.root == root) request->handle_held(pieces);
  }
}

Request::Request(Worker& worker, const File& what)
    : file(what),
      opened(worker.world_.now()),
      worker_(worker),
      world_(worker.world_),
      visitor_(worker.visitor_),
      told_(opened) {}

void Request::start() {
  const std::string path = path_of(file);
  RequestFields fields;
  fields.method = "GET";
  fields.same_origin = true;
  const Routed routed = worker_.engine.route(fields, path, [](auto...) { return false; });
  if (routed.whose != Routed::Whose::ours) return fall_through();
  exchange_ = worker_.engine.open(routed.id, path, {}, {});
  in_chain([this](Chain& chain) { chain.start(world_.now()); });
}

template <class F>
void Request::in_chain(F event) {
  Exchange* exchange = worker_.engine.exchange(exchange_);
  if (exchange == nullptr) return;
  event(exchange->chain);
  drain_chain();
}

void Request::drain_chain() {
  Engine& engine = worker_.engine;
  while (Exchange* exchange = engine.exchange(exchange_)) {
    const auto output = exchange->chain.poll_output();
    if (!output) break;
    if (const auto* started = std::get_if<Chain::Start>(&*output)) start(started->plugin);
    if (std::holds_alternative<Chain::FallThrough>(*output)) fall_through();
  }
  const Exchange* exchange = engine.exchange(exchange_);
  const auto next = exchange != nullptr ? exchange->chain.next_timeout() : std::nullopt;
  if (!next || chain_woken_at_ == next) return;
  chain_woken_at_ = next;
  world_.at(*next, visitor_.id, [this](Visitor&) {
    in_chain([this](Chain& chain) { chain.handle_timeout(world_.now()); });
  });
}

template <class F>
void Request::in_body(BodyId id, F event) {
  if (body_ == nullptr || body_id_ != id) return;
  event(*body_);
  drain_body();
}

template <class F>
void Request::after(Duration wait, F event) {
  world_.after(wait, visitor_.id, [this, id = body_id_, event](Visitor&) { in_body(id, event); });
}

void Request::start(std::uint32_t plugin) {
  Engine& engine = worker_.engine;
  const Instant now = world_.now();
  if (plugin == network) {
    if (body_ == nullptr) return open_body(PluginKind::network);
    // The delegate's, which waits for peers: the origin begins in the same body.
    hedged_ = true;
    return in_body(body_id_, [now](Body& body) { body.handle_hedge(now); });
  }
  if (!engine.asks_peers(exchange_, visitor_.may_be_present(file.root), limits::patience, now)) {
    return in_chain([now](Chain& chain) { chain.handle_answer(delegate, Answer::null, now); });
  }
  open_body(PluginKind::delegate);
  engine.handle_asked(exchange_, delegate, now);
  after(timeout_after, [this](Body& body) {
    if (hedged_ || first_byte) return;
    body.handle_cancel();
    drain_body();
    fail();
  });
}

void Request::open_body(PluginKind opener) {
  const Geometry& geometry = file.geometry;
  opener_ = opener;
  const auto id = worker_.engine.open_body(exchange_, opener, PieceSet(geometry.count()), true);
  if (!id) return fall_through();
  body_id_ = *id;
  body_ = worker_.engine.body(body_id_);
  body_->handle_digests(*DigestList::parse(geometry, file.digests));
  in_body(body_id_, [this](Body& body) { body.start(world_.now()); });
}

void Request::close_body() {
  worker_.engine.close(body_id_);
  body_ = nullptr;
  body_woken_at_.reset();
}

void Request::drain_body() {
  bool passed_on = true;
  while (body_ != nullptr && passed_on) {
    passed_on = false;
    while (body_ != nullptr) {
      const auto output = body_->poll_output();
      if (!output) break;
      passed_on |= std::holds_alternative<Body::Enqueue>(*output);
      std::visit([this](const auto& o) { perform(o); }, *output);
    }
    // The reader takes all at once.
    if (body_ != nullptr && passed_on) body_->handle_pull(limits::stream_bytes, world_.now());
  }
  if (body_ != nullptr) watch();
}

void Request::watch() {
  const auto next = body_->next_timeout();
  if (!next || (body_woken_at_ && *body_woken_at_ <= *next)) return;
  body_woken_at_ = next;
  after(*next - world_.now(), [this, when = *next](Body& body) {
    if (body_woken_at_ != when) return;
    body_woken_at_.reset();
    body.handle_timeout(world_.now());
  });
}

// Nothing was passed on yet: the next plugin, or the network as it is. Else the page's fetch fails.
void Request::fail() {
  const bool was_hedged = std::exchange(hedged_, false);
  close_body();
  if (passed > 0) return end();
  if (opener_ == PluginKind::network) return fall_through();
  in_chain([this](Chain& chain) { chain.handle_answer(delegate, Answer::null, world_.now()); });
  if (was_hedged) open_body(PluginKind::network);
}

// --- What the page says --------------------------------------------------------------------------

void Request::handle_pending(bool warm) {
  warm_ = warm;
  worker_.engine.handle_pending(exchange_, delegate, warm, world_.now());
  drain_chain();
}

void Request::handle_delivered(const swarm::Deliver& output) {
  if (!peers_ || output.reader != reader_) return;
  if (output.from == PieceSource::peers) {
    note_peers(false);
    worker_.engine.handle_warm();
  }
  warm_ = false;
  in_body(body_id_, [&](Body& body) {
    body.handle_piece(*peers_, output.piece, file.geometry.bytes_of(output.piece), output.from,
                      world_.now());
  });
}

void Request::handle_end(const swarm::End& output) {
  if (!peers_ || output.reader != reader_) return;
  in_body(body_id_, [&](Body& body) { body.handle_end(*peers_, output.error, world_.now()); });
}

void Request::handle_company() {
  in_body(body_id_, [this](Body& body) { body.handle_company(world_.now()); });
}

void Request::handle_held(PieceRange pieces) {
  if (body_ != nullptr) body_->handle_held(pieces);
}

// How long a page that was connected needed for its first piece.
void Request::note_peers(bool in_vain) {
  Estimate& peers = worker_.engine.peers();
  const Duration wait = world_.now() - asked_;
  if (!warm_) return;
  in_vain ? peers.handle_given_up(wait, world_.now()) : peers.handle_first(wait, world_.now());
}

// --- What the body wants -------------------------------------------------------------------------

void Request::perform(const Body::Read& read) {
  after(2ms, [this, read](Body& body) {
    for (PieceIndex piece = read.pieces.begin; piece < read.pieces.end; ++piece) {
      body.handle_digest(read.job, piece, file.geometry.bytes_of(piece),
                         digest_of(file.tags(piece)), world_.now());
    }
    body.handle_end(read.job, Error::none, world_.now());
  });
}

void Request::perform(const Body::OpenPeers& open) {
  const Terms terms = worker_.engine.terms(*worker_.engine.exchange(exchange_));
  peers_ = open.job;
  asked_ = world_.now();
  warm_ = false;
  reader_ = visitor_.open(file, open.pieces, {terms.origin, terms.patience}, this);
  say_alive(open.job);
}

// As web/bridge.js does.
void Request::say_alive(JobId job) {
  after(limits::bridge_alive, [this, job](Body& body) {
    if (peers_ != job) return;
    body.handle_alive(job, world_.now());
    say_alive(job);
  });
}

void Request::perform(const Body::Grant& grant) {
  if (peers_ == grant.job) visitor_.grant(reader_, grant.bytes);
}

// Each reads for itself: the requests of a visitor share no stream here.
void Request::perform(const Body::Fetch& fetch) {
  fetches_[fetch.job] = 0;
  if (fetch.wait == Duration(0)) return fetch_now(fetch);
  after(fetch.wait, [this, fetch](Body&) {
    if (fetches_.count(fetch.job) > 0) fetch_now(fetch);
  });
}

void Request::fetch_now(const Body::Fetch& fetch) {
  const BodyId id = body_id_;
  const JobId job = fetch.job;
  const auto head_at = std::make_shared<Instant>();
  Origin::Sink sink;
  sink.head = [this, id, fetch, head_at, asked = world_.now()](Visitor&) {
    *head_at = world_.now();
    worker_.engine.network().handle_first(world_.now() - asked, world_.now());
    const std::string text =
        content_range(file.geometry.range_of(fetch.asked), file.geometry.bytes());
    OriginAnswer answer;
    answer.type = "basic";
    answer.status = fetch.whole ? 200 : 206;
    if (!fetch.whole) answer.content_range = text;
    in_body(id, [&](Body& body) { body.handle_head(fetch.job, answer, world_.now()); });
  };
  sink.piece = [this, id, job](Visitor&, PieceIndex piece, bool right) {
    Tags tags = file.tags(piece);
    if (!right) tags[0] ^= 1;
    in_body(id, [&](Body& body) {
      body.handle_digest(job, piece, file.geometry.bytes_of(piece), digest_of(tags), world_.now());
    });
  };
  sink.end = [this, id, job, head_at, pieces = fetch.pieces](Visitor&, bool all) {
    const std::uint64_t bytes = file.geometry.range_of(pieces).bytes();
    if (all) worker_.engine.network().handle_body(bytes, *head_at, world_.now());
    if (body_id_ == id) fetches_.erase(job);
    in_body(id, [&](Body& body) {
      body.handle_end(job, all ? Error::none : Error::origin_unreachable, world_.now());
    });
  };
  fetches_[job] = world_.origin.open(visitor_, file, fetch.pieces, std::move(sink));
}

void Request::perform(const Body::Accept& accept) {
  world_.origin.pace(fetches_[accept.job], accept.until);
}

void Request::perform(const Body::Store& store) {
  world_.after(5ms, visitor_.id,
               [this, store](Visitor& visitor) { visitor.handle_stored(file, store.pieces); });
}

void Request::perform(const Body::Close& close) {
  if (peers_ == close.job) {
    visitor_.close(reader_);
    note_peers(true);
    peers_.reset();
  }
  const auto fetch = fetches_.find(close.job);
  if (fetch == fetches_.end()) return;
  world_.origin.close(fetch->second);
  fetches_.erase(fetch);
}

// The first one is the response of whichever plugin is asked.
void Request::perform(const Body::Enqueue& enqueue) {
  passed += enqueue.end - enqueue.begin;
  if (!first_byte) {
    first_byte = world_.now();
    const std::uint32_t plugin = opener_ == PluginKind::delegate ? delegate : network;
    in_chain([&](Chain& chain) { chain.handle_answer(plugin, Answer::response, world_.now()); });
  }
  if (world_.now() - told_ < limits::progress_wait) return;
  told_ = world_.now();
  tell(false);
}

void Request::tell(bool done) {
  if (!done && body_->counts().from_origin == 0) return;
  visitor_.peer.swarm().handle_transfer(file.root, done, world_.now());
}

void Request::perform(const Body::Done&) {
  const std::uint64_t bytes = file.geometry.bytes();
  world_.check(passed == bytes, "a body that is done passed on all of it");
  if (body_->counts().from_peers == bytes && bytes <= limits::unattended_bytes) {
    worker_.engine.peers().handle_body(bytes, opened, world_.now());
  }
  close_body();
  tell(true);
  end();
}

void Request::fall_through() {
  fell_through = true;
  Origin::Sink sink;
  sink.bytes = [this](Visitor&, std::uint32_t bytes) {
    passed += bytes;
    if (!first_byte) first_byte = world_.now();
  };
  sink.end = [this](Visitor&, bool) { end(); };
  world_.origin.open(visitor_, file, file.geometry.all(), std::move(sink));
}

void Request::end() {
  if (ended_at) return;
  ended_at = world_.now();
  worker_.engine.close(exchange_);
  if (world_.on_done) world_.on_done(visitor_, *this);
}

}  // namespace peer_cdn::sim
