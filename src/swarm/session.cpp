#include "swarm/session.hpp"

#include <algorithm>

#include "base/limits.hpp"

namespace peer_cdn::swarm {
namespace {

bool take(List<Session::Awaited>& from, const Session::Awaited& asked) {
  const auto at = std::find(from.begin(), from.end(), asked);
  if (at == from.end()) return false;
  from.erase(at);
  return true;
}

}  // namespace

Error Session::handle_hello(std::uint32_t version) {
  if (greeted_) return Error::unknown_message;
  if (version != wire::version) return Error::version_mismatch;
  greeted_ = true;
  return Error::none;
}

wire::Handle Session::want(Instant now) {
  if (!waits()) heard_ = now;
  wanted_ = true;
  return ++last_handle_;
}

void Session::handle_answer(Instant now) {
  if (wanted_) hear(now);
}

void Session::hear(Instant now) {
  heard_ = now;
  wanted_ = false;
  if (paused_until_) paused_until_ = now;
}

std::size_t Session::depth() const {
  if (rate_.per_second() == 0) return limits::pipeline_blocks_start;
  const auto blocks = static_cast<std::size_t>(rate_.in(span_) / limits::block_bytes);
  return std::clamp(blocks, limits::pipeline_blocks_min, limits::pipeline_blocks_max);
}

bool Session::has_room() const {
  if (stalled()) return false;
  if (asked_.size() + cancelled_.size() >= limits::unanswered_blocks) return false;
  return asked_.size() < depth();
}

bool Session::is_due() const {
  return has_room() && asked_.size() + depth() / 4 <= depth();
}

void Session::ask(wire::Handle handle, const wire::Block& block, Instant now) {
  if (asked_.empty()) {
    heard_ = now;
    rate_.resume(now);
  }
  asked_.push_back({handle, block});
}

Result<bool> Session::handle_block(const wire::BlockHeader& header, Instant now) {
  const Awaited asked = {header.handle, header.block};
  const bool was_asked = take(asked_, asked);
  if (!was_asked && !take(cancelled_, asked)) return Error::unasked_block;
  rate_.add(header.block.bytes, now);
  hear(now);
  return was_asked;
}

// If the block was cancelled and asked for again, the reject answers the cancelled request, because
// that is the older one.
bool Session::handle_reject(wire::Handle handle, const wire::Block& block) {
  if (take(cancelled_, {handle, block})) return false;
  return take(asked_, {handle, block});
}

bool Session::cancel(wire::Handle handle, const wire::Block& block) {
  if (!take(asked_, {handle, block})) return false;
  cancelled_.push_back({handle, block});
  return true;
}

List<Session::Awaited> Session::abandon(std::optional<wire::Handle> handle) {
  List<Awaited> gone;
  for (std::size_t i = 0; i < asked_.size();) {
    if (handle && asked_[i].handle != *handle) {
      ++i;
      continue;
    }
    gone.push_back(asked_[i]);
    cancelled_.push_back(asked_[i]);
    asked_.erase(i);
  }
  return gone;
}

// What was cancelled is awaited only where nothing more can be asked for before it is answered.
bool Session::waits() const {
  return !lost_ && (wanted_ || !asked_.empty() || cancelled_.size() >= limits::unanswered_blocks);
}

bool Session::stalls(Instant now) {
  if (!waits() || paused_until_ || now < heard_ + limits::peer_stall) return false;
  if (now >= stalled_at_ + limits::peer_stall_memory) stalls_ = 0;
  ++stalls_;
  stalled_at_ = now;
  paused_until_ = now + limits::peer_stall_pause;
  return true;
}

bool Session::recovers(Instant now) {
  if (!paused_until_ || now < *paused_until_) return false;
  paused_until_.reset();
  return true;
}

void Session::handle_let_down(Instant now) {
  if (now >= let_down_at_ + limits::peer_stall_memory) let_downs_ = 0;
  ++let_downs_;
  let_down_at_ = now;
}

bool Session::is_believed(Instant now) const {
  return let_downs_ < limits::claims_missed || now >= let_down_at_ + limits::peer_stall_memory;
}

void Session::handle_found(Instant now) {
  if (!lost_) return;
  lost_ = false;
  heard_ = now;
  if (paused_until_) --stalls_;
  paused_until_.reset();
}

std::optional<Instant> Session::next_timeout() const {
  if (paused_until_) return paused_until_;
  if (!waits()) return std::nullopt;
  return heard_ + limits::peer_stall;
}

}  // namespace peer_cdn::swarm
