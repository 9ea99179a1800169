// What a page has and reads: resources, readers, and what the host has done with pieces.
#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/bytes.hpp"
#include "base/judge.hpp"
#include "base/limits.hpp"
#include "base/manifest.hpp"
#include "base/path.hpp"
#include "base/record.hpp"
#include "base/text.hpp"
#include "bind/answer.hpp"
#include "bind/peer.hpp"

using namespace peer_cdn;
using namespace peer_cdn::bind;

namespace {

// All zeros if the text does not have the length of a digest.
Digest digest_of(std::string_view bytes) {
  Digest digest;
  if (bytes.size() == Digest::bytes_size) {
    std::memcpy(digest.bytes.data(), bytes.data(), Digest::bytes_size);
  }
  return digest;
}

}  // namespace

// --- Resources -----------------------------------------------------------------------------------

unsigned path_key(unsigned path_and_query_bytes) {
  return give(peer_cdn::path_key(text_of(path_and_query_bytes)));
}

// Text: as the worker's stream_head() has it.
unsigned record(unsigned answer_bytes) {
  std::string_view rest = text_of(answer_bytes);
  take_line(rest);  // its type
  const std::string_view reason = take_line(rest);
  Record record;
  record.learn(rest, true, reason);
  return give(record.text());
}

// A page reads a stretch from its first byte on, and a whole answer only where it asked for all.
unsigned judge(unsigned answer_bytes, unsigned status, double total, double begin, double end) {
  OriginQuestion asked;
  asked.total = static_cast<std::uint64_t>(total);
  asked.range = {static_cast<std::uint64_t>(begin), static_cast<std::uint64_t>(end)};
  const auto [verdict, range] = judge(bind::answer_of(text_of(answer_bytes), status), asked);
  const bool is_whole = range.begin == 0 && range.end == asked.total;
  if (verdict == Verdict::take && is_whole && asked.range != range) {
    return give(code(Error::origin_unusable));
  }
  return give(code_or_nothing(error_of(verdict)));
}

// Whether an answer of this status is a manifest to be read.
bool is_manifest(unsigned status) {
  return judge_manifest(status) == ManifestAnswer::read;
}

// A handle for a root; 0 if these numbers cannot be a resource.
unsigned resource(unsigned root_bytes, double bytes, double piece_bytes) {
  const auto root = parse_digest(text_of(root_bytes));
  const auto geometry = parse_geometry(bytes, piece_bytes);
  if (!self || !root || !geometry) return 0;
  if (const ResourceHandle* handle = self->handles.find(*root)) {
    return find(*handle)->geometry == *geometry ? *handle : 0;
  }
  if (self->known.size() >= limits::roots_per_site) return 0;
  self->known.push_back({*root, *geometry});
  return self->handles.insert(*root, static_cast<ResourceHandle>(self->known.size()));
}

bool manifest_add(unsigned root_bytes, double bytes, double piece_bytes, double first_bytes,
                  double first_piece_bytes) {
  const auto root = parse_digest(text_of(root_bytes));
  const auto geometry = parse_geometry(bytes, piece_bytes);
  if (!self || !root || !geometry || bytes != first_bytes || piece_bytes != first_piece_bytes) {
    return false;
  }
  self->listing.add(*root, *geometry);
  return true;
}

void manifest_commit(double now) {
  const Event event(now);
  if (!event) return;
  const peer::Listing listing = std::exchange(self->listing, {});
  if (listing.marks().size() > 0) connect(event.at);
  self->peer.handle_wanted(listing.marks(), event.at);
  for (const peer::Listing::File& file : listing.heaviest()) {
    self->peer.handle_listed(file.root, file.geometry, event.at);
  }
}

void list_complete(double now) {
  if (const Event event(now); event) self->peer.handle_list_complete(event.at);
}

// --- Readers -------------------------------------------------------------------------------------

// The host opens it for a handle that it was given. The swarm refuses pieces that are out of
// bounds.
void open_reader(unsigned reader, unsigned resource, unsigned begin, unsigned end, double slower,
                 double patience, double now) {
  const Event event(now, resource);
  if (!event) return;
  const Known& known = *event.known;
  const PieceRange pieces{begin, std::min(end, known.geometry.count())};
  const swarm::OriginHelp help{static_cast<std::uint32_t>(slower),
                               instant_from_ms(patience).time_since_epoch()};
  connect(event.at);
  self->peer.open({reader}, known.root, known.geometry, {pieces, help}, event.at);
}

void grant(unsigned reader, double bytes, double now) {
  const Event event(now);
  if (event && bytes >= 1) {
    self->peer.swarm().grant({reader}, static_cast<std::uint64_t>(bytes), event.at);
  }
}

void close_reader(unsigned reader, double now) {
  if (const Event event(now); event) self->peer.swarm().close({reader}, event.at);
}

// --- The host's answers --------------------------------------------------------------------------

void held(unsigned resource, unsigned begin, unsigned end, double now) {
  const Event event(now, resource);
  if (!event) return;
  const Known& known = *event.known;
  const PieceRange pieces{begin, std::min(end, known.geometry.count())};
  connect(event.at);
  self->peer.swarm().handle_held(known.root, known.geometry, pieces, event.at);
}

void store_failed(unsigned resource, unsigned begin, unsigned end, double now) {
  const Event event(now, resource);
  if (event) self->peer.swarm().handle_store_failed(event.known->root, {begin, end}, event.at);
}

void dropped(unsigned resource, double now) {
  const Event event(now, resource);
  if (event) self->peer.swarm().handle_dropped(event.known->root, event.at);
}

// Text: the digest of the list, then the list; nothing if there is none to be had.
bool digests(unsigned digest_and_list_bytes, unsigned resource, bool asked, double now) {
  const Event event(now, resource);
  if (!event) return false;
  const Known& known = *event.known;
  std::string_view list = text_of(digest_and_list_bytes);
  Digest actual = digest_of(list.substr(0, Digest::bytes_size));
  list.remove_prefix(std::min(list.size(), Digest::bytes_size));
  // Of one piece the list is the root itself.
  if (known.geometry.count() == 1) actual = digest_of(list);
  const auto parsed =
      DigestList::parse(known.geometry, actual == known.root ? bytes_of(list) : ByteSpan());
  if (parsed) {
    self->peer.swarm().handle_digests(known.root, *parsed, event.at);
  } else if (asked) {
    self->peer.swarm().handle_digests_failed(known.root, event.at);
  }
  return !!parsed;
}

// Text: the digest's bytes; nothing if the browser could not make it.
void digest(unsigned digest_bytes, unsigned resource, unsigned piece, double now) {
  const Event event(now, resource);
  if (!event) return;
  if (digest_bytes == 0) {
    return self->peer.swarm().handle_undigested(event.known->root, piece, event.at);
  }
  self->peer.swarm().handle_digest(event.known->root, piece, digest_of(text_of(digest_bytes)),
                                   event.at);
}

// A piece of a fetch is whole. If it is needed the host takes it, before anything else is done.
bool fetched(unsigned fetch, unsigned resource, unsigned piece, double now) {
  const Event event(now, resource);
  return event && self->peer.swarm().handle_fetched({fetch}, piece, event.at);
}

// Text: what was seen of its end, for judge_end().
void fetch_end(unsigned code_bytes, unsigned fetch, bool whole, double now) {
  const Error error = judge_end(error_of(text_of(code_bytes)), whole);
  if (const Event event(now); event) {
    self->peer.swarm().handle_fetch_end({fetch}, error, event.at);
  }
}

void transfer(unsigned resource, double from_origin, bool over, double now) {
  const Event event(now, resource);
  if (!event) return;
  self->peer.swarm().handle_transfer(event.known->root, static_cast<std::uint64_t>(from_origin),
                                     over, event.at);
}
