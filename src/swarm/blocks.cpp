// The half of a download that asks: which block of which piece of whom, and what has come.
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

std::optional<wire::Block> Download::next_block(Source& source, bool idle, bool ahead) {
  if (source.stalled || source.have.empty()) return std::nullopt;
  for (Active& active : actives_) {
    for (std::size_t slot = 0; slot < active.askers.size(); ++slot) {
      if (!active.askers[slot].on || active.askers[slot].peer != source.peer) continue;
      if (!source.have.has(active.piece)) continue;
      if (const auto more = ask_more(active, slot)) return more;
    }
  }
  look_ahead(ahead);
  if (const auto piece = held_up(source)) return join(*piece, source.peer, 1);
  if (const auto piece = pick(source)) return join(*piece, source.peer, 0);
  if (!idle) return std::nullopt;
  if (const auto piece = picker_.pick_shared(source.have, windows_)) {
    const Active* shared = active(*piece);
    return join(*piece, source.peer, shared->askers[0].on ? 1 : 0);
  }
  return std::nullopt;
}

// Whole segments, so that each can be a lane.
void Download::look_ahead(bool ahead) {
  windows_.clear();
  const std::uint32_t urgent = pieces_in(limits::urgent_bytes, geometry_);
  const std::uint32_t span = ahead ? pieces_in(limits::read_ahead_bytes, geometry_) : urgent;
  for (const Target& target : readers_) {
    const PieceIndex end = target.rest.begin + std::min(span, target.rest.count());
    const PieceIndex whole = ahead ? geometry_.segment_end(end - 1) : end;
    windows_.push_back({{target.rest.begin, std::min(whole, target.rest.end)}, urgent});
  }
}

// A peer of which no rate is known yet counts as slow beside one that has shown its own: trying it
// out costs the reader nothing.
bool Download::is_slow(const Source& source) const {
  return std::any_of(sources_.begin(), sources_.end(), [&](const Source& other) {
    return !other.stalled && !other.have.empty() &&
           other.rate / limits::slow_peer_factor > source.rate;
  });
}

std::optional<PieceIndex> Download::pick(Source& source) {
  if (is_slow(source)) return pick_for_slow(source);
  lanes_.clear();
  for (const Source& other : sources_) {
    if (other.peer != source.peer && !other.stalled) lanes_.push_back(other.lane);
  }
  const auto piece = picker_.pick(source.have, windows_, {source.lane, lanes_});
  const bool urgent = piece && std::any_of(windows_.begin(), windows_.end(), [&](const Window& w) {
                        return *piece >= w.ahead.begin && *piece - w.ahead.begin < w.urgent;
                      });
  if (piece && !urgent) {
    source.lane = {geometry_.segment_begin(*piece), geometry_.segment_end(*piece)};
  }
  return piece;
}

// What is urgent only if no faster one has it, else what is furthest.
std::optional<PieceIndex> Download::pick_for_slow(const Source& source) const {
  const auto faster_has = [&](PieceIndex piece) {
    return std::any_of(sources_.begin(), sources_.end(), [&](const Source& other) {
      return !other.stalled && other.have.has(piece) && !is_slow(other);
    });
  };
  for (const Window& window : windows_) {
    const PieceIndex end = std::min(window.ahead.begin + window.urgent, window.ahead.end);
    for (PieceIndex piece = window.ahead.begin; piece < end; ++piece) {
      const bool asked = picker_.state(piece) != PiecePicker::State::missing;
      if (!asked && source.have.has(piece) && !faster_has(piece)) return piece;
    }
  }
  return picker_.pick_last(source.have, windows_);
}

// The piece that a reader waits for, in flight with a slow peer: a faster one shares it.
std::optional<PieceIndex> Download::held_up(const Source& source) {
  if (is_slow(source)) return std::nullopt;
  for (const Window& window : windows_) {
    const PieceIndex piece = window.ahead.begin;
    if (picker_.state(piece) != PiecePicker::State::in_flight || !source.have.has(piece)) continue;
    const Asker& asker = active(piece)->askers[0];
    const Source* holder = asker.on ? this->source(asker.peer) : nullptr;
    if (holder != nullptr && is_slow(*holder)) return piece;
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
  picker_.set(piece,
              at->alone || both ? PiecePicker::State::shared : PiecePicker::State::in_flight);
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

void Download::handle_block(PeerId peer, const wire::Block& block, Instant now, Outputs& out) {
  Active* at = active(block.piece);
  if (at == nullptr || at->fetched) return;
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
  at->moved = now;
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
      if ((at->blocks[i] & asked_of(slot)) != 0 && other != block)
        unneeded_.push_back({peer, other});
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

void Download::withdraw(const Active& active) {
  for (std::size_t slot = 0; slot < active.askers.size(); ++slot) {
    if (!active.askers[slot].on) continue;
    for (std::size_t i = 0; i < active.blocks.size(); ++i) {
      if ((active.blocks[i] & asked_of(slot)) == 0) continue;
      unneeded_.push_back({active.askers[slot].peer, block(active.piece, i)});
    }
  }
}

// What was in flight is cancelled; what was taken of it is no use to anybody.
void Download::drop(std::size_t index, Outputs& out) {
  const Active& active = actives_[index];
  withdraw(active);
  if (active.fetched || !active.senders.empty()) out.push(Forget{root_, active.piece});
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

}  // namespace peer_cdn::swarm
