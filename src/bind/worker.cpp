// The service worker's border: free functions over one Engine. Numbers and texts cross, bytes of
// bodies do not. What is more than one number is left in `fields`, which JavaScript reads at once.
//
// Release Embind checks no types (NaN and undefined arrive as 0), so what JavaScript passes here is
// either a number that we issued or a text that a parser takes.
#include <emscripten.h>
#include <emscripten/bind.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/limits.hpp"
#include "http/engine.hpp"

// Whether the host's compiled regexp with that number matches a segment.
EM_JS(int, host_test, (unsigned pattern, const char* text, unsigned length),
      { return Module["test"](pattern, UTF8ToString(text, length)); });

namespace {

using namespace peer_cdn;

Engine engine;
PieceSet held;
std::array<double, 10> fields;

unsigned fields_address() {
  return static_cast<unsigned>(reinterpret_cast<std::uintptr_t>(fields.data()));
}

std::string error_code(unsigned error) {
  return std::string(code(static_cast<Error>(error)));
}

// The Error of a code that a page sent; one that we do not know is a peer that went away.
Error error_of(std::string_view text) {
  if (text.empty()) return Error::none;
  for (unsigned i = 0; i <= static_cast<unsigned>(Error::shutting_down); ++i) {
    if (code(static_cast<Error>(i)) == text) return static_cast<Error>(i);
  }
  return Error::peer_gone;
}

double limit(unsigned which) {
  constexpr std::array<double, 9> values = {to_ms(Duration(limits::ack_wait)),
                                            to_ms(Duration(limits::manifest_wait)),
                                            to_ms(Duration(limits::manifest_age)),
                                            to_ms(Duration(limits::progress_wait)),
                                            static_cast<double>(limits::stream_bytes),
                                            static_cast<double>(limits::reply_bytes),
                                            static_cast<double>(limits::unattended_bytes),
                                            to_ms(Duration(limits::busy_ack_wait)),
                                            to_ms(Duration(limits::heard_memory))};
  return values[which];
}

// "a\nb\nc" is how several texts cross in one: none of them has a line end.
std::string_view next_line(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  const std::string_view line = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  return line;
}

void add_line(std::string& text, std::string_view line) {
  text += '\n';
  text += line;
}

// --- Routes
// -----------------------------------------------------------------------------------------

// The route's number, or a refusal as its negative. `kinds`: one digit a plugin (PluginKind).
int add_route(const std::string& path, unsigned strategy, const std::string& kinds) {
  std::vector<PluginKind> plugins;
  for (const char kind : kinds) plugins.push_back(static_cast<PluginKind>(kind - '0'));
  const auto id = engine.add_route(path, static_cast<Strategy>(strategy), std::move(plugins));
  return id ? static_cast<int>(id->value) : -static_cast<int>(id.error());
}

// The regexps of all routes, a line each.
std::string patterns() {
  std::string text;
  for (const std::string& pattern : engine.patterns()) add_line(text, pattern);
  return text;
}

void manifest_path(const std::string& path) {
  engine.set_manifest_path(path);
}

enum Flag : unsigned { same_origin = 1, authorization = 2, bypass = 4, condition = 8 };

// `words`: method, destination and cache mode, a line each. -1: not ours.
int route(const std::string& words, const std::string& path, unsigned flags) {
  std::string_view rest = words;
  RequestFields request;
  request.method = next_line(rest);
  request.destination = next_line(rest);
  request.cache = next_line(rest);
  request.same_origin = (flags & same_origin) != 0;
  request.has_authorization = (flags & authorization) != 0;
  request.has_bypass = (flags & bypass) != 0;
  request.has_condition = (flags & condition) != 0;
  const auto id = engine.route(request, path, [](std::uint32_t pattern, std::string_view segment) {
    return host_test(pattern, segment.data(), static_cast<unsigned>(segment.size())) != 0;
  });
  return id ? static_cast<int>(id->value) : -1;
}

// --- The manifest
// -----------------------------------------------------------------------------------

void manifest_begin() {
  engine.begin_manifest();
}

// `texts`: path, root and type, then name and value of each header; a line each. 0, or the Error.
unsigned manifest_add(const std::string& texts, double bytes, double piece_bytes, bool any_query) {
  std::string_view rest = texts;
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

void manifest_commit(bool disabled) {
  engine.commit_manifest(disabled);
}

// Of these roots (64 digits each, one after another) those that may be dropped from the store.
std::string unlisted(const std::string& stored) {
  constexpr std::size_t digits = 2 * Digest::bytes_size;
  std::vector<Root> roots;
  for (std::size_t at = 0; at + digits <= stored.size(); at += digits) {
    if (const auto root = parse_digest(std::string_view(stored).substr(at, digits))) {
      roots.push_back(*root);
    }
  }
  std::string text;
  for (const Root& root : engine.unlisted(roots)) text += to_hex(root);
  return text;
}

// --- Exchanges
// --------------------------------------------------------------------------------------

// fields: listed, satisfiable, bytes, piece bytes, first piece, end piece, first byte, end byte.
unsigned open_exchange(unsigned route_id, const std::string& path, const std::string& range,
                       const std::string& if_range) {
  const ExchangeId id = engine.open(RouteId{route_id}, path, range, if_range);
  const Exchange& exchange = *engine.exchange(id);
  fields.fill(0);
  if (!exchange.resource) return id.value;
  const Geometry& geometry = exchange.resource->geometry;
  fields[0] = 1;
  fields[1] = exchange.satisfiable;
  fields[2] = static_cast<double>(geometry.bytes());
  fields[3] = geometry.piece_bytes();
  if (exchange.satisfiable) {
    const ByteRange bytes = exchange.range();
    const PieceRange pieces = geometry.covering(bytes);
    fields[4] = pieces.begin;
    fields[5] = pieces.end;
    fields[6] = static_cast<double>(bytes.begin);
    fields[7] = static_cast<double>(bytes.end);
  }
  return id.value;
}

// Of a listed resource: root and type; then name and value of each header of the response's head.
// fields: its status.
std::string head(unsigned id) {
  const Exchange& exchange = *engine.exchange(ExchangeId{id});
  const ResponseHead head = exchange.head();
  std::string text = to_hex(exchange.resource->root);
  add_line(text, exchange.resource->type);
  for (const auto& [name, value] : head.headers) {
    add_line(text, name);
    add_line(text, value);
  }
  fields[0] = head.status;
  return text;
}

enum class ChainEvent : unsigned {
  start,
  null,
  response,
  stored_response,
  error,
  pending,
  timeout,
  cancel
};

void chain(unsigned id, unsigned event, unsigned plugin, double now_ms) {
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
      return it.handle_pending(plugin, now);
    case ChainEvent::timeout:
      return it.handle_timeout(now);
    case ChainEvent::cancel:
      return it.cancel();
  }
}

// The kind of the next output (its place in Chain::Output), or -1. fields: the plugin.
int chain_poll(unsigned id) {
  Exchange* exchange = engine.exchange(ExchangeId{id});
  if (!exchange) return -1;
  const auto output = exchange->chain.poll_output();
  if (!output) return -1;
  std::visit(
      [](const auto& each) {
        if constexpr (!std::is_same_v<std::decay_t<decltype(each)>, Chain::FallThrough>) {
          fields[0] = each.plugin;
        }
      },
      *output);
  return static_cast<int>(output->index());
}

// When to call with ChainEvent::timeout, or -1.
double chain_timeout(unsigned id) {
  const Exchange* exchange = engine.exchange(ExchangeId{id});
  const auto at = exchange ? exchange->chain.next_timeout() : std::nullopt;
  return at ? to_ms(*at) : -1;
}

void close_exchange(unsigned id) {
  engine.close(ExchangeId{id});
}

// --- Bodies
// -----------------------------------------------------------------------------------------

// What the store holds of the resource, before open_body().
void held_begin() {
  held = PieceSet(limits::pieces_per_resource);
}
void held_add(unsigned begin, unsigned end) {
  held.add(PieceRange{begin, end});
}

// 0: the opener cannot answer.
unsigned open_body(unsigned exchange, unsigned opener, bool attended) {
  const auto id = engine.open_body(ExchangeId{exchange}, static_cast<PluginKind>(opener),
                                   std::exchange(held, PieceSet()), attended);
  return id ? id->value : 0;
}

Body* body(unsigned id) {
  return engine.body(BodyId{id});
}

void body_start(unsigned id, double now) {
  if (Body* it = body(id)) it->start(instant_from_ms(now));
}

// A list that was checked against the root; empty if there is one piece. False: it has a wrong
// length.
bool body_digests(unsigned id, const std::string& list) {
  Body* it = body(id);
  if (!it) return false;
  auto digests =
      DigestList::parse(it->geometry(), std::vector<std::uint8_t>(list.begin(), list.end()));
  if (!digests) return false;
  it->handle_digests(std::move(digests.value()));
  return true;
}

void body_held(unsigned id, unsigned begin, unsigned end) {
  if (Body* it = body(id)) it->handle_held({begin, end});
}

void body_pull(unsigned id, double bytes, double now) {
  if (Body* it = body(id)) it->handle_pull(static_cast<std::int64_t>(bytes), instant_from_ms(now));
}

bool body_piece(unsigned id, unsigned job, unsigned piece, double bytes, double now) {
  Body* it = body(id);
  return it && it->handle_piece(JobId{job}, piece, static_cast<std::uint64_t>(bytes),
                                instant_from_ms(now));
}

bool body_digest(unsigned id, unsigned job, unsigned piece, double bytes, const std::string& digest,
                 double now) {
  Body* it = body(id);
  if (!it) return false;
  Digest actual;
  for (std::size_t i = 0; i < actual.bytes.size() && i < digest.size(); ++i) {
    actual.bytes[i] = static_cast<std::uint8_t>(digest[i]);
  }
  return it->handle_digest(JobId{job}, piece, static_cast<std::uint64_t>(bytes), actual,
                           instant_from_ms(now));
}

// `words`: Response.type, Cache-Control, Vary, Content-Range, Content-Encoding, a line each.
void body_head(unsigned id, unsigned job, unsigned status, const std::string& words, double now) {
  Body* it = body(id);
  if (!it) return;
  std::string_view rest = words;
  OriginHead head;
  head.response.status = status;
  head.response.type = next_line(rest);
  head.response.cache_control = next_line(rest);
  head.response.vary = next_line(rest);
  head.content_range = next_line(rest);
  head.content_encoding = next_line(rest);
  it->handle_head(JobId{job}, head, instant_from_ms(now));
}

void body_end(unsigned id, unsigned job, const std::string& error, double now) {
  if (Body* it = body(id)) it->handle_end(JobId{job}, error_of(error), instant_from_ms(now));
}

void body_hedge(unsigned id, double now) {
  if (Body* it = body(id)) it->handle_hedge(instant_from_ms(now));
}

void body_cancel(unsigned id) {
  if (Body* it = body(id)) it->handle_cancel();
}

void body_handle_timeout(unsigned id, double now) {
  if (Body* it = body(id)) it->handle_timeout(instant_from_ms(now));
}

// The kind of the next output (its place in Body::Output), or -1. fields: its members in order,
// ranges as begin and end.
int body_poll(unsigned id) {
  Body* it = body(id);
  if (!it) return -1;
  const auto output = it->poll_output();
  if (!output) return -1;
  const auto put = [](double a, double b = 0, double c = 0, double d = 0, double e = 0,
                      double f = 0) { fields = {a, b, c, d, e, f}; };
  std::visit(
      [&put](const auto& each) {
        using T = std::decay_t<decltype(each)>;
        if constexpr (std::is_same_v<T, Body::Fetch>) {
          put(each.job.value, each.pieces.begin, each.pieces.end, each.whole, each.reload,
              to_ms(each.wait));
        } else if constexpr (std::is_same_v<T, Body::Grant>) {
          put(each.job.value, static_cast<double>(each.bytes));
        } else if constexpr (std::is_same_v<T, Body::Accept>) {
          put(each.job.value, static_cast<double>(each.skip), each.until);
        } else if constexpr (std::is_same_v<T, Body::Close>) {
          put(each.job.value);
        } else if constexpr (std::is_same_v<T, Body::Enqueue>) {
          put(each.piece, each.begin, each.end);
        } else if constexpr (std::is_same_v<T, Body::Fail>) {
          put(static_cast<double>(each.error));
        } else if constexpr (!std::is_same_v<T, Body::Done>) {
          put(each.job.value, each.pieces.begin, each.pieces.end);
        }
      },
      *output);
  return static_cast<int>(output->index());
}

// When to call body_handle_timeout(), or -1.
double body_timeout(unsigned id) {
  Body* it = body(id);
  const auto at = it ? it->next_timeout() : std::nullopt;
  return at ? to_ms(*at) : -1;
}

// fields: from cache, peers and origin, wasted.
void body_counts(unsigned id) {
  fields.fill(0);
  const Body* it = body(id);
  if (!it) return;
  const Body::Counts& counts = it->counts();
  fields = {static_cast<double>(counts.from_cache), static_cast<double>(counts.from_peers),
            static_cast<double>(counts.from_origin), static_cast<double>(counts.wasted)};
}

unsigned close_body(unsigned id) {
  engine.close(BodyId{id});
  return static_cast<unsigned>(engine.open_bodies());
}

}  // namespace

EMSCRIPTEN_BINDINGS(worker) {
  using emscripten::function;
  function("fields", &fields_address);
  function("errorCode", &error_code);
  function("limit", &limit);
  function("addRoute", &add_route);
  function("patterns", &patterns);
  function("manifestPath", &manifest_path);
  function("route", &route);
  function("manifestBegin", &manifest_begin);
  function("manifestAdd", &manifest_add);
  function("manifestCommit", &manifest_commit);
  function("unlisted", &unlisted);
  function("open", &open_exchange);
  function("head", &head);
  function("chain", &chain);
  function("chainPoll", &chain_poll);
  function("chainTimeout", &chain_timeout);
  function("close", &close_exchange);
  function("heldBegin", &held_begin);
  function("heldAdd", &held_add);
  function("openBody", &open_body);
  function("bodyStart", &body_start);
  function("bodyDigests", &body_digests);
  function("bodyHeld", &body_held);
  function("bodyPull", &body_pull);
  function("bodyPiece", &body_piece);
  function("bodyDigest", &body_digest);
  function("bodyHead", &body_head);
  function("bodyEnd", &body_end);
  function("bodyHedge", &body_hedge);
  function("bodyCancel", &body_cancel);
  function("bodyHandleTimeout", &body_handle_timeout);
  function("bodyPoll", &body_poll);
  function("bodyTimeout", &body_timeout);
  function("bodyCounts", &body_counts);
  function("closeBody", &close_body);
}
