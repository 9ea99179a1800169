#include "swarm/piece_picker.hpp"

#include <algorithm>

namespace peer_cdn::swarm {

PiecePicker::PiecePicker(std::uint32_t count, std::uint64_t seed)
    : states_(count, State::missing),
      availability_(count, 0),
      salt_(static_cast<std::uint32_t>(seed ^ (seed >> 32))) {}

void PiecePicker::add_peer(const PieceSet& have) {
  ++peers_;
  for (PieceIndex piece = have.next_held(0); piece < have.count();
       piece = have.next_held(piece + 1)) {
    add_piece(piece);
  }
}

void PiecePicker::remove_peer(const PieceSet& have) {
  --peers_;
  for (PieceIndex piece = have.next_held(0); piece < have.count();
       piece = have.next_held(piece + 1)) {
    remove_piece(piece);
  }
}

// The lowest key goes first: the rarest piece, then pieces of the peer's own lane, and last those
// of others' lanes. Pieces that all peers have go in order, so that a download that breaks off
// leaves whole segments. Pieces that some peers have go in each page's own order, so that pages
// that came together have different pieces to trade.
std::uint64_t PiecePicker::sort_key(PieceIndex piece, const Lanes& lanes) const {
  std::uint64_t lane = 1;
  if (lanes.own.contains(piece)) {
    lane = 0;
  } else if (std::any_of(lanes.others.begin(), lanes.others.end(),
                         [piece](const PieceRange& other) { return other.contains(piece); })) {
    lane = 2;
  }
  const bool all_have = availability_[piece] >= peers_;
  const std::uint32_t order = all_have ? piece : own_order(piece);
  return (std::uint64_t{availability_[piece]} << 40) | (lane << 32) | order;
}

std::optional<PieceIndex> PiecePicker::first(State state, const PieceSet& have,
                                             PieceRange pieces) const {
  for (PieceIndex piece = pieces.begin; piece < pieces.end; ++piece) {
    if (states_[piece] == state && have.has(piece)) return piece;
  }
  return std::nullopt;
}

std::optional<PieceIndex> PiecePicker::pick(const PieceSet& have, std::span<const ReadAhead> aheads,
                                            const Lanes& lanes) const {
  for (const ReadAhead& ahead : aheads) {
    const PieceIndex end = std::min(ahead.pieces.begin + ahead.urgent, ahead.pieces.end);
    if (const auto piece = first(State::missing, have, {ahead.pieces.begin, end})) return piece;
  }
  std::optional<PieceIndex> best;
  std::uint64_t best_key = 0;
  for (const ReadAhead& ahead : aheads) {
    for (PieceIndex piece = ahead.pieces.begin; piece < ahead.pieces.end; ++piece) {
      if (states_[piece] != State::missing || !have.has(piece)) continue;
      const std::uint64_t key = sort_key(piece, lanes);
      if (best && key >= best_key) continue;
      best = piece;
      best_key = key;
    }
  }
  return best;
}

std::optional<PieceIndex> PiecePicker::pick_last(const PieceSet& have,
                                                 std::span<const ReadAhead> aheads) const {
  for (std::size_t i = aheads.size(); i-- > 0;) {
    for (PieceIndex piece = aheads[i].pieces.end; piece-- > aheads[i].pieces.begin;) {
      if (states_[piece] == State::missing && have.has(piece)) return piece;
    }
  }
  return std::nullopt;
}

std::optional<PieceIndex> PiecePicker::pick_shared(const PieceSet& have,
                                                   std::span<const ReadAhead> aheads) const {
  for (const ReadAhead& ahead : aheads) {
    for (PieceIndex piece = ahead.pieces.begin; piece < ahead.pieces.end; ++piece) {
      if (states_[piece] == State::missing) return std::nullopt;
    }
  }
  for (const ReadAhead& ahead : aheads) {
    if (const auto piece = first(State::in_flight, have, ahead.pieces)) return piece;
  }
  return std::nullopt;
}

}  // namespace peer_cdn::swarm
