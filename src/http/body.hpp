// The bytes of one asked range, gathered piece by piece from the store, peers and the origin.
//
//   pieces   |  held   |   missing              |  held   |  missing      |
//   jobs     | read    |  peers, or the origin  | read    |  ...
//                 ^ next piece to pass on            ^ limits::body_ahead_bytes further:
//                                                      no job yet
//
// Pieces are passed on strictly in order, each whole and verified, and only as many as the reader
// asks for. A source that breaks off leaves its pieces free, and the next source takes them: at
// that very byte, whoever it was. What was passed on is never taken back, so the only other end
// than the last byte is an error: never a splice, never a silent truncation.
//
// Where nobody else serves, the origin is asked for long stretches, each read as fast as the reader
// takes it. Beside peers the origin is asked for one short window at a time. Bodies of one
// resource share what is on its way to any of them (http/streams.hpp).
//
// No bytes come in here. The host keeps the buffers by piece, digests them, and says what came.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

#include "base/judge.hpp"
#include "base/limits.hpp"
#include "base/list.hpp"
#include "base/manifest.hpp"
#include "base/pieces.hpp"
#include "base/time.hpp"
#include "http/chain.hpp"
#include "http/streams.hpp"
#include "http/windows.hpp"

namespace peer_cdn {

using JobId = Id<struct JobTag>;  // one errand of a body's host; counts up from 1

// How a body was asked for.
struct Opening {
  // What may give the first byte: the cache the store, the delegate also peers, the network also
  // the origin (and no peers). After the first byte the origin always may.
  PluginKind opener;
  // The page asked without a Range header: what the origin answers to the same is the page's answer
  // too.
  bool whole = true;
  // In bytes: how long the second window is; at most limits::window_bytes_max.
  std::uint64_t second_window = 2 * limits::window_first_bytes;
  // The origin compresses it, or is likely to.
  bool packs = false;
  // The page gets the origin's answer as it is; it is only compared, and stored if it is right.
  bool checks = false;
  // The origin is asked past the browser's HTTP cache.
  bool reload = false;
  // Somebody may have it. Where nobody is known to, a page that is asked only looks out for others.
  bool known = true;
  Streams* streams = nullptr;  // what it shares with the other bodies; outlives the body
  Subject of{};
  Forms* forms = nullptr;  // of the resource; outlives the body
};

class Body {
 public:
  // Read these pieces from the store, and digest them: handle_digest() each in order, then
  // handle_end().
  struct Read {
    JobId job;
    PieceRange pieces;
    bool operator==(const Read&) const = default;
  };
  // Ask a page for these pieces, which it verifies: handle_piece() each in order, then
  // handle_end().
  struct OpenPeers {
    JobId job;
    PieceRange pieces;
    bool operator==(const OpenPeers&) const = default;
  };
  // The page may send so many more bytes.
  struct Grant {
    JobId job;
    std::uint64_t bytes;
    bool operator==(const Grant&) const = default;
  };
  // Read these pieces of an answer of the origin: handle_head(), then wait for Accept. If no body
  // reads that stream yet, the origin is asked for it after `wait`. With `reload` past the
  // browser's HTTP cache, which may hold an older version. `whole`: what is asked for is the
  // resource, and no Range header is needed.
  struct Fetch {
    JobId job;
    PieceRange pieces;
    bool whole;
    bool reload;
    Duration wait;
    StreamId stream;
    PieceRange asked;  // of the origin
    bool operator==(const Fetch&) const = default;
  };
  // Cut the origin's body into pieces (a whole answer from the first on), up to the latest `until`
  // of its readers, digest each and handle_digest() it in order. May come again with a later
  // `until`.
  // Keep what comes for readers that join, but the pieces before `keep`. A body that goes on behind
  // the resource's last byte is another file: handle_end(wrong_length) instead of the last piece.
  struct Accept {
    JobId job;
    PieceIndex until;
    PieceIndex keep;
    bool operator==(const Accept&) const = default;
  };
  // Put these pieces of this job, verified by the host, into the store.
  struct Store {
    JobId job;
    PieceRange pieces;
    bool operator==(const Store&) const = default;
  };
  // Nothing more of this job is wanted.
  struct Close {
    JobId job;
    bool operator==(const Close&) const = default;
  };
  // Pass bytes [begin, end) of this piece on to the reader, and let go of it.
  struct Enqueue {
    PieceIndex piece;
    std::uint32_t begin;
    std::uint32_t end;
    bool operator==(const Enqueue&) const = default;
  };
  // The run that this job read last has not the bytes that it should: forget it. Its job is closed.
  struct Drop {
    JobId job;
    bool operator==(const Drop&) const = default;
  };
  struct Done {
    bool operator==(const Done&) const = default;
  };
  // Nobody can give the next byte. Nothing was passed on yet: the request may still go elsewhere.
  struct Fail {
    Error error;
    bool operator==(const Fail&) const = default;
  };
  // The origin's answer to this job is no part of the resource, and is what the page would have got
  // without us: it goes to the page untouched, instead of a body. Nothing was passed on yet.
  struct Pass {
    JobId job;
    bool operator==(const Pass&) const = default;
  };
  // The head of the response is known. Bytes follow, or Fail.
  struct Head {
    bool operator==(const Head&) const = default;
  };
  // The origin's answer to this job is no part of the resource after all: the page gets its bytes
  // as they are, under its head if there was no Head before. Nothing was passed on yet.
  struct Spill {
    JobId job;
    bool operator==(const Spill&) const = default;
  };
  using Output = std::variant<Read, OpenPeers, Grant, Fetch, Accept, Store, Close, Enqueue, Done,
                              Fail, Drop, Pass, Head, Spill>;

  struct Counts {
    std::uint64_t from_cache = 0;  // passed on, by where it came from
    std::uint64_t from_peers = 0;
    std::uint64_t from_origin = 0;
    std::uint64_t wasted = 0;  // came and was not of use: twice, wrong, or after its job was closed
  };

  // `range` is not empty and inside the resource.
  Body(Geometry geometry, ByteRange range, PieceSet held, Opening opening);

  // How long a piece may take: only whole ones come.
  static Duration piece_time(const Geometry& geometry);

  // The first jobs. Digests may come later, but before the first handle_digest().
  void start(Instant now);
  void handle_digests(const DigestList& digests) { digests_ = digests; }
  // They cannot be had.
  void handle_no_digests() { lacks_digests_ = true; }
  // Peers that have it take long to begin: the origin gives the first bytes, window by window,
  // until they do. Then they go on where it is.
  void handle_hedge(Instant now);
  // Somebody turned out to have it, or to want it too: of an answer that was to give all of it a
  // window is left beside the peers.
  void handle_known();
  // Others have it, or want it too: what is free from here on is asked of a page, which shares the
  // work with them and with the origin. Not after peers have broken off.
  void handle_company(Instant now);
  // So many bytes came to the host and were of no use.
  void handle_wasted(std::uint64_t bytes) { counts_.wasted += bytes; }
  // Somebody else stored these pieces: they need not be fetched any more.
  void handle_held(PieceRange pieces, Instant now);
  // The reader takes so many bytes now (its desiredSize): replaces what was said before.
  void handle_pull(std::int64_t bytes, Instant now);
  // A piece that the page verified. True: keep its buffer until Enqueue; false: drop it.
  bool handle_piece(JobId job, PieceIndex piece, std::uint64_t bytes, PieceSource from,
                    Instant now);
  // A piece that the host digested. True: keep its buffer until Enqueue, and until Store or Close.
  bool handle_digest(JobId job, PieceIndex piece, std::uint64_t bytes, const Digest& digest,
                     Instant now);
  // True if it is taken: its body is the resource's.
  bool handle_head(JobId job, const OriginAnswer& answer, Instant now);
  // It joined an answer that was taken before.
  void handle_joined(JobId job, Instant now);
  // The job's source has nothing more; Error::none if it is of the opinion that this was all.
  void handle_end(JobId job, Error error, Instant now);
  // The page that this job asks is there, and at it: what it owes comes when peers or the origin
  // bring it.
  void handle_alive(JobId job, Instant now);
  // The reader went away.
  void handle_cancel();
  void handle_timeout(Instant now);

  std::optional<Output> poll_output();
  Deadline next_timeout() const { return sooner(stalls_at_, origin_late_at_); }

  bool finished() const { return finished_; }
  // Why the origin could not be used, if that ended the body: before the first byte (the request
  // goes to the network as it is), or in the middle.
  Error origin_error() const { return finished_ ? origin_error_ : Error::none; }
  // Once: an answer that was taken turned out to have other bytes.
  bool take_others() { return std::exchange(has_met_others_, false); }
  bool has_passed_any() const { return passed_any_; }
  // Whether a page is asked for some of it.
  bool asks_peers() const { return job_of(Source::peers) != nullptr; }
  const Counts& counts() const { return counts_; }
  const Geometry& geometry() const { return geometry_; }
  ByteRange range() const { return range_; }
  PieceRange pieces() const { return pieces_; }

 private:
  enum class Source : std::uint8_t { store, peers, origin };
  enum class State : std::uint8_t {
    free,
    taken,
    from_store,
    from_origin,
    from_peers,
    page_had,
    page_fetched,  // from the origin
    passed
  };
  struct Job {
    JobId id;
    Source source;
    PieceRange pieces;
    PieceIndex next;           // the first piece that has not come
    PieceIndex stored;         // [stored, next) was verified by the host and is not stored yet
    StreamId stream = 0;       // of the origin
    std::uint32_t reader = 0;  // of that stream
    bool joined = false;       // another job had asked for it
    bool accepted = false;
    bool hedged = false;       // of peers: nothing came yet, and the origin helps out
    bool rest = false;         // the origin answered 200: all that is left comes in one body
    PieceIndex until = 0;      // of Accept
    std::uint64_t owed = 0;    // of peers: bytes granted that have not come
    std::uint64_t passed = 0;  // of peers: bytes passed on, or dropped, since the last grant

    bool is_to_bring(PieceIndex piece) const { return next <= piece && piece < pieces.end; }
  };

  State& state(PieceIndex piece) { return states_[piece - pieces_.begin]; }
  bool is_done(PieceIndex piece);
  bool is_ready(PieceIndex piece);
  Job* find(JobId id);
  const Job* job_of(Source source) const;
  bool may_fetch(PieceIndex from) const;
  std::uint32_t ahead_pieces() const;
  PieceIndex read_ahead_end() const;
  PieceIndex stretch_end(PieceIndex from, PieceIndex end) const;
  bool is_alone() const;
  bool is_small() const {
    return geometry_.bytes() <= limits::small_bytes || geometry_.count() == 1;
  }
  PieceIndex window_end(PieceIndex from, PieceIndex end) const;

  void advance(Instant now);  // passes on what is ready, then gives out jobs
  void pass_on();
  void grant(Job& job, std::uint64_t bytes);
  void plan();
  void free_hedged();
  PieceIndex assign(PieceIndex from);
  PieceIndex ask_peers(PieceIndex from);
  PieceIndex add_job(Source source, PieceRange pieces);
  PieceIndex fetch(PieceRange pieces);
  PieceIndex join(Stream& stream, PieceRange pieces);
  PieceIndex end_of_stretch(PieceIndex from, bool held);
  void extend();
  void accept(Job& job);
  void take(Job& job, bool is_whole);
  void take_rest(const Job& job);
  bool is_first_run(const Job& job) const;
  bool writes(Job& job, PieceIndex piece);
  void note_written(const Job& job);
  bool take_piece(Job& job, PieceIndex piece, State ready);
  void store_up_to(Job& job, PieceIndex end);
  void close(JobId id);
  void close_window(PieceIndex piece);
  void shorten(JobId id, PieceIndex end);
  void retake();
  void close_all();
  void watch(Instant now);
  void watch_origin(Instant now);
  void help_origin();
  void lose_peers(Job& job, Error error);
  PieceRange whole_pieces(PieceRange asked, ByteRange held) const;
  void take_part(Job& job, PieceRange held);
  // `is_answer`: the page would have got the same.
  void lose_origin(Job& job, Error error, bool is_answer);
  void give_up_origin(Error error);
  void end_without_origin();
  bool asks_again(bool is_changed);
  bool is_page_answer(bool asked_whole, const OriginAnswer& answer) const;
  // One that is compressed and failed as a part may come compressed whatever is asked for. Chromium
  // takes no such answer to a part.
  bool has_no_parts() const {
    return whole_ && (forms_->has_no_parts || (packs_ && attempts_ > 0));
  }
  bool gives_whole(const Stream& refused, bool is_answer, Verdict verdict) const;
  void release_refusal();
  bool is_untouched(const Job& job) const;
  void spill(const Job& job, Error error);
  void fail(Error error);
  void push(const auto& output) { outputs_.emplace_back(output); }

  Geometry geometry_;
  ByteRange range_;
  PieceRange pieces_;
  PieceSet held_;
  List<State> states_;  // of pieces_
  DigestList digests_;
  List<Job> jobs_;
  PieceIndex next_;          // the first piece that was not passed on
  std::int64_t demand_ = 0;  // bytes the reader still takes
  std::uint32_t job_count_ = 0;
  Duration busy_wait_{};             // what a busy origin asked for
  std::uint32_t attempts_ = 0;       // of the origin, without a good piece between
  std::uint32_t failed_before_ = 0;  // failures of jobs up to this one were counted
  Windows windows_;
  Streams* streams_;
  Subject of_;
  bool known_;
  bool peers_may_;
  bool peers_lost_ = false;
  bool origin_may_begin_;
  bool hedged_ = false;  // the origin helps out peers that have not begun
  bool whole_;
  bool packs_;
  bool checks_;
  bool reload_;
  bool is_head_sent_ = false;
  bool lacks_digests_ = false;
  bool has_met_others_ = false;
  Error origin_error_ = Error::none;  // it is not asked any more
  Forms* forms_;
  // This job's answer may be the page's, if peers do not come. The body stays its reader until
  // then.
  std::optional<Job> refusal_;
  bool passed_any_ = false;
  bool finished_ = false;
  Deadline stalls_at_;
  Deadline origin_late_at_;  // with what comes next
  List<Output> outputs_;
  std::size_t polled_ = 0;
  Counts counts_;
};

}  // namespace peer_cdn
