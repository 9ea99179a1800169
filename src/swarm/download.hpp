// One resource on its way from several peers to several readers.
//
// A piece, as this page sees it:
//
//   missing -> in_flight -> whole -> digesting -> verified -> missing again, once it was forgotten
//                 |  ^        (digest list awaited)  |
//                 |  `---- wrong digest -------------'
//                 `-> missing: its peer went, or no reader wants it any more
//
// A verified piece stays with the host until every reader that wants it had it *and* it is stored,
// or storing failed. Runs are to be stored when no reader waits for more of their segment, and are
// written when no reader waits for what is on its way (write_back).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/limits.hpp"
#include "base/manifest.hpp"
#include "base/pieces.hpp"
#include "base/time.hpp"
#include "swarm/output.hpp"
#include "swarm/piece_picker.hpp"
#include "swarm/rate.hpp"
#include "swarm/wire.hpp"

namespace peer_cdn::swarm {

// How many times slower than the origin peers may be before it helps a reader, and how long they
// may take to begin.
struct OriginHelp {
  std::uint32_t slower = 0;  // from 1 on; 0: it may not be asked
  Duration patience{};
};

// What a reader is to be given, in order.
struct Order {
  PieceRange pieces;
  OriginHelp help{};
};

// How many whole pieces make up so many bytes, at least one.
inline std::uint32_t pieces_in(std::uint64_t bytes, const Geometry& geometry) {
  return std::max<std::uint32_t>(1, static_cast<std::uint32_t>(bytes / geometry.piece_bytes()));
}

class Download {
 public:
  Download(const Root& root, const Geometry& geometry, std::uint64_t seed);

  const Root& root() const { return root_; }
  const Geometry& geometry() const { return geometry_; }

  // --- Readers: pieces in order, under credit -------------------------------------------------
  void open(ReaderId id, const Order& order, Instant now, Outputs& out);
  // False if there is no such reader.
  bool grant(ReaderId id, std::uint64_t bytes, Instant now);
  bool close(ReaderId id, Outputs& out);
  std::size_t readers() const { return readers_.size(); }
  void handle_answered(std::uint32_t peers);
  // True once, if a reader ended because nobody has it.
  bool take_nobody() { return std::exchange(nobody_, false); }

  // --- Sources: what connected peers have of it -------------------------------------------------
  struct Holder {
    PeerId peer;
    wire::Handle handle = 0;  // 0: it said that it has nothing, the handle is over
    bool answered = false;
    bool stalled = false;
    std::uint32_t claims_heard = 0;  // said so far
    Instant asked{};
    std::uint64_t rate = 0;  // bytes a second as measured, 0: not yet
    PieceRange lane;         // the segment that it is asked for beyond what is urgent
    PieceSet have;
  };
  const std::vector<Holder>& holders() const { return holders_; }
  Holder* holder(PeerId peer);
  void add_holder(PeerId peer, wire::Handle handle, Instant now);
  void remove_holder(PeerId peer);
  void handle_have(Holder& holder, PieceSet have);
  void handle_update(Holder& holder, PieceRange pieces);
  void handle_not(Holder& holder);

  // --- Blocks -----------------------------------------------------------------------------------
  // What to ask this peer for next. `idle`: it has nothing else in flight, so it may share a piece.
  // `ahead`: there is memory for more than what is urgent.
  std::optional<wire::Block> next_block(Holder& holder, bool idle, bool ahead);
  // A block that was asked of this peer has arrived: taken, unless another peer was faster.
  void handle_block(PeerId peer, const wire::Block& block, Instant now, Outputs& out);
  // It will not come: this peer does not have the piece after all.
  void handle_reject(PeerId peer, const wire::Block& block);
  // Nothing that was asked of this peer will come.
  void release(PeerId peer);

  // What is in flight and not needed any more; the caller cancels it.
  struct Unneeded {
    PeerId peer;
    wire::Block block;
  };
  std::vector<Unneeded> take_unneeded() { return std::move(unneeded_); }

  // --- The origin as one more source (origin.cpp)
  // ------------------------------------------------- Fetches what nobody here has or fetches, and
  // what keeps a reader waiting too long; gives up what is not needed any more. `last`: the number
  // of the last fetch of this page.
  void settle_fetches(Instant now, bool ahead, FetchId& last, Outputs& out);
  bool has_fetch(FetchId id) { return fetch(id) != nullptr; }
  // The bytes of this piece are whole with the host. False: they are not needed.
  bool handle_fetched(FetchId fetch, PieceIndex piece, Instant now, Outputs& out);
  void handle_fetch_end(FetchId fetch, Error error, Outputs& out);

  // Pieces that this page, or another, fetches from the origin.
  struct Claim {
    PieceRange pieces;
    std::uint32_t rank = 0;
  };
  void handle_claim(const Claim& claim, Instant now);
  // Those that others should hear of, now.
  std::vector<Claim> take_claims() { return std::move(claims_); }
  // All that hold now.
  std::vector<Claim> claims(Instant now) const;

  // --- The host's answers
  // -------------------------------------------------------------------------
  void handle_digests(DigestList digests, Outputs& out);
  void handle_digests_failed(Outputs& out);
  // The peer that sent a wrong piece, if only one can have been it.
  std::optional<PeerId> handle_digest(PieceIndex piece, const Digest& digest, Outputs& out);
  // Stored, or storing failed: either way nothing waits for it.
  void handle_kept(PieceRange pieces, bool stored, Outputs& out);
  // Not in the store any more.
  void handle_lost(PieceRange pieces);
  // Has the host write what is to be stored, a segment at a time, when it is due. `tight`: there is
  // much in memory.
  void write_back(Instant now, bool tight, Outputs& out);
  // The page ends: all that is verified is written, however little it is.
  void write_all(Outputs& out);
  // What was verified since: it can be read in memory, and then in the store.
  std::vector<PieceIndex> take_verified() { return std::move(fresh_); }
  // What was forgotten since, and is not in the store.
  std::vector<PieceIndex> take_gone() { return std::move(gone_); }

  // Hands pieces to readers, and ends those that cannot go on.
  void settle(Instant now, Outputs& out);
  std::optional<Instant> next_timeout() const;
  // No reader, and the host holds nothing for it.
  bool finished() const;
  // The host has this piece, whole and good.
  bool is_verified(PieceIndex piece) const { return pieces_[piece].state == State::verified; }
  // Bytes that the host holds or will: in flight, and verified.
  std::uint64_t retained_bytes() const;

 private:
  enum class State : std::uint8_t { missing, in_flight, whole, digesting, verified };
  enum class Answer : std::uint8_t { waiting, nobody, some };
  struct Piece {
    State state = State::missing;
    bool storing = false;
    bool kept = false;                      // stored, or not to be stored
    bool stored = false;                    // it can be read there
    PieceSource from = PieceSource::store;  // as its next reader sees it
    std::uint32_t claim_rank = 0;           // of whoever fetches it from the origin
    Instant claimed_until{};                // and until then it is left to it
  };
  struct Fetch {
    FetchId id;
    PieceRange rest;      // what is needed of what has not come yet
    PieceIndex end = 0;   // of what was asked for
    bool beside = false;  // peers have it too, but are slow
    bool meets = false;   // and are asked for it as well, if they come so far
    std::uint32_t rank = 0;
    Instant claimed_at{};
  };
  struct Reader {  // a reader, as the download sees it
    ReaderId id;
    PieceRange rest;  // what it waits for
    std::int64_t credit = 0;
    bool pending = false;  // it was told that somebody has it
    bool lost = true;      // nobody here has its next piece
    bool retried = false;  // others were asked for, once
    OriginHelp help;
    Instant opened{};
    Instant since{};  // of the last piece, of lost, or of credit
    Instant heard{};  // of the last piece, or of credit
    // Its rate is looked at a window at a time, while it could take more and somebody here has
    // more.
    Instant measured_from{};
    std::uint64_t measured_bytes = 0;
  };
  struct Assignee {
    PeerId peer;
    bool on = false;
  };
  struct Active {  // a piece of which blocks are asked for or taken
    PieceIndex piece = 0;
    bool alone = false;    // it was wrong once and had several senders: the next time it has one
    bool fetched = false;  // from the origin, and whole: it has no blocks
    std::array<Assignee, 2> assignees;
    std::vector<PeerId> senders;
    std::vector<std::uint8_t> blocks;  // asked of assignees 0 and 1 (bits 0, 1), taken (bit 2)
    std::uint32_t untaken = 0;
    Instant moved{};  // a block of it came
  };

  Active* active(PieceIndex piece);
  std::optional<PieceIndex> pick(Holder& holder);
  std::optional<PieceIndex> pick_for_slow(const Holder& holder) const;
  std::optional<PieceIndex> held_up(const Holder& holder);
  bool is_slow(const Holder& holder) const;
  void look_ahead(bool ahead);
  std::optional<wire::Block> ask_more(Active& active, std::size_t slot);
  std::optional<wire::Block> join(PieceIndex piece, PeerId peer, std::size_t slot);
  void leave(Active& active, std::size_t slot);
  void drop(std::size_t index, Outputs& out);
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
  bool nobody_brings(PieceIndex piece, Instant now) const;
  std::optional<PieceRange> late(const Reader& reader, Instant now);
  std::optional<PieceRange> behind(const Reader& reader, PieceRange read_ahead, Instant now);
  std::optional<PieceRange> gap(const Reader& reader, PieceRange read_ahead, Instant now);
  bool fetch_next(Instant now, bool ahead, FetchId& last, Outputs& out);
  void begin_fetch(const Fetch& fetch, Instant now, Outputs& out);
  void claim(Fetch& fetch, Instant now);
  void trim(Fetch& fetch, Instant now);
  void go_on(const Fetch& over, Instant now, FetchId& last, Outputs& out);
  void give_back(PieceRange pieces);
  void give_up_origin(Error error, Outputs& out);
  void note_due(Instant now, Instant at);
  void withdraw(const Active& active);
  static void add_claim(std::vector<Claim>& claims, PieceIndex piece, std::uint32_t rank);
  void store_ready(PieceIndex piece);
  void write_segment(PieceIndex begin, Outputs& out);
  void forget_ready(PieceIndex piece, Outputs& out);
  void after_reader(Outputs& out);
  void deliver(Reader& reader, Instant now, Outputs& out);
  Duration patience() const;
  Instant deadline(const Reader& reader) const;
  Error reason(const Reader& reader) const;
  void note_loss(Reader& reader, Instant now, Outputs& out);
  wire::Block block(PieceIndex piece, std::size_t index) const;

  Root root_;
  Geometry geometry_;
  PiecePicker picker_;
  std::vector<Piece> pieces_;
  std::vector<Active> actives_;
  std::vector<Reader> readers_;
  std::vector<Holder> holders_;
  std::vector<Unneeded> unneeded_;
  std::vector<ReadAhead> aheads_;  // scratch of next_block
  std::vector<PieceRange> lanes_;  // likewise
  std::optional<DigestList> digests_;
  bool list_asked_ = false;
  Answer answer_ = Answer::waiting;
  std::uint32_t introduced_ = 0;
  Instant ask_at_{};
  Duration ask_wait_{};
  bool nobody_ = false;
  std::vector<PieceIndex> fresh_, gone_;
  std::vector<Fetch> fetches_;
  std::vector<Claim> claims_;
  std::uint32_t let_down_ = 0;        // times that what others claimed did not come
  Error origin_error_ = Error::none;  // it is not asked any more
  Rate origin_rate_;
  Instant fetches_due_ = Instant::max();
  Instant fetched_at_{};  // a fetch was under way, last
  std::uint32_t verified_ = 0;
  std::vector<PieceIndex> unstored_;   // segments to be written, by their first piece
  Instant store_at_ = Instant::max();  // and when, at the latest
  std::uint32_t storing_ = 0;          // pieces that the host is writing
};

}  // namespace peer_cdn::swarm
