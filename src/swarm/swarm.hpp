// One page's side of every pair and every download: who is asked for which block, what is served to
// whom, and when a source is given up.
//
// Payloads never enter: the host keeps the bytes of pieces by (root, piece), and is told what to do
// with them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.hpp"
#include "base/flat.hpp"
#include "base/ids.hpp"
#include "base/manifest.hpp"
#include "base/pieces.hpp"
#include "base/time.hpp"
#include "swarm/download.hpp"
#include "swarm/output.hpp"
#include "swarm/pool.hpp"
#include "swarm/session.hpp"
#include "swarm/upload.hpp"
#include "swarm/wire.hpp"

namespace peer_cdn::swarm {

class Swarm {
 public:
  explicit Swarm(std::uint64_t seed);

  // Pairs. A pair exists from open (both channels) to closed. Whether one may be created at all is
  // asked first (not with a liar, not too many, not after many failures): true reserves its place,
  // until handle_pair_closed, or ClosePair when it does not open in time. `asked`: for ourselves.
  bool admit(PeerId peer, bool asked, Instant now);
  // False where connections do not come up: nobody is asked for then (Pool::is_reachable).
  bool is_reachable(Instant now) const { return pool_.is_reachable(now); }
  bool is_banned(PeerId peer) const { return pool_.is_banned(peer); }
  bool has_pair(PeerId peer) const { return pool_.has(peer); }
  bool is_open(PeerId peer) const { return pool_.is_open(peer); }
  std::vector<PeerId> open_pairs() const { return pool_.open_pairs(); }
  std::size_t pairs() const { return pool_.size(); }  // open or not yet
  // After ClosePair the pair is forgotten: what the host still says of it is ignored.
  void handle_pair_open(PeerId peer, Instant now);
  void handle_pair_closed(PeerId peer, Instant now);
  // Of an open pair: its path is gone, but it may come back, or does so; a restart that was not
  // possible may be now; every path may be another one.
  void handle_pair_lost(PeerId peer, Instant now);
  void handle_pair_found(PeerId peer, Instant now);
  void handle_pair_resumed(PeerId peer, Instant now);
  void handle_network_changed(Instant now);
  void handle_control(PeerId peer, ByteSpan frame, Instant now);
  // A message on `data`: its first bytes (at most wire::block_header_bytes are read) and its
  // length. The host then performs TakeBlock, if there is one, before anything else reuses the
  // payload.
  void handle_block(PeerId peer, ByteSpan header, std::size_t message_bytes, Instant now);
  // Every SendBlock is answered once: with handle_block_sent when it was handed to the channel, or
  // with handle_unreadable; those of one pair in the order in which they came. Until then its bytes
  // count as buffered.
  // `buffered` is the channel's bufferedAmount after the send.
  void handle_block_sent(PeerId peer, std::uint64_t buffered, Instant now);
  // What `data` of this pair holds unsent now: said on bufferedamountlow. The threshold is
  // limits::buffered_low.
  void handle_buffered(PeerId peer, std::uint64_t buffered, Instant now);
  // A SendBlock could not be done: the store lost the piece.
  void handle_unreadable(PeerId peer, const Root& root, PieceIndex piece, Instant now);

  // Readers: pieces of one resource, in order, as far as credit allows.
  void open(ReaderId reader, const Root& root, const Geometry& geometry, Order order, Instant now);
  void grant(ReaderId reader, std::uint64_t bytes, Instant now);
  void close(ReaderId reader, Instant now);
  // Nobody had it a moment ago: others may come at any time, before any mark says so.
  bool watches(const Root& root) { return find_watch(root) != nullptr; }
  // From signalling: how many peers were introduced for a root that AskFor named. 0: nobody.
  void handle_answered(const Root& root, std::uint32_t peers, Instant now);

  // The host's answers.
  // A piece of FetchPieces is whole with the host. False: drop its bytes, it is not needed.
  bool handle_fetched(FetchId fetch, PieceIndex piece, Instant now);
  // No more pieces of this fetch will come; the error says why if some are missing.
  void handle_fetch_end(FetchId fetch, Error error, Instant now);
  void handle_digests(const Root& root, DigestList digests, Instant now);
  void handle_digests_failed(const Root& root, Instant now);
  void handle_digest(const Root& root, PieceIndex piece, const Digest& digest, Instant now);
  // These pieces are in the store: stored by us, by the worker, or found there at the start.
  void handle_held(const Root& root, const Geometry& geometry, PieceRange pieces, Instant now);
  void handle_store_failed(const Root& root, PieceRange pieces, Instant now);
  // Of this resource, what is not in the store.
  std::uint64_t missing_bytes(const Root& root, const Geometry& geometry);
  // This root is evicted, or not in the current manifest any more: serve it to nobody.
  void handle_dropped(const Root& root, Instant now);
  // Whoever fetches this root alone (the worker) has some of it from the origin, which may be
  // shared; or is done with it, and it is not watched any more.
  void handle_transfer(const Root& root, bool over, Instant now);
  void handle_upload_options(const UploadOptions& options, Instant now);

  // The page ends: what is verified and not stored yet is stored now.
  void handle_stop();
  void handle_timeout(Instant now);
  std::optional<Instant> next_timeout() const;
  std::optional<Output> poll_output() { return outputs_.poll(); }
  // The time of the last event, for whoever acts on an output.
  Instant told() const { return told_; }

 private:
  struct Pair {
    explicit Pair(PeerId peer) : session(peer) {}
    Session session;
    Asker asker;
    bool closed = false;
  };
  struct Holding {  // what can be read of one resource: in the store, or verified and on its way
                    // there
    Geometry geometry;
    PieceSet pieces;
  };

  struct Watch {  // what a reader wanted and nobody had
    Root root;
    Geometry geometry;
    Instant heard;   // of it, last
    Instant ask_at;  // while nobody was met
    Duration ask_wait;
    bool offered = false;  // announced: the origin's answer may be shared
    bool met = false;      // somebody else wants it, or has some
    std::uint32_t introduced = 0;
  };

  Pair* find(PeerId peer);
  Watch* find_watch(const Root& root);
  void watch(const Root& root, const Geometry& geometry, Instant now);
  void unwatch(Root root);
  void meet(const Root& root, std::uint32_t introduced, Instant now);
  Download* fetch_of(FetchId fetch);
  void tell_claims(Download& download, Instant now);
  Download* find_download(const Root& root);
  Download* download_of(const Pair& pair, wire::Handle handle);

  void send(Pair& pair, const wire::Message& message, Instant now);
  void close_pair(Pair& pair, Error error);
  void forget_pair(Pair& pair);
  void withdraw_requests(Pair& pair, Instant now);
  void mark_stalled(const Pair& pair);
  void want(Pair& pair, Download& download, Instant now);
  void want_all(Download& download, Instant now);

  void handle(Pair& pair, const wire::Hello& hello, Instant now);
  void handle(Pair& pair, const wire::Want& want, Instant now);
  void handle(Pair& pair, const wire::Have& have, Instant now);
  void handle(Pair& pair, const wire::Not& message, Instant now);
  void handle(Pair& pair, const wire::Update& update, Instant now);
  void handle(Pair& pair, const wire::Claim& claim, Instant now);
  void handle(Pair& pair, const wire::Request& request, Instant now);
  void handle(Pair& pair, const wire::Cancel& cancel, Instant now);
  void handle(Pair& pair, const wire::Reject& reject, Instant now);
  void handle(Pair& pair, const wire::Done& done, Instant now);

  void hold(const Root& root, const Geometry& geometry, PieceRange pieces, Instant now);
  void lose(const Root& root, PieceRange pieces);
  void end_serving(Pair& pair, wire::Handle handle, bool tell, Instant now);
  void switch_serving(Instant now);
  void settle(Instant now);
  void settle_pairs(Instant now);
  void settle_downloads(Instant now);
  void settle_watches(Instant now);
  void settle_fetches(Instant now);
  Instant watches_due() const;
  bool has_memory() const { return retained_bytes() < limits::retained_bytes; }
  std::uint64_t retained_bytes() const;
  void cancel_unneeded(Download& download, Instant now);
  void fill(Pair& pair, Instant now);
  void pump(Instant now);

  std::uint64_t seed_;
  Instant told_{};
  std::vector<std::unique_ptr<Pair>> pairs_;
  std::vector<std::unique_ptr<Download>> downloads_;
  FlatMap<Root, Holding> holdings_;
  std::vector<Watch> watches_;
  FetchId last_fetch_;
  Pool pool_;
  Upload upload_;
  bool serving_ = true;   // what Announce said last: upload_.on()
  std::size_t turn_ = 0;  // whose turn it is, of askers and of downloads
  Outputs outputs_;
};

}  // namespace peer_cdn::swarm
