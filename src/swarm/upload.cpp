#include "swarm/upload.hpp"

#include <algorithm>
#include <cassert>

namespace peer_cdn::swarm {
namespace {

// The tokens that a bucket earns in this time.
std::uint64_t earned_in(Duration span, std::uint64_t per_second) {
  return limits::amount_in(std::clamp<Duration>(span, Duration(0), limits::refill_span_max),
                           per_second);
}

}  // namespace

// --- Upload --------------------------------------------------------------------------------------

bool Upload::on() const {
  const std::uint64_t sent = options_.sent_before + sent_;
  return options_.on && (options_.bytes_in_all == 0 || sent < options_.bytes_in_all);
}

void Upload::handle_options(const UploadOptions& options, Instant now) {
  ready(now);
  options_ = options;
  options_.bytes_per_second = std::min(options.bytes_per_second, limits::upload_rate_max);
  // A slider says them many times a second: a debt stays. What another rate has saved up does not.
  tokens_ = std::min<std::int64_t>(tokens_, limits::block_bytes);
}

bool Upload::ready(Instant now) {
  if (!on()) return false;
  if (options_.bytes_per_second == 0) return true;
  // What a long pause would have earned beyond this is not made up for later.
  refilled_ = std::max<Instant>(refilled_, now - limits::refill_span_max);
  const std::uint64_t added = earned_in(now - refilled_, options_.bytes_per_second);
  if (added > 0) {
    const auto most = static_cast<std::int64_t>(std::max<std::uint64_t>(
        limits::block_bytes, earned_in(limits::buffered_span, options_.bytes_per_second)));
    tokens_ = std::min(most, tokens_ + static_cast<std::int64_t>(added));
    // Only the time of whole bytes is spent, or frequent calls would lose the fractions.
    refilled_ += Duration(added * 1'000'000 / options_.bytes_per_second);
  }
  return tokens_ > 0;
}

void Upload::take(std::uint32_t bytes) {
  sent_ += bytes;
  if (options_.bytes_per_second > 0) tokens_ -= bytes;
}

std::optional<Instant> Upload::next_ready() const {
  if (!on() || options_.bytes_per_second == 0 || tokens_ > 0) return std::nullopt;
  const auto needed = static_cast<std::uint64_t>(1 - tokens_);
  return refilled_ + Duration(needed * 1'000'000 / options_.bytes_per_second + 1);
}

// --- SendBuffer ----------------------------------------------------------------------------------

bool SendBuffer::has_room() const {
  const std::uint64_t target =
      std::clamp(rate_.in(limits::buffered_span), limits::buffered_min, limits::buffered_max);
  return buffered_ + with_host_bytes_ < target;
}

void SendBuffer::release(const Requested& requested, Instant now) {
  if (buffered_ + with_host_bytes_ == 0) rate_.resume(now);
  with_host_.push_back(requested);
  with_host_bytes_ += requested.block.bytes;
}

void SendBuffer::take_out(std::size_t index) {
  with_host_bytes_ -= with_host_[index].block.bytes;
  with_host_.erase(index);
}

void SendBuffer::drained(std::uint64_t before, std::uint64_t buffered, Instant now) {
  if (buffered < before) rate_.add(before - buffered, now);
  buffered_ = buffered;
}

void SendBuffer::handle_sent(std::uint64_t buffered, Instant now) {
  if (with_host_.empty()) return handle_buffered(buffered, now);
  const std::uint32_t bytes = with_host_.front().block.bytes;
  take_out(0);
  drained(buffered_ + bytes, buffered, now);
}

std::optional<Requested> SendBuffer::handle_unreadable(const Root& root, PieceIndex piece) {
  for (std::size_t i = 0; i < with_host_.size(); ++i) {
    if (with_host_[i].root != root || with_host_[i].block.piece != piece) continue;
    const Requested requested = with_host_[i];
    take_out(i);
    return requested;
  }
  return std::nullopt;
}

void SendBuffer::handle_buffered(std::uint64_t buffered, Instant now) {
  drained(buffered_, buffered, now);
}

// --- Asker ---------------------------------------------------------------------------------------

bool Asker::want(wire::Handle handle, const Root& root, Instant now) {
  const std::uint64_t added = earned_in(now - refilled_, limits::wants_per_second);
  if (added > 0) {
    want_tokens_ = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(limits::wants_burst, want_tokens_ + added));
    refilled_ = now;
  }
  if (want_tokens_ == 0 || wants_.size() >= limits::wants_per_pair || root_of(handle) != nullptr) {
    return false;
  }
  --want_tokens_;
  wants_.push_back({handle, root});
  return true;
}

const Root* Asker::root_of(wire::Handle handle) const {
  for (const Want& want : wants_) {
    if (want.handle == handle) return &want.root;
  }
  return nullptr;
}

void Asker::done(wire::Handle handle) {
  wants_.erase_if([&](const Want& want) { return want.handle == handle; });
}

bool Asker::queue(const Requested& requested) {
  if (queue_.size() >= limits::requests_from_peer) return false;
  queue_.push_back(requested);
  return true;
}

Requested Asker::take() {
  assert(!queue_.empty());
  const Requested first = queue_.front();
  queue_.erase(queue_.begin());
  return first;
}

bool Asker::cancel(wire::Handle handle, const wire::Block& block) {
  for (std::size_t i = 0; i < queue_.size(); ++i) {
    if (queue_[i].handle != handle || !(queue_[i].block == block)) continue;
    queue_.erase(i);
    return true;
  }
  return false;
}

List<wire::Block> Asker::take_all(wire::Handle handle) {
  List<wire::Block> blocks;
  for (std::size_t i = 0; i < queue_.size();) {
    if (queue_[i].handle != handle) {
      ++i;
      continue;
    }
    blocks.push_back(queue_[i].block);
    queue_.erase(i);
  }
  return blocks;
}

}  // namespace peer_cdn::swarm
