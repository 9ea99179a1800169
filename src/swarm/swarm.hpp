// One page's side of every pair and every download: who is asked for which block, what is served to
// whom, and when a source is given up.
//
// Payloads never enter: the host keeps the bytes of pieces by (root, piece), and is told what to do
// with them.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/manifest.hpp"
#include "base/pieces.hpp"
#include "base/time.hpp"
#include "swarm/output.hpp"

namespace peer_cdn::swarm {

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
  // Every SendBlock is answered once: with handle_block_sent when it was handed to the channel, or
  // with handle_unreadable. Until then its bytes count as buffered.
  // `buffered` is the channel's bufferedAmount after the send.
  void handle_block_sent(PeerId peer, std::uint64_t buffered, Instant now);
  // What `data` of this pair holds unsent now: said on bufferedamountlow. The threshold is
  // limits::buffered_low.
  void handle_buffered(PeerId peer, std::uint64_t buffered, Instant now);
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
