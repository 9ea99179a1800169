// Decisions of the swarm, as data, in order. The host performs them.
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
struct SendBlock {  // read these bytes of a held piece, and send them on `data` after the header
  PeerId peer;
  Bytes header;
  Root root;
  PieceIndex piece = 0;
  std::uint32_t offset = 0;
  std::uint32_t bytes = 0;
  bool in_memory = false;  // the host has the verified piece; it may not be in the store yet
};
struct TakeBlock {  // the block just handled is needed: copy its payload into the piece
  Root root;
  PieceIndex piece = 0;
  std::uint32_t offset = 0;
  std::uint32_t bytes = 0;
};
struct DigestPiece {  // the piece is whole: answer with handle_digest and its SHA-256
  Root root;
  PieceIndex piece = 0;
};
struct FetchDigests {  // answer with handle_digests or handle_digests_failed
  Root root;
};
struct Deliver {  // hand a verified piece to a reader; a reader's pieces come in order
  ReaderId reader;
  Root root;
  PieceIndex piece = 0;
  PieceSource from = PieceSource::peers;
};
struct Pending {  // somebody has the resource, so pieces will follow
  ReaderId reader;
  bool warm = false;  // a peer on an open pair has some of it
};
struct End {  // the reader is over: Error::none if it got every piece
  ReaderId reader;
  Error error = Error::none;
};
struct StoreRun {  // write these verified pieces, answer with handle_held or handle_store_failed
  Root root;
  PieceRange pieces;
};
struct Forget {  // drop the bytes of this piece
  Root root;
  PieceIndex piece = 0;
};
struct FetchPieces {  // from the origin: answer with handle_fetched for each, and handle_fetch_end
  FetchId fetch;
  Root root;
  PieceRange pieces;
};
struct CancelFetch {  // no more of it is needed, and no answer either
  FetchId fetch;
};
struct Company {  // nobody had it, and now somebody may: a worker that fetches it alone, share it
  Root root;
};
struct ClosePair {
  PeerId peer;
  Error error = Error::none;
};
struct RestartPair {  // the path is gone: restart ICE on the same connection
  PeerId peer;
};
struct AskFor {  // ask the coordinator for peers that have this root
  Root root;
};
struct Announce {  // tell the coordinator that this page can serve the root, or cannot any more
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
