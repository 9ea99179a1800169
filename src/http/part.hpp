// One Body of an exchange, with what it has asked of the store, a page and the origin: translates
// what the body decides into commands, and what the host says into the body's events.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/list.hpp"
#include "base/manifest.hpp"
#include "base/text.hpp"
#include "http/body.hpp"
#include "http/command.hpp"
#include "http/commons.hpp"
#include "http/policy.hpp"
#include "http/streams.hpp"

namespace peer_cdn {

// What a request asks for, as all parts of its exchange know it.
struct Asked {
  ExchangeId exchange;
  RouteId route;
  Text path;                 // with its query
  Text destination;          // Request.destination
  PageId page{};             // of the requester, if it said hello
  std::uint32_t manner = 0;  // how the page asked
  bool may_answer = true;    // a listed resource, by the manifest (http/policy.hpp)
  CacheUse cache{};
  Repeatable repeatable{};
  Resource* resource = nullptr;     // none: the origin answers for itself
  std::optional<ByteRange> part{};  // by a Range header that counts
  bool has_delegate = false;        // its route
  bool is_hedged = false;           // the network may help peers out in the same body
  bool checks = false;              // the origin's answer is the page's, and is only compared
  double patience = limits::patience;
  bool known = true;  // by all that was told, somebody may have it

  // Requires a listed resource.
  ByteRange range() const { return part ? *part : ByteRange{0, resource->geometry.bytes()}; }
  Subject subject() const { return {resource, manner}; }
  Wish wish() const { return {range().bytes(), patience, known, is_hedged}; }
};

// How a part begins.
struct Beginning {
  BodyId id;
  PluginKind opener;
  bool has_page;     // one may be asked, and keeps the worker alive
  Duration timeout;  // until the first byte; none: as long as it takes
};

// A piece that a page has verified, with what came for nothing since the last one.
struct PagePiece {
  PieceIndex piece;
  std::uint64_t bytes;
  PieceSource from;
  std::uint64_t wasted;
};

// A piece of an answer of the origin.
struct DigestedPiece {
  PieceIndex piece;
  std::uint64_t bytes;
  Digest digest;
};

class Part {
 public:
  Part(const Beginning& beginning, const Asked& asked, Commons& commons, Instant now);
  Part(const Part&) = delete;
  ~Part() { leave_commons(); }
  void start(Instant now);

  // The reader takes so many bytes now; it went away, or another plugin was faster.
  void handle_pull(std::int64_t bytes, Instant now);
  void cancel(Instant now);
  void handle_hedge(Instant now);
  void handle_known(Instant now);
  void handle_company(Instant now);
  void handle_stored(PieceRange run, Instant now);
  void handle_list(const DigestList& list) { body_.handle_digests(list); }
  // Of a run of the store, or of a page's reply: a piece that the host digested.
  void handle_digest(JobId job, PieceIndex piece, std::uint64_t bytes, const Digest& digest,
                     Instant now);
  // The run that was to be read is not there.
  void handle_run_gone(JobId job, Instant now);
  void handle_end(JobId job, Error error, Instant now);
  // The page that was asked: verified a piece, knows somebody, is at it, gave the whole resource.
  void handle_page_piece(JobId job, const PagePiece& piece, Instant now);
  void handle_page_pending(JobId job, bool warm);
  void handle_page_alive(JobId job, Instant now);
  void handle_page_reply(JobId job, std::uint32_t status, std::uint64_t bytes, Instant now);
  void handle_page_gone(PageId page, Instant now);
  // The store did not take what was put there: nothing more is.
  void handle_store_failed() { stores_ = false; }
  // What a stream brought. True if its head was taken: its body is the resource's.
  bool handle_stream_head(JobId job, const OriginAnswer& answer, Instant now);
  void handle_stream_piece(JobId job, StreamId stream, const DigestedPiece& piece, Instant now);
  // Asks the origin. A page's own Request may be given up by its page.
  void open_stream(const Stream& stream, bool may_be_own);
  void handle_timeout(Instant now);
  Deadline next_timeout() const;

  BodyId id() const { return id_; }
  PluginKind opener() const { return opener_; }
  const Body& body() const { return body_; }
  const Root& root() const { return asked_.resource->root; }
  bool has_begun() const { return has_begun_; }
  bool is_over() const { return is_over_; }
  bool is_complete() const { return is_complete_; }
  // The origin's own answer is the response.
  bool has_passed() const { return has_passed_; }
  // The origin's answer could not be used, or must not be what the store has of it.
  bool has_lost_origin() const { return has_lost_origin_; }
  // Once after handle_page_pending(): whether the page has an open pair.
  std::optional<bool> take_pending() { return std::exchange(pending_, std::nullopt); }
  // Its outcome was told to whoever waits for it.
  bool is_settled = false;

 private:
  void push(const auto& command) { commons_.commands.emplace_back(command); }
  const Geometry& geometry() const { return asked_.resource->geometry; }

  void drain(Instant now);
  void perform(const Body::Read& read, Instant now);
  bool knows_peers() const;  // a page may be asked, for all that this part knows
  void perform(const Body::OpenPeers& open, Instant now);
  void perform(const Body::Grant& grant, Instant now);
  void perform(const Body::Fetch& fetch, Instant now);
  void perform(const Body::Accept& accept, Instant now);
  void perform(const Body::Store& store, Instant now);
  void perform(const Body::Close& close, Instant now);
  void perform(const Body::Enqueue& enqueue, Instant now);
  void perform(const Body::Done& done, Instant now);
  void perform(const Body::Fail& fail, Instant now);
  void perform(const Body::Drop& drop, Instant now);
  void perform(const Body::Pass& pass, Instant now);
  void perform(const Body::Head& head, Instant now);
  void perform(const Body::Spill& spill, Instant now);

  void open();
  bool takes_held() const;
  void leave_commons();
  void need_list();
  void read_on(PieceIndex piece, Instant now);
  void ask_page(PageId page, Instant now);
  void look_for_page(Instant now);
  void note_peers(bool in_vain, Instant now);
  StreamId stream_of(JobId job) const;
  void catch_up(JobId job, StreamId stream, PieceIndex first, Instant now);
  void leave(JobId job, StreamId stream);
  void transfer(bool done, Error error, Instant now);
  void finish(bool complete, Error error, Instant now);

  BodyId id_;
  PluginKind opener_;
  const Asked& asked_;
  Commons& commons_;
  Body body_;
  Instant began_;
  Instant told_;          // when it was last said how it goes
  Deadline gives_up_at_;  // before the first byte
  bool has_page_;
  bool has_begun_ = false;
  bool is_hedged_ = false;
  bool stores_;
  bool is_over_ = false;
  bool is_complete_ = false;
  bool has_lost_origin_ = false;
  bool has_passed_ = false;
  bool has_head_ = false;  // of the origin, that was taken
  // An answer of the origin to this part was learned from, and what was known before.
  bool has_learned_ = false;
  Record before_;
  bool is_spilt_ = false;
  std::optional<bool> pending_;
  // The page that is asked.
  Body::OpenPeers peers_{};
  PageId page_{};
  Instant asked_at_{};
  std::uint64_t granted_ = 0;  // the last time: all that it may send, if it has brought nothing
  bool is_warm_ = false;       // it has an open pair, and brought nothing yet
  bool has_brought_ = false;   // something
  Deadline ack_until_;
  Deadline looks_at_;  // for the page that is asked
  // The run that is read.
  Body::Read read_{};
  PieceRange run_{};
  // Streams that it listens to.
  struct Fetching {
    JobId job;
    StreamId stream;
  };
  List<Fetching> fetches_;
};

}  // namespace peer_cdn
