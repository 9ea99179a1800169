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

// Among equals: in order from one peer, so that a download that breaks off leaves whole segments;
// in each page's own order from several, so that those who came together have different pieces to
// trade.
std::uint32_t PiecePicker::order(PieceIndex piece) const {
  if (peers_ < 2) return piece;
  return (piece ^ salt_) * 0x9E3779B1U;
}

std::optional<PieceIndex> PiecePicker::first(State state, const PieceSet& have,
                                             PieceRange pieces) const {
  for (PieceIndex piece = pieces.begin; piece < pieces.end; ++piece) {
    if (states_[piece] == state && have.has(piece)) return piece;
  }
  return std::nullopt;
}

std::optional<PieceIndex> PiecePicker::pick(const PieceSet& have,
                                            std::span<const Window> windows) const {
  for (const Window& window : windows) {
    const PieceIndex end = std::min(window.ahead.begin + window.urgent, window.ahead.end);
    if (const auto piece = first(State::missing, have, {window.ahead.begin, end})) return piece;
  }
  std::optional<PieceIndex> best;
  for (const Window& window : windows) {
    for (PieceIndex piece = window.ahead.begin; piece < window.ahead.end; ++piece) {
      if (states_[piece] != State::missing || !have.has(piece)) continue;
      if (!best || availability_[piece] < availability_[*best] ||
          (availability_[piece] == availability_[*best] && order(piece) < order(*best))) {
        best = piece;
      }
    }
  }
  return best;
}

std::optional<PieceIndex> PiecePicker::pick_shared(const PieceSet& have,
                                                   std::span<const Window> windows) const {
  for (const Window& window : windows) {
    if (const auto piece = first(State::in_flight, have, window.ahead)) return piece;
  }
  return std::nullopt;
}

}  // namespace peer_cdn::swarm
