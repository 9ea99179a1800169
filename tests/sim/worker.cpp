#include "worker.hpp"

#include <algorithm>
#include <string>

#include "base/limits.hpp"
#include "http/range.hpp"
#include "world.hpp"

namespace peer_cdn::sim {

Worker::Worker(World& world, Visitor& visitor, const File& file)
    : opened(world.now()), world_(world), visitor_(visitor), file_(file) {}

// As Engine::terms() has it. What is known of the origin is how long the manifest took.
void Worker::start() {
  const std::uint64_t bytes = file_.geometry.bytes();
  network_.handle_first(2 * world_.to_server(visitor_), world_.now());
  const double patience = limits::patience * static_cast<double>(network_.expected(bytes).count());
  terms_.allowed = bytes > limits::small_bytes;
  terms_.patience =
      std::min<Duration>(Duration(static_cast<Duration::rep>(patience)), limits::hedge_delay);
  reader_ = visitor_.open(file_, file_.geometry.all(), terms_, this);
}

// As Engine::hedge_wait(), from the start of the request.
Duration Worker::hedge_wait(bool warm) const {
  if (terms_.allowed) return terms_.patience + limits::hedge_delay;
  return warm ? std::min<Duration>(network_.expected(file_.geometry.bytes()), limits::hedge_delay)
              : Duration(0);
}

void Worker::open_body(PluginKind opener) {
  const Geometry& geometry = file_.geometry;
  body_.emplace(geometry, ByteRange{0, geometry.bytes()}, PieceSet(geometry.count()), opener);
  body_->handle_digests(*DigestList::parse(geometry, file_.digests));
  body_->start(world_.now());
  drain();
}

void Worker::handle_pending(const swarm::Pending& output) {
  if (body_) return;
  open_body(PluginKind::delegate);
  const Instant hedge = std::max(world_.now(), opened + hedge_wait(output.warm));
  world_.at(hedge, visitor_.id, [this](Visitor&) {
    body_->handle_hedge(world_.now());
    drain();
  });
}

void Worker::handle_delivered(const swarm::Deliver& output) {
  if (!body_ || !peers_ || output.reader != reader_) return;
  body_->handle_piece(*peers_, output.piece, file_.geometry.bytes_of(output.piece),
                      output.from_origin, world_.now());
  drain();
}

void Worker::handle_end(const swarm::End& output) {
  if (output.reader != reader_) return;
  if (!body_) return open_body(PluginKind::network);
  if (!peers_) return;
  body_->handle_end(*peers_, output.error, world_.now());
  drain();
}

void Worker::handle_company(const Root& root) {
  if (!body_ || root != file_.root) return;
  body_->handle_company(world_.now());
  drain();
}

void Worker::handle_held(PieceRange pieces) {
  if (body_) body_->handle_held(pieces);
}

void Worker::drain() {
  if (!body_) return;
  bool passed_on = true;
  while (passed_on) {
    passed_on = false;
    while (auto output = body_->poll_output()) {
      passed_on |= std::holds_alternative<Body::Enqueue>(*output);
      std::visit([this](const auto& o) { perform(o); }, *output);
    }
    // The reader takes all at once.
    if (passed_on) body_->handle_pull(limits::stream_bytes, world_.now());
  }
  watch();
}

void Worker::watch() {
  const auto next = body_->next_timeout();
  if (!next || (woken_at_ && *woken_at_ <= *next)) return;
  woken_at_ = next;
  world_.at(*next, visitor_.id, [this, when = *next](Visitor& visitor) {
    if (visitor.worker.get() != this || woken_at_ != when) return;
    woken_at_.reset();
    body_->handle_timeout(world_.now());
    drain();
  });
}

// --- What the body wants -------------------------------------------------------------------------

void Worker::perform(const Body::Read& read) {
  world_.after(std::chrono::milliseconds(2), visitor_.id, [this, read](Visitor&) {
    for (PieceIndex piece = read.pieces.begin; piece < read.pieces.end; ++piece) {
      body_->handle_digest(read.job, piece, file_.geometry.bytes_of(piece),
                           digest_of(file_.tags(piece)), world_.now());
    }
    body_->handle_end(read.job, Error::none, world_.now());
    drain();
  });
}

void Worker::perform(const Body::OpenPeers& open) {
  const bool first = !peers_ && open.pieces == file_.geometry.all();
  peers_ = open.job;
  if (first && !visitor_.readings[reader_.value - 1].ended) return;
  reader_ = visitor_.open(file_, open.pieces, terms_, this);
}

void Worker::perform(const Body::Grant& grant) {
  if (peers_ == grant.job) visitor_.grant(reader_, grant.bytes);
}

void Worker::perform(const Body::Fetch& fetch) {
  fetches_[fetch.job] = 0;
  if (fetch.wait == Duration(0)) return fetch_now(fetch);
  world_.after(fetch.wait, visitor_.id, [this, fetch](Visitor&) {
    if (fetches_.count(fetch.job) > 0) fetch_now(fetch);
  });
}

void Worker::fetch_now(const Body::Fetch& fetch) {
  const JobId job = fetch.job;
  Origin::Sink sink;
  sink.head = [this, fetch](Visitor&) {
    const Geometry& geometry = file_.geometry;
    const std::string text = content_range(geometry.range_of(fetch.pieces), geometry.bytes());
    OriginHead head;
    head.response.type = "basic";
    head.response.status = fetch.whole ? 200 : 206;
    if (!fetch.whole) head.content_range = text;
    body_->handle_head(fetch.job, head, world_.now());
    drain();
  };
  sink.piece = [this, job](Visitor&, PieceIndex piece, bool right) {
    handle_digest(job, piece, right);
  };
  sink.end = [this, job](Visitor&, bool all) {
    fetches_.erase(job);
    body_->handle_end(job, all ? Error::none : Error::origin_unreachable, world_.now());
    drain();
  };
  fetches_[job] = world_.origin.open(visitor_, file_, fetch.pieces, std::move(sink));
}

void Worker::handle_digest(JobId job, PieceIndex piece, bool right) {
  Tags tags = file_.tags(piece);
  if (!right) tags[0] ^= 1;
  body_->handle_digest(job, piece, file_.geometry.bytes_of(piece), digest_of(tags), world_.now());
  drain();
}

void Worker::perform(const Body::Store& store) {
  world_.after(std::chrono::milliseconds(5), visitor_.id,
               [this, store](Visitor& visitor) { visitor.handle_stored(file_, store.pieces); });
}

void Worker::perform(const Body::Close& close) {
  if (peers_ == close.job) visitor_.close(reader_);
  const auto fetch = fetches_.find(close.job);
  if (fetch == fetches_.end()) return;
  world_.origin.close(fetch->second);
  fetches_.erase(fetch);
}

void Worker::perform(const Body::Enqueue& enqueue) {
  passed += enqueue.end - enqueue.begin;
  if (!first_byte) first_byte = world_.now();
  if (body_->counts().from_origin == 0) return;
  visitor_.peer.swarm().handle_transfer(file_.root, false, world_.now());
}

void Worker::perform(const Body::Done&) {
  world_.check(passed == file_.geometry.bytes(), "a body that is done passed on all of it");
  end();
}

// Nothing was passed on yet: the network has it as it is. Else the page's fetch fails.
void Worker::perform(const Body::Fail&) {
  passed == 0 ? fall_through() : end();
}

void Worker::fall_through() {
  fell_through = true;
  Origin::Sink sink;
  sink.piece = [this](Visitor&, PieceIndex piece, bool) {
    passed += file_.geometry.bytes_of(piece);
    if (!first_byte) first_byte = world_.now();
  };
  sink.end = [this](Visitor&, bool) { end(); };
  world_.origin.open(visitor_, file_, file_.geometry.all(), std::move(sink));
}

void Worker::end() {
  if (done()) return;
  ended_at = world_.now();
  visitor_.peer.swarm().handle_transfer(file_.root, true, world_.now());
  if (world_.on_done) world_.on_done(visitor_);
}

}  // namespace peer_cdn::sim
