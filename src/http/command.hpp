// What the worker's host is to do, as data: Engine::commands() has it in order.
//
// All of it is numbers, so that a whole batch crosses the border at once. What has a text (a head,
// a code) is asked for by the host where it needs it.
#pragma once

#include <cstdint>
#include <variant>

#include "base/error.hpp"
#include "base/pieces.hpp"
#include "http/body.hpp"
#include "http/policy.hpp"
#include "http/router.hpp"
#include "http/streams.hpp"

namespace peer_cdn {

using ExchangeId = Id<struct ExchangeTag>;
using BodyId = Id<struct BodyTag>;
using GetId = Id<struct GetTag>;    // one get() of ours that a site's middleware called
using PageId = Id<struct PageTag>;  // issued by the host; one client that said hello
using RunId = Id<struct RunTag>;    // one run that a page handed over and has yet to store

namespace command {

// --- A request

// It asks for a listed resource: root and type by resource() of the border.
struct Begin {
  ExchangeId exchange;
  std::uint64_t bytes;
  std::uint32_t piece_bytes;
  std::uint64_t length;  // of the response
};
// Call get() of this middleware, which is the site's own: handle_answer().
struct Ask {
  ExchangeId exchange;
  RouteId route;
  std::uint32_t plugin;
};
// This middleware has not answered for limits::plugin_wait, and counts as null: tell the site's
// developer.
struct GiveUp {
  ExchangeId exchange;
  std::uint32_t plugin;
};
// Pass the request on to the network. What comes back is the answer of this plugin, or of a get().
// `own`: where the network has nothing of use, from the site's own caches. `listed`: the network's
// word is the answer whatever it is, and is told: handle_passed().
struct Through {
  ExchangeId exchange;
  std::uint32_t plugin;
  GetId get;  // 0: the plugin's own
  bool own;
  bool listed;
};
// There is a first byte: make a response of this body. Its head by head() of the border.
struct Open {
  ExchangeId exchange;
  BodyId body;
};
// The response of this body, or (0) what the plugin answered, goes to the page. `holds`: it brings
// what is to be stored. Its event keeps the worker until that is written, limits::hold_wait at
// most: a browser ends a replaced worker as soon as no event is left.
struct Respond {
  ExchangeId exchange;
  std::uint32_t plugin;
  BodyId body;
  bool holds;
};
// A get() has its result: the response of this body, a copy if others get it too; or (0) null. What
// is neither read nor passed on when no middleware of this request is asked any more is taken back
// limits::put_wait later.
struct Settle {
  ExchangeId exchange;
  GetId get;
  BodyId body;
  bool copy;
};
// Call put() of this middleware: with the response of this body, or (0) a copy of the answer. What
// it leaves unread is taken back limits::put_wait later.
struct Put {
  ExchangeId exchange;
  std::uint32_t plugin;
  BodyId body;
};
// The request goes to the network as it is.
struct FallThrough {
  ExchangeId exchange;
};
// Nothing more will be said of it.
struct Over {
  ExchangeId exchange;
};
// The answer has a head, by head() of the border, and no body.
struct AnswerEmpty {
  ExchangeId exchange;
};
// Tell the site's developer, and the pages, what went wrong with this request's file.
struct Report {
  ExchangeId exchange;
  Error error;
};
// What the store has as the record of this resource is needed: handle_record().
struct NeedRecord {
  ExchangeId exchange;
};
// Put the record of this resource, as it is now, into the store at the next TellNews.
struct KeepRecord {
  ExchangeId exchange;
};
// The digest list is needed: the store's, and the site's where handle_list() takes none of the
// store.
struct NeedList {
  ExchangeId exchange;
};

// --- A body

// This exchange has a body more.
struct Gather {
  ExchangeId exchange;
  BodyId body;
};
// Keep this piece, which has just come, until Enqueue. Of a stream: the one that it keeps.
struct Take {
  BodyId body;
  PieceIndex piece;
  StreamId stream;  // 0: what the host handed in
};
// Pass bytes [begin, end) of this piece on to the reader, and let go of it.
struct Enqueue {
  BodyId body;
  PieceIndex piece;
  std::uint32_t begin;
  std::uint32_t end;
};
// Every byte was passed on.
struct Finish {
  BodyId body;
};
// The body ends in an error, or nobody will read it.
struct Break {
  BodyId body;
  Error error;
};
// How it goes, to be told at the next TellNews: counts in bytes passed on. Error::none while it
// goes on, and of a complete one.
struct Transfer {
  BodyId body;
  std::uint64_t from_cache;
  std::uint64_t from_peers;
  std::uint64_t from_origin;
  std::uint64_t wasted;
  Duration took;
  bool done;
  Error error;
};
// Read this run of the store, and digest its pieces: handle_digest() of each in order. Or
// handle_run_gone().
struct Read {
  BodyId body;
  JobId job;
  PieceRange run;
  PieceRange pieces;
};
// The bytes of this run are not what they should be.
struct DropRun {
  BodyId body;
  PieceRange run;
};
// Ask this page for pieces: handle_page_*().
struct AskPage {
  BodyId body;
  JobId job;
  PageId page;
  PieceRange pieces;
  std::uint32_t slower;  // 0, or how many times slower than the origin peers may be before the page
                         // asks it too
  Duration patience;     // for peers that have not begun, before it does
};
// See whether this page is there: handle_page_gone() if it is not. Nothing tells that a tab was
// closed.
struct LookFor {
  PageId page;
};
struct Grant {
  BodyId body;
  JobId job;
  std::uint64_t bytes;
};
// Cut these pieces out of the page's whole reply and digest them: handle_digest() of each, then
// handle_end().
struct Check {
  BodyId body;
  JobId job;
  PieceRange pieces;
};
// Nothing more of this job is wanted.
struct Close {
  BodyId body;
  JobId job;
};
// Keep these pieces for the store, of what a stream keeps, or (0) of a reply, until WriteNext. What
// fits into its quota is read from memory until then.
struct Store {
  BodyId body;
  JobId job;
  StreamId stream;
  PieceRange pieces;
  bool fits;
};
// Keep the piece of a page that has just come as the next of this run, until Release. The page has
// yet to store it.
struct Hand {
  BodyId body;
  RunId run;
};
// Let go of what a page handed over as this run. If `pieces` are any, keep them for the store
// first, as of Store.
struct Release {
  RunId run;
  PieceRange pieces;
  bool fits;
};

// --- An answer of the origin

// Ask for these pieces after `wait`: handle_stream_head(). `whole`: they are the resource, and it
// is asked for without a Range header.
struct OpenStream {
  BodyId body;
  StreamId stream;
  PieceRange pieces;
  bool whole;
  OriginRequest how;
  Duration wait;
};
// Cut pieces up to `until` (of a whole answer from the first one on), digest each and hand it in,
// in order: handle_stream_piece(). Let go of those before `keep`.
struct Accept {
  StreamId stream;
  PieceIndex until;
  PieceIndex keep;
};
// The answer, untouched, is the response of this body. `shared`: others read it too. `compared`:
// this body goes on beside its page, until that gives the response up.
struct PassStream {
  BodyId body;
  StreamId stream;
  bool shared;
  bool compared;
};
// The answer is not what it should be, and the page gets its bytes as they come, from the first one
// on. A body that is not open yet has the answer's own head.
struct Spill {
  BodyId body;
  StreamId stream;
};
// Nobody reads it. What came and was of no use counts for this body.
struct CloseStream {
  BodyId body;
  StreamId stream;
};

// --- The worker

// Ask the site for its manifest: handle_manifest_fetched().
struct FetchManifest {};
// Put the manifest in use into the store, with when it came (by the computer's clock) and with
// manifest_losses(). Then, if it is new there, tell the pages.
struct KeepManifest {
  std::uint64_t fetched_wall;
  bool is_new;
};
// Tell the pages how many responses are open, and why the worker answers nothing, if so.
struct Announce {
  std::uint32_t open;
  Error error;
};
struct ListStore {};
struct DropUnlisted {};
// Write the run that has waited longest: handle_store_done(). If it does not fit, what make_room()
// names is dropped first.
struct WriteNext {};
// A page stored a run: drop what make_room() names.
struct MakeRoom {};
// Tell the pages and the site what Transfer said since, and write the records of KeepRecord.
struct TellNews {};
// Tell the pages how many responses are open: whether any is has changed, for longer than a moment.
struct Busy {
  std::uint32_t open;
};

}  // namespace command

using Command = std::variant<
    command::Begin, command::Ask, command::GiveUp, command::Through, command::Open,
    command::Respond, command::Settle, command::Put, command::FallThrough, command::Over,
    command::AnswerEmpty, command::Report, command::NeedRecord, command::KeepRecord,
    command::NeedList, command::Gather, command::Take, command::Enqueue, command::Finish,
    command::Break, command::Transfer, command::Read, command::DropRun, command::LookFor,
    command::AskPage, command::Grant, command::Check, command::Close, command::Store, command::Hand,
    command::Release, command::OpenStream, command::Accept, command::PassStream, command::Spill,
    command::CloseStream, command::FetchManifest, command::KeepManifest, command::Announce,
    command::ListStore, command::DropUnlisted, command::WriteNext, command::MakeRoom,
    command::TellNews, command::Busy>;

}  // namespace peer_cdn
