// Which piece of one resource to ask of a peer next.
//
//   position of a reader
//        |<- urgent ->|<---- ahead: read_ahead_bytes ---->|
//   done | in order   | rarest first, a lane each         | not yet
//
// A piece is asked of one peer, so that a bad one names its sender. Only when nothing else is left
// in the aheads does an idle peer share a piece that is in flight already (endgame).
//
// A peer's lane is the segment that it is asked for beyond the urgent part, while others take other
// ones: it reads that from its disk once, and not each of us all of it for a few pieces.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/pieces.hpp"

namespace peer_cdn::swarm {

struct ReadAhead {
  PieceRange pieces;         // what may be asked for
  std::uint32_t urgent = 0;  // so many at its front strictly in order
};

struct Lanes {
  PieceRange own;
  std::span<const PieceRange> others;
};

class PiecePicker {
 public:
  enum class State : std::uint8_t {
    missing,
    in_flight,  // with one peer
    shared,     // with two, or not to be shared
    done,       // received
  };

  PiecePicker(std::uint32_t count, std::uint64_t seed);

  State state(PieceIndex piece) const { return states_[piece]; }
  void set(PieceIndex piece, State state) { states_[piece] = state; }

  // Availability: what the connected peers have.
  void add_peer(const PieceSet& have);
  void remove_peer(const PieceSet& have);
  void add_piece(PieceIndex piece) { ++availability_[piece]; }
  void remove_piece(PieceIndex piece) { --availability_[piece]; }

  // A missing piece that this peer has.
  std::optional<PieceIndex> pick(const PieceSet& have, std::span<const ReadAhead> aheads,
                                 const Lanes& lanes = {}) const;
  // The furthest one: of a slow peer, that nobody waits for it.
  std::optional<PieceIndex> pick_last(const PieceSet& have,
                                      std::span<const ReadAhead> aheads) const;
  // In each page's own order.
  std::uint32_t own_order(PieceIndex piece) const { return (piece ^ salt_) * 0x9E3779B1U; }
  // One that is in flight elsewhere: for a peer with nothing else to do, when all of the aheads is
  // in flight. In a crowd, where much is still to come, it would double what everybody sends.
  std::optional<PieceIndex> pick_shared(const PieceSet& have,
                                        std::span<const ReadAhead> aheads) const;

 private:
  std::optional<PieceIndex> first(State state, const PieceSet& have, PieceRange pieces) const;
  std::uint64_t sort_key(PieceIndex piece, const Lanes& lanes) const;

  std::vector<State> states_;
  std::vector<std::uint16_t> availability_;
  std::uint32_t peers_ = 0;
  std::uint32_t salt_;
};

}  // namespace peer_cdn::swarm
