// Which resources leave the store so that another one fits.
#pragma once

#include <cstdint>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"

namespace peer_cdn {

struct StoredRoot {
  Root root;
  std::uint64_t bytes = 0;  // of all its runs
  bool listed = false;      // in the current manifest
  bool open = false;        // a response reads or writes it now: never dropped
  std::uint64_t order = 0;  // when it was stored, as a time or a count: the smallest is the oldest
};

// The bytes that the store may take: what the site asks for, or else half of what the browser
// offers, at most limits::store_bytes. Not a positive number: nothing was asked, or is known.
std::uint64_t store_quota(double asked_bytes, double browser_bytes);

// The roots to drop, first ones first, so that `needed_bytes` more fit into `quota_bytes`: what is
// no longer listed before what is, the oldest before the newer. Empty when it fits already.
// storage_full when all that may be dropped would not do: then nothing is dropped for nothing.
Result<std::vector<Root>> roots_to_drop(std::vector<StoredRoot> stored, std::uint64_t quota_bytes,
                                        std::uint64_t needed_bytes);

}  // namespace peer_cdn
