// The jobs of a body: what was asked of whom, from the question to its last piece.
#include <algorithm>
#include <cassert>

#include "base/limits.hpp"
#include "http/body.hpp"

namespace peer_cdn {

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

// The beginning of a large file is stored early: then the page announces it.
bool Body::is_first_run(const Job& job) const {
  return geometry_.bytes() > limits::small_bytes && job.stored == pieces_.begin &&
         job.next == Windows::first_end(geometry_, pieces_.begin);
}

void Body::store_up_to(Job& job, PieceIndex end) {
  if (job.stored >= end) return;
  push(Store{job.id, {job.stored, end}});
  job.stored = end;
}

// Ends a job. What it did not bring is free again.
void Body::close(JobId id) {
  Job* job = find(id);
  assert(job);
  for (PieceIndex piece = std::max(job->next, pieces_.begin); piece < job->pieces.end; ++piece) {
    if (state(piece) == State::taken) state(piece) = State::free;
  }
  store_up_to(*job, job->next);
  if (job->source == Source::peers) stalls_at_.reset();
  origin_late_at_.reset();
  const bool is_kept = refusal_ && refusal_->id == id;
  if (job->source == Source::origin && !is_kept) streams_->leave(job->stream, job->reader);
  if (!is_kept) push(Close{id});
  jobs_.erase(job);
  retake();
}

// Somebody else has the piece: the origin need not bring it, nor what it was asked for behind it.
void Body::close_window(PieceIndex piece) {
  for (const Job& job : jobs_) {
    if (job.source == Source::origin && job.is_to_bring(piece)) return close(job.id);
  }
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
  origin_late_at_.reset();
  release_refusal();
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
  watch_origin(now);
}

// Sets the time at which peers are asked for the next piece, because the origin that is to bring it
// is silent. Short before its head, and for all of a small file. Long behind the head of a large
// one, where a crowd shares the origin's line; and long, too, where peers broke off or had nothing
// before.
void Body::watch_origin(Instant now) {
  Deadline late;
  for (const Job& job : jobs_) {
    if (!job.is_to_bring(next_)) continue;
    if (job.source != Source::origin || !known_ || checks_) return origin_late_at_.reset();
    const bool is_short = peers_may_ && (!job.accepted || is_small());
    const Duration wait = is_short   ? limits::hedge_delay
                          : job.rest ? limits::stream_silence
                                     : limits::origin_silence;
    late = sooner(origin_late_at_, now + wait);
  }
  origin_late_at_ = late;
}

// Peers are asked for what the origin is to bring next, beside it: whoever begins goes on.
void Body::help_origin() {
  // Somebody else has stored it meanwhile.
  if (held_.has(next_)) return close_window(next_);
  if (const Job* peers = job_of(Source::peers)) close(peers->id);
  PieceRange pieces{next_, next_};
  while (pieces.end < pieces_.end && !is_done(pieces.end) && !held_.has(pieces.end)) ++pieces.end;
  peers_may_ = true;
  add_job(Source::peers, pieces);
  jobs_.back().hedged = true;
  origin_late_at_.reset();
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

}  // namespace peer_cdn
