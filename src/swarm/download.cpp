#include "swarm/download.hpp"

#include <algorithm>
#include <cassert>

#include "base/limits.hpp"

namespace peer_cdn::swarm {
Download::Download(const Root& root, const Geometry& geometry, std::uint64_t seed)
    : root_(root),
      geometry_(geometry),
      all_(geometry.count()),
      picker_(geometry.count(), seed),
      pieces_(geometry.count(), Piece()) {
  all_.add(geometry.all());
  if (geometry.count() > 1) return;
  if (auto list = DigestList::parse(geometry, Bytes(root.bytes.begin(), root.bytes.end()))) {
    digests_ = std::move(list.value());
  }
}

// --- Readers -------------------------------------------------------------------------------------

void Download::open(ReaderId id, const Order& order, Instant now, Outputs& out) {
  Reader reader;
  reader.id = id;
  reader.rest = order.pieces;
  reader.help = order.help;
  reader.opened = reader.since = reader.heard = reader.measured_from = now;
  readers_.push_back(reader);
  ask_wait_ = limits::ask_again_min;
  ask_at_ = now + ask_wait_;
  if (useful() >= limits::peers_per_download) return;
  answer_ = Answer::waiting;
  out.push(AskFor{root_});
}

bool Download::grant(ReaderId id, std::uint64_t bytes, Instant now) {
  for (Reader& reader : readers_) {
    if (reader.id != id) continue;
    if (reader.credit <= 0) {
      reader.since = reader.heard = reader.measured_from = now;
      reader.measured_bytes = 0;
    }
    // Beyond a whole resource more credit means nothing.
    reader.credit = std::min<std::int64_t>(
        reader.credit + static_cast<std::int64_t>(std::min(bytes, limits::resource_bytes_max)),
        static_cast<std::int64_t>(limits::resource_bytes_max));
    return true;
  }
  return false;
}

bool Download::close(ReaderId id, Outputs& out) {
  const auto at = std::find_if(readers_.begin(), readers_.end(),
                               [&](const Reader& reader) { return reader.id == id; });
  if (at == readers_.end()) return false;
  readers_.erase(at);
  after_reader(out);
  return true;
}

void Download::handle_answered(std::uint32_t peers) {
  answer_ = peers > 0 ? Answer::some : Answer::nobody;
  introduced_ = peers;
}

// Pieces that only the reader that went wanted are dropped. Verified pieces are stored, even if
// they are only a part of a segment, and then forgotten.
void Download::after_reader(Outputs& out) {
  drop_unwanted(out);
  for (PieceIndex piece = 0; piece < geometry_.count(); ++piece) {
    if (pieces_[piece].state != State::verified) continue;
    store_ready(piece);
    forget_ready(piece, out);
  }
}

bool Download::wanted(PieceIndex piece) const {
  return std::any_of(readers_.begin(), readers_.end(),
                     [&](const Reader& reader) { return reader.rest.contains(piece); });
}

bool Download::obtainable(PieceIndex piece) const {
  const State state = pieces_[piece].state;
  if (state != State::missing && state != State::in_flight) return true;
  return std::any_of(holders_.begin(), holders_.end(), [&](const Holder& holder) {
    return !holder.stalled && holder.have.has(piece);
  });
}

bool Download::evidence() const {
  return answer_ == Answer::some || std::any_of(holders_.begin(), holders_.end(),
                                                [](const Holder& s) { return !s.have.empty(); });
}

std::size_t Download::useful() const {
  return static_cast<std::size_t>(
      std::count_if(holders_.begin(), holders_.end(),
                    [](const Holder& holder) { return !holder.stalled && !holder.have.empty(); }));
}

void Download::deliver(Reader& reader, Instant now, Outputs& out) {
  while (!reader.rest.empty() && reader.credit > 0 &&
         pieces_[reader.rest.begin].state == State::verified) {
    const PieceIndex piece = reader.rest.begin++;
    reader.credit -= geometry_.bytes_of(piece);
    reader.measured_bytes += geometry_.bytes_of(piece);
    reader.since = reader.heard = now;
    // The next reader of this piece has it from this visitor.
    const PieceSource from = std::exchange(pieces_[piece].from, PieceSource::store);
    out.push(Deliver{reader.id, root_, piece, from});
    forget_ready(piece, out);
  }
}

// How long a reader may be without a piece, and the span over which its rate is measured. One piece
// fits in, at the least rate worth waiting for.
Duration Download::patience() const {
  const std::uint64_t us =
      std::uint64_t{geometry_.piece_bytes()} * 1'000'000 / limits::reader_rate_min;
  return limits::reader_stall + Duration(us);
}

// When this reader gives up, as things are now. settle() begins a new measurement when a span has
// brought enough.
Instant Download::deadline(const Reader& reader) const {
  const bool idle = reader.credit <= 0;
  // Holds however often the reader is stranded in between.
  const Instant latest = reader.heard + limits::reader_silence + patience() - limits::reader_stall;
  if (origin_may_help(reader)) {
    if (idle) return reader.since + limits::reader_idle;
    // This page or another has asked the origin for the piece, or the piece is here. One more
    // request by the worker would bring it no sooner.
    const Piece& next = pieces_[reader.rest.begin];
    const Instant last = reader.heard + limits::fetch_silence;
    if (!fetches_.empty() || next.state > State::in_flight) return last;
    const Instant asked = std::max(fetched_at_, next.claimed_until) + limits::reader_silence;
    return std::min(std::max(latest, asked), last);
  }
  if (!reader.stranded) {
    if (idle) return reader.since + limits::reader_idle;
    return std::min(std::min(reader.since, reader.measured_from) + patience(), latest);
  }
  Instant last = reader.since;  // the reader gives up at once, unless something may still come
  if (answer_ != Answer::nobody) {
    last += reader.retried ? limits::resume_wait : limits::introduction_wait;
  }
  for (const Holder& holder : holders_) {
    if (holder.handle == 0 || holder.stalled) continue;
    if (!holder.answered) {
      last = std::max(last, holder.asked + limits::want_wait);
    } else if (!holder.have.empty()) {
      // The peer has a part, and is probably getting the rest.
      last = std::max(last, reader.since + limits::reader_stall);
    }
  }
  return idle ? last : std::min(last, latest);
}

Error Download::reason(const Reader& reader) const {
  if (reader.credit > 0 && origin_may_help(reader)) return Error::origin_unreachable;
  if (reader.pending && reader.help.slower > 0 && origin_error_ != Error::none) {
    return origin_error_;
  }
  if (!reader.stranded) return reader.credit > 0 ? Error::peer_stalled : Error::timed_out;
  if (!reader.pending) return Error::nobody_has_it;
  const bool stalled = std::any_of(holders_.begin(), holders_.end(),
                                   [](const Holder& holder) { return holder.stalled; });
  return stalled ? Error::peer_stalled : Error::peer_gone;
}

// Notes whether the reader's next piece can be had. The first time that it cannot any more, the
// coordinator is asked for more peers.
void Download::note_stranded(Reader& reader, Instant now, Outputs& out) {
  const bool stranded = !obtainable(reader.rest.begin);
  if (stranded == reader.stranded) return;
  reader.stranded = stranded;
  reader.since = reader.measured_from = now;
  reader.measured_bytes = 0;
  if (!stranded || reader.retried) return;
  reader.retried = true;
  answer_ = Answer::waiting;
  out.push(AskFor{root_});
}

// Pieces will come. So the digest list is fetched, and each reader is told once.
void Download::tell_pending(Outputs& out) {
  if (!readers_.empty() && !digests_ && !list_asked_) {
    list_asked_ = true;
    out.push(FetchDigests{root_});
  }
  const bool warm = useful() > 0;
  for (Reader& reader : readers_) {
    if (!std::exchange(reader.pending, true)) out.push(Pending{reader.id, warm});
  }
}

// Asks for more peers now and then, while fewer than could be used have pieces.
void Download::ask_again(Instant now, Outputs& out) {
  if (readers_.empty() || answer_ == Answer::waiting || now < ask_at_ ||
      useful() >= limits::peers_per_download) {
    return;
  }
  ask_wait_ = std::min<Duration>(2 * ask_wait_, limits::ask_again_max);
  ask_at_ = now + ask_wait_;
  out.push(AskFor{root_});
}

void Download::settle(Instant now, Outputs& out) {
  if (evidence()) tell_pending(out);
  bool ended = false;
  for (std::size_t i = 0; i < readers_.size();) {
    Reader& reader = readers_[i];
    const bool here = !reader.rest.empty() && pieces_[reader.rest.begin].state > State::in_flight;
    if (here) tell_pending(out);
    deliver(reader, now, out);
    if (now >= reader.measured_from + patience() &&
        reader.measured_bytes >= limits::reader_bytes_min) {
      reader.measured_from = now;
      reader.measured_bytes = 0;
    }
    Error error = Error::none;
    if (!reader.rest.empty()) {
      note_stranded(reader, now, out);
      if (now < deadline(reader)) {
        ++i;
        continue;
      }
      error = reason(reader);
      nobody_ |= error == Error::nobody_has_it;
    }
    out.push(End{reader.id, error});
    readers_.erase(i);
    ended = true;
  }
  if (ended) after_reader(out);
  ask_again(now, out);
}

std::optional<Instant> Download::next_timeout() const {
  Instant next = fetches_due_;
  for (const Reader& reader : readers_) next = std::min(next, deadline(reader));
  if (!readers_.empty() && answer_ != Answer::waiting && useful() < limits::peers_per_download) {
    next = std::min(next, ask_at_);
  }
  if (storing_ == 0 && !unstored_.empty()) next = std::min(next, unstored_.front().due);
  if (next == Instant::max()) return std::nullopt;
  return next;
}

bool Download::finished() const {
  return readers_.empty() && actives_.empty() && fetches_.empty() && verified_ == 0;
}

std::uint64_t Download::retained_bytes() const {
  std::size_t pieces = actives_.size() + verified_;
  for (const Fetch& fetch : fetches_) pieces += fetch.rest.count();
  return pieces * std::uint64_t{geometry_.piece_bytes()};
}

// --- Holders -------------------------------------------------------------------------------------

Download::Holder* Download::holder(PeerId peer) {
  for (Holder& holder : holders_) {
    if (holder.peer == peer) return &holder;
  }
  return nullptr;
}

Download::Holder& Download::add_holder(PeerId peer, wire::Handle handle, Instant now) {
  Holder* known = holder(peer);
  if (known == nullptr) {
    known = &holders_.add(new Holder());
    known->peer = peer;
    known->have = PieceSet(geometry_.count());
    picker_.add_peer(known->have);
  }
  known->handle = handle;
  known->answered = false;
  known->asked = now;
  return *known;
}

void Download::remove_holder(PeerId peer) {
  for (std::size_t i = 0; i < holders_.size(); ++i) {
    if (holders_[i].peer != peer) continue;
    picker_.remove_peer(holders_[i].have);
    release(peer);
    holders_.erase(i);
    return;
  }
}

void Download::handle_have(Holder& holder, PieceSet have) {
  picker_.remove_peer(holder.have);
  picker_.add_peer(have);
  holder.have = std::move(have);
  holder.answered = true;
}

// A peer that offers what it refuses would have the origin asked and cut by each of its words.
void Download::handle_update(Holder& holder, PieceRange pieces) {
  if (holder.refused >= limits::refusals_max) return;
  for (PieceIndex piece = pieces.begin; piece < pieces.end; ++piece) {
    if (holder.have.add(piece)) picker_.add_piece(piece);
  }
}

void Download::handle_not(Holder& holder) {
  handle_have(holder, PieceSet(geometry_.count()));
  holder.handle = 0;
  release(holder.peer);
}

// --- The host's answers --------------------------------------------------------------------------

void Download::handle_digests(DigestList digests, Outputs& out) {
  if (digests.size() != geometry_.count()) return handle_digests_failed(out);
  if (digests_) return;
  digests_ = std::move(digests);
  list_asked_ = false;
  for (PieceIndex piece = 0; piece < geometry_.count(); ++piece) {
    if (pieces_[piece].state == State::whole) receive(piece, out);
  }
}

void Download::handle_digests_failed(Outputs& out) {
  if (digests_) return;
  list_asked_ = false;
  end_readers(Error::digests_mismatch, out);
}

void Download::handle_undigested(PieceIndex piece, Outputs& out) {
  if (piece >= geometry_.count() || pieces_[piece].state != State::digesting) return;
  drop(*active(piece), out);
  end_readers(Error::storage_lost, out);
}

void Download::end_readers(Error error, Outputs& out) {
  for (const Reader& reader : readers_) out.push(End{reader.id, error});
  readers_.clear();
  after_reader(out);
}

std::optional<PeerId> Download::handle_digest(PieceIndex piece, const Digest& digest,
                                              Outputs& out) {
  if (piece >= geometry_.count() || pieces_[piece].state != State::digesting) return std::nullopt;
  Active* at = active(piece);
  assert(at != nullptr);
  if (digest == (*digests_)[piece]) {
    pieces_[piece].from = at->fetched ? PieceSource::origin : PieceSource::peers;
    fresh_.push_back(piece);
    actives_.erase(*at);
    pieces_[piece].state = State::verified;
    ++verified_;
    store_ready(piece);
    forget_ready(piece, out);
    return std::nullopt;
  }
  if (at->fetched) {
    drop(*at, out);
    give_up_origin(Error::origin_changed, out);
    return std::nullopt;
  }
  // If the piece had several senders, the liar cannot be told from the others. So one peer is asked
  // for all of it.
  std::optional<PeerId> liar;
  if (at->senders.size() == 1) liar = at->senders.front();
  if (liar || !wanted(piece)) {
    drop(*at, out);
  } else {
    at->alone = true;
    pieces_[piece].state = State::in_flight;
    picker_.set(piece, PiecePicker::State::missing);
  }
  return liar;
}

void Download::handle_kept(PieceRange pieces, bool stored, Outputs& out) {
  for (PieceIndex piece = pieces.begin; piece < std::min(pieces.end, geometry_.count()); ++piece) {
    if (std::exchange(pieces_[piece].storing, false)) --storing_;
    pieces_[piece].kept = true;
    pieces_[piece].stored |= stored;
    forget_ready(piece, out);
  }
}

void Download::handle_dropped(PieceRange pieces) {
  for (PieceIndex piece = pieces.begin; piece < std::min(pieces.end, geometry_.count()); ++piece) {
    pieces_[piece].stored = false;
    // Fetched again, it is stored again.
    if (pieces_[piece].state != State::verified) pieces_[piece].kept = false;
  }
}

void Download::store_ready(PieceIndex piece) {
  const PieceRange segment = {geometry_.segment_begin(piece), geometry_.segment_end(piece)};
  for (PieceIndex i = segment.begin; i < segment.end; ++i) {
    if (pieces_[i].state != State::verified && wanted(i)) return;
  }
  for (const Unstored& each : unstored_) {
    if (each.begin == segment.begin) return;
  }
  unstored_.push_back({segment.begin, Instant::max()});
}

void Download::write_back(Instant now, bool tight, Outputs& out) {
  for (Unstored& each : unstored_) each.due = std::min(each.due, now + limits::store_wait);
  const bool coming = !actives_.empty() || !fetches_.empty();
  const bool hungry = std::any_of(readers_.begin(), readers_.end(),
                                  [](const Reader& reader) { return reader.credit > 0; });
  const bool waits = coming && hungry && !tight;
  while (storing_ == 0 && !unstored_.empty()) {
    const Unstored next = unstored_.front();
    if (waits && now < next.due) return;
    unstored_.erase(unstored_.begin());
    write_segment(next.begin, out);
  }
}

void Download::write_all(Outputs& out) {
  for (PieceIndex begin = 0; begin < geometry_.count(); begin = geometry_.segment_end(begin)) {
    write_segment(begin, out);
  }
}

void Download::write_segment(PieceIndex begin, Outputs& out) {
  const auto ready = [this](PieceIndex i) {
    return pieces_[i].state == State::verified && !pieces_[i].storing && !pieces_[i].kept;
  };
  const PieceIndex end = geometry_.segment_end(begin);
  for (PieceIndex i = begin; i < end; ++i) {
    begin = i;
    for (; i < end && ready(i); ++i) {
      pieces_[i].storing = true;
      ++storing_;
    }
    if (i > begin) out.push(StoreRun{root_, {begin, i}});
  }
}

void Download::forget_ready(PieceIndex piece, Outputs& out) {
  if (pieces_[piece].state != State::verified || !pieces_[piece].kept || wanted(piece)) return;
  pieces_[piece].state = State::missing;
  picker_.set(piece, PiecePicker::State::missing);
  --verified_;
  if (!pieces_[piece].stored) gone_.push_back(piece);
  out.push(Forget{root_, piece});
}

}  // namespace peer_cdn::swarm
