#include "swarm/pool.hpp"

#include <algorithm>
#include <utility>

#include "base/limits.hpp"

namespace peer_cdn::swarm {

const Pool::Pair* Pool::find(PeerId peer) const {
  for (const Pair& pair : pairs_) {
    if (pair.peer == peer) return &pair;
  }
  return nullptr;
}

Pool::Pair* Pool::find(PeerId peer) {
  return const_cast<Pair*>(std::as_const(*this).find(peer));
}

bool Pool::has(PeerId peer) const {
  return find(peer) != nullptr;
}

bool Pool::is_open(PeerId peer) const {
  const Pair* pair = find(peer);
  return pair != nullptr && pair->open;
}

bool Pool::admit(PeerId peer, bool asked, bool offered, Instant now) {
  if (has(peer) || is_banned(peer) || pairs_.size() >= limits::pairs_per_page) return false;
  while (!tries_.empty() && tries_.front() + limits::pair_failures_span <= now) {
    tries_.erase(tries_.begin());
  }
  if (tries_.size() >= limits::pair_failures) return false;
  tries_.push_back(now);
  pairs_.push_back({peer, false, asked, offered, now});
  return true;
}

bool Pool::give(PeerId peer, Instant now) {
  Pair* pair = find(PeerId{});
  if (pair == nullptr || has(peer) || is_banned(peer)) return false;
  pair->peer = peer;
  pair->asked = true;
  pair->used = now;
  return true;
}

void Pool::handle_open(PeerId peer, Instant now) {
  tries_.clear();
  failures_ = 0;
  pause_ = Duration();
  paused_until_ = Instant();
  if (!has(peer)) pairs_.push_back({peer});
  Pair& pair = *find(peer);
  pair.open = pair.asked = true;
  pair.used = now;
}

void Pool::handle_closed(PeerId peer, Instant now) {
  const Pair* closed = find(peer);
  if (closed == nullptr) return;
  const bool failed = !closed->open && closed->asked;
  pairs_.erase_if([&](const Pair& pair) { return pair.peer == peer; });
  if (!failed || ++failures_ < limits::unreachable_failures || now < paused_until_) return;
  pause_ = std::clamp<Duration>(2 * pause_, limits::unreachable_pause_min,
                                limits::unreachable_pause_max);
  paused_until_ = now + pause_;
}

bool Pool::is_reachable(Instant now) const {
  bool late = false;
  for (const Pair& pair : pairs_) {
    if (pair.open && !pair.lost) return true;
    late |= pair.asked && pair.used + limits::introduction_wait <= now;
  }
  return !late && (pause_ == Duration() || now >= paused_until_);
}

void Pool::handle_used(PeerId peer, Instant now) {
  if (Pair* pair = find(peer)) pair->used = now;
}

List<PeerId> Pool::open_pairs() const {
  List<PeerId> open;
  for (const Pair& pair : pairs_) {
    if (pair.open) open.push_back(pair.peer);
  }
  return open;
}

void Pool::handle_lost(PeerId peer, Instant now) {
  Pair* pair = find(peer);
  if (pair == nullptr || !pair->open || pair->lost) return;
  pair->lost = now;
  if (pair->offered && !pair->restart) pair->restart = now;
}

void Pool::handle_found(PeerId peer) {
  if (Pair* pair = find(peer)) pair->lost = pair->restart = std::nullopt;
}

bool Pool::takes_offer(PeerId peer, Instant now) {
  Pair* pair = find(peer);
  if (pair == nullptr) return false;
  const Instant until = std::max(pair->offers_until, now) + limits::reoffer_wait;
  if (until > now + limits::reoffers_burst * limits::reoffer_wait) return false;
  pair->offers_until = until;
  return true;
}

void Pool::handle_resumed(PeerId peer, Instant now) {
  Pair* pair = find(peer);
  if (pair != nullptr && pair->lost && pair->offered) pair->restart = now;
}

void Pool::handle_network_changed(Instant now) {
  for (Pair& pair : pairs_) {
    if (pair.open) pair.restart = now;
  }
}

std::optional<PeerId> Pool::take_restart(Instant now) {
  for (Pair& pair : pairs_) {
    if (!pair.restart || now < *pair.restart) continue;
    pair.restart.reset();
    if (pair.lost) pair.restart = now + limits::pair_restart_wait;
    return pair.peer;
  }
  return std::nullopt;
}

void Pool::ban(PeerId peer) {
  if (is_banned(peer)) return;
  if (banned_.size() >= limits::banned_peers) banned_.erase(banned_.begin());
  banned_.push_back(peer);
}

bool Pool::is_banned(PeerId peer) const {
  return std::find(banned_.begin(), banned_.end(), peer) != banned_.end();
}

Instant Pool::expiry(const Pair& pair) const {
  if (!pair.open) return pair.used + limits::pair_open_wait;
  if (pair.lost) return *pair.lost + limits::pair_lost_wait;
  const bool spare = pairs_.size() > limits::pairs_warm;
  return pair.used + (spare ? limits::pair_idle_spare : limits::pair_idle);
}

std::optional<PeerId> Pool::expired(Instant now) const {
  const Pair* first = nullptr;
  for (const Pair& pair : pairs_) {
    if (now < expiry(pair)) continue;
    if (first == nullptr || pair.used < first->used) first = &pair;
  }
  if (first == nullptr) return std::nullopt;
  return first->peer;
}

std::optional<Instant> Pool::next_timeout() const {
  std::optional<Instant> next;
  for (const Pair& pair : pairs_) {
    const Instant first = pair.restart ? std::min(*pair.restart, expiry(pair)) : expiry(pair);
    if (!next || first < *next) next = first;
  }
  return next;
}

}  // namespace peer_cdn::swarm
