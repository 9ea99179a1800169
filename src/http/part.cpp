#include "http/part.hpp"

#include <algorithm>

#include "base/variant.hpp"
#include "http/head.hpp"
#include "http/policy.hpp"

namespace peer_cdn {

namespace {

// Whether the origin compresses it, as far as can be told before it is asked.
bool packs(const Resource& resource) {
  return is_compressible(resource.type) ||
         !header_of(resource.record.headers(), "content-encoding").empty();
}

}  // namespace

Part::Part(const Beginning& beginning, const Asked& asked, Commons& commons, Instant now)
    : id_(beginning.id),
      opener_(beginning.opener),
      asked_(asked),
      commons_(commons),
      body_(asked.resource->geometry, asked.range(),
            takes_held()
                ? commons.holdings.pieces(asked.resource->root, asked.resource->geometry.count())
                : PieceSet(),
            {beginning.opener, !asked.part, commons.outlook.second_window(), packs(*asked.resource),
             asked.checks, !asked.checks && !takes_held(), asked.known, &commons.streams,
             asked.subject(), &asked.resource->forms}),
      began_(now),
      told_(now),  // most are over before there is progress to tell
      has_page_(beginning.has_page),
      stores_(asked.cache.stores) {
  if (beginning.timeout > Duration(0)) gives_up_at_ = now + beginning.timeout;
  commons.parts.push_back(this);
  push(command::Gather{asked.exchange, id_});
  // Of one piece the root is the list.
  if (geometry().count() == 1) {
    body_.handle_digests(DigestList(root()));
  } else if (const Commons::Digests* list = commons.list_of(*asked.resource)) {
    body_.handle_digests(list->list);
  }
}

// A put() gets what was stored, however its request was asked.
bool Part::takes_held() const {
  return asked_.cache.takes_held || opener_ == PluginKind::cache;
}

void Part::start(Instant now) {
  const Duration silence = limits::stream_silence + Body::piece_time(geometry());
  commons_.streams.forsake_silent(asked_.subject(), silence, now);
  body_.start(now);
  drain(now);
}

void Part::handle_pull(std::int64_t bytes, Instant now) {
  body_.handle_pull(bytes, now);
  drain(now);
}

void Part::cancel(Instant now) {
  if (is_over_) return;
  body_.handle_cancel();
  drain(now);
  push(command::Break{id_, Error::cancelled});
  finish(false, Error::cancelled, now);
}

void Part::handle_hedge(Instant now) {
  // The network's too now, which has no such limit.
  is_hedged_ = true;
  gives_up_at_.reset();
  body_.handle_hedge(now);
  drain(now);
}

void Part::handle_known(Instant now) {
  body_.handle_known();
  drain(now);
}

void Part::handle_company(Instant now) {
  body_.handle_company(now);
  drain(now);
}

void Part::handle_stored(PieceRange run, Instant now) {
  if (takes_held()) body_.handle_held(run, now);
  drain(now);
}

void Part::handle_digest(JobId job, PieceIndex piece, std::uint64_t bytes, const Digest& digest,
                         Instant now) {
  if (body_.handle_digest(job, piece, bytes, digest, now)) push(command::Take{id_, piece, 0});
  const bool is_last_of_run = read_.job == job && piece + 1 == run_.end;
  drain(now);
  if (is_last_of_run && read_.job == job && piece + 1 < read_.pieces.end) read_on(piece + 1, now);
}

void Part::handle_run_gone(JobId job, Instant now) {
  if (read_.job != job || is_over_) return;
  commons_.holdings.forget(root(), run_);
  read_on(read_.pieces.begin, now);
}

void Part::handle_end(JobId job, Error error, Instant now) {
  if (geometry().count() > 1 && !commons_.list_of(root())) body_.handle_no_digests();
  body_.handle_end(job, error, now);
  drain(now);
}

// --- A page --------------------------------------------------------------------------------------

void Part::handle_page_piece(JobId job, const PagePiece& it, Instant now) {
  if (peers_.job == job) {
    ack_until_.reset();
    if (it.from == PieceSource::peers) note_peers(false, now);
    is_warm_ = false;
    has_brought_ = true;
  }
  if (it.from == PieceSource::peers) commons_.outlook.handle_warm(true);
  body_.handle_wasted(it.wasted);
  if (body_.handle_piece(job, it.piece, it.bytes, it.from, now)) {
    push(command::Take{id_, it.piece, 0});
    const bool is_new = it.from != PieceSource::store && stores_;
    if (is_new) commons_.hand(page_, id_, *asked_.resource, it.piece);
  }
  drain(now);
}

void Part::handle_page_pending(JobId job, bool warm) {
  if (peers_.job != job) return;
  ack_until_.reset();
  is_warm_ = warm;
  pending_ = warm;
}

void Part::handle_page_alive(JobId job, Instant now) {
  if (peers_.job != job) return;
  ack_until_.reset();
  commons_.pages.handle_heard(page_, now);
  body_.handle_alive(job, now);
  drain(now);
}

// The long form: the page gives the whole resource, and the worker verifies what it takes of it.
void Part::handle_page_reply(JobId job, std::uint32_t status, std::uint64_t bytes, Instant now) {
  if (peers_.job != job) return;
  ack_until_.reset();
  if (status != 200 || bytes > limits::reply_bytes) {
    return handle_end(job, Error::nobody_has_it, now);
  }
  has_brought_ = true;
  if (bytes != geometry().bytes()) return handle_end(job, Error::wrong_length, now);
  need_list();
  push(command::Check{id_, job, peers_.pieces});
}

void Part::handle_page_gone(PageId page, Instant now) {
  if (page_ != page || peers_.job == JobId{}) return;
  const auto other = commons_.pages.choose(asked_.page);
  if (!other || has_brought_) return handle_end(peers_.job, Error::no_page, now);
  push(command::Close{id_, peers_.job});
  ask_page(*other, now);
  push(command::Grant{id_, peers_.job, granted_});
}

// How long a page that was connected needed for its first piece.
void Part::note_peers(bool in_vain, Instant now) {
  if (!is_warm_) return;
  Estimate& peers = commons_.outlook.peers();
  const Duration wait = now - asked_at_;
  in_vain ? peers.handle_given_up(wait, now) : peers.handle_first(wait, now);
}

void Part::ask_page(PageId page, Instant now) {
  const Terms terms = commons_.outlook.terms(asked_.wish());
  page_ = page;
  asked_at_ = now;
  is_warm_ = has_brought_ = false;
  ack_until_ = now + commons_.pages.ack_wait(page, now);
  look_for_page(now);
  // Nor does a page ask an origin that is spared.
  const bool is_barred = asked_.repeatable.is_discreet || asked_.resource->is_spared(now);
  const std::uint32_t slower = is_barred ? 0 : terms.slower;
  push(command::AskPage{id_, peers_.job, page, peers_.pieces, slower, terms.patience});
}

void Part::look_for_page(Instant now) {
  looks_at_ = now + limits::page_look_wait;
  push(command::LookFor{page_});
}

// --- The origin ----------------------------------------------------------------------------------

bool Part::handle_stream_head(JobId job, const OriginAnswer& answer, Instant now) {
  const bool taken = body_.handle_head(job, answer, now);
  has_head_ |= taken;
  Stream* stream = commons_.streams.find(stream_of(job));
  if (taken && stream) {
    if (!std::exchange(stream->is_learned, true)) {
      stream->before = asked_.resource->record;
      commons_.learn(*asked_.resource, asked_.exchange, answer, true);
    }
    const bool is_right = body_.has_passed_any();
    if (!std::exchange(has_learned_, true) || is_right) before_ = stream->before;
  }
  if (is_busy(answer.status)) {
    commons_.note_busy(*asked_.resource, answer, now);
  }
  // What was refused may be the page's answer yet, but nothing of it is read.
  if (!taken) leave(job, stream_of(job));
  drain(now);
  return taken;
}

void Part::handle_stream_piece(JobId job, StreamId stream, const DigestedPiece& it, Instant now) {
  if (body_.handle_digest(job, it.piece, it.bytes, it.digest, now)) {
    push(command::Take{id_, it.piece, stream});
  }
  drain(now);
}

StreamId Part::stream_of(JobId job) const {
  for (const Fetching& each : fetches_) {
    if (each.job == job) return each.stream;
  }
  return 0;
}

void Part::leave(JobId job, StreamId id) {
  Stream* stream = commons_.streams.find(id);
  if (!stream) return;
  auto& listeners = stream->listeners;
  const PieceIndex until = stream->until();
  listeners.erase_if([&](const Stream::Listener& each) {
    return each.body == id_.value && each.job == job.value;
  });
  // Nobody is ahead any more.
  if (stream->head_at && stream->until() < until) {
    push(command::Accept{id, stream->until(), stream->kept});
  }
}

// Joins what is on its way: what came already is told again.
void Part::catch_up(JobId job, StreamId id, PieceIndex first, Instant now) {
  const Stream* stream = commons_.streams.find(id);
  if (!stream || !stream->head_at) return;
  const PieceRange came{std::max(first, stream->kept), stream->told};
  const auto ended = stream->ended;
  body_.handle_joined(job, now);
  const Commons::Digests* list = commons_.list_of(root());
  for (PieceIndex piece = came.begin; piece < came.end && stream_of(job) == id; ++piece) {
    // It was the right one when it came, or the stream would be over.
    const Digest digest = list && !list->list.empty() ? list->list[piece] : root();
    handle_stream_piece(job, id, {piece, geometry().bytes_of(piece), digest}, now);
  }
  if (ended && stream_of(job) == id) handle_end(job, *ended, now);
}

// --- What the body decides -----------------------------------------------------------------------

void Part::drain(Instant now) {
  // The head of other bytes says nothing of these. A tag that the page was given first, with right
  // ones, is theirs.
  const bool is_others = body_.take_others() && (before_.is_given() || !body_.has_passed_any());
  if (is_others && std::exchange(has_learned_, false)) {
    asked_.resource->record = before_;
    commons_.keep_record(asked_.exchange);
  }
  while (const auto output = body_.poll_output()) {
    match(*output, [&](const auto& it) { perform(it, now); });
  }
}

void Part::need_list() {
  if (geometry().count() == 1 || commons_.list_of(root())) return;
  commons_.lists.add(new Commons::Digests{root(), {}});
  push(command::NeedList{asked_.exchange});
}

void Part::perform(const Body::Read& read, Instant now) {
  need_list();  // beside the first run
  read_ = read;
  run_ = {};
  read_on(read.pieces.begin, now);
}

void Part::read_on(PieceIndex piece, Instant now) {
  const auto run = commons_.holdings.run_with(root(), piece);
  // What cannot be read is not held.
  if (!run) return handle_end(read_.job, Error::storage_lost, now);
  run_ = *run;
  read_.pieces.begin = piece;
  push(command::Read{id_, read_.job, run_, {piece, std::min(read_.pieces.end, run_.end)}});
}

bool Part::knows_peers() const {
  return has_page_ && !asked_.checks && asked_.cache.asks_peers &&
         (asked_.has_delegate || opener_ == PluginKind::delegate);
}

// A body of the network turns to peers when there is company, if its route knows any.
void Part::perform(const Body::OpenPeers& open, Instant now) {
  const auto page = knows_peers() ? commons_.pages.choose(asked_.page) : std::nullopt;
  if (!page) return body_.handle_end(open.job, Error::no_page, now);
  peers_ = open;
  ask_page(*page, now);
}

void Part::perform(const Body::Grant& grant, Instant /*now*/) {
  if (peers_.job != grant.job) return;
  granted_ = grant.bytes;
  push(command::Grant{id_, grant.job, grant.bytes});
}

void Part::perform(const Body::Fetch& fetch, Instant now) {
  Stream* stream = commons_.streams.find(fetch.stream);
  // What it joined just before gives this too, and so the body has closed it already.
  if (!stream) return;
  fetches_.push_back({fetch.job, fetch.stream});
  stream->listeners.push_back({id_.value, fetch.job.value});
  if (stream->asked_for) return catch_up(fetch.job, fetch.stream, fetch.pieces.begin, now);
  stream->asked_for = true;
  stream->asked_at = now + fetch.wait;
  // Peers may be sooner, and a page's own Request cannot be ended before its head.
  open_stream(*stream, !(knows_peers() && asked_.known));
  // After it, but beside it: a connection that is open is the stream's.
  need_list();
}

void Part::open_stream(const Stream& stream, bool may_be_own) {
  OriginRequest request = asked_.repeatable.request(stream.whole, stream.reload);
  request.is_own &= may_be_own;
  push(command::OpenStream{id_, stream.id, stream.asked, stream.whole, request, stream.wait});
}

void Part::perform(const Body::Accept& accept, Instant now) {
  const StreamId id = stream_of(accept.job);
  Stream* stream = commons_.streams.find(id);
  if (!stream) return;
  if (stream->told >= stream->until()) stream->heard_at = now;
  for (Stream::Listener& each : stream->listeners) {
    if (each.body == id_.value && each.job == accept.job.value) each.until = accept.until;
  }
  push(command::Accept{id, stream->until(), accept.keep});
}

void Part::perform(const Body::Store& store, Instant /*now*/) {
  // As if all were as long as the longest of this resource.
  const std::size_t unwritten =
      (commons_.writes.size() + 1) * std::max(limits::segment_bytes, geometry().piece_bytes());
  if (!stores_ || unwritten > limits::unwritten_bytes_max) return;
  const bool fits = commons_.holdings.fits(root(), store.pieces, commons_.manifest);
  // Not of a long response, which would fill the memory before it ends.
  const bool waits =
      unwritten <= limits::unwritten_bytes && asked_.range().bytes() <= limits::unwritten_bytes;
  push(command::Store{id_, store.job, stream_of(store.job), store.pieces, fits});
  commons_.write(root(), store.pieces, fits, waits);
}

void Part::perform(const Body::Close& close, Instant now) {
  const bool is_read = read_.job == close.job && !run_.empty();
  if (peers_.job == close.job || is_read) push(command::Close{id_, close.job});
  if (read_.job == close.job) read_ = {};
  if (peers_.job == close.job) {
    note_peers(true, now);
    is_warm_ = false;
    peers_ = {};
    ack_until_.reset();
    looks_at_.reset();
  }
  const StreamId stream = stream_of(close.job);
  if (stream == 0) return;
  leave(close.job, stream);
  fetches_.erase_if([&](const Fetching& each) { return each.job == close.job; });
  // Another job of this part may have read it too.
  bool is_last = true;
  for (const Fetching& each : fetches_) is_last &= each.stream != stream;
  if (is_last && !commons_.streams.find(stream)) push(command::CloseStream{id_, stream});
}

// A page sees the head from here on.
void Part::open() {
  if (std::exchange(has_begun_, true)) return;
  gives_up_at_.reset();
  if (asked_.resource->record.give(entity_tag(*asked_.resource))) {
    commons_.keep_record(asked_.exchange);
  }
  push(command::Open{asked_.exchange, id_});
}

void Part::perform(const Body::Head& /*head*/, Instant /*now*/) {
  open();
}

void Part::perform(const Body::Enqueue& enqueue, Instant now) {
  if (!has_passed_) open();
  push(command::Enqueue{id_, enqueue.piece, enqueue.begin, enqueue.end});
  if (now - told_ < limits::progress_wait) return;
  told_ = now;
  transfer(false, Error::none, now);
}

void Part::perform(const Body::Done& /*done*/, Instant now) {
  push(command::Finish{id_});
  finish(true, Error::none, now);
}

void Part::perform(const Body::Fail& fail, Instant now) {
  if (!is_spilt_) push(command::Break{id_, fail.error});
  finish(false, fail.error, now);
}

// Bytes that went bad in the store would do so again.
void Part::perform(const Body::Drop& /*drop*/, Instant /*now*/) {
  commons_.holdings.forget(root(), run_);
  push(command::DropRun{id_, run_});
}

void Part::perform(const Body::Pass& pass, Instant now) {
  const StreamId stream = stream_of(pass.job);
  const bool is_compared = !body_.finished();
  has_passed_ = true;
  if (!is_compared) leave(pass.job, stream);
  push(command::PassStream{id_, stream, commons_.streams.find(stream) != nullptr, is_compared});
  if (!is_compared) finish(false, Error::none, now);
}

void Part::perform(const Body::Spill& spill, Instant /*now*/) {
  is_spilt_ = true;
  has_passed_ = !has_begun_;
  push(command::Spill{id_, stream_of(spill.job)});
}

void Part::transfer(bool done, Error error, Instant now) {
  const Body::Counts& counts = body_.counts();
  if (has_passed_) return;
  if (counts.from_cache + counts.from_peers + counts.from_origin == 0) return;
  commons_.has_news = true;
  push(command::Transfer{id_, counts.from_cache, counts.from_peers, counts.from_origin,
                         counts.wasted, now - began_, done, error});
}

void Part::leave_commons() {
  commons_.parts.erase_if([this](const Part* each) { return each == this; });
}

void Part::finish(bool complete, Error error, Instant now) {
  is_over_ = true;
  leave_commons();
  is_complete_ = complete;
  gives_up_at_.reset();
  ack_until_.reset();
  looks_at_.reset();
  transfer(true, error, now);
  const std::uint64_t bytes = asked_.range().bytes();
  if (complete && body_.counts().from_peers == bytes && bytes <= limits::unattended_bytes) {
    commons_.outlook.peers().handle_body(bytes, began_, now);
  }
  // What its origin turned out to be is remembered until the manifest changes, and told once for
  // each resource.
  if (complete) asked_.resource->is_broken = false;
  if (complete && asked_.checks) {
    commons_.lose(*asked_.resource, asked_.exchange, Error::none);
  }
  const Error lost = body_.origin_error();
  if (lost == Error::none) return;
  has_lost_origin_ = true;
  // A lying Content-Encoding and a redirect without CORS look like a broken connection, each time.
  // A good head ends this memory only where none had come.
  const bool is_known = asked_.resource->is_spared(now);
  if (lost == Error::origin_unreachable && body_.counts().from_origin == 0 && !is_known) {
    asked_.resource->busy_until = now + limits::busy_memory;
    asked_.resource->is_broken = has_head_;
  }
  commons_.lose(*asked_.resource, asked_.exchange, lost);
}

// --- Time ----------------------------------------------------------------------------------------

void Part::handle_timeout(Instant now) {
  if (is_over_) return;
  if (gives_up_at_.has_passed(now)) return cancel(now);
  if (ack_until_.has_passed(now)) {
    commons_.pages.handle_silent(page_);
    handle_end(peers_.job, Error::no_page, now);
  }
  if (looks_at_.has_passed(now)) look_for_page(now);
  body_.handle_timeout(now);
  drain(now);
}

Deadline Part::next_timeout() const {
  if (is_over_) return {};
  return sooner(sooner(body_.next_timeout(), looks_at_), sooner(gives_up_at_, ack_until_));
}

}  // namespace peer_cdn
