#include "http/holdings.hpp"

#include <algorithm>
#include <utility>

#include "base/manifest.hpp"

namespace peer_cdn {
namespace {

// What the manifest does not list any more has an unknown piece: a run is at most one segment.
std::uint64_t bytes_of(const Root& root, PieceRange run, const Manifest& manifest) {
  if (run.empty()) return 0;
  const Resource* resource = manifest.find(root);
  if (!resource) return limits::segment_bytes;
  const Geometry& geometry = resource->geometry;
  run.end = std::min(run.end, geometry.count());
  return geometry.range_of({std::min(run.begin, run.end), run.end}).bytes();
}

}  // namespace

std::uint64_t store_quota(double asked_bytes, double browser_bytes) {
  constexpr double exact_max = 9007199254740992.0;  // 2^53
  if (asked_bytes > 0) return static_cast<std::uint64_t>(std::min(asked_bytes, exact_max));
  constexpr auto most = static_cast<double>(limits::store_bytes);
  if (browser_bytes > 0) return static_cast<std::uint64_t>(std::min(browser_bytes / 2, most));
  return limits::store_bytes;
}

void Holdings::set_quota(double asked_bytes, double browser_bytes) {
  quota_bytes_ = store_quota(asked_bytes, browser_bytes);
}

void Holdings::clear() {
  entries_.clear();
  shelves_ = {};
  used_bytes_ = 0;
}

Holdings::Entry** Holdings::place(const Root& root) {
  Entry** at = &shelves_[root.bytes[0]];
  while (*at && (*at)->root != root) at = &(*at)->next;
  return at;
}

void Holdings::add(const Root& root, PieceRange run, const Manifest& manifest) {
  Entry*& entry = *place(root);
  if (!entry) entry = &entries_.add(new Entry{root, {}});
  if (run.empty() || entry->place(run) < entry->runs.size()) return;
  entry->runs.push_back(run);
  const std::uint64_t bytes = bytes_of(root, run, manifest);
  entry->bytes += bytes;
  used_bytes_ += bytes;
}

void Holdings::forget(const Root& root, PieceRange run) {
  Entry* entry = *place(root);
  if (!entry) return;
  const std::size_t at = entry->place(run);
  if (at < entry->runs.size()) entry->runs.erase(at);
}

void Holdings::drop(const Root& root) {
  Entry** at = place(root);
  Entry* gone = std::exchange(*at, (*at)->next);
  used_bytes_ -= gone->bytes;
  entries_.erase(*gone);
}

PieceSet Holdings::pieces(const Root& root, std::uint32_t count) const {
  PieceSet set(count);
  if (const Entry* entry = find(root)) {
    for (const PieceRange run : entry->runs) set.add(run);
  }
  return set;
}

std::optional<PieceRange> Holdings::run_with(const Root& root, PieceIndex piece) const {
  std::optional<PieceRange> best;
  if (const Entry* entry = find(root)) {
    for (const PieceRange run : entry->runs) {
      if (run.contains(piece) && (!best || run.end > best->end)) best = run;
    }
  }
  return best;
}

bool Holdings::fits(const Root& root, PieceRange run, const Manifest& manifest) const {
  return used_bytes_ + bytes_of(root, run, manifest) <= quota_bytes_;
}

Error Holdings::make_room(const Root& root, PieceRange run, bool is_full, const Manifest& manifest,
                          List<Root>& dropped) {
  // A browser that is full gives less than we hoped for: no more than what is used now.
  const std::uint64_t quota = is_full ? std::min(used_bytes_, quota_bytes_) : quota_bytes_;
  std::uint64_t bytes = used_bytes_ + bytes_of(root, run, manifest);
  for (unsigned listed = 0; listed < 2; ++listed) {
    for (const Entry& each : entries_) {
      if (bytes <= quota) break;
      // The last runs of a root may be written after its response has ended: a root does not give
      // way to itself.
      if (each.open || each.bytes == 0 || (each.root == root && !run.empty())) continue;
      if ((manifest.find(each.root) != nullptr) != (listed > 0)) continue;
      dropped.push_back(each.root);
      bytes -= each.bytes;
    }
  }
  if (bytes > quota) return Error::storage_full;
  for (const Root& gone : dropped) drop(gone);
  return Error::none;
}

List<Root> Holdings::drop_unlisted(const Manifest& manifest) {
  List<Root> dropped;
  for (std::size_t i = entries_.size(); i-- > 0;) {
    if (entries_[i].open || manifest.find(entries_[i].root)) continue;
    dropped.push_back(entries_[i].root);
  }
  for (const Root& gone : dropped) drop(gone);
  return dropped;
}

}  // namespace peer_cdn
