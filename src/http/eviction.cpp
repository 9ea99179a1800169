#include "http/eviction.hpp"

#include <algorithm>

#include "base/limits.hpp"

namespace peer_cdn {
namespace {

bool is_before(const StoredRoot& a, const StoredRoot& b) {
  if (a.listed != b.listed) return b.listed;
  return a.order < b.order;
}

}  // namespace

std::uint64_t store_quota(double asked_bytes, double browser_bytes) {
  constexpr double exact_max = 9007199254740992.0;  // 2^53
  if (asked_bytes > 0) return static_cast<std::uint64_t>(std::min(asked_bytes, exact_max));
  constexpr auto most = static_cast<double>(limits::store_bytes);
  if (browser_bytes > 0) return static_cast<std::uint64_t>(std::min(browser_bytes / 2, most));
  return limits::store_bytes;
}

Result<std::vector<Root>> roots_to_drop(std::vector<StoredRoot> stored, std::uint64_t quota_bytes,
                                        std::uint64_t needed_bytes) {
  if (needed_bytes > quota_bytes) return Error::storage_full;
  const std::uint64_t target_bytes = quota_bytes - needed_bytes;
  std::uint64_t used_bytes = 0;
  for (const StoredRoot& entry : stored) used_bytes += entry.bytes;

  // The next one is looked for each time: few are dropped, and std::sort is a KB of code.
  std::vector<Root> dropped;
  while (used_bytes > target_bytes) {
    StoredRoot* next = nullptr;
    for (StoredRoot& entry : stored) {
      if (entry.open || entry.bytes == 0) continue;
      if (!next || is_before(entry, *next)) next = &entry;
    }
    if (!next) return Error::storage_full;
    dropped.push_back(next->root);
    used_bytes -= next->bytes;
    next->bytes = 0;
  }
  return dropped;
}

}  // namespace peer_cdn
