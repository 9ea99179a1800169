#include "http/body.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/limits.hpp"
#include "base/range.hpp"

namespace peer_cdn {

Body::Body(Geometry geometry, ByteRange range, PieceSet held, Opening opening)
    : geometry_(geometry),
      range_(range),
      pieces_(geometry.covering(range)),
      held_(std::move(held)),
      states_(pieces_.count(), State::free),
      next_(pieces_.begin),
      demand_(limits::stream_bytes),
      windows_(opening.second_window),
      streams_(opening.streams),
      of_(opening.of),
      known_(opening.known),
      peers_may_(opening.opener == PluginKind::delegate),
      origin_may_begin_(opening.opener == PluginKind::network),
      whole_(opening.whole),
      packs_(opening.packs),
      checks_(opening.checks),
      reload_(opening.reload),
      forms_(opening.forms) {
  if (!checks_) return;
  held_ = PieceSet(geometry_.count());
  demand_ = static_cast<std::int64_t>(limits::checked_bytes);
}

Duration Body::piece_time(const Geometry& geometry) {
  return Duration(std::uint64_t{geometry.piece_bytes()} * 1'000'000 / limits::reader_rate_min);
}

void Body::start(Instant now) {
  advance(now);
}

void Body::handle_held(PieceRange pieces, Instant now) {
  if (finished_ || checks_) return;
  held_.add(pieces);
  for (const Job& job : jobs_) {
    // An answer that did not get near ends there, and this body goes on in the store.
    const bool is_ahead = pieces.begin >= Windows::first_end(geometry_, job.next);
    if (job.source == Source::origin && !job.rest && is_ahead) shorten(job.id, pieces.begin);
  }
  // Another reader is ahead of a page that has brought nothing yet.
  const Job* peers = job_of(Source::peers);
  if (peers && held_.has(peers->next)) handle_hedge(now);
}

void Body::handle_pull(std::int64_t bytes, Instant now) {
  if (finished_) return;
  demand_ = bytes;
  advance(now);
}

bool Body::handle_piece(JobId id, PieceIndex piece, std::uint64_t bytes, PieceSource from,
                        Instant now) {
  Job* job = find(id);
  if (!job) {
    counts_.wasted += bytes;
    return false;
  }
  if (job->source != Source::peers || piece != job->next || bytes != geometry_.bytes_of(piece)) {
    counts_.wasted += bytes;
    handle_end(id, Error::wrong_length, now);
    return false;
  }
  if (job->hedged && is_done(piece)) {
    // The origin was faster with these: the peers go on after the window that is running.
    counts_.wasted += bytes;
    handle_known();
    close(id);
    advance(now);
    return false;
  }
  if (job->hedged) {
    job->hedged = false;
    close_window(piece);
    job = find(id);
  }
  job->owed -= std::min(job->owed, bytes);
  stalls_at_.reset();
  job->stored = piece + 1;
  const State ready = from == PieceSource::store    ? State::page_had
                      : from == PieceSource::origin ? State::page_fetched
                                                    : State::from_peers;
  const bool keep = take_piece(*job, piece, ready);
  // What nobody reads is not passed on either.
  if (!keep) grant(*job, bytes);
  advance(now);
  return keep;
}

bool Body::handle_digest(JobId id, PieceIndex piece, std::uint64_t bytes, const Digest& digest,
                         Instant now) {
  Job* job = find(id);
  if (!job) {
    counts_.wasted += bytes;
    return false;
  }
  if (job->source == Source::origin) {
    // Other readers of this answer are further ahead than this one may gather: it takes the piece
    // from the store when it gets there. One that is compared is asked for once.
    const bool is_behind = piece >= job->until && !checks_;
    // Another reader wants what lies before. If that one has left, as a player's does that seeks,
    // to ask for our place takes less than to wait until the answer is there.
    const bool is_before = piece < job->next;
    const bool is_far = job->next > piece + limits::joined_ahead;
    if (is_behind || (is_far && streams_->at(job->stream).readers == 1)) {
      close(id);
      advance(now);
      return false;
    }
    if (is_before) return false;
  }
  assert(!digests_.empty() || geometry_.count() == 1);
  if (piece != job->next || bytes != geometry_.bytes_of(piece) || digests_.empty() ||
      digests_[piece] != digest) {
    counts_.wasted += bytes;
    if (job->source == Source::store) push(Drop{id});
    handle_end(id, Error::wrong_digest, now);
    return false;
  }
  State ready = State::from_store;
  if (job->source == Source::peers) {
    ready = State::from_peers;
    stalls_at_.reset();
  } else if (job->source == Source::origin) {
    ready = State::from_origin;
  }
  const bool keep = take_piece(*job, piece, ready);
  // An origin without ranges begins anew each time: what it had brought before is no progress.
  if (keep && ready == State::from_origin) {
    attempts_ = 0;
    busy_wait_ = {};
  }
  if (job->source == Source::store || (job->source == Source::origin && !writes(*job, piece))) {
    job->stored = piece + 1;
  } else if (!keep && piece >= pieces_.begin) {
    store_up_to(*job, piece);
    job->stored = piece + 1;
  } else if (job->next == job->pieces.end || job->next == geometry_.segment_end(piece) ||
             is_first_run(*job)) {
    store_up_to(*job, job->next);
  }
  note_written(*job);
  advance(now);
  return keep;
}

void Body::handle_end(JobId id, Error error, Instant now) {
  Job* job = find(id);
  if (!job) return;
  switch (job->source) {
    case Source::store:
      // What the browser took away is not held any more; another source gives it.
      for (PieceIndex piece = job->next; piece < job->pieces.end; ++piece) held_.remove(piece);
      close(id);
      break;
    case Source::peers:
      lose_peers(*job, error);
      break;
    case Source::origin: {
      if (error == Error::digests_mismatch && !is_untouched(*job)) {
        close(id);
        give_up_origin(error);
        break;
      }
      if (error != Error::wrong_digest && error != Error::digests_mismatch) {
        // What keeps its digest list from being read passes. What only reading showed only reading
        // can take back.
        const bool is_whole = job->rest || streams_->at(job->stream).whole;
        const bool is_changed = judge_end(error, is_whole) == Error::origin_changed;
        error = is_changed ? Error::wrong_digest : Error::origin_unreachable;
      }
      lose_origin(*job, error, false);
      break;
    }
  }
  advance(now);
}

void Body::handle_hedge(Instant now) {
  if (finished_) return;
  // Peers that are not asked yet, because the store has what comes first, are helped out too if the
  // store turns out to have less.
  hedged_ = origin_may_begin_ = true;
  const Job* peers = job_of(Source::peers);
  if (peers && peers->next == peers->pieces.begin) find(peers->id)->hedged = true;
  advance(now);
}

void Body::handle_known() {
  if (finished_ || checks_ || known_) return;
  known_ = true;
  for (const Job& job : jobs_) {
    const bool is_long = job.source == Source::origin && !job.rest;
    if (is_long) shorten(job.id, Windows::first_end(geometry_, job.next));
  }
}

void Body::handle_company(Instant now) {
  if (finished_ || checks_ || peers_lost_ || job_of(Source::peers)) return;
  peers_may_ = true;
  known_ = true;
  // What comes first is on its way from the origin: it need not help out beside that.
  hedged_ = false;
  for (std::size_t i = jobs_.size(); i-- > 0;) {
    const Job& job = jobs_[i];
    // An origin that does not know Range gives all that is left: a page could not share that work.
    if (job.source != Source::origin || job.rest) continue;
    // A first window's worth is on its way before anybody could bring as much. Later the answer is
    // cut at once: what is lost of a piece is less than all who came together would fetch of it.
    const bool is_first = !passed_any_ && job.pieces.begin == next_;
    shorten(job.id, is_first ? Windows::first_end(geometry_, job.pieces.begin) : job.next);
  }
  advance(now);
}

void Body::handle_alive(JobId id, Instant now) {
  if (!find(id)) return;
  stalls_at_.reset();
  watch(now);
}

void Body::handle_cancel() {
  if (finished_) return;
  close_all();
  finished_ = true;
}

void Body::handle_timeout(Instant now) {
  if (finished_) return;
  if (origin_late_at_.has_passed(now)) help_origin();
  if (stalls_at_.has_passed(now)) {
    if (const Job* peers = job_of(Source::peers)) lose_peers(*find(peers->id), Error::peer_stalled);
  }
  advance(now);
}

std::optional<Body::Output> Body::poll_output() {
  if (polled_ == outputs_.size()) {
    outputs_.clear();
    polled_ = 0;
    return std::nullopt;
  }
  return std::move(outputs_[polled_++]);
}

// It came: whether or not it was passed on.
bool Body::is_done(PieceIndex piece) {
  return state(piece) != State::free && state(piece) != State::taken;
}

bool Body::is_ready(PieceIndex piece) {
  const State is = state(piece);
  return is != State::free && is != State::taken && is != State::passed;
}

Body::Job* Body::find(JobId id) {
  if (finished_) return nullptr;
  for (Job& job : jobs_) {
    if (job.id == id) return &job;
  }
  return nullptr;
}

const Body::Job* Body::job_of(Source source) const {
  for (const Job& job : jobs_) {
    if (job.source == source) return &job;
  }
  return nullptr;
}

// The second window starts when the first one's first piece has come: an origin that ignores Range,
// or is gone, is found out once, and the first byte has nothing beside it on the line. An answer
// that lies further on may be paused until the reader gets there: what is missing before it is
// asked for.
bool Body::may_fetch(PieceIndex from) const {
  std::size_t windows = 0;
  for (const Job& job : jobs_) {
    if (job.source != Source::origin || job.joined || from < job.pieces.begin) continue;
    if (!job.accepted || job.rest || !passed_any_) return false;
    ++windows;
  }
  return windows < limits::windows_in_flight;
}

std::uint32_t Body::ahead_pieces() const {
  return geometry_.pieces_in(limits::body_ahead_bytes);
}

PieceIndex Body::read_ahead_end() const {
  return std::min(pieces_.end, next_ + ahead_pieces());
}

void Body::advance(Instant now) {
  if (finished_) return;
  pass_on();
  if (next_ == pieces_.end) {
    close_all();
    push(Done{});
    finished_ = true;
    return;
  }
  plan();
  if (!finished_) watch(now);
}

void Body::pass_on() {
  while (next_ < pieces_.end && demand_ > 0 && is_ready(next_)) {
    const ByteRange piece = geometry_.range_of({next_, next_ + 1});
    const std::uint64_t begin = std::max(piece.begin, range_.begin);
    const std::uint64_t end = std::min(piece.end, range_.end);
    const State is = state(next_);
    std::uint64_t& count = is == State::from_store || is == State::page_had ? counts_.from_cache
                           : is == State::from_peers                        ? counts_.from_peers
                                                                            : counts_.from_origin;
    count += end - begin;
    demand_ -= static_cast<std::int64_t>(end - begin);
    push(Enqueue{next_, static_cast<std::uint32_t>(begin - piece.begin),
                 static_cast<std::uint32_t>(end - piece.begin)});
    if (is != State::from_store && is != State::from_origin) {
      for (Job& job : jobs_) {
        if (job.source == Source::peers) grant(job, piece.bytes());
      }
    }
    state(next_) = State::passed;
    passed_any_ = true;
    // Of a small file all of it is waited for.
    if (!is_small()) origin_late_at_.reset();
    release_refusal();
    ++next_;
  }
  extend();
}

// The page may send as much again.
void Body::grant(Job& job, std::uint64_t bytes) {
  job.passed += bytes;
  if (job.passed < limits::grant_bytes) return;
  job.owed += job.passed;
  push(Grant{job.id, job.passed});
  job.passed = 0;
}

// Nobody else is known to serve: windows would only be requests more.
bool Body::is_alone() const {
  return !known_ || !job_of(Source::peers);
}

// While peers take long to begin, a window's worth of their pieces is free for the origin; all of
// them, as long as nobody is known to have any.
void Body::free_hedged() {
  const Job* peers = job_of(Source::peers);
  if (!peers || !peers->hedged || job_of(Source::origin)) return;
  PieceIndex piece = std::max(next_, peers->pieces.begin);
  while (piece < peers->pieces.end && is_done(piece)) ++piece;
  if (piece == peers->pieces.end) return;
  const PieceIndex end = is_alone() ? peers->pieces.end : window_end(piece, peers->pieces.end);
  for (; piece < end; ++piece) {
    if (state(piece) == State::taken) state(piece) = State::free;
  }
}

// Gives out what is free, in order, as far as may be read ahead.
void Body::plan() {
  free_hedged();
  const PieceIndex limit = read_ahead_end();
  for (PieceIndex piece = next_; piece < limit && !finished_;) {
    piece = state(piece) == State::free ? assign(piece) : piece + 1;
  }
}

// Starts a job at a free piece if its source takes one more now. Where to look on.
PieceIndex Body::assign(PieceIndex from) {
  const bool held = held_.has(from);
  const PieceIndex end = end_of_stretch(from, held);
  if (held && job_of(Source::store)) return end;
  if (held) return add_job(Source::store, {from, std::min(end, geometry_.segment_end(from))});
  const Job* peers = job_of(Source::peers);
  if (peers_may_ && !peers) return ask_peers(from);
  // What a window of a hedge is not needed for waits for the peers; but what lies before theirs,
  // and was lost by another source, they will never bring.
  const bool awaited = peers_may_ && from >= peers->pieces.begin;
  if (awaited && (!peers->hedged || job_of(Source::origin))) return end;
  if (!passed_any_ && peers && !awaited) {
    // The store had less than it said: peers are asked anew, from its beginning on, beside the
    // origin if it was asked to help.
    close_all();
    return ask_peers(from);
  }
  if (!passed_any_ && !origin_may_begin_) {
    fail(Error::storage_lost);
    return end;
  }
  if (origin_error_ != Error::none) {
    if (!awaited) end_without_origin();
    return end;
  }
  // The answer itself is given once.
  Stream* stream = checks_ ? nullptr : streams_->find(of_, from, reload_, ahead_pieces());
  if (stream) {
    return join(*stream, {from, std::min(end, stream->end)});
  }
  if (!may_fetch(from)) return end;
  if (!is_alone()) return fetch({from, window_end(from, end)});
  const PieceIndex few = Windows::first_end(geometry_, 0);
  return fetch({from, streams_->next_begin(of_, from, reload_, few, stretch_end(from, end))});
}

// The end of the free pieces from here on that are all held, or all not.
PieceIndex Body::end_of_stretch(PieceIndex from, bool held) {
  PieceIndex end = from + 1;
  while (end < pieces_.end && state(end) == State::free && held_.has(end) == held) ++end;
  return end;
}

PieceIndex Body::ask_peers(PieceIndex from) {
  add_job(Source::peers, {from, end_of_stretch(from, false)});
  jobs_.back().hedged = hedged_ && !passed_any_;
  free_hedged();
  return next_;
}

void Body::fail(Error error) {
  close_all();
  push(Fail{error});
  finished_ = true;
}

}  // namespace peer_cdn
