// The service worker's border: C functions over one Engine, called by sw/core.js. Bytes of bodies
// do not cross it.
//
// Not Embind, unlike the other modules: everybody downloads this one before anything else, and
// Embind with the JavaScript around it would be a third of its budget. Numbers are passed as they
// are, and one text a call. What comes out lies in the mailbox, which JavaScript reads without a
// call: a whole request of one small file crosses the border a few times. JavaScript passes numbers
// that we issued, and texts that a parser takes.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/limits.hpp"
#include "base/list.hpp"
#include "base/range.hpp"
#include "base/text.hpp"
#include "bind/answer.hpp"
#include "bind/border.hpp"
#include "bind/mailbox.hpp"
#include "http/engine.hpp"

// Every export, so that one which the list has otherwise does not compile. Its name is its number
// in the list: names would be half a KB of what every visitor downloads.
// Where the list has a text, the parameter is how many bytes of it are in the mailbox.
#define FUNCTION(result, name, parameters) \
  extern "C" BORDER_EXPORT(__COUNTER__) result name parameters;
#define TEXT_FIRST(name) unsigned name##_bytes,
#define TEXT_ONLY(name) unsigned name##_bytes
#include "bind/border.def"
// A definition with other parameters would be a function of its own, which nobody exports.
#pragma clang diagnostic error "-Wmissing-prototypes"

// Whether the host's compiled regexp with that number matches a segment.
extern "C" __attribute__((import_module("env"), import_name("host_test"))) int host_test(
    unsigned pattern, const char* text, unsigned length);

namespace {

using namespace peer_cdn;

constinit Engine engine;  // so that the module has no code that makes it
// The text of this call, or what it gave.
Text text;
List<Plugin> plugins;  // of the route that is added

WorkerMailbox box{{}, &engine.commands()};

[[gnu::noinline]] Instant at(double now) {
  return instant_from_ms(now);
}

// The text of a call.
std::string_view text_of(unsigned bytes) {
  return std::string_view(text).substr(0, bytes);
}

void show_text() {
  box.text = text.begin();
  box.text_room = static_cast<std::uint32_t>(text.size());
}

// Leaves a text for JavaScript; returns its length.
unsigned give(std::string_view what) {
  text.grow_to(what.size());
  std::copy(what.begin(), what.end(), text.begin());
  show_text();
  return static_cast<unsigned>(what.size());
}

// The roots, 64 digits each, one after another.
unsigned give(const List<Root>& roots) {
  Text all;
  for (const Root& root : roots) append_hex(all, root);
  return give(all);
}

// A text that is a root. One that is none is nobody's.
Root root_of(std::string_view hex) {
  return parse_digest(hex).value_or(Root());
}

// The digits of one off the front.
Root take_root(std::string_view& rest) {
  const std::string_view hex = rest.substr(0, 2 * Digest::bytes_size);
  rest.remove_prefix(hex.size());
  return root_of(hex);
}

Digest digest_of(std::string_view bytes) {
  Digest digest;
  std::memcpy(digest.bytes.data(), bytes.data(), std::min(bytes.size(), Digest::bytes_size));
  return digest;
}

Plugin plugin_of(unsigned kind, double timeout, double patience) {
  return {static_cast<PluginKind>(kind), instant_from_ms(timeout).time_since_epoch(), patience};
}

OriginAnswer answer_of(unsigned bytes, unsigned status) {
  return bind::answer_of(text_of(bytes), status);
}

// What follows from an event: the commands lie in the engine's own list.
void post(double now) {
  engine.settle(at(now));
  const auto timeout = engine.next_timeout();
  box.timeout = timeout ? to_ms(*timeout) : -1;
}

}  // namespace

const void* mailbox() {
  text.grow_to(limits::text_room);
  show_text();
  return &box;
}

char* text_in(unsigned bytes) {
  text.grow_to(bytes);
  show_text();
  return text.begin();
}

unsigned error_code(unsigned error) {
  return give(code(static_cast<Error>(error)));
}

// --- Routes --------------------------------------------------------------------------------------

// A plugin of the route that add_route() adds. Milliseconds until its first byte (0: as long as it
// takes).
void route_plugin(unsigned kind, double timeout, double patience) {
  plugins.push_back(plugin_of(kind, timeout, patience));
}

// The route's number, or a refusal as its negative.
int add_route(unsigned bytes, unsigned strategy) {
  const auto id =
      engine.add_route(text_of(bytes), static_cast<Strategy>(strategy), std::exchange(plugins, {}));
  return id ? static_cast<int>(id->value) : -static_cast<int>(id.error());
}

// The regexps of all routes, each behind a line end.
unsigned patterns() {
  Text all;
  for (const Text& pattern : engine.patterns()) (all += "\n") += pattern;
  return give(all);
}

// Text: the worker's scope and its manifest, both as paths, a line each. Leaves how the site's
// names end.
unsigned site(unsigned scope_and_manifest_bytes) {
  std::string_view manifest = text_of(scope_and_manifest_bytes);
  const std::string_view scope = take_line(manifest);
  return give(engine.name_site(scope, manifest));
}

// The routes for InstallEvent.addRoutes, as pathnames of URLPattern, a line each.
unsigned url_patterns() {
  return give(engine.url_patterns());
}

// The worker's script has run once.
void script_ran(double /*now*/) {
  engine.handle_script_ran();
}

// The site registers: 0, or the Error of what comes of it.
unsigned registered() {
  return static_cast<unsigned>(engine.handle_registered());
}

// Text: destination and Content-Type of an answer that we only pass on, a line each.
bool usable(unsigned bytes, unsigned status) {
  std::string_view type = text_of(bytes);
  const std::string_view destination = take_line(type);
  return is_usable(status, destination, type);
}

// --- The manifest --------------------------------------------------------------------------------

void manifest_begin() {
  engine.begin_manifest();
}

// Text: path, root, type and digests, then name and value of each header; a line each. 0, or the
// Error.
unsigned manifest_add(unsigned bytes_of_text, double bytes, double piece_bytes, bool any_query) {
  std::string_view rest = text_of(bytes_of_text);
  ResourceFields resource;
  resource.path = take_line(rest);
  resource.root = take_line(rest);
  resource.type = take_line(rest);
  resource.digests = take_line(rest);
  resource.bytes = bytes;
  resource.piece_bytes = piece_bytes;
  resource.any_query = any_query;
  resource.headers = rest;
  return static_cast<unsigned>(engine.add_resource(resource));
}

void manifest_commit(bool disabled, bool is_none) {
  engine.commit_manifest(disabled, is_none);
}

// What came of reading the stored manifest. Text: what was lost, as of manifest_losses(); and
// when the manifest came (Date.now()).
void manifest_loaded(unsigned bytes, unsigned fetch, double fetched_wall, double now) {
  engine.handle_manifest_loaded(static_cast<ManifestFetch>(fetch), fetched_wall, text_of(bytes),
                                at(now));
  post(now);
}

void manifest_fetch(double now) {
  engine.fetch_manifest(at(now));
  post(now);
}

// A ManifestAnswer.
unsigned manifest_answer(unsigned status) {
  return static_cast<unsigned>(judge_manifest(status));
}

void manifest_fetched(unsigned fetch, double wall, double now) {
  engine.handle_manifest_fetched(static_cast<ManifestFetch>(fetch), wall, at(now));
  post(now);
}

// What the store keeps beside the manifest: a code and a path of each that is lost, a line each.
unsigned manifest_losses() {
  return give(engine.manifest_losses());
}

// --- The store -----------------------------------------------------------------------------------

// What the store holds, in the order of its keys, a run a call. Text: the root; '' of a store that
// holds nothing. An empty run: there is perhaps but a digest list. And the bytes that the site lets
// it take, and those that the browser offers; 0 if it does not say.
void store_holds(unsigned bytes, unsigned begin, unsigned end, bool is_first, double asked_bytes,
                 double browser_bytes) {
  if (is_first) engine.handle_store_begin(asked_bytes, browser_bytes);
  if (bytes > 0) engine.add_stored(root_of(text_of(bytes)), {begin, end});
}

void store_listed(bool ok, double now) {
  engine.handle_store_listed(ok, at(now));
  post(now);
}

// The site's own code had deleted the store: it is a new one.
void store_renewed(double now) {
  engine.handle_store_renewed();
  post(now);
}

// A page stored a run, or could not. Text: the root.
void stored(unsigned bytes, unsigned begin, unsigned end, bool is_stored, double now) {
  const Root root = root_of(text_of(bytes));
  const PieceRange run{begin, end};
  is_stored ? engine.handle_stored(root, run) : engine.handle_unstored(root, run);
  post(now);
}

// Text: the root; or nothing, of what is there already. `is_full`: the browser had no room for the
// run, and nothing was dropped since. Leaves the roots to drop before the run fits (64 digits
// each), or a code.
unsigned store_make_room(unsigned bytes, unsigned begin, unsigned end, bool is_full) {
  List<Root> dropped;
  const Error error = engine.make_room(root_of(text_of(bytes)), {begin, end}, is_full, dropped);
  return error == Error::none ? give(dropped) : error_code(static_cast<unsigned>(error));
}

// Leaves the roots that may be dropped.
unsigned drop_unlisted() {
  return give(engine.drop_unlisted());
}

// Text: the root. The Error that is to be told, or 0; -1 if the run is written again, after what
// store_make_room() names was dropped.
int store_done(unsigned bytes, unsigned body, unsigned begin, unsigned end, unsigned outcome,
               unsigned attempts, double now) {
  const auto what = static_cast<StoreOutcome>(outcome);
  if (is_written_again(what, attempts)) return -1;
  const Error told = engine.handle_store_done({body}, root_of(text_of(bytes)), {begin, end}, what);
  post(now);
  return static_cast<int>(told);
}

// --- Pages ---------------------------------------------------------------------------------------

void pages_start(double now) {
  engine.pages().handle_start(at(now));
  post(now);
}

void page_hello(unsigned page, bool knows_end, double now) {
  engine.handle_hello({page}, knows_end, at(now));
  post(now);
}

// Text: marks as 32-bit numbers; the first `added` have come, the rest are gone.
void page_present(unsigned bytes, unsigned page, unsigned added) {
  List<Mark> marks;
  for (std::size_t at = 0; at + sizeof(Mark) <= bytes; at += sizeof(Mark)) {
    Mark mark;
    std::memcpy(&mark, text.begin() + at, sizeof mark);
    marks.push_back(mark);
  }
  engine.pages().handle_present({page}, marks, added);
}

void page_gone(unsigned page, double now) {
  engine.handle_page_gone({page}, at(now));
  post(now);
}

// Text: the root.
void company(unsigned bytes, double now) {
  engine.handle_company(root_of(text_of(bytes)), at(now));
  post(now);
}

// --- Requests ------------------------------------------------------------------------------------

// Text: method, destination, redirect mode, whether it has integrity, path with query, and
// conditions (http/conditions.hpp), a line each; then in what manner it asks: mode, cache mode,
// credentials mode, whether it has a referrer, the referrer's policy, and name and value of each
// header. The exchange, or 0: the browser does it. `wall`: Date.now().
unsigned open_exchange(unsigned bytes, bool same_origin, unsigned page, double now, double wall) {
  std::string_view rest = text_of(bytes);
  FetchEvent event;
  RequestFields& fields = event.fields;
  fields.same_origin = same_origin;
  fields.method = take_line(rest);
  fields.destination = take_line(rest);
  fields.is_followed = take_line(rest) == "follow";
  fields.has_integrity = !take_line(rest).empty();
  event.path = take_line(rest);
  event.manner = rest;
  const Conditions conditions = Conditions::take(event.manner);
  event.conditions = rest.substr(0, rest.size() - event.manner.size());
  fields.has_condition = conditions.any();
  fields.has_range = !conditions.range.empty();
  rest = event.manner;
  fields.mode = take_line(rest);
  fields.cache = take_line(rest);
  const bool has_credentials = take_line(rest) != "omit";
  const bool has_referrer = !take_line(rest).empty();
  fields.is_discreet = !has_credentials || !has_referrer;
  fields.lacks_referrer = take_line(rest) != "no-referrer" && !has_referrer;
  fields.has_authorization = has_header(rest, "authorization");
  fields.has_bypass = has_header(rest, names::bypass_header);
  event.page = {page};
  const auto id = engine.open(
      event,
      [](std::uint32_t pattern, std::string_view segment) {
        return host_test(pattern, segment.data(), static_cast<unsigned>(segment.size())) != 0;
      },
      at(now), wall);
  if (id || !engine.commands().empty()) post(now);
  return id ? id->value : 0;
}

// The response's status with its phrase, then name and value of each header; a line each. The
// origin's answer may change them until the first byte.
unsigned head(unsigned id) {
  const Exchange* exchange = engine.exchange({id});
  if (!exchange || !exchange->asked().resource) return 0;
  const ResponseHead head = exchange->head();
  Text all;
  append_decimal(all, head.status);
  return give((((all += " ") += head.reason) += "\n") += head.headers);
}

// Of what is listed at its path: a line with the key of its record in the store (root and path),
// one with its type, and the record.
unsigned resource(unsigned id) {
  const Resource* resource = engine.listed({id});
  if (!resource) return 0;
  Text all;
  append_hex(all, resource->root);
  (((((all += "?") += resource->path) += "\n") += resource->type) += "\n") +=
      resource->record.text();
  return give(all);
}

// Text: the key, and what the store has there, or nothing; a line end between.
void record_read(unsigned bytes, unsigned id, double now) {
  std::string_view rest = text_of(bytes);
  const Root root = take_root(rest);
  take_line(rest);
  engine.handle_record({id}, root, rest, at(now));
  post(now);
}

// The network's answer to a listed resource. Text: as of stream_head().
void passed(unsigned bytes, unsigned id, unsigned status, double now) {
  engine.handle_passed({id}, answer_of(bytes, status), at(now));
  post(now);
}

// Of a middleware of the site's. False: it is too late, and nobody will read it.
bool answer(unsigned id, unsigned plugin, bool has_response, unsigned body, double now) {
  Exchange* exchange = engine.exchange({id});
  const bool is_used = exchange && exchange->handle_answer(plugin, has_response, {body}, at(now));
  post(now);
  return is_used;
}

// A site's middleware calls get() of a plugin of ours. Returns its number; 0 if the exchange is
// over.
unsigned get(unsigned id, unsigned kind, double timeout, double patience, double now) {
  unsigned number = 0;
  if (Exchange* exchange = engine.exchange({id})) {
    const Plugin what = plugin_of(kind, timeout, patience);
    number = exchange->handle_get(what, at(now)).value;
  }
  post(now);
  return number;
}

// Text: the root (64 digits), the digest of the list's bytes, then the list. 0, or the Error.
unsigned list(unsigned bytes, unsigned status) {
  std::string_view rest = text_of(bytes);
  const Root root = take_root(rest);
  const Digest actual = digest_of(rest);
  rest.remove_prefix(std::min(rest.size(), Digest::bytes_size));
  return static_cast<unsigned>(engine.handle_list(root, status, actual, rest));
}

// Text: the root.
void no_list(unsigned bytes) {
  engine.handle_no_list(root_of(text_of(bytes)));
}

// --- Bodies --------------------------------------------------------------------------------------

void pull(unsigned body, double bytes, double now) {
  if (Part* part = engine.part({body}))
    part->handle_pull(static_cast<std::int64_t>(bytes), at(now));
  post(now);
}

void cancel(unsigned body, double now) {
  if (Part* part = engine.part({body})) part->cancel(at(now));
  post(now);
}

// Text: the digest's bytes.
void digest(unsigned text_bytes, unsigned body, unsigned job, unsigned piece, double bytes,
            double now) {
  const Digest actual = digest_of(text_of(text_bytes));
  if (Part* part = engine.part({body})) {
    part->handle_digest({job}, piece, static_cast<std::uint64_t>(bytes), actual, at(now));
  }
  post(now);
}

void run_gone(unsigned body, unsigned job, double now) {
  if (Part* part = engine.part({body})) part->handle_run_gone({job}, at(now));
  post(now);
}

// Text: a code, or nothing.
void job_end(unsigned bytes, unsigned body, unsigned job, double now) {
  const Error error = error_of(text_of(bytes));
  if (Part* part = engine.part({body})) part->handle_end({job}, error, at(now));
  post(now);
}

void page_piece(unsigned body, unsigned job, unsigned piece, double bytes, unsigned from,
                double wasted, double now) {
  if (Part* part = engine.part({body})) {
    const PagePiece it{piece, static_cast<std::uint64_t>(bytes), static_cast<PieceSource>(from),
                       static_cast<std::uint64_t>(wasted)};
    part->handle_page_piece({job}, it, at(now));
  }
  post(now);
}

void page_pending(unsigned body, unsigned job, bool warm, double now) {
  if (Part* part = engine.part({body})) part->handle_page_pending({job}, warm);
  post(now);
}

void page_alive(unsigned body, unsigned job, double now) {
  if (Part* part = engine.part({body})) part->handle_page_alive({job}, at(now));
  post(now);
}

void page_reply(unsigned body, unsigned job, unsigned status, double bytes, double now) {
  if (Part* part = engine.part({body}))
    part->handle_page_reply({job}, status, static_cast<std::uint64_t>(bytes), at(now));
  post(now);
}

// --- Answers of the origin -----------------------------------------------------------------------

// Text: Response.type and statusText, then name and value of each header, a line each.
void stream_head(unsigned bytes, unsigned stream, unsigned status, double now) {
  engine.handle_stream_head(stream, answer_of(bytes, status), at(now));
  post(now);
}

// Text: the digest's bytes.
void stream_piece(unsigned text_bytes, unsigned stream, unsigned piece, double bytes, double now) {
  engine.handle_stream_piece(stream, piece, static_cast<std::uint64_t>(bytes),
                             digest_of(text_of(text_bytes)), at(now));
  post(now);
}

void stream_rate(unsigned stream, double bytes, double now) {
  engine.handle_stream_rate(stream, static_cast<std::uint64_t>(bytes), at(now));
}

// Text: a code, or nothing.
void stream_end(unsigned bytes, unsigned stream, double now) {
  engine.handle_stream_end(stream, error_of(text_of(bytes)), at(now));
  post(now);
}

void origin_answered(double wait, double now) {
  engine.handle_origin_answered(instant_from_ms(wait).time_since_epoch(), at(now));
}

void timeout(double now) {
  engine.handle_timeout(at(now));
  post(now);
}
