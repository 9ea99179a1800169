#include "swarm/download.hpp"

#include <algorithm>
#include <cassert>

#include "base/limits.hpp"

namespace peer_cdn::swarm {
namespace {

constexpr std::uint8_t taken = 4;
constexpr std::uint8_t asked_of(std::size_t slot) { return static_cast<std::uint8_t>(1U << slot); }

// How many whole pieces make up so many bytes, at least one.
std::uint32_t pieces_in(std::uint64_t bytes, const Geometry& geometry) {
  return std::max<std::uint32_t>(1, static_cast<std::uint32_t>(bytes / geometry.piece_bytes()));
}

}  // namespace

Download::Download(const Root& root, const Geometry& geometry, std::uint64_t seed)
    : root_(root), geometry_(geometry), picker_(geometry.count(), seed), pieces_(geometry.count()) {
  if (geometry.count() > 1) return;
  if (auto list = DigestList::parse(geometry, Bytes(root.bytes.begin(), root.bytes.end()))) {
    digests_ = std::move(list.value());
  }
}

// --- Readers -------------------------------------------------------------------------------------

void Download::open(ReaderId reader, PieceRange pieces, Instant now, Outputs& out) {
  Target target;
  target.id = reader;
  target.rest = pieces;
  target.since = now;
  readers_.push_back(target);
  const auto useful = std::count_if(sources_.begin(), sources_.end(), [](const Source& source) {
    return !source.stalled && !source.have.empty();
  });
  if (static_cast<std::size_t>(useful) >= limits::peers_per_download) return;
  asked_ = Asked::waiting;
  out.push(AskFor{root_});
}

bool Download::grant(ReaderId reader, std::uint64_t bytes, Instant now) {
  for (Target& target : readers_) {
    if (target.id != reader) continue;
    if (target.credit <= 0) target.since = now;
    // Beyond a whole resource more credit means nothing.
    target.credit = std::min<std::int64_t>(
        target.credit + static_cast<std::int64_t>(std::min(bytes, limits::resource_bytes_max)),
        static_cast<std::int64_t>(limits::resource_bytes_max));
    return true;
  }
  return false;
}

bool Download::close(ReaderId reader, Outputs& out) {
  const auto at = std::find_if(readers_.begin(), readers_.end(),
                               [&](const Target& target) { return target.id == reader; });
  if (at == readers_.end()) return false;
  readers_.erase(at);
  after_reader(out);
  return true;
}

void Download::handle_answered(std::uint32_t peers) {
  asked_ = peers > 0 ? Asked::some : Asked::nobody;
}

// What only a reader that is gone wanted is dropped; what is verified is stored, part of a segment
// or not, and forgotten.
void Download::after_reader(Outputs& out) {
  drop_unwanted(out);
  for (PieceIndex piece = 0; piece < geometry_.count(); ++piece) {
    if (pieces_[piece].state != State::verified) continue;
    store_ready(piece, out);
    forget_ready(piece, out);
  }
}

bool Download::wanted(PieceIndex piece) const {
  return std::any_of(readers_.begin(), readers_.end(),
                     [&](const Target& target) { return target.rest.contains(piece); });
}

bool Download::obtainable(PieceIndex piece) const {
  const State state = pieces_[piece].state;
  if (state != State::missing && state != State::in_flight) return true;
  return std::any_of(sources_.begin(), sources_.end(), [&](const Source& source) {
    return !source.stalled && source.have.has(piece);
  });
}

bool Download::evidence() const {
  return asked_ == Asked::some || std::any_of(sources_.begin(), sources_.end(), [](const Source& s) {
           return !s.have.empty();
         });
}

void Download::deliver(Target& target, Instant now, Outputs& out) {
  while (!target.rest.empty() && target.credit > 0 &&
         pieces_[target.rest.begin].state == State::verified) {
    const PieceIndex piece = target.rest.begin++;
    target.credit -= geometry_.bytes_of(piece);
    target.since = now;
    out.push(Deliver{target.id, root_, piece});
    forget_ready(piece, out);
  }
}

// How long this reader waits for what it waits for now.
Instant Download::deadline(const Target& target) const {
  if (!target.lost) {
    if (target.credit <= 0) return Instant::max();
    const std::uint64_t us =
        std::uint64_t{geometry_.piece_bytes()} * 1'000'000 / limits::reader_rate_min;
    return target.since + limits::reader_stall + Duration(us);
  }
  Instant last = target.since;  // at once, if nothing can come
  if (asked_ != Asked::nobody) {
    last += target.retried ? limits::resume_wait : limits::introduction_wait;
  }
  for (const Source& source : sources_) {
    if (source.handle == 0 || source.stalled) continue;
    if (!source.answered) {
      last = std::max(last, source.asked + limits::want_wait);
    } else if (!source.have.empty()) {
      // It has a part, and is probably getting the rest.
      last = std::max(last, target.since + limits::reader_stall);
    }
  }
  return last;
}

Error Download::reason(const Target& target) const {
  if (!target.lost) return Error::peer_stalled;
  if (!target.pending) return Error::nobody_has_it;
  const bool stalled = std::any_of(sources_.begin(), sources_.end(),
                                   [](const Source& source) { return source.stalled; });
  return stalled ? Error::peer_stalled : Error::peer_gone;
}

void Download::settle(Instant now, Outputs& out) {
  const bool somebody = evidence();
  if (somebody && !readers_.empty() && !digests_ && !fetching_) {
    fetching_ = true;
    out.push(FetchDigests{root_});
  }
  bool ended = false;
  for (std::size_t i = 0; i < readers_.size();) {
    Target& target = readers_[i];
    const bool here = !target.rest.empty() && pieces_[target.rest.begin].state > State::in_flight;
    if ((somebody || here) && !target.pending) {
      target.pending = true;
      out.push(Pending{target.id});
    }
    deliver(target, now, out);
    Error error = Error::none;
    if (!target.rest.empty()) {
      const bool lost = !obtainable(target.rest.begin);
      if (lost != target.lost) {
        target.lost = lost;
        target.since = now;
        if (lost && !target.retried) {
          target.retried = true;
          asked_ = Asked::waiting;
          out.push(AskFor{root_});
        }
      }
      if (now < deadline(target)) {
        ++i;
        continue;
      }
      error = reason(target);
    }
    out.push(End{target.id, error});
    readers_.erase(readers_.begin() + static_cast<std::ptrdiff_t>(i));
    ended = true;
  }
  if (ended) after_reader(out);
}

std::optional<Instant> Download::next_timeout() const {
  Instant next = Instant::max();
  for (const Target& target : readers_) next = std::min(next, deadline(target));
  if (next == Instant::max()) return std::nullopt;
  return next;
}

bool Download::finished() const {
  return readers_.empty() && actives_.empty() && verified_ == 0;
}

std::uint64_t Download::retained_bytes() const {
  return (actives_.size() + verified_) * std::uint64_t{geometry_.piece_bytes()};
}

// --- Sources -------------------------------------------------------------------------------------

Download::Source* Download::source(PeerId peer) {
  for (Source& source : sources_) {
    if (source.peer == peer) return &source;
  }
  return nullptr;
}

void Download::add_source(PeerId peer, wire::Handle handle, Instant now) {
  Source* known = source(peer);
  if (known == nullptr) {
    sources_.emplace_back();
    known = &sources_.back();
    known->peer = peer;
    known->have = PieceSet(geometry_.count());
    picker_.add_peer(known->have);
  }
  known->handle = handle;
  known->answered = false;
  known->asked = now;
}

void Download::remove_source(PeerId peer) {
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    if (sources_[i].peer != peer) continue;
    picker_.remove_peer(sources_[i].have);
    release(peer);
    sources_.erase(sources_.begin() + static_cast<std::ptrdiff_t>(i));
    return;
  }
}

void Download::handle_have(Source& source, PieceSet have) {
  picker_.remove_peer(source.have);
  picker_.add_peer(have);
  source.have = std::move(have);
  source.answered = true;
}

void Download::handle_update(Source& source, PieceRange pieces) {
  for (PieceIndex piece = pieces.begin; piece < pieces.end; ++piece) {
    if (source.have.add(piece)) picker_.add_piece(piece);
  }
}

void Download::handle_not(Source& source) {
  handle_have(source, PieceSet(geometry_.count()));
  source.handle = 0;
  release(source.peer);
}

// --- Blocks --------------------------------------------------------------------------------------

wire::Block Download::block(PieceIndex piece, std::size_t index) const {
  return wire::block_at(piece, static_cast<std::uint32_t>(index) * limits::block_bytes,
                        geometry_.bytes_of(piece));
}

Download::Active* Download::active(PieceIndex piece) {
  for (Active& active : actives_) {
    if (active.piece == piece) return &active;
  }
  return nullptr;
}

std::optional<wire::Block> Download::next_block(Source& source, bool idle, bool ahead) {
  if (source.stalled || source.have.empty()) return std::nullopt;
  for (Active& active : actives_) {
    for (std::size_t slot = 0; slot < active.askers.size(); ++slot) {
      if (!active.askers[slot].on || active.askers[slot].peer != source.peer) continue;
      if (!source.have.has(active.piece)) continue;
      if (const auto more = ask_more(active, slot)) return more;
    }
  }
  windows_.clear();
  const std::uint32_t urgent = pieces_in(limits::urgent_bytes, geometry_);
  const std::uint32_t span = ahead ? pieces_in(limits::read_ahead_bytes, geometry_) : urgent;
  for (const Target& target : readers_) {
    const PieceIndex end = target.rest.begin + std::min(span, target.rest.count());
    windows_.push_back({{target.rest.begin, end}, urgent});
  }
  if (const auto piece = picker_.pick(source.have, windows_)) return join(*piece, source.peer, 0);
  if (!idle) return std::nullopt;
  if (const auto piece = picker_.pick_shared(source.have, windows_)) {
    const Active* shared = active(*piece);
    return join(*piece, source.peer, shared->askers[0].on ? 1 : 0);
  }
  return std::nullopt;
}

// The first asker works from the front, the second from the back, so that they meet.
std::optional<wire::Block> Download::ask_more(Active& active, std::size_t slot) {
  const std::size_t count = active.blocks.size();
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t index = slot == 0 ? i : count - 1 - i;
    if ((active.blocks[index] & (taken | asked_of(slot))) != 0) continue;
    active.blocks[index] |= asked_of(slot);
    return block(active.piece, index);
  }
  return std::nullopt;
}

std::optional<wire::Block> Download::join(PieceIndex piece, PeerId peer, std::size_t slot) {
  Active* at = active(piece);
  if (at == nullptr) {
    actives_.emplace_back();
    at = &actives_.back();
    at->piece = piece;
    const std::uint32_t bytes = geometry_.bytes_of(piece);
    at->blocks.assign((bytes + limits::block_bytes - 1) / limits::block_bytes, 0);
    at->untaken = static_cast<std::uint32_t>(at->blocks.size());
    pieces_[piece].state = State::in_flight;
  }
  if (at->alone) {
    at->senders.clear();
    std::fill(at->blocks.begin(), at->blocks.end(), std::uint8_t{0});
    at->untaken = static_cast<std::uint32_t>(at->blocks.size());
  }
  at->askers[slot] = {peer, true};
  const bool both = at->askers[0].on && at->askers[1].on;
  picker_.set(piece, at->alone || both ? PiecePicker::State::shared : PiecePicker::State::in_flight);
  return ask_more(*at, slot);
}

void Download::leave(Active& active, std::size_t slot) {
  active.askers[slot].on = false;
  for (std::uint8_t& block : active.blocks) {
    block = static_cast<std::uint8_t>(block & ~asked_of(slot));
  }
  const bool any = active.askers[0].on || active.askers[1].on;
  picker_.set(active.piece, any ? PiecePicker::State::in_flight : PiecePicker::State::missing);
}

void Download::handle_block(PeerId peer, const wire::Block& block, Outputs& out) {
  Active* at = active(block.piece);
  if (at == nullptr) return;
  const std::size_t index = block.offset / limits::block_bytes;
  std::uint8_t& flags = at->blocks[index];
  for (std::size_t slot = 0; slot < at->askers.size(); ++slot) {
    const Asker& asker = at->askers[slot];
    if (!asker.on || (flags & asked_of(slot)) == 0) continue;
    flags = static_cast<std::uint8_t>(flags & ~asked_of(slot));
    if (asker.peer != peer) unneeded_.push_back({asker.peer, block});
  }
  if ((flags & taken) != 0) return;
  flags |= taken;
  if (std::find(at->senders.begin(), at->senders.end(), peer) == at->senders.end()) {
    at->senders.push_back(peer);
  }
  out.push(TakeBlock{root_, block.piece, block.offset, block.bytes});
  if (--at->untaken > 0) return;
  at->askers = {};
  picker_.set(block.piece, PiecePicker::State::done);
  receive(block.piece, out);
}

void Download::receive(PieceIndex piece, Outputs& out) {
  pieces_[piece].state = State::whole;
  if (!digests_) return;
  pieces_[piece].state = State::digesting;
  out.push(DigestPiece{root_, piece});
}

void Download::handle_reject(PeerId peer, const wire::Block& block) {
  if (Source* at = source(peer); at != nullptr && at->have.has(block.piece)) {
    at->have.remove(block.piece);
    picker_.remove_piece(block.piece);
  }
  Active* at = active(block.piece);
  if (at == nullptr) return;
  for (std::size_t slot = 0; slot < at->askers.size(); ++slot) {
    if (!at->askers[slot].on || at->askers[slot].peer != peer) continue;
    for (std::size_t i = 0; i < at->blocks.size(); ++i) {
      const wire::Block other = this->block(block.piece, i);
      if ((at->blocks[i] & asked_of(slot)) != 0 && other != block) unneeded_.push_back({peer, other});
    }
    leave(*at, slot);
  }
}

void Download::release(PeerId peer) {
  for (Active& active : actives_) {
    for (std::size_t slot = 0; slot < active.askers.size(); ++slot) {
      if (active.askers[slot].on && active.askers[slot].peer == peer) leave(active, slot);
    }
  }
}

// What was in flight is cancelled; what was taken of it is no use to anybody.
void Download::drop(std::size_t index, Outputs& out) {
  const Active& active = actives_[index];
  for (std::size_t slot = 0; slot < active.askers.size(); ++slot) {
    if (!active.askers[slot].on) continue;
    for (std::size_t i = 0; i < active.blocks.size(); ++i) {
      if ((active.blocks[i] & asked_of(slot)) == 0) continue;
      unneeded_.push_back({active.askers[slot].peer, block(active.piece, i)});
    }
  }
  if (!active.senders.empty()) out.push(Forget{root_, active.piece});
  picker_.set(active.piece, PiecePicker::State::missing);
  pieces_[active.piece].state = State::missing;
  actives_.erase(actives_.begin() + static_cast<std::ptrdiff_t>(index));
}

void Download::drop_unwanted(Outputs& out) {
  for (std::size_t i = actives_.size(); i-- > 0;) {
    const PieceIndex piece = actives_[i].piece;
    if (pieces_[piece].state != State::digesting && !wanted(piece)) drop(i, out);
  }
}

// --- The host's answers ----------------------------------------------------------------------------

void Download::handle_digests(DigestList digests, Outputs& out) {
  if (digests.size() != geometry_.count()) return handle_digests_failed(out);
  if (digests_) return;
  digests_ = std::move(digests);
  fetching_ = false;
  for (PieceIndex piece = 0; piece < geometry_.count(); ++piece) {
    if (pieces_[piece].state == State::whole) receive(piece, out);
  }
}

void Download::handle_digests_failed(Outputs& out) {
  if (digests_) return;
  fetching_ = false;
  for (const Target& target : readers_) out.push(End{target.id, Error::digests_mismatch});
  readers_.clear();
  after_reader(out);
}

std::optional<PeerId> Download::handle_digest(PieceIndex piece, const Digest& digest, Outputs& out) {
  if (piece >= geometry_.count() || pieces_[piece].state != State::digesting) return std::nullopt;
  Active* at = active(piece);
  assert(at != nullptr);
  const auto index = static_cast<std::size_t>(at - actives_.data());
  if (digest == (*digests_)[piece]) {
    actives_.erase(actives_.begin() + static_cast<std::ptrdiff_t>(index));
    pieces_[piece].state = State::verified;
    ++verified_;
    store_ready(piece, out);
    forget_ready(piece, out);
    return std::nullopt;
  }
  // With several senders the liar cannot be told from the others: the piece is fetched again from one.
  std::optional<PeerId> liar;
  if (at->senders.size() == 1) liar = at->senders.front();
  if (liar || !wanted(piece)) {
    drop(index, out);
  } else {
    at->alone = true;
    pieces_[piece].state = State::in_flight;
    picker_.set(piece, PiecePicker::State::missing);
  }
  return liar;
}

void Download::handle_kept(PieceRange pieces, Outputs& out) {
  for (PieceIndex piece = pieces.begin; piece < std::min(pieces.end, geometry_.count()); ++piece) {
    pieces_[piece].storing = false;
    pieces_[piece].kept = true;
    forget_ready(piece, out);
  }
}

void Download::store_ready(PieceIndex piece, Outputs& out) {
  const PieceRange segment = {geometry_.segment_begin(piece), geometry_.segment_end(piece)};
  for (PieceIndex i = segment.begin; i < segment.end; ++i) {
    if (pieces_[i].state != State::verified && wanted(i)) return;
  }
  const auto ready = [this](PieceIndex i) {
    return pieces_[i].state == State::verified && !pieces_[i].storing && !pieces_[i].kept;
  };
  for (PieceIndex begin = segment.begin; begin < segment.end; ++begin) {
    PieceIndex end = begin;
    while (end < segment.end && ready(end)) pieces_[end++].storing = true;
    if (end == begin) continue;
    out.push(StoreRun{root_, {begin, end}});
    begin = end - 1;
  }
}

void Download::forget_ready(PieceIndex piece, Outputs& out) {
  if (pieces_[piece].state != State::verified || !pieces_[piece].kept || wanted(piece)) return;
  pieces_[piece].state = State::missing;
  picker_.set(piece, PiecePicker::State::missing);
  --verified_;
  out.push(Forget{root_, piece});
}

}  // namespace peer_cdn::swarm
