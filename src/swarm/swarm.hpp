// One page's side of every pair and every download: who is asked for which block, what is served to
// whom, and when a source is given up.
//
// Payloads never enter: the host keeps the bytes of pieces by (root, piece), and is told what to do
// with them.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/manifest.hpp"
#include "base/pieces.hpp"
#include "base/time.hpp"

namespace peer_cdn::swarm {

// --- What the swarm wants done -----------------------------------------------------------------
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
};
struct Pending {  // somebody has it; pieces will follow
  ReaderId reader;
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
struct ClosePair {
  PeerId peer;
  Error error = Error::none;
};
struct AskFor {  // more peers for this root are wanted
  Root root;
};
struct Serve {  // first held piece of a root, or the last one gone / upload switched off
  Root root;
  bool on = false;
};
struct Report {
  Error error;
  std::optional<PeerId> peer;
};
using Output = std::variant<SendControl, SendBlock, TakeBlock, DigestPiece, FetchDigests, Deliver,
                            Pending, End, StoreRun, Forget, ClosePair, AskFor, Serve, Report>;

struct UploadOptions {
  bool on = true;
  std::uint64_t bytes_per_second = 0;  // limits::upload_rate by default, 0: no cap
  std::uint64_t bytes_in_all = 0;      // limits::upload_bytes by default, 0: no cap
};

class Swarm {
 public:
  explicit Swarm(std::uint64_t seed);

  // Pairs. A pair exists from open (both channels) to closed.
  void handle_pair_open(PeerId peer, Instant now);
  void handle_pair_closed(PeerId peer, Instant now);
  void handle_control(PeerId peer, ByteSpan frame, Instant now);
  // A message on `data`: its first bytes (at most wire::block_header_bytes are read) and its length.
  // The host then performs TakeBlock, if there is one, before anything else reuses the payload.
  void handle_block(PeerId peer, ByteSpan header, std::size_t message_bytes, Instant now);
  // What `data` of this pair holds unsent now; said after a send and when it runs low.
  void handle_buffered(PeerId peer, std::uint64_t bytes, Instant now);
  // A SendBlock could not be done: the store lost the piece.
  void handle_unreadable(PeerId peer, const Root& root, PieceIndex piece, Instant now);

  // Readers: pieces [begin, end) of one resource, in order, as far as credit allows.
  void open(ReaderId reader, const Root& root, const Geometry& geometry, PieceRange pieces, Instant now);
  void grant(ReaderId reader, std::uint64_t bytes, Instant now);
  void close(ReaderId reader, Instant now);
  // From signalling: how many peers were introduced for a root that AskFor named. 0: nobody.
  void handle_answered(const Root& root, std::uint32_t peers, Instant now);

  // The host's answers.
  void handle_digests(const Root& root, DigestList digests, Instant now);
  void handle_digests_failed(const Root& root, Instant now);
  void handle_digest(const Root& root, PieceIndex piece, const Digest& digest, Instant now);
  // These pieces are in the store: stored by us, by the worker, or found there at the start.
  void handle_held(const Root& root, const Geometry& geometry, PieceRange pieces, Instant now);
  void handle_store_failed(const Root& root, PieceRange pieces, Instant now);
  // This root is evicted, or not in the current manifest any more: serve it to nobody.
  void handle_dropped(const Root& root, Instant now);
  void handle_upload_options(const UploadOptions& options, Instant now);

  void handle_timeout(Instant now);
  std::optional<Instant> next_timeout() const;
  std::optional<Output> poll_output();
};

}  // namespace peer_cdn::swarm
