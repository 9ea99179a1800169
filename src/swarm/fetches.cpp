// The half of a download that fetches: which pieces this page gets from the origin, and which it
// leaves to others.
//
//   nobody near has or fetches the piece   fetched, with such pieces behind it (gap)
//   another page claims the piece          left to it, unless the reader waits too long (late)
//   peers have the piece                   left to them, unless the reader waits too long (late) or
//                                          they are few and slower than the origin (behind); for
//                                          such peers a reader waits hardly at all
//
// If two pages fetch the same piece, the claim with the lower rank holds and the other fetch is
// cut. In a crowd every page starts at a place of its own, so that together they fetch one copy.
#include <algorithm>

#include "base/limits.hpp"
#include "swarm/download.hpp"

namespace peer_cdn::swarm {

// --- When the origin helps -----------------------------------------------------------------------

// If nobody else is there, the worker asks the origin itself.
bool Download::origin_may_help(const Reader& reader) const {
  if (reader.help.slower == 0 || origin_error_ != Error::none) return false;
  return reader.pending || answer_ != Answer::nobody ||
         std::any_of(holders_.begin(), holders_.end(),
                     [](const Holder& holder) { return holder.handle != 0; });
}

// Whether no peer may still say in good time that it has something.
bool Download::is_hope_over() const {
  return std::all_of(holders_.begin(), holders_.end(), [](const Holder& holder) {
    return holder.handle == 0 || holder.answered || holder.silent || holder.stalled;
  });
}

// At once if every peer that could have the resource has answered, or takes long to, else when
// patience is over.
Instant Download::origin_helps_from(const Reader& reader) const {
  if (answer_ == Answer::waiting && holders_.empty()) return reader.opened + limits::answer_wait;
  const bool all = answer_ != Answer::waiting && is_hope_over() && introduced_ <= holders_.size();
  return all ? reader.opened : reader.opened + reader.help.patience;
}

void Download::note_due(Instant now, Instant at) {
  if (at > now) fetches_due_ = std::min(fetches_due_, at);
}

// --- Which pieces are fetched --------------------------------------------------------------------

bool Download::peers_have(PieceIndex piece) const {
  return std::any_of(holders_.begin(), holders_.end(), [piece](const Holder& holder) {
    return !holder.stalled && holder.have.has(piece);
  });
}

bool Download::fetching(PieceIndex piece) const {
  return std::any_of(fetches_.begin(), fetches_.end(),
                     [piece](const Fetch& fetch) { return fetch.rest.contains(piece); });
}

bool Download::claimed(PieceIndex piece, Instant now) const {
  return pieces_[piece].claimed_until > now && let_down_ < limits::claims_missed;
}

// True also of a piece of which a peer sent a part before it went, and of one that was asked of a
// peer in hope, which may be frozen.
bool Download::nobody_brings(PieceIndex piece, Instant now) const {
  const PiecePicker::State state = picker_.state(piece);
  const bool is_left = state == PiecePicker::State::missing ||
                       (state == PiecePicker::State::in_flight && is_hope_over());
  return is_left && !claimed(piece, now) && !fetching(piece) && !peers_have(piece);
}

std::uint32_t Download::fetch_length() const {
  const std::uint64_t rate = origin_rate_.in(limits::fetch_span);
  const std::uint64_t bytes =
      rate == 0 ? limits::fetch_start_bytes : std::min<std::uint64_t>(rate, limits::segment_bytes);
  return geometry_.pieces_in(bytes);
}

// The reader's next piece, if others have it or claim it and the reader has waited too long.
std::optional<PieceRange> Download::late(const Reader& reader, Instant now) {
  const PieceIndex first = reader.rest.begin;
  const bool theirs = peers_have(first);
  if (reader.credit <= 0 || pieces_[first].state > State::in_flight || fetching(first) ||
      (!theirs && !claimed(first, now))) {
    return std::nullopt;
  }
  Duration wait = !theirs                 ? limits::claim_wait
                  : outpaced(reader, now) ? limits::outpaced_wait
                                          : limits::origin_wait * reader.help.slower;
  if (const std::uint64_t rate = origin_rate_.per_second()) {
    wait = std::max(wait, Duration(geometry_.bytes_of(first) * std::uint64_t{1'000'000} / rate));
  }
  // If several pages wait for the piece each waits its own time, because the page that asks first
  // can serve the others.
  if (const std::uint32_t others = theirs ? fellows(reader) : 0) {
    wait += wait * (picker_.own_order(first) % (others + 1)) / (others + 1);
  }
  // A large piece on a slow uplink is not late while its blocks come.
  const Active* coming = theirs ? active(first) : nullptr;
  const Instant since = coming != nullptr ? std::max(reader.since, coming->moved) : reader.since;
  const Instant at = std::max(since, reader.opened + reader.help.patience) + wait;
  note_due(now, at);
  if (now < at) return std::nullopt;
  if (!theirs) {
    ++let_down_;
    let_downs_.push_back(pieces_[first].claimed_by);
  }
  const PieceIndex most = first + std::min(theirs ? fetch_length() : 1, reader.rest.count());
  PieceIndex end = first + 1;
  while (end < most && pieces_[end].state <= State::in_flight && !fetching(end)) ++end;
  return PieceRange{first, end};
}

// How many other pages fetch this resource: connected ones that answer and have not all of it, and,
// if nobody had it a moment ago, also introduced ones that are not connected yet.
std::uint32_t Download::fellows(const Reader& reader) const {
  std::size_t count = 0;
  for (const Holder& holder : holders_) {
    const bool answers = !holder.silent && !holder.stalled;
    if (holder.handle != 0 && answers && !holder.have.complete()) ++count;
  }
  if (reader.help.patience == Duration(0)) count = std::max<std::size_t>(count, introduced_);
  return static_cast<std::uint32_t>(count);
}

// A stretch that nobody brings. A page that is alone goes in order. Of several pages each begins at
// a place of its own, and one of them begins with the piece that is read next.
std::optional<PieceRange> Download::gap(const Reader& reader, PieceRange read_ahead, Instant now) {
  const std::uint32_t fellows = this->fellows(reader);
  const PieceIndex first = read_ahead.begin;
  std::optional<PieceIndex> begin;
  if (nobody_brings(first, now)) {
    note_due(now, reader.since + limits::origin_wait);
    if (picker_.own_order(first) % (fellows + 1) == 0 ||
        now >= reader.since + limits::origin_wait) {
      begin = first;
    }
  }
  const bool chosen = begin.has_value();
  // Few pages take a segment each, in long stretches: that is fewer requests. In a crowd, pages
  // that begin anywhere have more to trade.
  const bool are_few = fellows < limits::introductions_per_ask;
  const auto order = [&](PieceIndex piece) {
    return picker_.own_order(are_few ? geometry_.segment_begin(piece) : piece);
  };
  for (PieceIndex piece = first; piece < read_ahead.end && !chosen; ++piece) {
    note_due(now, pieces_[piece].claimed_until);
    if (!nobody_brings(piece, now)) continue;
    if (!begin || (fellows > 0 && order(piece) < order(*begin))) begin = piece;
  }
  if (!begin) return std::nullopt;
  const std::uint32_t least = are_few ? geometry_.pieces_in(limits::fetch_few_bytes) : 1;
  const std::uint32_t length = std::max(fetch_length(), least);
  const PieceIndex most = *begin + std::min(length, read_ahead.end - *begin);
  PieceIndex end = *begin + 1;
  while (end < most && nobody_brings(end, now)) ++end;
  return PieceRange{*begin, end};
}

// Whether there are few peers, and they are too slow together: not before patience is over and
// their rate is known.
bool Download::outpaced(const Reader& reader, Instant now) {
  const std::size_t known = std::max<std::size_t>(introduced_, useful());
  if (reader.credit <= 0 || known >= limits::introductions_per_ask) return false;
  const Instant measured =
      reader.opened + std::max<Duration>(reader.help.patience, limits::origin_wait);
  note_due(now, measured);
  if (now < measured) return false;
  std::uint64_t peers_rate = 0;
  for (const Holder& holder : holders_) {
    if (!holder.stalled && !holder.have.empty()) peers_rate += holder.rate;
  }
  std::uint64_t origin_rate = origin_rate_.per_second();
  if (origin_rate == 0) origin_rate = limits::origin_rate_unknown;
  // In halves.
  const auto slower =
      std::max(2 * reader.help.slower, static_cast<std::uint32_t>(2 * limits::peers_slower));
  return peers_rate > 0 && peers_rate * slower < 2 * origin_rate;
}

// The origin brings pieces beside peers that it outpaces: from the far end of the read-ahead
// towards them.
std::optional<PieceRange> Download::behind(const Reader& reader, PieceRange read_ahead,
                                           Instant now) {
  if (!outpaced(reader, now)) return std::nullopt;
  const auto left = [&](PieceIndex piece) {
    return picker_.state(piece) == PiecePicker::State::missing && peers_have(piece) &&
           !fetching(piece);
  };
  PieceIndex end = read_ahead.end;
  while (end > read_ahead.begin && !left(end - 1)) --end;
  PieceIndex begin = end;
  const PieceIndex least = end - std::min(fetch_length(), end - read_ahead.begin);
  while (begin > least && left(begin - 1)) --begin;
  if (begin == end) return std::nullopt;
  return PieceRange{begin, end};
}

// --- Fetches -------------------------------------------------------------------------------------

void Download::settle_fetches(Instant now, bool ahead, FetchId& last, Outputs& out) {
  fetches_due_ = Instant::max();
  for (const Holder& holder : holders_) {
    if (holder.handle != 0 && !holder.answered) note_due(now, holder.asked + limits::hope_wait);
  }
  if (!fetches_.empty()) fetched_at_ = now;
  for (std::size_t i = fetches_.size(); i-- > 0;) {
    Fetch& fetch = fetches_[i];
    trim(fetch, now);
    if (fetch.rest.empty()) {
      const Fetch over = fetch;
      if (over.rest.begin < over.end) out.push(CancelFetch{over.id});
      fetches_.erase(i);
      fetch_on(over, now, last, out);
      continue;
    }
    if (fetch.beside) continue;
    if (now >= fetch.claimed_at + limits::claim_wait / 2) claim(fetch, now);
    note_due(now, fetch.claimed_at + limits::claim_wait / 2);
  }
  while (fetches_.size() < limits::fetches_in_flight && fetch_next(now, ahead, last, out)) {
  }
}

bool Download::fetch_next(Instant now, bool ahead, FetchId& last, Outputs& out) {
  const std::uint32_t span =
      geometry_.pieces_in(ahead ? limits::read_ahead_bytes : limits::urgent_bytes);
  for (Reader& reader : readers_) {
    if (reader.rest.empty() || !origin_may_help(reader)) continue;
    if (const Instant begins = origin_helps_from(reader); begins > now) {
      note_due(now, begins);
      continue;
    }
    const PieceRange read_ahead = {reader.rest.begin,
                                   reader.rest.begin + std::min(span, reader.rest.count())};
    const auto beside = late(reader, now);
    const auto meets = beside ? std::nullopt : behind(reader, read_ahead, now);
    // In a crowd each page fetches one stretch at a time, because fewer fetches meet less often.
    const bool waits =
        !fetches_.empty() && fellows(reader) > 0 && !nobody_brings(read_ahead.begin, now);
    const auto pieces = beside  ? beside
                        : meets ? meets
                        : waits ? std::nullopt
                                : gap(reader, read_ahead, now);
    if (!pieces) continue;
    ++last.value;
    const std::uint32_t rank = picker_.own_order(last.value * 0x85EBCA6BU);
    const bool theirs = beside || meets;
    begin_fetch({last, *pieces, pieces->end, theirs, meets.has_value(), rank, now}, now, out);
    return true;
  }
  return false;
}

void Download::begin_fetch(const Fetch& fetch, Instant now, Outputs& out) {
  if (fetches_.empty()) origin_waits_ = true;
  for (PieceIndex piece = fetch.rest.begin; piece < fetch.rest.end; ++piece) {
    if (!fetch.meets && picker_.state(piece) == PiecePicker::State::missing) {
      picker_.set(piece, PiecePicker::State::shared);
    }
  }
  fetches_.push_back(fetch);
  out.push(FetchPieces{fetch.id, root_, fetch.rest});
  if (!fetch.beside) claim(fetches_.back(), now);
  tell_pending(out);
}

// Takes what is not needed off the end of the fetch. A stream cannot skip, so if the piece that
// comes next is not needed the whole fetch is over.
void Download::trim(Fetch& fetch, Instant now) {
  const auto needed = [&](PieceIndex i) {
    const Piece& piece = pieces_[i];
    if (piece.state > State::in_flight || !wanted(i)) return false;
    return fetch.beside || (!peers_have(i) && !(piece.claim_rank < fetch.rank && claimed(i, now)));
  };
  const PieceRange rest = fetch.rest;
  if (!rest.empty() && !needed(rest.begin)) fetch.rest.end = rest.begin;
  while (!fetch.rest.empty() && !needed(fetch.rest.end - 1)) --fetch.rest.end;
  for (PieceIndex i = fetch.rest.end; i < rest.end; ++i) {
    // Our own claim must not keep us from fetching the piece later.
    if (pieces_[i].claim_rank == fetch.rank) pieces_[i].claimed_until = now;
  }
  give_back({fetch.rest.end, rest.end});
}

void Download::give_back(PieceRange pieces) {
  for (PieceIndex piece = pieces.begin; piece < pieces.end; ++piece) {
    if (pieces_[piece].state > State::in_flight) continue;
    const Active* at = active(piece);
    if (at != nullptr && (at->assignees[0].on || at->assignees[1].on)) continue;
    picker_.set(piece, PiecePicker::State::missing);
  }
}

// Other pages wait for the pieces that a cut fetch had claimed. So they are fetched at once, under
// the same rank.
void Download::fetch_on(const Fetch& over, Instant now, FetchId& last, Outputs& out) {
  if (over.beside) return;
  PieceIndex begin = over.rest.begin;
  while (begin < over.end && !(nobody_brings(begin, now) && wanted(begin))) ++begin;
  if (begin == over.end) return;
  PieceIndex end = begin + 1;
  while (end < over.end && nobody_brings(end, now) && wanted(end)) ++end;
  ++last.value;
  begin_fetch({last, {begin, end}, end, false, false, over.rank, now}, now, out);
}

Download::Fetch* Download::fetch(FetchId id) {
  for (Fetch& fetch : fetches_) {
    if (fetch.id == id) return &fetch;
  }
  return nullptr;
}

// Blocks that peers sent of this piece are thrown away: a piece comes wholly from the origin or
// wholly from peers, so that a wrong digest has one suspect.
bool Download::handle_fetched(FetchId id, PieceIndex piece, Instant now, Outputs& out) {
  Fetch* from = fetch(id);
  if (from == nullptr || !from->rest.contains(piece)) return false;
  // The first piece tells of the origin's distance, not of its rate.
  if (std::exchange(origin_waits_, false)) {
    origin_rate_.restart(now);
  } else {
    origin_rate_.add(geometry_.bytes_of(piece), now);
  }
  const PieceIndex skipped = std::exchange(from->rest.begin, piece + 1);
  give_back({skipped, piece});
  if (pieces_[piece].state > State::in_flight || !wanted(piece)) return false;
  Active* at = active(piece);
  if (at == nullptr) {
    at = &actives_.add(new Active());
  } else {
    withdraw(*at);
    *at = Active{};
  }
  at->piece = piece;
  at->fetched = true;
  picker_.set(piece, PiecePicker::State::done);
  receive(piece, out);
  return true;
}

void Download::handle_fetch_end(FetchId id, Error error, Outputs& out) {
  const Fetch* ended = fetch(id);
  if (ended == nullptr) return;
  const bool all = ended->rest.empty();
  give_back(ended->rest);
  fetches_.erase(fetches_.begin() + (ended - fetches_.data()));
  if (!all) give_up_origin(error == Error::none ? Error::origin_unreachable : error, out);
}

void Download::give_up_origin(Error error, Outputs& out) {
  origin_error_ = error;
  for (const Fetch& fetch : fetches_) {
    give_back(fetch.rest);
    out.push(CancelFetch{fetch.id});
  }
  fetches_.clear();
}

// --- Claims --------------------------------------------------------------------------------------

void Download::claim(Fetch& fetch, Instant now) {
  for (PieceIndex piece = fetch.rest.begin; piece < fetch.rest.end; ++piece) {
    pieces_[piece].claim_rank = fetch.rank;
    pieces_[piece].claimed_until = now + limits::claim_wait;
    pieces_[piece].claimed_by = {};
  }
  fetch.claimed_at = now;
  claims_.push_back({fetch.rest, fetch.rank});
}

// A claim that is new here is told on, so that it reaches pages that are not connected with the one
// that fetches. One that is known is not, so that it goes round in no circle. It is told on as it
// came, though some of its pieces are here or were claimed before: to leave them out would let one
// message of a peer make a thousand for each of the others.
void Download::handle_claim(PeerId from, const Claim& claim, Instant now) {
  bool is_news = false;
  for (PieceIndex i = claim.pieces.begin; i < claim.pieces.end; ++i) {
    Piece& piece = pieces_[i];
    if (piece.kept || piece.state > State::in_flight) continue;
    // The same one is news again, once half of its time is over.
    const Duration known = claim.rank == piece.claim_rank ? limits::claim_wait / 2 : Duration{};
    if (piece.claimed_until > now + known && claim.rank >= piece.claim_rank) continue;
    piece.claim_rank = claim.rank;
    piece.claimed_until = now + limits::claim_wait;
    piece.claimed_by = from;
    is_news = true;
  }
  if (is_news) claims_.push_back(claim);
}

List<Download::Claim> Download::claims(Instant now) const {
  List<Claim> claims;
  for (PieceIndex i = 0; i < geometry_.count(); ++i) {
    const Piece& piece = pieces_[i];
    if (piece.kept || piece.state > State::in_flight || piece.claimed_until <= now) continue;
    if (!claims.empty() && claims.back().rank == piece.claim_rank &&
        claims.back().pieces.end == i) {
      ++claims.back().pieces.end;
    } else {
      claims.push_back({{i, i + 1}, piece.claim_rank});
    }
  }
  return claims;
}

}  // namespace peer_cdn::swarm
