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
      next_window_(opening.second_window),
      streams_(opening.streams),
      of_(opening.of),
      known_(opening.known),
      peers_may_(opening.opener == PluginKind::delegate),
      origin_may_begin_(opening.opener == PluginKind::network),
      whole_(opening.whole),
      packs_(opening.packs),
      checks_(opening.checks),
      reload_(opening.reload) {
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

void Body::handle_held(PieceRange pieces) {
  if (finished_ || checks_) return;
  held_.add(pieces);
  for (const Job& job : jobs_) {
    // An answer that did not get near ends there, and this body goes on in the store.
    const bool is_ahead = pieces.begin >= first_window_end(job.next);
    if (job.source == Source::origin && !job.rest && is_ahead) shorten(job.id, pieces.begin);
  }
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
    if (const Job* window = job_of(Source::origin)) close(window->id);
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
  if (job->source == Source::origin && piece >= job->until) {
    // Other readers of this answer are further ahead than this one may gather: it takes the piece
    // from the store when it gets there.
    close(id);
    advance(now);
    return false;
  }
  assert(!digests_.empty() || geometry_.count() == 1);
  // Another reader wants what lies before.
  if (job->source == Source::origin && piece < job->next) return false;
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
    attempts_ = 0;
    busy_wait_ = {};
  }
  const bool keep = take_piece(*job, piece, ready);
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

bool Body::handle_head(JobId id, const OriginAnswer& answer, Instant now) {
  Job* job = find(id);
  if (!job || job->source != Source::origin || job->accepted) return false;
  const Stream& stream = streams_->at(job->stream);
  const Judgement judgement =
      judge(answer, {geometry_.bytes(), geometry_.range_of(stream.asked), stream.whole});
  const bool takes_all = answer.status == 200;
  const PieceRange held = whole_pieces(stream.asked, judgement.range);
  Verdict verdict = judgement.verdict;
  // Only all of it can be compared: a part that nobody asked for is the page's as it is.
  if (verdict == Verdict::take && !takes_all && (held.empty() || checks_)) {
    verdict = Verdict::unusable;
  }
  if (verdict != Verdict::take) {
    const bool is_answer = is_page_answer(stream.whole, answer);
    if (verdict == Verdict::busy) {
      busy_wait_ = busy_time(answer.retry_after, {}, limits::origin_busy_wait_max);
    }
    // An origin whose parts are of no use may still give the whole.
    const bool is_part = verdict == Verdict::unusable && answer.status == 206 && may_share(answer);
    lose_origin(*job, is_part ? Error::malformed_message : error_of(verdict),
                {is_answer, answer.status == 200});
  } else {
    Stream& taken = streams_->at(job->stream);
    // Whether it can be cut, and the rest be asked for later. Of a small one nobody else is needed.
    const bool has_ranges = taken.whole && !is_small() &&
                            equals_ignoring_case(answer.accept_ranges, "bytes") &&
                            answer.content_encoding.empty();
    taken.is_all = takes_all && !has_ranges;
    taken.held_end = takes_all ? geometry_.count() : held.end;
    if (taken.is_all) taken.next = taken.kept = 0;
    const Stream* other =
        taken.is_all ? streams_->find_all(of_, taken, job->pieces.begin) : nullptr;
    if (other) {
      // Two slices of one whole: it is read once.
      close(id);
    } else {
      if (checks_) push(Pass{id});
      // A part has a head of our own making, under which the whole could not follow.
      const bool is_head_known = takes_all && whole_ && !checks_;
      if (is_head_known && !std::exchange(is_head_sent_, true)) push(Head{});
      take(*job);
    }
  }
  advance(now);
  return verdict == Verdict::take;
}

void Body::handle_joined(JobId id, Instant now) {
  Job* job = find(id);
  if (!job || job->accepted) return;
  const bool is_head_known = streams_->at(job->stream).whole && whole_ && !checks_;
  if (is_head_known && !std::exchange(is_head_sent_, true)) push(Head{});
  take(*job);
  advance(now);
}

void Body::take(Job& job) {
  const Stream& stream = streams_->at(job.stream);
  if (stream.is_all) return take_rest(job);
  take_part(job, {stream.asked.begin, stream.held_end});
}

// Of what an answer holds, the pieces that were asked for and that are whole.
PieceRange Body::whole_pieces(PieceRange asked, ByteRange held) const {
  if (held.end >= geometry_.range_of(asked).end) return asked;
  return {asked.begin, static_cast<PieceIndex>(held.end / geometry_.piece_bytes())};
}

// A server that sends less at once than it is asked for is asked for the rest from there on.
void Body::take_part(Job& job, PieceRange held) {
  Stream& stream = streams_->at(job.stream);
  stream.end = std::min(stream.end, held.end);
  if (held.end < stream.asked.end) {
    at_once_ = held.count();
    window_max_ = std::min(window_max_, std::uint64_t{at_once_} * geometry_.piece_bytes());
    next_window_ = std::min(next_window_, window_max_);
    window_bytes_ = std::min(window_bytes_, window_max_);
  }
  job.accepted = true;
  const JobId id = job.id;
  shorten(id, held.end);
  if (Job* taken = find(id)) accept(*taken);
}

// Whether the page would have got the same answer without us: most errors say the same to a range
// and to the whole.
bool Body::is_page_answer(bool asked_whole, const OriginAnswer& answer) const {
  if (is_head_sent_ || passed_any_ || refusal_) return false;
  // 400 and 416 may be about the range.
  if (answer.status > 400 && answer.status != 416) return true;
  return whole_ && (asked_whole || answer.status == 200);
}

// The origin sends the resource from its first byte on, whatever was asked: one body gives all that
// is left, and no other job is needed but those that are at work before it.
void Body::take_rest(const Job& found) {
  Job job = found;
  for (std::size_t i = jobs_.size(); i-- > 0;) {
    if (jobs_[i].id != job.id && jobs_[i].pieces.end > job.pieces.begin) close(jobs_[i].id);
  }
  Stream& stream = streams_->at(job.stream);
  stream.end = geometry_.count();
  job.accepted = true;
  job.rest = true;
  // What comes before is verified on the way, and stored.
  job.next = job.stored = std::min(stream.next, job.next);
  job.pieces = {job.next, pieces_.end};
  for (PieceIndex piece = std::max(job.next, pieces_.begin); piece < pieces_.end; ++piece) {
    if (state(piece) == State::free) state(piece) = State::taken;
  }
  Job& taken = *find(job.id);
  taken = job;
  accept(taken);
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
    case Source::origin:
      if (error == Error::digests_mismatch && !is_untouched(*job)) {
        close(id);
        give_up_origin(error);
        break;
      }
      // Wrong bytes are another version, and so is a whole body that ends early by itself. A part
      // that does is a broken connection.
      if (error == Error::wrong_digest || error == Error::digests_mismatch) {
        lose_origin(*job, error, {false, true});
        break;
      }
      lose_origin(*job,
                  error == Error::wrong_length ||
                          (error == Error::none && (job->rest || streams_->at(job->stream).whole))
                      ? Error::origin_changed
                      : Error::origin_unreachable,
                  {false, true});
      break;
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
    if (is_long) shorten(job.id, first_window_end(job.next));
  }
}

void Body::handle_company(Instant now) {
  if (finished_ || checks_ || peers_lost_ || job_of(Source::peers)) return;
  for (const Job& job : jobs_) {
    // An origin that does not know Range gives all that is left: a page could not share that work.
    if (job.rest) return;
  }
  peers_may_ = true;
  known_ = true;
  for (std::size_t i = jobs_.size(); i-- > 0;) {
    const Job& job = jobs_[i];
    if (job.source != Source::origin) continue;
    // A first window's worth is on its way before anybody could bring as much. Later the answer is
    // cut at once: what is lost of a piece is less than all who came together would fetch of it.
    const bool is_first = !passed_any_ && job.pieces.begin == next_;
    shorten(job.id, is_first ? first_window_end(job.pieces.begin) : job.next);
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
  if (finished_ || !stalls_at_.has_passed(now)) return;
  for (Job& job : jobs_) {
    if (job.source != Source::peers) continue;
    lose_peers(job, Error::peer_stalled);
    break;
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
  return static_cast<std::uint32_t>(
      std::max<std::uint64_t>(1, limits::body_ahead_bytes / geometry_.piece_bytes()));
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

// An answer is read as far as its reader may gather.
void Body::extend() {
  for (Job& job : jobs_) {
    if (job.accepted && job.until < std::min(job.pieces.end, read_ahead_end())) accept(job);
  }
}

void Body::accept(Job& job) {
  job.until = std::min(job.pieces.end, std::max(job.next, read_ahead_end()));
  push(Accept{job.id, job.until, streams_->at(job.stream).kept});
}

// Nobody else is known to serve: windows would only be requests more.
bool Body::is_alone() const {
  return !known_ || !job_of(Source::peers);
}

// Where a request ends that begins at a free piece with nobody else to serve what lies behind it.
PieceIndex Body::stretch_end(PieceIndex from, PieceIndex end) const {
  // One that is compressed has no parts, and one that is compared is the page's.
  if ((packs_ || checks_) && from == 0) return end;
  const auto first = static_cast<PieceIndex>(limits::stretch_bytes_min / geometry_.piece_bytes());
  const PieceIndex later = limits::stretch_factor * (from - pieces_.begin);
  return std::min({end, from + at_once_, from + std::max({1U, first, later})});
}

PieceIndex Body::first_window_end(PieceIndex from) const {
  const std::uint64_t pieces = limits::window_first_bytes / geometry_.piece_bytes();
  return from + std::max<PieceIndex>(1, static_cast<PieceIndex>(pieces));
}

// Where a window ends that begins at a free piece. Of a small resource it is all of it: one
// request.
PieceIndex Body::window_end(PieceIndex from, PieceIndex end) const {
  if (geometry_.bytes() <= limits::small_bytes && window_max_ == limits::window_bytes_max)
    return end;
  const auto pieces = static_cast<PieceIndex>(window_bytes_ / geometry_.piece_bytes());
  end = std::min({end, read_ahead_end(), from + std::max<PieceIndex>(1, pieces)});
  // Whole segments, once it reaches beyond its first: what is stored is cut there. Where the origin
  // sends less than a segment at once, that would be a request more for each.
  if (window_max_ < limits::segment_bytes) return end;
  PieceIndex aligned = geometry_.segment_end(from);
  while (aligned < end && geometry_.segment_end(aligned) <= end) {
    aligned = geometry_.segment_end(aligned);
  }
  return std::min(end, aligned);
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
  const PieceIndex few = first_window_end(0);
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

PieceIndex Body::add_job(Source source, PieceRange pieces) {
  Job job{JobId{++job_count_}, source, pieces, pieces.begin, pieces.begin};
  for (PieceIndex piece = pieces.begin; piece < pieces.end; ++piece) state(piece) = State::taken;
  switch (source) {
    case Source::store:
      push(Read{job.id, pieces});
      break;
    case Source::peers:
      // Two pieces at least, so that one may be on its way while another is passed on.
      job.owed = std::max<std::uint64_t>(limits::bridge_bytes, 2ULL * geometry_.piece_bytes());
      push(OpenPeers{job.id, pieces});
      push(Grant{job.id, job.owed});
      break;
    case Source::origin:
      break;
  }
  jobs_.push_back(job);
  return pieces.end;
}

PieceIndex Body::fetch(PieceRange pieces) {
  window_bytes_ = next_window_;
  next_window_ = std::min(2 * next_window_, window_max_);
  // All of it is asked for as the page would: compressed if the origin does that, and from the
  // browser's HTTP cache if it is there.
  const bool whole = pieces == geometry_.all() && (whole_ || is_small());
  Stream& stream =
      streams_->open(of_, pieces, whole, reload_,
                     std::max<Duration>(attempts_ * limits::origin_retry_wait, busy_wait_));
  const PieceIndex end = join(stream, pieces);
  stream.writer = jobs_.back().reader;
  jobs_.back().joined = false;
  return end;
}

PieceIndex Body::join(Stream& stream, PieceRange pieces) {
  add_job(Source::origin, pieces);
  Job& job = jobs_.back();
  job.stream = stream.id;
  job.reader = streams_->join(stream);
  job.joined = true;
  push(Fetch{job.id, pieces, stream.whole, stream.reload, stream.wait, stream.id, stream.asked});
  return pieces.end;
}

// The next piece of a job is there, and good. True if its buffer is needed; false if another job
// was faster. The job's last piece ends it.
bool Body::take_piece(Job& job, PieceIndex piece, State ready) {
  job.next = piece + 1;
  if (piece < pieces_.begin) return false;
  if (is_done(piece)) {
    counts_.wasted += geometry_.bytes_of(piece);
    return false;
  }
  state(piece) = ready;
  return true;
}

// One of a stream's readers stores what it brings. Another takes over when that one leaves.
bool Body::writes(Job& job, PieceIndex piece) {
  Stream& stream = streams_->at(job.stream);
  if (stream.writer == 0 && piece >= stream.next) {
    stream.writer = job.reader;
    job.stored = piece;
  }
  stream.next = std::max(stream.next, piece + 1);
  return stream.writer == job.reader;
}

// A reader that comes later finds in the store what was stored. Writing takes a moment, so a
// segment more is kept for it, and the one that is not whole yet.
void Body::note_written(const Job& job) {
  if (job.source != Source::origin) return;
  Stream& stream = streams_->at(job.stream);
  if (stream.writer != job.reader) return;
  const PieceIndex segment = geometry_.segment_begin(job.stored);
  const PieceIndex before = segment - std::min(segment, geometry_.pieces_per_segment());
  stream.kept = std::max(stream.kept, before);
}

// The beginning of a large file is stored early: then the page announces it.
bool Body::is_first_run(const Job& job) const {
  return geometry_.bytes() > limits::small_bytes && job.stored == pieces_.begin &&
         job.next == first_window_end(pieces_.begin);
}

void Body::store_up_to(Job& job, PieceIndex end) {
  if (job.stored >= end) return;
  push(Store{job.id, {job.stored, end}});
  job.stored = end;
}

// Ends a job. What it did not bring is free again.
void Body::close(JobId id) {
  const auto job =
      std::find_if(jobs_.begin(), jobs_.end(), [id](const Job& each) { return each.id == id; });
  assert(job != jobs_.end());
  for (PieceIndex piece = std::max(job->next, pieces_.begin); piece < job->pieces.end; ++piece) {
    if (state(piece) == State::taken) state(piece) = State::free;
  }
  store_up_to(*job, job->next);
  if (job->source == Source::peers) stalls_at_.reset();
  const bool is_kept = refusal_ && refusal_->id == id;
  if (job->source == Source::origin && !is_kept) streams_->leave(job->stream, job->reader);
  if (!is_kept) push(Close{id});
  jobs_.erase(static_cast<std::size_t>(job - jobs_.begin()));
  retake();
}

// The job leaves its pieces from `end` on to others.
void Body::shorten(JobId id, PieceIndex end) {
  Job& job = *find(id);
  if (end >= job.pieces.end) return;
  if (end <= job.next) return close(id);
  for (PieceIndex piece = end; piece < job.pieces.end; ++piece) {
    if (state(piece) == State::taken) state(piece) = State::free;
  }
  job.pieces.end = end;
  if (job.source == Source::origin) {
    Stream& stream = streams_->at(job.stream);
    if (stream.readers == 1) stream.end = std::min(stream.end, end);
  }
  retake();
}

// A window that helps peers out is inside of what they are asked for.
void Body::retake() {
  for (const Job& job : jobs_) {
    for (PieceIndex piece = std::max(job.next, pieces_.begin); piece < job.pieces.end; ++piece) {
      if (state(piece) == State::free) state(piece) = State::taken;
    }
  }
}

void Body::close_all() {
  while (!jobs_.empty()) close(jobs_.back().id);
  stalls_at_.reset();
  release_refusal();
}

void Body::release_refusal() {
  if (!refusal_) return;
  streams_->leave(refusal_->stream, refusal_->reader);
  push(Close{refusal_->id});
  refusal_.reset();
}

// Closes what has brought all, and watches over the page's debt. Before a delegate's first byte the
// plugin itself waits no longer than its timeout.
void Body::watch(Instant now) {
  for (std::size_t i = jobs_.size(); i-- > 0;) {
    if (jobs_[i].next == jobs_[i].pieces.end) {
      close(jobs_[i].id);
      plan();
      if (finished_) return;
      i = jobs_.size();
    }
  }
  // Like the page itself, longer for a large piece.
  for (const Job& job : jobs_) {
    const bool counts = passed_any_ || origin_may_begin_;
    if (counts && job.source == Source::peers && job.owed > 0 && !stalls_at_) {
      stalls_at_ = now + limits::bridge_stall + piece_time(geometry_);
    }
  }
}

// Peers that broke off are not asked again for this body: another stall would be seen by its
// reader.
void Body::lose_peers(Job& job, Error error) {
  const bool complete = job.next == job.pieces.end;
  close(job.id);
  if (complete) return;
  peers_may_ = false;
  // Where nobody has it, somebody may come yet.
  peers_lost_ = error != Error::nobody_has_it;
  if (origin_error_ != Error::none) return end_without_origin();
  if (!passed_any_ && !origin_may_begin_) fail(error == Error::none ? Error::peer_gone : error);
}

// While peers may come yet, an answer that is the page's is kept.
void Body::lose_origin(Job& job, Error error, Refused refused) {
  // A broken connection is another matter.
  if (is_untouched(job) && (error != Error::origin_unreachable || lacks_digests_)) {
    return spill(job, error);
  }
  // Of windows that ran side by side, one failure counts.
  const JobId id = job.id;
  streams_->at(job.stream).over = true;
  const bool counts = id.value > failed_before_;
  const bool again = counts && refused.may_be_old && !refused.is_answer && asks_again(job, error);
  if (refused.is_answer && !again) refusal_ = job;
  close(id);
  if (!counts) return;
  failed_before_ = job_count_;
  // Before the first byte the request can still go to the network as it is, and fail as it would.
  // The page's own answer broke off where one that is compared does.
  const bool has_begun = !checks_ && (passed_any_ || is_head_sent_);
  const bool may_pass_off = error == Error::origin_unreachable && has_begun;
  if (again || (may_pass_off && ++attempts_ <= limits::origin_retries)) return;
  give_up_origin(error);
}

// Whole answers may come from the browser's HTTP cache, which may be older than the manifest: once
// past it. A reader that has begun is worth another question too.
bool Body::asks_again(const Job& job, Error error) {
  const bool is_changed = error == Error::origin_changed || error == Error::wrong_digest;
  if (!is_changed || reload_ || checks_) return false;
  if (!streams_->at(job.stream).whole && !passed_any_) return false;
  reload_ = true;
  return true;
}

// Peers that are asked already may bring all the same.
void Body::give_up_origin(Error error) {
  origin_error_ = error;
  if (!job_of(Source::peers)) return end_without_origin();
  for (std::size_t i = jobs_.size(); i-- > 0;) {
    if (jobs_[i].source == Source::origin) close(jobs_[i].id);
  }
}

void Body::end_without_origin() {
  if (!refusal_) {
    return fail(told(origin_error_));
  }
  const Job answered = *std::exchange(refusal_, std::nullopt);
  streams_->leave(answered.stream, answered.reader);
  close_all();
  push(Pass{answered.id});
  finished_ = true;
}

// The page has the head of this whole answer, and nothing of its body.
bool Body::is_untouched(const Job& job) const {
  return is_head_sent_ && !passed_any_ && job.accepted && job.next == pieces_.begin &&
         streams_->at(job.stream).whole;
}

// The page has the head of this answer, and gets its bytes, whatever they are.
void Body::spill(const Job& job, Error error) {
  origin_error_ = error;
  streams_->at(job.stream).over = true;
  push(Spill{job.id});
  fail(Error::origin_changed);
}

void Body::fail(Error error) {
  close_all();
  push(Fail{error});
  finished_ = true;
}

}  // namespace peer_cdn
