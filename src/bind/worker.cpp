// The service worker's border: C functions over one Engine, called by sw/core.js. Bytes of bodies
// do not cross it.
//
// Not Embind, unlike the other modules: everybody downloads this one before anything else, and
// Embind with the JavaScript around it would be a third of its budget. So numbers are passed as
// they are. A text goes in and out through `text`, one a call (several are lines of it); what is
// more than one number is left in `fields`. JavaScript reads both at once. It passes numbers that
// we issued, and texts that a parser takes.
#include <emscripten.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/limits.hpp"
#include "http/engine.hpp"

#define EXPORT extern "C" EMSCRIPTEN_KEEPALIVE

// Whether the host's compiled regexp with that number matches a segment.
extern "C" __attribute__((import_module("env"), import_name("host_test"))) int host_test(
    unsigned pattern, const char* text, unsigned length);

namespace {

using namespace peer_cdn;

enum Flag : unsigned { same_origin = 1, authorization = 2, bypass = 4, condition = 8 };
enum class ChainEvent : unsigned {
  start,
  null,
  response,
  stored_response,
  error,
  pending,
  timeout,
  cancel,
  pending_warm,
  asked
};

Engine engine;
PieceSet held;
std::string text;
std::array<double, 10> fields;

// "a\nb\nc" is how several texts cross in one: none but the last may have a line end.
std::string_view next_line(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  const std::string_view line = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  return line;
}

void add_line(std::string_view line) {
  text += '\n';
  text += line;
}

unsigned text_size() {
  return static_cast<unsigned>(text.size());
}

}  // namespace

// Where the next call's text goes, of so many bytes.
EXPORT char* text_in(unsigned bytes) {
  text.resize(bytes);
  return text.data();
}

// Where a text that came out is. Functions that give one return its length.
EXPORT const char* text_out() {
  return text.data();
}

EXPORT const double* fields_out() {
  return fields.data();
}

EXPORT unsigned error_code(unsigned error) {
  text = code(static_cast<Error>(error));
  return text_size();
}

EXPORT double limit(unsigned which) {
  constexpr std::array<double, 15> values = {to_ms(Duration(limits::ack_wait)),
                                             to_ms(Duration(limits::manifest_wait)),
                                             to_ms(Duration(limits::manifest_age)),
                                             to_ms(Duration(limits::progress_wait)),
                                             static_cast<double>(limits::stream_bytes),
                                             static_cast<double>(limits::reply_bytes),
                                             static_cast<double>(limits::unattended_bytes),
                                             to_ms(Duration(limits::busy_ack_wait)),
                                             to_ms(Duration(limits::heard_memory)),
                                             to_ms(Duration(limits::digests_wait)),
                                             limits::patience,
                                             to_ms(Duration(limits::calm_step)),
                                             to_ms(Duration(limits::calm_wait)),
                                             static_cast<double>(limits::unwritten_bytes),
                                             to_ms(Duration(limits::put_wait))};
  return values[which];
}

// --- Routes --------------------------------------------------------------------------------------

// The route's number, or a refusal as its negative. Text: one digit a plugin (PluginKind), then the
// path.
EXPORT int add_route(unsigned strategy) {
  std::string_view path = text;
  std::vector<PluginKind> plugins;
  for (const char kind : next_line(path)) plugins.push_back(static_cast<PluginKind>(kind - '0'));
  const auto id = engine.add_route(path, static_cast<Strategy>(strategy), std::move(plugins));
  return id ? static_cast<int>(id->value) : -static_cast<int>(id.error());
}

// The regexps of all routes, each behind a line end.
EXPORT unsigned patterns() {
  text.clear();
  for (const std::string& pattern : engine.patterns()) add_line(pattern);
  return text_size();
}

EXPORT void manifest_path() {
  engine.set_manifest_path(text);
}

// Text: method, destination, cache mode and path with query, a line each. -1: the browser's; -2:
// the same, because the manifest does not list it.
EXPORT int route(unsigned flags) {
  std::string_view rest = text;
  RequestFields request;
  request.method = next_line(rest);
  request.destination = next_line(rest);
  request.cache = next_line(rest);
  request.same_origin = (flags & same_origin) != 0;
  request.has_authorization = (flags & authorization) != 0;
  request.has_bypass = (flags & bypass) != 0;
  request.has_condition = (flags & condition) != 0;
  const Routed routed =
      engine.route(request, rest, [](std::uint32_t pattern, std::string_view segment) {
        return host_test(pattern, segment.data(), static_cast<unsigned>(segment.size())) != 0;
      });
  if (routed.whose == Routed::Whose::ours) return static_cast<int>(routed.id.value);
  return routed.whose == Routed::Whose::unlisted ? -2 : -1;
}

// Text: destination and Content-Type of an answer that we only pass on, a line each.
EXPORT bool usable(unsigned status) {
  std::string_view type = text;
  const std::string_view destination = next_line(type);
  return is_usable(status, destination, type);
}

// --- The manifest --------------------------------------------------------------------------------

EXPORT void manifest_begin() {
  engine.begin_manifest();
}

// Text: path, root and type, then name and value of each header; a line each. 0, or the Error.
EXPORT unsigned manifest_add(double bytes, double piece_bytes, bool any_query) {
  std::string_view rest = text;
  ResourceFields resource;
  resource.path = next_line(rest);
  resource.root = next_line(rest);
  resource.type = next_line(rest);
  resource.bytes = bytes;
  resource.piece_bytes = piece_bytes;
  resource.any_query = any_query;
  while (!rest.empty()) {
    const std::string_view name = next_line(rest);
    resource.headers.emplace_back(name, next_line(rest));
  }
  return static_cast<unsigned>(engine.add_resource(resource));
}

EXPORT void manifest_commit(bool disabled) {
  engine.commit_manifest(disabled);
}

// Text: roots, 64 digits each, one after another. Leaves those that may be dropped from the store.
EXPORT unsigned unlisted() {
  constexpr std::size_t digits = 2 * Digest::bytes_size;
  std::vector<Root> roots;
  for (std::size_t at = 0; at + digits <= text.size(); at += digits) {
    if (const auto root = parse_digest(std::string_view(text).substr(at, digits))) {
      roots.push_back(*root);
    }
  }
  text.clear();
  for (const Root& root : engine.unlisted(roots)) text += to_hex(root);
  return text_size();
}

// --- The store ----------------------------------------------------------------------------------

// Text: a root. One that is none is nobody's.
static Root root_in() {
  return parse_digest(text).value_or(Root());
}

EXPORT void store_quota(double asked_bytes, double browser_bytes) {
  engine.set_quota(peer_cdn::store_quota(asked_bytes, browser_bytes));
}

// Before store_add() of every run, in the order of the store's keys.
EXPORT void store_count() {
  engine.clear_stored();
}

// Text: the root.
EXPORT void store_add(unsigned begin, unsigned end) {
  engine.add_stored(root_in(), {begin, end});
}

// Text: the root.
EXPORT bool store_fits(unsigned begin, unsigned end) {
  return engine.fits(root_in(), {begin, end});
}

// Text: the root. Leaves the roots to drop before the run fits (64 digits each), or a code.
EXPORT unsigned store_make_room(unsigned begin, unsigned end, bool is_full) {
  const auto dropped = engine.make_room(root_in(), {begin, end}, is_full);
  if (!dropped) return error_code(static_cast<unsigned>(dropped.error()));
  text.clear();
  for (const Root& root : *dropped) text += to_hex(root);
  return text_size();
}

// --- Exchanges -----------------------------------------------------------------------------------

// Text: path with query, Range, If-Range and destination, a line each. Returns the exchange.
// fields: listed, bytes, piece bytes, first piece, end piece, first byte, end byte.
EXPORT unsigned open_exchange(unsigned route_id) {
  std::string_view rest = text;
  const std::string_view path = next_line(rest);
  const std::string_view range = next_line(rest);
  const std::string_view if_range = next_line(rest);
  const ExchangeId id = engine.open(RouteId{route_id}, path, range, if_range, rest);
  const Exchange& exchange = *engine.exchange(id);
  fields.fill(0);
  if (!exchange.resource) return id.value;
  const Geometry& geometry = exchange.resource->geometry;
  const ByteRange bytes = exchange.range();
  const PieceRange pieces = geometry.covering(bytes);
  fields[0] = 1;
  fields[1] = static_cast<double>(geometry.bytes());
  fields[2] = geometry.piece_bytes();
  fields[3] = pieces.begin;
  fields[4] = pieces.end;
  fields[5] = static_cast<double>(bytes.begin);
  fields[6] = static_cast<double>(bytes.end);
  return id.value;
}

// Of a listed resource: root and type; then name and value of each header of the response's head,
// which the origin's answer may change until the first byte. fields: its status.
EXPORT unsigned head(unsigned id) {
  text.clear();
  const Exchange* exchange = engine.exchange(ExchangeId{id});
  if (!exchange || !exchange->resource) return 0;
  const ResponseHead head = exchange->head();
  text = to_hex(exchange->resource->root);
  add_line(exchange->resource->type);
  for (const auto& [name, value] : head.headers) {
    add_line(name);
    add_line(value);
  }
  fields[0] = head.status;
  return text_size();
}

EXPORT void chain(unsigned id, unsigned event, unsigned plugin, double now_ms) {
  Exchange* exchange = engine.exchange(ExchangeId{id});
  if (!exchange) return;
  Chain& it = exchange->chain;
  const Instant now = instant_from_ms(now_ms);
  switch (static_cast<ChainEvent>(event)) {
    case ChainEvent::start:
      return it.start(now);
    case ChainEvent::null:
      return it.handle_answer(plugin, Answer::null, now);
    case ChainEvent::response:
      return it.handle_answer(plugin, Answer::response, now);
    case ChainEvent::stored_response:
      return it.handle_answer(plugin, Answer::stored_response, now);
    case ChainEvent::error:
      return it.handle_error(plugin, now);
    case ChainEvent::pending:
    case ChainEvent::pending_warm:
      return engine.handle_pending(ExchangeId{id}, plugin,
                                   static_cast<ChainEvent>(event) == ChainEvent::pending_warm, now);
    case ChainEvent::asked:
      return engine.handle_asked(ExchangeId{id}, plugin, now);
    case ChainEvent::timeout:
      return it.handle_timeout(now);
    case ChainEvent::cancel:
      return it.cancel();
  }
}

// The kind of the next output (its place in Chain::Output), or -1. fields: the plugin.
EXPORT int chain_poll(unsigned id) {
  Exchange* exchange = engine.exchange(ExchangeId{id});
  if (!exchange) return -1;
  const auto output = exchange->chain.poll_output();
  if (!output) return -1;
  if (const auto* it = std::get_if<Chain::Start>(&*output)) fields[0] = it->plugin;
  if (const auto* it = std::get_if<Chain::Abort>(&*output)) fields[0] = it->plugin;
  if (const auto* it = std::get_if<Chain::Respond>(&*output)) fields[0] = it->plugin;
  if (const auto* it = std::get_if<Chain::Put>(&*output)) fields[0] = it->plugin;
  if (const auto* it = std::get_if<Chain::Report>(&*output)) fields[0] = it->plugin;
  return static_cast<int>(output->index());
}

// When to call with ChainEvent::timeout, or -1.
EXPORT double chain_timeout(unsigned id) {
  const Exchange* exchange = engine.exchange(ExchangeId{id});
  const auto at = exchange ? exchange->chain.next_timeout() : std::nullopt;
  return at ? to_ms(*at) : -1;
}

// --- Peers or the network ------------------------------------------------------------------------

// What our own requests needed: milliseconds until the first byte (of peers: the first piece), or
// so many in vain.
EXPORT void sample_first(bool of_peers, double wait_ms, bool in_vain, double now_ms) {
  const Duration wait = instant_from_ms(wait_ms).time_since_epoch();
  const Instant now = instant_from_ms(now_ms);
  Estimate& estimate = of_peers ? engine.peers() : engine.network();
  return in_vain ? estimate.handle_given_up(wait, now) : estimate.handle_first(wait, now);
}

// So many bytes came from the network (or from peers) between these.
EXPORT void sample_body(bool of_peers, double bytes, double begin_ms, double end_ms) {
  Estimate& estimate = of_peers ? engine.peers() : engine.network();
  estimate.handle_body(static_cast<std::uint64_t>(bytes), instant_from_ms(begin_ms),
                       instant_from_ms(end_ms));
}

// Whether the exchange's delegate is to ask a page; whether somebody may have it.
EXPORT bool asks_peers(unsigned id, bool known, double patience, double now_ms) {
  return engine.asks_peers(ExchangeId{id}, known, patience, instant_from_ms(now_ms));
}

// Of a listed resource. fields: 0, or how many times slower than the origin peers may be before the
// page fetches from it too; the patience in ms.
EXPORT void terms(unsigned id) {
  const Terms terms = engine.terms(*engine.exchange(ExchangeId{id}));
  fields[0] = terms.origin;
  fields[1] = to_ms(terms.patience);
}

EXPORT void close_exchange(unsigned id) {
  engine.close(ExchangeId{id});
}

// --- Bodies --------------------------------------------------------------------------------------

// What the store holds of the resource, before open_body().
EXPORT void held_begin() {
  held = PieceSet(limits::pieces_per_resource);
}
EXPORT void held_add(unsigned begin, unsigned end) {
  held.add(PieceRange{begin, end});
}

static Body* body(unsigned id) {
  return engine.body(BodyId{id});
}

EXPORT void body_start(unsigned id, double now) {
  if (Body* it = body(id)) it->start(instant_from_ms(now));
}

// Text: the list's bytes, checked against the root.
// False: it has a wrong length.
EXPORT bool body_digests(unsigned id) {
  Body* it = body(id);
  if (!it) return false;
  auto digests =
      DigestList::parse(it->geometry(), std::vector<std::uint8_t>(text.begin(), text.end()));
  if (!digests) return false;
  it->handle_digests(std::move(digests.value()));
  return true;
}

// 0: the opener cannot answer.
EXPORT unsigned open_body(unsigned exchange, unsigned opener, bool attended) {
  const auto id = engine.open_body(ExchangeId{exchange}, static_cast<PluginKind>(opener),
                                   std::exchange(held, PieceSet()), attended);
  if (!id) return 0;
  const Root& root = engine.exchange(ExchangeId{exchange})->resource->root;
  // A resource of one piece has no list: its root is its digest. Of others this has a wrong length.
  std::memcpy(text_in(Digest::bytes_size), root.bytes.data(), Digest::bytes_size);
  body_digests(id->value);
  return id->value;
}

EXPORT void body_held(unsigned id, unsigned begin, unsigned end) {
  if (Body* it = body(id)) it->handle_held({begin, end});
}

EXPORT void body_pull(unsigned id, double bytes, double now) {
  if (Body* it = body(id)) it->handle_pull(static_cast<std::int64_t>(bytes), instant_from_ms(now));
}

EXPORT bool body_piece(unsigned id, unsigned job, unsigned piece, double bytes, unsigned from,
                       double now) {
  Body* it = body(id);
  const auto source = static_cast<PieceSource>(from);
  if (source == PieceSource::peers) engine.handle_warm();
  return it && it->handle_piece(JobId{job}, piece, static_cast<std::uint64_t>(bytes), source,
                                instant_from_ms(now));
}

EXPORT void body_wasted(unsigned id, double bytes) {
  if (Body* it = body(id)) it->handle_wasted(static_cast<std::uint64_t>(bytes));
}

// Text: the digest's bytes.
EXPORT bool body_digest(unsigned id, unsigned job, unsigned piece, double bytes, double now) {
  Body* it = body(id);
  Digest actual;
  if (!it || text.size() != Digest::bytes_size) return false;
  std::memcpy(actual.bytes.data(), text.data(), Digest::bytes_size);
  return it->handle_digest(JobId{job}, piece, static_cast<std::uint64_t>(bytes), actual,
                           instant_from_ms(now));
}

// Text: Response.type, Cache-Control, Vary, Content-Range, Content-Encoding, Content-Length and
// Content-Type, a line each.
EXPORT void body_head(unsigned id, unsigned job, unsigned status, double now) {
  std::string_view rest = text;
  OriginAnswer answer;
  answer.status = status;
  answer.type = next_line(rest);
  answer.cache_control = next_line(rest);
  answer.vary = next_line(rest);
  answer.content_range = next_line(rest);
  answer.content_encoding = next_line(rest);
  answer.content_length = next_line(rest);
  answer.content_type = next_line(rest);
  engine.handle_head(BodyId{id}, JobId{job}, answer, instant_from_ms(now));
}

// Text: the type with which the origin sent what the store holds of it.
EXPORT void body_type(unsigned id) {
  engine.handle_type(BodyId{id}, text);
}

// Text: a code, or nothing.
EXPORT void body_end(unsigned id, unsigned job, double now) {
  if (Body* it = body(id)) it->handle_end(JobId{job}, error_of(text), instant_from_ms(now));
}

EXPORT void body_hedge(unsigned id, double now) {
  if (Body* it = body(id)) it->handle_hedge(instant_from_ms(now));
}

EXPORT void body_company(unsigned id, double now) {
  if (Body* it = body(id)) it->handle_company(instant_from_ms(now));
}

EXPORT void body_alive(unsigned id, unsigned job, double now) {
  if (Body* it = body(id)) it->handle_alive(JobId{job}, instant_from_ms(now));
}

EXPORT void body_cancel(unsigned id) {
  if (Body* it = body(id)) it->handle_cancel();
}

EXPORT void body_handle_timeout(unsigned id, double now) {
  if (Body* it = body(id)) it->handle_timeout(instant_from_ms(now));
}

// The kind of the next output (its place in Body::Output), or -1. fields: its members in order,
// ranges as begin and end; of Fetch the job, its first piece, the stream, and what is asked.
EXPORT int body_poll(unsigned id) {
  Body* it = body(id);
  if (!it) return -1;
  const auto output = it->poll_output();
  if (!output) return -1;
  const auto put = [](JobId job, double a = 0, double b = 0, double c = 0) {
    fields = {static_cast<double>(job.value), a, b, c};
  };
  if (const auto* read = std::get_if<Body::Read>(&*output)) {
    put(read->job, read->pieces.begin, read->pieces.end);
  } else if (const auto* peers = std::get_if<Body::OpenPeers>(&*output)) {
    put(peers->job, peers->pieces.begin, peers->pieces.end);
  } else if (const auto* grant = std::get_if<Body::Grant>(&*output)) {
    put(grant->job, static_cast<double>(grant->bytes));
  } else if (const auto* fetch = std::get_if<Body::Fetch>(&*output)) {
    fields = {static_cast<double>(fetch->job.value), static_cast<double>(fetch->pieces.begin),
              static_cast<double>(fetch->stream),    static_cast<double>(fetch->asked.begin),
              static_cast<double>(fetch->asked.end), static_cast<double>(fetch->whole),
              static_cast<double>(fetch->reload),    to_ms(fetch->wait)};
  } else if (const auto* accept = std::get_if<Body::Accept>(&*output)) {
    put(accept->job, static_cast<double>(accept->skip), accept->until, accept->keep);
  } else if (const auto* store = std::get_if<Body::Store>(&*output)) {
    put(store->job, store->pieces.begin, store->pieces.end);
  } else if (const auto* close = std::get_if<Body::Close>(&*output)) {
    put(close->job);
  } else if (const auto* drop = std::get_if<Body::Drop>(&*output)) {
    put(drop->job);
  } else if (const auto* enqueue = std::get_if<Body::Enqueue>(&*output)) {
    fields = {static_cast<double>(enqueue->piece), static_cast<double>(enqueue->begin),
              static_cast<double>(enqueue->end)};
  } else if (const auto* passed = std::get_if<Body::Pass>(&*output)) {
    put(passed->job);
  } else if (const auto* failed = std::get_if<Body::Fail>(&*output)) {
    fields[0] = static_cast<double>(failed->error);
  }
  return static_cast<int>(output->index());
}

// When to call body_handle_timeout(), or -1.
EXPORT double body_timeout(unsigned id) {
  Body* it = body(id);
  const auto at = it ? it->next_timeout() : std::nullopt;
  return at ? to_ms(*at) : -1;
}

// fields: from cache, peers and origin, wasted.
EXPORT void body_counts(unsigned id) {
  fields.fill(0);
  const Body* it = body(id);
  if (!it) return;
  const Body::Counts& counts = it->counts();
  fields = {static_cast<double>(counts.from_cache), static_cast<double>(counts.from_peers),
            static_cast<double>(counts.from_origin), static_cast<double>(counts.wasted)};
}

// The Error that is to be told of its origin, or 0.
EXPORT unsigned close_body(unsigned id) {
  return static_cast<unsigned>(engine.close(BodyId{id}));
}
