// What a body asks of the origin, and what it does with the answers.
#include <algorithm>
#include <utility>

#include "base/limits.hpp"
#include "http/body.hpp"

namespace peer_cdn {

// --- Questions -----------------------------------------------------------------------------------

PieceIndex Body::stretch_end(PieceIndex from, PieceIndex end) const {
  // One that is compressed has no parts, and one that is compared is the page's.
  if ((packs_ || checks_) && from == 0) return end;
  return windows_.stretch_end(geometry_, pieces_.begin, from, end);
}

PieceIndex Body::window_end(PieceIndex from, PieceIndex end) const {
  return windows_.window_end(geometry_, from, end, read_ahead_end());
}

PieceIndex Body::fetch(PieceRange pieces) {
  windows_.handle_asked();
  // All of it is asked for as the page would: compressed if the origin does that, and from the
  // browser's HTTP cache if it is there.
  const bool whole = has_no_parts() || (pieces == geometry_.all() && (whole_ || is_small()));
  Stream& stream =
      streams_->open(of_, whole ? geometry_.all() : pieces, whole, reload_,
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

// --- Answers -------------------------------------------------------------------------------------

bool Body::handle_head(JobId id, const OriginAnswer& answer, Instant now) {
  Job* job = find(id);
  if (!job || job->source != Source::origin || job->accepted) return false;
  Stream& stream = streams_->at(job->stream);
  const Judgement judgement =
      judge(answer, {geometry_.bytes(), geometry_.range_of(stream.asked), stream.whole});
  const bool takes_all = answer.status == 200;
  const PieceRange held = whole_pieces(stream.asked, judgement.range);
  Verdict verdict = judgement.verdict;
  // Only all of it can be compared: a part that nobody asked for is the page's as it is. Nor is it
  // of use to who asked for what lies behind it: asked again, the origin would give the same. Who
  // joined asks for that by itself, and others read this answer.
  const PieceIndex first = stream.whole && !job->joined ? job->pieces.begin : held.begin;
  if (verdict == Verdict::take && !takes_all && (held.end <= first || checks_)) {
    verdict = Verdict::unusable;
  }
  if (verdict != Verdict::take) {
    const bool is_answer = is_page_answer(stream.whole, answer);
    if (verdict == Verdict::busy) {
      busy_wait_ = busy_time(answer.retry_after, {}, limits::origin_busy_wait_max);
    }
    // What holds no whole piece looks good to a page that asked for no more.
    forms_->lost_whole = stream.whole || answer.status == 206;
    if (gives_whole(stream, is_answer, verdict)) {
      forms_->has_no_parts = stream.over = true;
      close(id);
    } else {
      lose_origin(*job, error_of(verdict), is_answer);
    }
  } else {
    // Whether it can be cut, and the rest be asked for later. Of a small one nobody else is needed.
    const bool has_ranges = stream.whole && !is_small() && !has_no_parts() &&
                            equals_ignoring_case(answer.accept_ranges, "bytes") &&
                            answer.content_encoding.empty();
    stream.is_all = takes_all && !has_ranges;
    stream.held_end = takes_all ? geometry_.count() : held.end;
    if (stream.is_all) stream.next = stream.kept = 0;
    const Stream* other =
        stream.is_all && !checks_ ? streams_->find_all(of_, stream, job->pieces.begin) : nullptr;
    if (other) {
      // Two slices of one whole: it is read once.
      close(id);
    } else {
      if (checks_) push(Pass{id});
      take(*job, takes_all);
    }
  }
  advance(now);
  return verdict == Verdict::take;
}

void Body::handle_joined(JobId id, Instant now) {
  Job* job = find(id);
  if (!job || job->accepted) return;
  take(*job, streams_->at(job->stream).whole);
  advance(now);
}

// A part has a head of our own making, under which the whole could not follow. Nor could other
// bytes follow under the tag that pages are given for the right ones.
void Body::take(Job& job, bool is_whole) {
  const Stream& stream = streams_->at(job.stream);
  const bool is_head_known = is_whole && whole_ && !checks_ && !stream.is_denied;
  if (is_head_known && !std::exchange(is_head_sent_, true)) push(Head{});
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
    windows_.handle_short(geometry_, held.count());
  }
  job.accepted = true;
  origin_late_at_.reset();
  const JobId id = job.id;
  shorten(id, held.end);
  if (Job* taken = find(id)) accept(*taken);
}

// Whether the page would have got the same answer without us. What is gone, and what must not be
// asked for again now, is so in parts and as a whole. Any other status may be about the range; but
// a page that asked for a part is refused it as we are, unless it is about which part (416), or
// about the range that was not there (400).
bool Body::is_page_answer(bool asked_whole, const OriginAnswer& answer) const {
  if (is_head_sent_ || passed_any_ || refusal_) return false;
  const std::uint32_t status = answer.status;
  if (!whole_) return status >= 400 && status != 416 && !(asked_whole && status == 400);
  return asked_whole || is_gone(status) || status == 429 || status == 503 || status == 200;
}

// An origin that refuses a part may still give the whole, and what comes before is thrown away. Not
// beside peers, which may bring it; and in the middle one that has no time is only asked again.
bool Body::gives_whole(const Stream& refused, bool is_answer, Verdict verdict) const {
  const bool is_late = verdict == Verdict::busy && (passed_any_ || is_head_sent_);
  return whole_ && !refused.whole && !is_answer && !is_late && !job_of(Source::peers);
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
  origin_late_at_.reset();
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

// --- Answers that are of no use ------------------------------------------------------------------

// While peers may come yet, an answer that is the page's is kept.
void Body::lose_origin(Job& job, Error error, bool is_answer) {
  const bool is_changed = told(error) == Error::origin_changed;
  has_met_others_ |= is_changed && job.accepted;
  // A broken connection is another matter.
  if (is_untouched(job) && (error != Error::origin_unreachable || lacks_digests_)) {
    return spill(job, error);
  }
  // Of windows that ran side by side, one failure counts.
  const JobId id = job.id;
  streams_->at(job.stream).over = true;
  const bool counts = id.value > failed_before_;
  const bool again = counts && !is_answer && asks_again(is_changed);
  if (is_answer) refusal_ = job;
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

// A reader that has begun is worth another question. What it got may have come from the browser's
// HTTP cache, which may be older than the manifest: so past it. Before that the page asks as it is.
bool Body::asks_again(bool is_changed) {
  if (!is_changed || reload_ || checks_ || !passed_any_) return false;
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

// The page asked for this whole answer, or for what the origin took for the same, and has nothing
// of its body.
bool Body::is_untouched(const Job& job) const {
  const Stream& stream = streams_->at(job.stream);
  return whole_ && !checks_ && !passed_any_ && job.accepted && job.next == pieces_.begin &&
         (stream.whole || stream.is_all);
}

// The page gets the bytes of this answer, whatever they are.
void Body::spill(const Job& job, Error error) {
  origin_error_ = error;
  Stream& stream = streams_->at(job.stream);
  stream.over = true;
  // What it gives for a part may be no word on the whole: next time it is asked as the page asks.
  if (!stream.whole) forms_->has_no_parts = true;
  push(Spill{job.id});
  fail(Error::origin_changed);
}

void Body::release_refusal() {
  if (!refusal_) return;
  streams_->leave(refusal_->stream, refusal_->reader);
  push(Close{refusal_->id});
  refusal_.reset();
}

}  // namespace peer_cdn
