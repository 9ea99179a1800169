// Who meets whom.
#include <algorithm>
#include <utility>

#include "signal/coordinator.hpp"

namespace peer_cdn::signal {

// Of the two lists the shorter one is gone through: a root has one holder or thousands, a peer
// knows some tens.
std::size_t Coordinator::known_holders(const Peer& asker, const Root& root) {
  const Directory& directory = asker.site->directory;
  const std::vector<PeerId>& holders = directory.holders(root);
  std::size_t known = 0;
  if (holders.size() < asker.introductions.size()) {
    for (const PeerId holder : holders) {
      const auto found = asker.introductions.find(holder);
      if (found != asker.introductions.end() && found->second.sibling == 0) ++known;
    }
    return known;
  }
  for (const auto& [other, introduction] : asker.introductions) {
    if (introduction.sibling == 0 && directory.holds(other, root)) ++known;
  }
  return known;
}

// A peer that was introduced before and holds the root counts too, because it costs nothing. What
// siblings are asked for is answered apart, so that the rest need not wait.
void Coordinator::handle(PeerId id, Peer& asker, const Ask& ask, Instant now) {
  Answer answer, waiting;
  std::vector<bus::Wanted> wanted;
  PeerId offered;
  bool is_news = ask.roots.empty();  // something that the asker can use before an offer comes
  for (const Root& root : ask.roots) {
    const bool is_covered = covers(asker, root);
    const std::size_t known = is_covered ? known_holders(asker, root) : 0;
    std::vector<PeerId> found;
    PeerId* const takes_offer = !ask.offer.empty() && asker.lean ? &offered : nullptr;
    if (known < limits::introductions_per_root && is_covered) {
      const std::size_t more =
          std::min(limits::introductions_per_ask, limits::introductions_per_root - known);
      found = introduce(id, {root}, more, now, takes_offer);
    }
    const std::size_t count = known + found.size();
    if (offered.value != 0) std::erase(found, offered);
    // Ours are introduced at once, and siblings are asked for the rest.
    const bool is_enough = !is_covered || count >= limits::introductions_per_ask ||
                           siblings_.holders(asker.site->name, mark_of(root)).empty();
    if (is_enough && (count == 0 || known > 0)) is_news = true;
    Answer& to = is_enough ? answer : waiting;
    to.roots.push_back(root);
    to.peers.push_back(static_cast<std::uint32_t>(count));
    for (const PeerId holder : found) to.introduced.push_back(holder);
    if (is_enough) continue;
    wanted.push_back({root, static_cast<std::uint8_t>(limits::introductions_per_ask - count)});
  }
  (answer.roots.empty() ? waiting : answer).offered = offered;
  if (!ask.offer.empty()) asker.offered = offered;
  if (offered.value != 0) {
    ++stats_.relayed;
    deliver(id, {offered, ask.offer, {}});
  }
  if (!wanted.empty()) ask_siblings(id, false, wanted, std::move(waiting), now);
  if (!answer.roots.empty() || wanted.empty()) {
    complete(id, asker, std::move(answer), is_news, now);
  }
}

// A client of version 1's beginning looks for whom it was introduced to in messages of their own.
void Coordinator::complete(PeerId id, Peer& asker, Answer answer, bool is_news, Instant now) {
  if (!asker.lean) {
    for (const PeerId holder : std::exchange(answer.introduced, {})) tell(id, Introduce{holder});
  }
  if (asker.lean && !is_news) return hold(id, asker, std::move(answer), now);
  tell(id, std::move(answer));
}

void Coordinator::hold(PeerId id, Peer& asker, Answer answer, Instant now) {
  if (asker.held) release(id);
  asker.held = std::move(answer);
  holds_.emplace_back(now + limits::answer_hold, id);
}

void Coordinator::release(PeerId id) {
  Peer* const asker = find(id);
  if (!asker || !asker->held) return;
  outputs_.push_back(Tell{id, std::move(*asker->held)});
  asker->held.reset();
}

// A holder that declines is replaced, once. An asker that declines wants no other.
void Coordinator::handle(PeerId id, Peer& peer, const Decline& decline, Instant now) {
  const auto found = peer.introductions.find(decline.peer);
  if (found == peer.introductions.end()) {
    ++stats_.not_introduced;
    return;
  }
  const Introduction introduction = found->second;
  peer.introductions.erase(found);
  remember_declined(peer, decline.peer, now);
  if (introduction.sibling != 0) {
    return siblings_.tell(introduction.sibling, bus::Part{id, decline.peer, true}, now);
  }
  Peer& other = *find(decline.peer);
  other.introductions.erase(id);
  remember_declined(other, id, now);
  tell(decline.peer, Gone{id});
  if (introduction.holder && !introduction.second) replace(decline.peer, introduction.root, now);
}

void Coordinator::replace(PeerId id, const Root& root, Instant now) {
  const std::vector<PeerId> others = introduce(id, {root, false, true}, 1, now);
  for (const PeerId holder : others) tell(id, Introduce{holder});
  if (others.empty()) ask_siblings(id, true, {{root, 1}}, {}, now);
}

void Coordinator::remember_declined(Peer& peer, PeerId declined, Instant now) {
  if (peer.declined.size() >= limits::declines_per_peer) peer.declined.erase(peer.declined.begin());
  peer.declined.push_back(Declined{declined, now + limits::decline_wait});
}

// Holders that may be introduced: the nearest first, then those with the fewest introductions, then
// those whose last one is the longest ago. Equals come in random order.
std::vector<PeerId> Coordinator::candidates(const Asker& asker, const Site& site, const Root& root,
                                            Instant now) {
  // Both sides remember who declined.
  const auto declined = [&](const Peer& holder, PeerId holder_id) {
    const auto& list = asker.peer ? asker.peer->declined : holder.declined;
    const PeerId other = asker.peer ? holder_id : asker.id;
    return std::any_of(list.begin(), list.end(),
                       [&](const Declined& d) { return d.peer == other && d.until > now; });
  };
  const std::vector<PeerId>& holders = site.directory.holders(root);
  struct Holder {
    int distance;
    std::size_t introductions;
    Instant introduced_at;
    PeerId peer;
  };
  std::vector<Holder> found;
  const std::size_t count = std::min(holders.size(), limits::holders_looked_at);
  const std::size_t start = count > 0 ? static_cast<std::size_t>(random_.below(holders.size())) : 0;
  for (std::size_t i = 0; i < count; ++i) {
    const PeerId holder = holders[(start + i) % holders.size()];
    const Peer& peer = *find(holder);
    if (holder == asker.id || peer.browser == asker.browser || declined(peer, holder) ||
        peer.introductions.count(asker.id) > 0 ||
        peer.introductions.size() >= limits::introductions_per_peer ||
        (asker.peer && asker.peer->introductions.count(holder) > 0)) {
      continue;
    }
    found.push_back(
        {distance(asker.place, peer.place), peer.introductions.size(), peer.introduced_at, holder});
  }
  std::stable_sort(found.begin(), found.end(), [](const Holder& a, const Holder& b) {
    if (a.distance != b.distance) return a.distance < b.distance;
    if (a.introductions != b.introductions) return a.introductions < b.introductions;
    return a.introduced_at < b.introduced_at;
  });
  std::vector<PeerId> peers;
  for (const Holder& holder : found) peers.push_back(holder.peer);
  return peers;
}

std::vector<PeerId> Coordinator::introduce(PeerId id, const Introduction& asked, std::size_t wanted,
                                           Instant now, PeerId* offered) {
  std::vector<PeerId> found;
  Peer& asker = *find(id);
  if (asker.introductions.size() >= limits::introductions_per_peer) return found;
  asker.asked_introductions.refill(limits::introductions_per_second, limits::introductions_burst,
                                   now);
  // To look for holders is most of the work of an ask.
  if (asker.asked_introductions.tokens < 1) return found;
  while (!asker.declined.empty() && asker.declined.front().until <= now)
    asker.declined.erase(asker.declined.begin());
  const Asker wants{id, asker.browser, asker.place, 0, &asker};
  for (const PeerId holder_id : candidates(wants, *asker.site, asked.root, now)) {
    if (wanted == 0 || asker.introductions.size() >= limits::introductions_per_peer ||
        !asker.asked_introductions.spend(1)) {
      break;
    }
    --wanted;
    Peer& holder = *find(holder_id);
    asker.introductions.emplace(holder_id, asked);
    holder.introductions.emplace(id, Introduction{asked.root, true, asked.second});
    holder.introduced_at = now;
    const bool is_offered = offered != nullptr && offered->value == 0;
    if (is_offered) *offered = holder_id;
    tell(holder_id, Introduce{id, !is_offered, is_offered});
    found.push_back(holder_id);
    ++stats_.introductions;
  }
  return found;
}

}  // namespace peer_cdn::signal
