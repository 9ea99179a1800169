// One resource on its way to the readers of this page: blocks from peers (blocks.cpp), and fetches
// from the origin (fetches.cpp).
//
// A piece, as this page sees it:
//
//   missing -> in_flight -> whole -> digesting -> verified -> missing again, once it was forgotten
//                 |  ^        (digest list awaited)  |
//                 |  `---- wrong digest -------------'
//                 `-> missing: its peer went, or no reader wants it any more
//
// The host keeps a verified piece until every reader that wants it had it, *and* the piece is
// stored or storing failed. A segment is ready to be stored when no reader waits for more of it.
// It is written when no reader waits for pieces that are on their way (write_back).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/limits.hpp"
#include "base/list.hpp"
#include "base/manifest.hpp"
#include "base/pieces.hpp"
#include "base/time.hpp"
#include "swarm/output.hpp"
#include "swarm/piece_picker.hpp"
#include "swarm/rate.hpp"
#include "swarm/wire.hpp"

namespace peer_cdn::swarm {

// When the page may fetch from the origin what a reader waits for.
struct OriginHelp {
  // 0: never. n: what no peer has, and what peers bring more than n times slower than the origin.
  std::uint32_t slower = 0;
  Duration patience{};  // how long peers may take to begin
};

// The pieces that a reader wants, in order.
struct Order {
  PieceRange pieces;
  OriginHelp help{};
};

class Download {
 public:
  Download(const Root& root, const Geometry& geometry, std::uint64_t seed);

  const Root& root() const { return root_; }
  const Geometry& geometry() const { return geometry_; }

  // --- Readers: they get pieces in order, as far as their credit goes ---------------------------
  void open(ReaderId id, const Order& order, Instant now, Outputs& out);
  // False if there is no such reader.
  bool grant(ReaderId id, std::uint64_t bytes, Instant now);
  bool close(ReaderId id, Outputs& out);
  std::size_t readers() const { return readers_.size(); }
  // The answer to AskFor: how many peers were introduced.
  void handle_answered(std::uint32_t peers);
  // True once after a reader ended because nobody has the resource.
  bool take_nobody() { return std::exchange(nobody_, false); }

  // --- Holders: connected peers that were asked what they have of the resource ------------------
  struct Holder {
    PeerId peer;
    wire::Handle handle = 0;  // 0: the peer said that it has nothing, so its handle is over
    bool answered = false;
    bool hopeful = true;  // it is asked for blocks once before it has said what it has
    bool silent = false;  // it takes long to say that
    bool stalled = false;
    std::uint32_t claims_heard = 0;
    std::uint32_t refused = 0;  // pieces that it had, and did not give
    Instant asked{};
    std::uint64_t rate = 0;  // bytes a second as measured; 0: not measured yet
    PieceRange lane;         // the segment that it is asked for beyond the urgent part
    PieceSet have;
  };
  const OwnedList<Holder>& holders() const { return holders_; }
  Holder* holder(PeerId peer);
  Holder& add_holder(PeerId peer, wire::Handle handle, Instant now);
  void remove_holder(PeerId peer);
  void handle_have(Holder& holder, PieceSet have);
  void handle_update(Holder& holder, PieceRange pieces);
  void handle_not(Holder& holder);

  // --- Blocks -----------------------------------------------------------------------------------
  // The block to ask this peer for next. `idle`: nothing else is in flight from the peer, so it may
  // share a piece with another. `ahead`: there is memory for more than the urgent part.
  std::optional<wire::Block> next_block(Holder& holder, bool idle, bool ahead);
  // A block that was asked of this peer has arrived. It is taken unless another peer was faster.
  void handle_block(PeerId peer, const wire::Block& block, Instant now, Outputs& out);
  // The block will not come: this peer does not have the piece after all.
  void handle_reject(PeerId peer, const wire::Block& block);
  // Nothing that was asked of this peer will come.
  void release(PeerId peer);

  // How much of each holder's rate may be in flight: all of them together are asked for half of the
  // read-ahead. The rest is for who is done first, or it could only send what others are sending.
  Duration request_span() const;

  // Blocks in flight that are not needed any more. The caller cancels them.
  struct Unneeded {
    PeerId peer;
    wire::Block block;
  };
  List<Unneeded> take_unneeded() { return std::move(unneeded_); }

  // --- Fetches: pieces that this page gets from the origin --------------------------------------
  // Begins fetches for pieces that nobody near has or fetches, and for pieces that keep a reader
  // waiting too long. Cancels fetches that are not needed any more. `last`: the number of the last
  // fetch of this page.
  void settle_fetches(Instant now, bool ahead, FetchId& last, Outputs& out);
  bool has_fetch(FetchId id) { return fetch(id) != nullptr; }
  // The bytes of this piece are whole with the host. False: they are not needed.
  bool handle_fetched(FetchId fetch, PieceIndex piece, Instant now, Outputs& out);
  void handle_fetch_end(FetchId fetch, Error error, Outputs& out);

  // Pieces that this page, or another, fetches from the origin. Of two claims to one piece the
  // lower rank holds.
  struct Claim {
    PieceRange pieces;
    std::uint32_t rank = 0;
  };
  void handle_claim(PeerId from, const Claim& claim, Instant now);
  // Claims that other pages should hear of, since the last call.
  List<Claim> take_claims() { return std::move(claims_); }
  // Peers that told of claimed pieces that did not come, since the last call.
  List<PeerId> take_let_downs() { return std::move(let_downs_); }
  // All claims that hold now.
  List<Claim> claims(Instant now) const;

  // --- The host's answers -----------------------------------------------------------------------
  void handle_digests(DigestList digests, Outputs& out);
  void handle_digests_failed(Outputs& out);
  // The browser could not digest a piece: it is short of memory, and nobody gets any.
  void handle_undigested(PieceIndex piece, Outputs& out);
  // Returns the peer that sent a wrong piece, if it can only have been one.
  std::optional<PeerId> handle_digest(PieceIndex piece, const Digest& digest, Outputs& out);
  // The pieces are stored, or storing failed: either way the host need not keep them for the store.
  void handle_kept(PieceRange pieces, bool stored, Outputs& out);
  // The pieces are not in the store any more.
  void handle_dropped(PieceRange pieces);
  // Has the host write the segments that are ready, one at a time, when that is due. `tight`: there
  // is much in memory.
  void write_back(Instant now, bool tight, Outputs& out);
  // The page ends: every verified piece is written.
  void write_all(Outputs& out);
  // Pieces that were verified since the last call. Others can be served from them: the host reads
  // them from memory, and later from the store.
  List<PieceIndex> take_verified() { return std::move(fresh_); }
  // Pieces that the host forgot since the last call, and that are not in the store.
  List<PieceIndex> take_gone() { return std::move(gone_); }

  // Hands pieces to readers, and ends those that cannot go on.
  void settle(Instant now, Outputs& out);
  std::optional<Instant> next_timeout() const;
  // There is no reader, and the host keeps no piece for this download.
  bool finished() const;
  // The host has this piece, whole and good.
  bool is_verified(PieceIndex piece) const { return pieces_[piece].state == State::verified; }
  // Bytes of the pieces that the host keeps or will keep: in flight, and verified.
  std::uint64_t retained_bytes() const;

 private:
  enum class State : std::uint8_t { missing, in_flight, whole, digesting, verified };
  // What the coordinator said to the last AskFor.
  enum class Answer : std::uint8_t { waiting, nobody, some };
  struct Piece {
    State state = State::missing;
    bool storing = false;
    bool kept = false;                      // stored, or storing failed
    bool stored = false;                    // the store has it
    PieceSource from = PieceSource::store;  // what its next reader is told
    std::uint32_t claim_rank = 0;           // rank of the fetch that claims it, here or elsewhere
    Instant claimed_until{};                // when that claim runs out
    PeerId claimed_by;                      // who told it here
  };
  struct Fetch {
    FetchId id;
    PieceRange rest;      // pieces that are needed and have not come yet
    PieceIndex end = 0;   // the end of the pieces that were asked for
    bool beside = false;  // peers have these pieces too, but are slow; nothing is claimed
    bool meets = false;   // peers are asked for these pieces as well, if they get so far
    std::uint32_t rank = 0;
    Instant claimed_at{};
  };
  struct Reader {
    ReaderId id;
    PieceRange rest;  // pieces that it has not got yet
    std::int64_t credit = 0;
    bool pending = false;  // it was told that pieces will come
    bool stranded = true;  // its next piece is not here, and no peer has it
    bool retried = false;  // more peers were asked for, because of that
    OriginHelp help;
    Instant opened{};
    Instant since{};  // when its last piece or credit came, or `stranded` changed
    Instant heard{};  // when its last piece or credit came
    // Its rate is measured over spans of patience(), while it has credit and its next piece can be
    // had.
    Instant measured_from{};
    std::uint64_t measured_bytes = 0;
  };
  struct Assignee {  // a peer that is asked for blocks of a piece
    PeerId peer;
    bool on = false;
  };
  struct Active {  // a piece of which blocks are asked for or taken, or that was fetched
    PieceIndex piece = 0;
    bool alone = false;    // several peers sent it and it was wrong: now one peer sends all of it
    bool fetched = false;  // the origin sent it whole, so it has no blocks
    std::array<Assignee, 2> assignees;
    List<PeerId> senders;       // of blocks that were taken
    List<std::uint8_t> blocks;  // asked of assignee 0 or 1 (bits 0, 1), taken (bit 2)
    std::uint32_t untaken = 0;
    Instant moved{};  // when its last block came
  };

  Active* active(PieceIndex piece);
  std::optional<PieceIndex> pick(Holder& holder, const PieceSet& have);
  std::optional<PieceIndex> pick_for_slow(const Holder& holder) const;
  std::optional<PieceIndex> held_up(const Holder& holder);
  bool is_slow(const Holder& holder) const;
  void look_ahead(bool ahead);
  std::optional<wire::Block> ask_more(Active& active, std::size_t slot);
  std::optional<wire::Block> join(PieceIndex piece, PeerId peer, std::size_t slot);
  void leave(Active& active, std::size_t slot);
  void drop(const Active& active, Outputs& out);
  void drop_unwanted(Outputs& out);
  void receive(PieceIndex piece, Outputs& out);
  bool wanted(PieceIndex piece) const;
  bool obtainable(PieceIndex piece) const;
  bool evidence() const;
  std::size_t useful() const;
  void ask_again(Instant now, Outputs& out);
  bool origin_may_help(const Reader& reader) const;
  Instant origin_helps_from(const Reader& reader) const;
  void tell_pending(Outputs& out);
  std::uint32_t fetch_length() const;
  std::uint32_t fellows(const Reader& reader) const;
  bool peers_have(PieceIndex piece) const;
  bool claimed(PieceIndex piece, Instant now) const;
  bool fetching(PieceIndex piece) const;
  Fetch* fetch(FetchId id);
  bool is_hope_over() const;
  bool nobody_brings(PieceIndex piece, Instant now) const;
  bool outpaced(const Reader& reader, Instant now);
  std::optional<PieceRange> late(const Reader& reader, Instant now);
  std::optional<PieceRange> behind(const Reader& reader, PieceRange read_ahead, Instant now);
  std::optional<PieceRange> gap(const Reader& reader, PieceRange read_ahead, Instant now);
  bool fetch_next(Instant now, bool ahead, FetchId& last, Outputs& out);
  void begin_fetch(const Fetch& fetch, Instant now, Outputs& out);
  void claim(Fetch& fetch, Instant now);
  void trim(Fetch& fetch, Instant now);
  void fetch_on(const Fetch& over, Instant now, FetchId& last, Outputs& out);
  void give_back(PieceRange pieces);
  void give_up_origin(Error error, Outputs& out);
  void note_due(Instant now, Instant at);
  void withdraw(const Active& active);
  // A segment to be written, by its first piece, and when at the latest: each has its own time, so
  // that a transfer that ends soon is not held up by all that it has brought.
  struct Unstored {
    PieceIndex begin = 0;
    Instant due;
  };
  void store_ready(PieceIndex piece);
  void write_segment(PieceIndex begin, Outputs& out);
  void forget_ready(PieceIndex piece, Outputs& out);
  void after_reader(Outputs& out);
  void end_readers(Error error, Outputs& out);
  void deliver(Reader& reader, Instant now, Outputs& out);
  Duration patience() const;
  Instant deadline(const Reader& reader) const;
  Error reason(const Reader& reader) const;
  void note_stranded(Reader& reader, Instant now, Outputs& out);
  wire::Block block(PieceIndex piece, std::size_t index) const;

  Root root_;
  Geometry geometry_;
  PieceSet all_;  // what a hopeful holder may have
  PiecePicker picker_;
  List<Piece> pieces_;
  OwnedList<Active> actives_;
  List<Reader> readers_;
  OwnedList<Holder> holders_;
  List<Unneeded> unneeded_;
  List<ReadAhead> aheads_;  // filled anew by each next_block(); kept to allocate once
  List<PieceRange> lanes_;  // likewise
  std::optional<DigestList> digests_;
  bool list_asked_ = false;
  Answer answer_ = Answer::waiting;
  std::uint32_t introduced_ = 0;
  Instant ask_at_{};
  Duration ask_wait_{};
  bool nobody_ = false;
  List<PieceIndex> fresh_, gone_;
  List<Fetch> fetches_;
  List<Claim> claims_;
  std::uint32_t let_down_ = 0;  // how often claimed pieces did not come
  List<PeerId> let_downs_;
  Error origin_error_ = Error::none;  // why the origin is not asked any more
  Rate origin_rate_;
  bool origin_waits_ = false;  // for the first piece, since nothing else was on its way
  Instant fetches_due_ = Instant::max();
  Instant fetched_at_{};  // when a fetch was last under way
  std::uint32_t verified_ = 0;
  List<Unstored> unstored_;    // oldest first
  std::uint32_t storing_ = 0;  // pieces that the host is writing
};

}  // namespace peer_cdn::swarm
