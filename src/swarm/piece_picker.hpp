// Which piece of one resource to ask of a peer next.
//
//   position of a reader
//        |<----------------- ReadAhead ------------------->|
//        |<- urgent ->|                                    |
//   done | in order   | rarest first, a lane for each peer | not yet
//
// A piece is asked of one peer, so that a wrong piece names its sender. An idle peer shares a piece
// that is already in flight only when no piece ahead of the readers is missing (endgame).
//
// A peer's lane is the segment that it is asked for beyond the urgent part, while other peers have
// other lanes. So the peer reads one segment from its disk once. Without lanes it would read every
// segment, for a few pieces of each.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/list.hpp"
#include "base/pieces.hpp"

namespace peer_cdn::swarm {

// What may be asked for ahead of one reader.
struct ReadAhead {
  PieceRange pieces;
  std::uint32_t urgent = 0;  // so many pieces at the front, strictly in order
};

struct Lanes {
  PieceRange own;
  std::span<const PieceRange> others;
};

class PiecePicker {
 public:
  enum class State : std::uint8_t {
    missing,
    in_flight,  // asked of one peer
    shared,     // no other peer is asked: two are, or one must send all, or it is fetched
    done,       // received
  };

  PiecePicker(std::uint32_t count, std::uint64_t seed);

  State state(PieceIndex piece) const { return states_[piece]; }
  void set(PieceIndex piece, State state) { states_[piece] = state; }

  // Availability: how many connected peers have each piece.
  void add_peer(const PieceSet& have);
  void remove_peer(const PieceSet& have);
  void add_piece(PieceIndex piece) { ++availability_[piece]; }
  void remove_piece(PieceIndex piece) { --availability_[piece]; }

  // The best missing piece of those that this peer has.
  std::optional<PieceIndex> pick(const PieceSet& have, std::span<const ReadAhead> aheads,
                                 const Lanes& lanes = {}) const;
  // The furthest one: asked of a slow peer, because no reader waits for it.
  std::optional<PieceIndex> pick_last(const PieceSet& have,
                                      std::span<const ReadAhead> aheads) const;
  // A number for each piece, the same in one page and different in another.
  std::uint32_t own_order(PieceIndex piece) const { return (piece ^ salt_) * 0x9E3779B1U; }
  // A piece that is in flight with another peer: for an idle peer, and only when no piece ahead of
  // the readers is missing. Otherwise a crowd would send everything twice.
  std::optional<PieceIndex> pick_shared(const PieceSet& have,
                                        std::span<const ReadAhead> aheads) const;

 private:
  std::optional<PieceIndex> first(State state, const PieceSet& have, PieceRange pieces) const;
  std::uint64_t sort_key(PieceIndex piece, const Lanes& lanes) const;

  List<State> states_;
  List<std::uint16_t> availability_;
  std::uint32_t peers_ = 0;
  std::uint32_t salt_;
};

}  // namespace peer_cdn::swarm
