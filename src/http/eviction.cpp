#include "http/eviction.hpp"

#include <algorithm>
#include <tuple>

namespace peer_cdn {

Result<std::vector<Root>> roots_to_drop(std::vector<StoredRoot> stored, std::uint64_t quota_bytes,
                                        std::uint64_t needed_bytes) {
  if (needed_bytes > quota_bytes) return Error::storage_full;
  const std::uint64_t target_bytes = quota_bytes - needed_bytes;
  std::uint64_t used_bytes = 0;
  for (const StoredRoot& entry : stored) used_bytes += entry.bytes;

  std::sort(stored.begin(), stored.end(), [](const StoredRoot& a, const StoredRoot& b) {
    return std::tie(a.listed, a.order, a.root) < std::tie(b.listed, b.order, b.root);
  });
  std::vector<Root> dropped;
  for (const StoredRoot& entry : stored) {
    if (used_bytes <= target_bytes) break;
    if (entry.open || entry.bytes == 0) continue;
    dropped.push_back(entry.root);
    used_bytes -= entry.bytes;
  }
  if (used_bytes > target_bytes) return Error::storage_full;
  return dropped;
}

std::vector<Root> unlisted_roots(const std::vector<StoredRoot>& stored) {
  std::vector<Root> roots;
  for (const StoredRoot& entry : stored) {
    if (!entry.listed && !entry.open) roots.push_back(entry.root);
  }
  return roots;
}

}  // namespace peer_cdn
