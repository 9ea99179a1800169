#include "http/estimate.hpp"

#include <algorithm>
#include <chrono>

namespace peer_cdn {

void Estimate::handle_first(Duration wait, Instant now) {
  const bool counts = counts_until_ && !counts_until_.has_passed(now);
  counts_until_ = now + limits::estimate_age;
  mean_ = counts ? (3 * mean_ + wait) / 4 : wait;
}

void Estimate::handle_given_up(Duration wait, Instant now) {
  if (!measured() || wait > mean_) handle_first(wait, now);
}

void Estimate::handle_body(std::uint64_t bytes, Instant begin, Instant end) {
  if (bytes < limits::rate_sample_bytes) return;
  // At least the clock's own step: what came in no time at all was not measured.
  span_ += std::max(end - std::max(begin, end_), Duration(std::chrono::milliseconds(1)));
  end_ = std::max(end_, end);
  bytes_ += bytes;
  if (bytes_ <= limits::rate_memory_bytes) return;
  bytes_ /= 2;
  span_ /= 2;
}

Duration Estimate::expected(std::uint64_t bytes) const {
  const double rate = bytes_ == 0
                          ? static_cast<double>(limits::rate_unknown)
                          : static_cast<double>(bytes_) * 1e6 / static_cast<double>(span_.count());
  return mean_ + Duration(static_cast<std::int64_t>(static_cast<double>(bytes) * 1e6 / rate));
}

}  // namespace peer_cdn
