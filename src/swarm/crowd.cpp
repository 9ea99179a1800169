// The part of a swarm that brings a crowd together. A root that nobody had is watched, so that
// pages that fetch it find each other while it comes. And pages tell each other which pieces they
// fetch from the origin.
#include <algorithm>

#include "base/limits.hpp"
#include "swarm/swarm.hpp"

namespace peer_cdn::swarm {

// --- Watched roots -------------------------------------------------------------------------------

Swarm::Watch* Swarm::find_watch(const Root& root) {
  for (Watch& watch : watches_) {
    if (watch.root == root) return &watch;
  }
  return nullptr;
}

// A watched root is asked for, and announced although no piece of it is here yet. It is not
// announced before the origin's answer is known to be one that may be shared (handle_transfer).
void Swarm::watch(const Root& root, const Geometry& geometry, Instant now) {
  if (geometry.bytes() <= limits::crowd_bytes || find_watch(root) != nullptr) return;
  if (watches_.size() >= limits::watched_roots) unwatch(watches_.front().root);
  watches_.push_back({root, geometry, now, now, limits::ask_again_min});
}

// The root is passed by value, because it may be that of an entry that moves while another is
// erased.
void Swarm::unwatch(Root root) {
  const Watch* watch = find_watch(root);
  if (watch == nullptr) return;
  const bool offered = watch->offered;
  watches_.erase_if([&](const Watch& each) { return each.root == root; });
  if (offered && serving_ && holdings_.find(root) == nullptr) outputs_.push(Announce{root, false});
}

void Swarm::meet(const Root& root, std::uint32_t introduced, Instant now) {
  Watch* watch = find_watch(root);
  if (watch == nullptr) return;
  watch->heard = now;
  watch->introduced = std::max(watch->introduced, introduced);
  if (!std::exchange(watch->met, true)) outputs_.push(Company{root});
}

void Swarm::handle_transfer(const Root& root, std::uint64_t from_origin, bool over, Instant now) {
  if (from_origin == 0 && !over) return;
  Watch* watch = find_watch(root);
  if (over) {
    unwatch(root);
  } else if (watch != nullptr) {
    watch->heard = now;
    const bool first = !std::exchange(watch->offered, true);
    if (first && serving_ && holdings_.find(root) == nullptr) outputs_.push(Announce{root, true});
  }
  settle(now);
}

void Swarm::settle_watches(Instant now) {
  for (std::size_t i = watches_.size(); i-- > 0;) {
    Watch& watch = watches_[i];
    if (now >= watch.heard + limits::watch_wait) {
      unwatch(watch.root);
    } else if (!watch.met && now >= watch.ask_at) {
      watch.ask_at = now + watch.ask_wait;
      watch.ask_wait = std::min<Duration>(2 * watch.ask_wait, limits::ask_again_max);
      outputs_.push(AskFor{watch.root});
    }
  }
}

Instant Swarm::watches_due() const {
  Instant next = Instant::max();
  for (const Watch& watch : watches_) {
    next = std::min(next, watch.heard + limits::watch_wait);
    if (!watch.met) next = std::min(next, watch.ask_at);
  }
  return next;
}

// --- Fetches and claims --------------------------------------------------------------------------

Download* Swarm::download_of(FetchId fetch) {
  for (Download& download : downloads_) {
    if (download.has_fetch(fetch)) return &download;
  }
  return nullptr;
}

bool Swarm::handle_fetched(FetchId fetch, PieceIndex piece, Instant now) {
  Download* download = download_of(fetch);
  const bool needed = download != nullptr && download->handle_fetched(fetch, piece, now, outputs_);
  settle(now);
  return needed;
}

void Swarm::handle_fetch_end(FetchId fetch, Error error, Instant now) {
  if (Download* download = download_of(fetch)) download->handle_fetch_end(fetch, error, outputs_);
  settle(now);
}

void Swarm::handle(Pair& pair, const wire::Claim& claim, Instant now) {
  Download* download = download_of(pair, claim.handle);
  if (download == nullptr) return;
  if (claim.pieces.end > download->geometry().count()) {
    return close_pair(pair, Error::piece_out_of_bounds);
  }
  if (++download->holder(pair.session.peer())->claims_heard > limits::claims_from_peer) return;
  if (!pair.session.is_believed(now)) return;
  download->handle_claim(pair.session.peer(), {claim.pieces, claim.rank}, now);
}

void Swarm::tell_claims(Download& download, Instant now) {
  const auto claims = download.take_claims();
  for (Pair& pair : pairs_) {
    if (pair.closed) continue;
    for (const Asker::Want& want : pair.asker.wants()) {
      if (want.root != download.root()) continue;
      for (const auto& [pieces, rank] : claims) {
        send(pair, wire::Claim{want.handle, pieces, rank}, now);
      }
    }
  }
}

void Swarm::settle_fetches(Instant now) {
  const bool ahead = has_memory();
  for (Download& download : downloads_) {
    download.settle_fetches(now, ahead, last_fetch_, outputs_);
    tell_claims(download, now);
    for (const PeerId peer : download.take_let_downs()) {
      if (Pair* pair = find(peer)) pair->session.handle_let_down(now);
    }
  }
}

}  // namespace peer_cdn::swarm
