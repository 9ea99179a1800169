#include "http/commons.hpp"

#include <algorithm>
#include <utility>

#include "http/losses.hpp"
#include "http/part.hpp"

namespace peer_cdn {

bool Commons::is_open(const Root& root) const {
  for (const Part* part : parts) {
    if (part->root() == root) return true;
  }
  return false;
}

std::size_t Commons::waiting() const {
  std::size_t waiting = 0;
  for (const Part* part : parts) waiting += part->has_begun() ? 0 : 1;
  return waiting;
}

void Commons::learn(Resource& resource, ExchangeId exchange, const OriginAnswer& answer,
                    bool says) {
  if (says) {
    resource.record.learn(answer.headers, answer.status == 200, answer.reason);
    resource.learn_type();
    keep_record(exchange);
  }
  // Right bytes are another matter. Where the whole is refused a good part says nothing of it.
  const Error lost = resource.lost;
  const bool is_word = answer.status == 200 || !resource.forms.lost_whole;
  if (is_word && !resource.is_broken) resource.busy_until.reset();
  if (is_word && lost != Error::wrong_digest && lost != Error::digests_mismatch) {
    lose(resource, exchange, Error::none);
  }
}

void Commons::note_busy(Resource& resource, const OriginAnswer& answer, Instant now) {
  resource.busy_until =
      now + busy_time(answer.retry_after, limits::busy_memory, limits::busy_memory_max);
}

void Commons::lose(Resource& resource, ExchangeId exchange, Error error) {
  if (resource.lost == error) return;
  // Why the bytes must not be used stays known, also where the origin has no time.
  if (error == Error::origin_unreachable && resource.lost != Error::none) return;
  const Error before = std::exchange(resource.lost, error);
  // Of a manifest that is out of use nothing is kept: the one in use has another entry, or none.
  if (manifest.find(resource.path) != &resource) return;
  const Error word = told(error);
  is_manifest_wrong |= word == Error::origin_changed || word == Error::digests_mismatch;
  if (word != told(before) && word != Error::none)
    commands.emplace_back(command::Report{exchange, word});
  has_lost |= is_lasting(before) || is_lasting(error);
}

void Commons::hand(PageId page, BodyId body, const Resource& resource, PieceIndex piece) {
  const Geometry& geometry = resource.geometry;
  std::size_t at = 0;
  while (at < handed.size() &&
         (handed[at].body != body || handed[at].page != page || handed[at].pieces.end != piece)) {
    ++at;
  }
  // A run ends with its segment.
  if (at == handed.size() || geometry.segment_begin(piece) == piece) {
    const std::uint32_t longest = std::max(limits::segment_bytes, geometry.piece_bytes());
    const std::uint32_t most = static_cast<std::uint32_t>(limits::unwritten_bytes) / longest;
    at = handed.size();
    handed.push_back({{++ids}, page, body, resource.root, {piece, piece}, most});
  }
  ++handed[at].pieces.end;
  commands.emplace_back(command::Hand{body, handed[at].id});
}

void Commons::settle_handed() {
  for (std::size_t i = 0; i < handed.size();) {
    const Handed& it = handed[i];
    const auto held = holdings.run_with(it.root, it.pieces.begin);
    const bool is_stored = held && held->end >= it.pieces.end;
    const bool has_page = pages.has(it.page);
    bool is_left = !has_page;
    unstored.erase_if([&](const Stored& each) {
      const bool is_here = each.root == it.root && it.pieces.contains(each.run.end - 1);
      is_left |= is_here;
      return is_here;
    });
    is_left &= !is_stored;
    if (!is_stored && !is_left && handed.size() - i <= it.most) {
      ++i;
      continue;
    }
    const bool fits = holdings.fits(it.root, it.pieces, manifest);
    commands.emplace_back(command::Release{it.id, is_left ? it.pieces : PieceRange(), fits});
    if (is_left) write(it.root, it.pieces, fits, has_page);
    handed.erase(i);
  }
}

void Commons::write(const Root& root, PieceRange run, bool fits, bool waits) {
  writes.add(waits);
  if (!waits) commands.emplace_back(command::WriteNext{});
  // Others read it from the host's memory until it is written.
  if (fits) hold(root, run);
}

Commons::Digests* Commons::list_of(const Resource& resource) {
  Digests* list = list_of(resource.root);
  if (!list && !resource.digests.empty()) {
    list = &lists.add(new Digests{resource.root, resource.digests});
  }
  return list;
}

Wish Commons::add_before(Wish wish) const {
  for (const Part* part : parts) {
    const std::uint64_t bytes = std::min(part->body().range().bytes(), wish.bytes);
    (part->body().asks_peers() ? wish.before_of_peers : wish.before_of_network) += bytes;
  }
  return wish;
}

}  // namespace peer_cdn
