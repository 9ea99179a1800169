// One page's side of every pair and every download: which peer is asked for which block, which
// block is sent to which peer, and when a peer is given up.
//
// Payloads never enter. The host keeps the bytes of pieces by (root, piece), and is told what to do
// with them.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.hpp"
#include "base/flat.hpp"
#include "base/ids.hpp"
#include "base/list.hpp"
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

  // Pairs. A pair exists from open (both channels) to closed. Before a connection is created the
  // host asks admit(): not with a liar, not too many, not after many failures. True reserves a
  // place until handle_pair_closed(), or until ClosePair if the pair does not open in time.
  // For the rest see Pool.
  bool admit(PeerId peer, bool asked, bool offered, Instant now);
  bool give(PeerId peer, Instant now) { return pool_.give(peer, now); }
  // False where connections do not come up. Then no peers are asked for (Pool::is_reachable).
  bool is_reachable(Instant now) const { return pool_.is_reachable(now); }
  bool is_banned(PeerId peer) const { return pool_.is_banned(peer); }
  bool has_pair(PeerId peer) const { return pool_.has(peer); }
  bool is_open(PeerId peer) const { return pool_.is_open(peer); }
  bool takes_offer(PeerId peer, Instant now) { return pool_.takes_offer(peer, now); }
  List<PeerId> open_pairs() const { return pool_.open_pairs(); }
  std::size_t pairs() const { return pool_.size(); }  // open or not yet
  // Open pairs whose peer answers, as far as is known.
  std::size_t answering() const;
  // After ClosePair the pair is forgotten, and what the host still says of it is ignored.
  void handle_pair_open(PeerId peer, Instant now);
  void handle_pair_closed(PeerId peer, Instant now);
  // The path of an open pair is gone, but may come back; or it is there again.
  void handle_pair_lost(PeerId peer, Instant now);
  void handle_pair_found(PeerId peer, Instant now);
  // Signals reach this peer again: an ICE restart that had to wait may go ahead.
  void handle_pair_resumed(PeerId peer, Instant now);
  // Every path may be a different one now.
  void handle_network_changed(Instant now);
  void handle_control(PeerId peer, ByteSpan frame, Instant now);
  // A message on `data`: its first bytes (at most wire::block_header_bytes are read) and its
  // length. If a TakeBlock follows, the host performs it before anything reuses the payload.
  void handle_block(PeerId peer, ByteSpan header, std::size_t message_bytes, Instant now);
  // The host answers every SendBlock once, those of one pair in their order: with
  // handle_block_sent() when it has handed the block to the channel, or with handle_unreadable().
  // Until then the block's bytes count as buffered. `buffered` is the channel's bufferedAmount
  // after the send. The host tells the channel to say when refill_at() is left (upload.hpp).
  void handle_block_sent(PeerId peer, std::uint64_t buffered, Instant now);
  // The unsent bytes of this pair's `data`, told on bufferedamountlow.
  void handle_buffered(PeerId peer, std::uint64_t buffered, Instant now);
  // A SendBlock cannot be done, because the store lost the piece.
  void handle_unreadable(PeerId peer, const Root& root, PieceIndex piece, Instant now);

  // Readers. Each gets pieces of one resource in order, as far as its credit goes.
  void open(ReaderId reader, const Root& root, const Geometry& geometry, Order order, Instant now);
  void grant(ReaderId reader, std::uint64_t bytes, Instant now);
  void close(ReaderId reader, Instant now);
  // Nobody had this root a moment ago. Others may come at any time, before a mark says so.
  bool watches(const Root& root) { return find_watch(root) != nullptr; }
  // Somebody reads here, from peers or, as nobody has it, from the origin.
  bool is_reading() const { return !downloads_.empty() || !watches_.empty(); }
  // The answer to AskFor: how many peers were introduced for this root. 0: nobody has it.
  void handle_answered(const Root& root, std::uint32_t peers, Instant now);

  // The host's answers.
  // A piece of FetchPieces is whole with the host. False: the piece is not needed, drop its bytes.
  bool handle_fetched(FetchId fetch, PieceIndex piece, Instant now);
  // No more pieces of this fetch will come. The error says why, if some are missing.
  void handle_fetch_end(FetchId fetch, Error error, Instant now);
  void handle_digests(const Root& root, DigestList digests, Instant now);
  void handle_digests_failed(const Root& root, Instant now);
  void handle_digest(const Root& root, PieceIndex piece, const Digest& digest, Instant now);
  void handle_undigested(const Root& root, PieceIndex piece, Instant now);
  // These pieces are in the store: this page or the worker stored them, or they were found there at
  // the start.
  void handle_held(const Root& root, const Geometry& geometry, PieceRange pieces, Instant now);
  void handle_store_failed(const Root& root, PieceRange pieces, Instant now);
  // How many bytes of this resource are not in the store.
  std::uint64_t missing_bytes(const Root& root, const Geometry& geometry);
  // This root was evicted, or the current manifest does not list it any more: serve it to nobody.
  void handle_dropped(const Root& root, Instant now);
  // How a response of the worker's goes. If the origin has sent some of it, the worker fetches this
  // root alone, and the origin's answer may be shared. If it is over, the root is watched no more.
  void handle_transfer(const Root& root, std::uint64_t from_origin, bool over, Instant now);
  void handle_upload_options(const UploadOptions& options, Instant now);

  // The page ends: verified pieces that are not stored yet are stored now.
  void handle_stop();
  // Nobody sees the page now, and it may be gone any time: the same.
  void handle_hidden(Instant now);
  void handle_timeout(Instant now);
  std::optional<Instant> next_timeout() const;
  std::optional<Output> poll_output() { return outputs_.poll(); }
  // The time of the last event, for a caller that acts on an output.
  Instant told() const { return told_; }

 private:
  struct Pair {
    explicit Pair(PeerId peer) : session(peer) {}
    Session session;
    Asker asker;
    std::size_t turn = 0;  // for which download it is asked first
    bool closed = false;
  };
  // The pieces of one resource that others can be served: in the store, or verified and on their
  // way there.
  struct Holding {
    Geometry geometry;
    PieceSet pieces;
  };

  struct Watch {  // a root that a reader wanted and nobody had
    Root root;
    Geometry geometry;
    Instant heard;   // when something was last heard of it
    Instant ask_at;  // when peers are asked for, while nobody was met
    Duration ask_wait;
    bool offered = false;  // announced, because the origin's answer may be shared
    bool met = false;      // somebody else wants it, or has some of it
    std::uint32_t introduced = 0;
  };

  Pair* find(PeerId peer);
  Watch* find_watch(const Root& root);
  void watch(const Root& root, const Geometry& geometry, Instant now);
  void unwatch(Root root);
  void meet(const Root& root, std::uint32_t introduced, Instant now);
  Download* download_of(FetchId fetch);
  void tell_claims(Download& download, Instant now);
  Download* find_download(const Root& root);
  Download* download_of(const Pair& pair, wire::Handle handle);

  void send(Pair& pair, const wire::Message& message, Instant now);
  void close_pair(Pair& pair, Error error);
  void give_up_pair(Pair& pair, Error error);
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
  OwnedList<Pair> pairs_;
  OwnedList<Download> downloads_;
  FlatMap<Root, Holding> holdings_;
  List<Watch> watches_;
  FetchId last_fetch_;
  Pool pool_;
  Upload upload_;
  bool serving_ = true;   // upload_.on(), as Announce last told it
  std::size_t turn_ = 0;  // which asker is the next to be sent a block
  Outputs outputs_;
};

}  // namespace peer_cdn::swarm
