// What the swarm wants done, as data, in order.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "base/ids.hpp"
#include "base/pieces.hpp"
#include "base/queue.hpp"
#include "base/variant.hpp"

namespace peer_cdn::swarm {

struct SendControl {
  PeerId peer;
  Bytes frame;
};
struct SendBlock {  // read these bytes of a held piece, put the header before them, send on `data`
  PeerId peer;
  Bytes header;
  Root root;
  PieceIndex piece = 0;
  std::uint32_t offset = 0;
  std::uint32_t bytes = 0;
  bool in_memory = false;  // the host has the verified piece: it need not be in the store yet
};
struct TakeBlock {  // the block just handled was asked for: copy its payload into the piece
  Root root;
  PieceIndex piece = 0;
  std::uint32_t offset = 0;
  std::uint32_t bytes = 0;
};
struct DigestPiece {  // the piece is whole: SHA-256 it, answer with handle_digest
  Root root;
  PieceIndex piece = 0;
};
struct FetchDigests {  // answer with handle_digests or handle_digests_failed
  Root root;
};
struct Deliver {  // hand a verified piece to a reader; pieces of a reader come in order
  ReaderId reader;
  Root root;
  PieceIndex piece = 0;
  PieceSource from = PieceSource::peers;
};
struct Pending {  // somebody has it; pieces will follow
  ReaderId reader;
  bool warm = false;  // over a pair that is open and has answered
};
struct End {  // the reader is done with: Error::none when all was delivered
  ReaderId reader;
  Error error = Error::none;
};
struct StoreRun {  // write these verified pieces, answer with handle_held or handle_store_failed
  Root root;
  PieceRange pieces;
};
struct Forget {  // the bytes of this piece are not needed any more
  Root root;
  PieceIndex piece = 0;
};
struct FetchPieces {  // from the origin; answer with handle_fetched as they come, handle_fetch_end
  FetchId fetch;
  Root root;
  PieceRange pieces;
};
struct CancelFetch {  // no more of it is needed: there is no answer
  FetchId fetch;
};
struct Company {  // nobody had it, and now somebody may: whoever fetches it alone, share
  Root root;
};
struct ClosePair {
  PeerId peer;
  Error error = Error::none;
};
struct RestartPair {  // its path is gone: ICE again, on the same connection
  PeerId peer;
};
struct AskFor {  // more peers for this root are wanted
  Root root;
};
struct Announce {  // first held piece of a root, or the last one gone / upload switched off
  Root root;
  bool on = false;
};
struct Report {
  Error error;
  std::optional<PeerId> peer;
};
using Output = Variant<SendControl, SendBlock, TakeBlock, DigestPiece, FetchDigests, Deliver,
                       Pending, End, StoreRun, Forget, FetchPieces, CancelFetch, Company, ClosePair,
                       RestartPair, AskFor, Announce, Report>;

using Outputs = Queue<Output>;

}  // namespace peer_cdn::swarm
