// The half of a download that asks peers: which block is asked of which holder, and which blocks
// have come.
#include <algorithm>

#include "base/limits.hpp"
#include "swarm/download.hpp"

namespace peer_cdn::swarm {
namespace {

constexpr std::uint8_t taken = 4;
constexpr std::uint8_t asked_of(std::size_t slot) {
  return static_cast<std::uint8_t>(1U << slot);
}

}  // namespace

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

std::optional<wire::Block> Download::next_block(Holder& holder, bool idle, bool ahead) {
  const bool hoped = !holder.answered && holder.hopeful;
  if (holder.stalled || (holder.have.empty() && !hoped)) return std::nullopt;
  const PieceSet& have = hoped ? all_ : holder.have;
  for (Active& active : actives_) {
    for (std::size_t slot = 0; slot < active.assignees.size(); ++slot) {
      if (!active.assignees[slot].on || active.assignees[slot].peer != holder.peer) continue;
      if (!have.has(active.piece)) continue;
      if (const auto more = ask_more(active, slot)) return more;
    }
  }
  look_ahead(ahead);
  if (const auto piece = held_up(holder)) return join(*piece, holder.peer, 1);
  if (const auto piece = pick(holder, have)) return join(*piece, holder.peer, 0);
  if (!idle) return std::nullopt;
  if (const auto piece = picker_.pick_shared(holder.have, aheads_)) {
    const Active* shared = active(*piece);
    return join(*piece, holder.peer, shared->assignees[0].on ? 1 : 0);
  }
  return std::nullopt;
}

Duration Download::request_span() const {
  std::uint64_t rate = 0;
  for (const Holder& holder : holders_) {
    if (!holder.stalled && !holder.have.empty()) rate += holder.rate;
  }
  constexpr std::uint64_t most = limits::read_ahead_bytes / 2;
  if (rate <= most) return limits::pipeline_span;
  return Duration(most * 1'000'000 / rate);
}

// Sets the read-ahead of each reader. It ends with a segment, so that each segment can be a lane.
void Download::look_ahead(bool ahead) {
  aheads_.clear();
  const std::uint32_t urgent = geometry_.pieces_in(limits::urgent_bytes);
  const std::uint32_t span = ahead ? geometry_.pieces_in(limits::read_ahead_bytes) : urgent;
  for (const Reader& reader : readers_) {
    const PieceIndex end = reader.rest.begin + std::min(span, reader.rest.count());
    const PieceIndex whole = ahead ? geometry_.segment_end(end - 1) : end;
    aheads_.push_back({{reader.rest.begin, std::min(whole, reader.rest.end)}, urgent});
  }
}

// A peer whose rate is not known yet counts as slow beside one whose rate is. Then it is tried out
// with pieces that no reader waits for.
bool Download::is_slow(const Holder& holder) const {
  return std::any_of(holders_.begin(), holders_.end(), [&](const Holder& other) {
    return !other.stalled && !other.have.empty() &&
           other.rate / limits::slow_peer_factor > holder.rate;
  });
}

std::optional<PieceIndex> Download::pick(Holder& holder, const PieceSet& have) {
  if (is_slow(holder)) return pick_for_slow(holder);
  lanes_.clear();
  for (const Holder& other : holders_) {
    if (other.peer != holder.peer && !other.stalled) lanes_.push_back(other.lane);
  }
  const auto piece = picker_.pick(have, aheads_, {holder.lane, lanes_});
  const bool urgent =
      piece && std::any_of(aheads_.begin(), aheads_.end(), [&](const ReadAhead& ahead) {
        return *piece >= ahead.pieces.begin && *piece - ahead.pieces.begin < ahead.urgent;
      });
  if (piece && !urgent) {
    holder.lane = {geometry_.segment_begin(*piece), geometry_.segment_end(*piece)};
  }
  return piece;
}

// An urgent piece if no faster peer has it, else the furthest piece.
std::optional<PieceIndex> Download::pick_for_slow(const Holder& holder) const {
  const auto faster_has = [&](PieceIndex piece) {
    return std::any_of(holders_.begin(), holders_.end(), [&](const Holder& other) {
      return !other.stalled && other.have.has(piece) && !is_slow(other);
    });
  };
  for (const ReadAhead& ahead : aheads_) {
    const PieceIndex end = std::min(ahead.pieces.begin + ahead.urgent, ahead.pieces.end);
    for (PieceIndex piece = ahead.pieces.begin; piece < end; ++piece) {
      const bool asked = picker_.state(piece) != PiecePicker::State::missing;
      if (!asked && holder.have.has(piece) && !faster_has(piece)) return piece;
    }
  }
  return picker_.pick_last(holder.have, aheads_);
}

// A reader's next piece, if it is in flight with a slow peer. A faster holder shares it.
std::optional<PieceIndex> Download::held_up(const Holder& holder) {
  if (is_slow(holder)) return std::nullopt;
  for (const ReadAhead& ahead : aheads_) {
    const PieceIndex piece = ahead.pieces.begin;
    if (picker_.state(piece) != PiecePicker::State::in_flight || !holder.have.has(piece)) continue;
    const Assignee& assignee = active(piece)->assignees[0];
    const Holder* at_work = assignee.on ? this->holder(assignee.peer) : nullptr;
    if (at_work != nullptr && (at_work->silent || is_slow(*at_work))) return piece;
  }
  return std::nullopt;
}

// The first assignee works from the front, the second from the back, so that they meet.
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
    at = &actives_.add(new Active());
    at->piece = piece;
    const std::uint32_t bytes = geometry_.bytes_of(piece);
    const std::size_t blocks = (bytes + limits::block_bytes - 1) / limits::block_bytes;
    at->blocks = List<std::uint8_t>(blocks, 0);
    at->untaken = static_cast<std::uint32_t>(at->blocks.size());
    pieces_[piece].state = State::in_flight;
  }
  if (at->alone) {
    at->senders.clear();
    std::fill(at->blocks.begin(), at->blocks.end(), std::uint8_t{0});
    at->untaken = static_cast<std::uint32_t>(at->blocks.size());
  }
  at->assignees[slot] = {peer, true};
  const bool both = at->assignees[0].on && at->assignees[1].on;
  picker_.set(piece,
              at->alone || both ? PiecePicker::State::shared : PiecePicker::State::in_flight);
  return ask_more(*at, slot);
}

void Download::leave(Active& active, std::size_t slot) {
  active.assignees[slot].on = false;
  for (std::uint8_t& block : active.blocks) {
    block = static_cast<std::uint8_t>(block & ~asked_of(slot));
  }
  const bool any = active.assignees[0].on || active.assignees[1].on;
  picker_.set(active.piece, any ? PiecePicker::State::in_flight : PiecePicker::State::missing);
}

void Download::handle_block(PeerId peer, const wire::Block& block, Instant now, Outputs& out) {
  Active* at = active(block.piece);
  if (at == nullptr || at->fetched) return;
  const std::size_t index = block.offset / limits::block_bytes;
  std::uint8_t& flags = at->blocks[index];
  for (std::size_t slot = 0; slot < at->assignees.size(); ++slot) {
    const Assignee& assignee = at->assignees[slot];
    if (!assignee.on || (flags & asked_of(slot)) == 0) continue;
    flags = static_cast<std::uint8_t>(flags & ~asked_of(slot));
    if (assignee.peer != peer) unneeded_.push_back({assignee.peer, block});
  }
  if ((flags & taken) != 0) return;
  flags |= taken;
  at->moved = now;
  if (std::find(at->senders.begin(), at->senders.end(), peer) == at->senders.end()) {
    at->senders.push_back(peer);
  }
  out.push(TakeBlock{root_, block.piece, block.offset, block.bytes});
  if (--at->untaken > 0) return;
  at->assignees = {};
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
  if (Holder* at = holder(peer); at != nullptr && at->have.has(block.piece)) {
    at->have.remove(block.piece);
    ++at->refused;
    picker_.remove_piece(block.piece);
  }
  Active* at = active(block.piece);
  if (at == nullptr) return;
  for (std::size_t slot = 0; slot < at->assignees.size(); ++slot) {
    if (!at->assignees[slot].on || at->assignees[slot].peer != peer) continue;
    for (std::size_t i = 0; i < at->blocks.size(); ++i) {
      const wire::Block other = this->block(block.piece, i);
      if ((at->blocks[i] & asked_of(slot)) != 0 && other != block)
        unneeded_.push_back({peer, other});
    }
    leave(*at, slot);
  }
}

void Download::release(PeerId peer) {
  for (Active& active : actives_) {
    for (std::size_t slot = 0; slot < active.assignees.size(); ++slot) {
      if (active.assignees[slot].on && active.assignees[slot].peer == peer) leave(active, slot);
    }
  }
}

void Download::withdraw(const Active& active) {
  for (std::size_t slot = 0; slot < active.assignees.size(); ++slot) {
    if (!active.assignees[slot].on) continue;
    for (std::size_t i = 0; i < active.blocks.size(); ++i) {
      if ((active.blocks[i] & asked_of(slot)) == 0) continue;
      unneeded_.push_back({active.assignees[slot].peer, block(active.piece, i)});
    }
  }
}

// Blocks of the piece that are in flight are cancelled. Blocks that were taken are forgotten,
// because a part of a piece is of no use to anybody.
void Download::drop(const Active& active, Outputs& out) {
  withdraw(active);
  if (active.fetched || !active.senders.empty()) out.push(Forget{root_, active.piece});
  picker_.set(active.piece, PiecePicker::State::missing);
  pieces_[active.piece].state = State::missing;
  actives_.erase(active);
}

void Download::drop_unwanted(Outputs& out) {
  for (std::size_t i = actives_.size(); i-- > 0;) {
    const PieceIndex piece = actives_[i].piece;
    if (pieces_[piece].state != State::digesting && !wanted(piece)) drop(actives_[i], out);
  }
}

}  // namespace peer_cdn::swarm
