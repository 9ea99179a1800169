#include "http/holdings.hpp"

#include <algorithm>

#include "base/manifest.hpp"
#include "http/eviction.hpp"

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

void Holdings::set_quota(double asked_bytes, double browser_bytes) {
  quota_bytes_ = store_quota(asked_bytes, browser_bytes);
}

void Holdings::clear() {
  entries_.clear();
  used_bytes_ = 0;
}

// A root's runs mostly come together.
const Holdings::Entry* Holdings::find(const Root& root) const {
  for (std::size_t i = entries_.size(); i-- > 0;) {
    if (entries_[i].root == root) return &entries_[i];
  }
  return nullptr;
}

void Holdings::add(const Root& root, PieceRange run, const Manifest& manifest) {
  auto* entry = const_cast<Entry*>(find(root));
  if (!entry) entry = &entries_.add(new Entry{root, {}});
  if (run.empty() || std::find(entry->runs.begin(), entry->runs.end(), run) != entry->runs.end()) {
    return;
  }
  entry->runs.push_back(run);
  const std::uint64_t bytes = bytes_of(root, run, manifest);
  entry->bytes += bytes;
  used_bytes_ += bytes;
}

void Holdings::forget(const Root& root, PieceRange run) {
  auto* entry = const_cast<Entry*>(find(root));
  if (!entry) return;
  for (std::size_t i = entry->runs.size(); i-- > 0;) {
    if (entry->runs[i] == run) entry->runs.erase(i);
  }
}

void Holdings::drop(const Root& root) {
  for (std::size_t i = entries_.size(); i-- > 0;) {
    if (entries_[i].root != root) continue;
    used_bytes_ -= entries_[i].bytes;
    entries_.erase(i);
  }
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

Result<List<Root>> Holdings::make_room(const Root& root, PieceRange run, bool is_full,
                                       const Manifest& manifest) {
  List<StoredRoot> stored;
  for (const Entry& each : entries_) {
    stored.push_back(
        {each.root, each.bytes, manifest.find(each.root) != nullptr, each.open, stored.size()});
  }
  // A browser that is full gives less than we hoped for: no more than what is used now.
  const std::uint64_t quota = is_full ? std::min(used_bytes_, quota_bytes_) : quota_bytes_;
  auto dropped = roots_to_drop(std::move(stored), quota, bytes_of(root, run, manifest));
  if (!dropped) return dropped;
  for (const Root& gone : *dropped) {
    drop(gone);
  }
  return dropped;
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
