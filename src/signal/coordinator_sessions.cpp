// Visitors that come back: their numbers, their pairs, and what they had announced.
#include <algorithm>
#include <utility>

#include "signal/coordinator.hpp"

namespace peer_cdn::signal {

// Pairs outlive the sockets, and the two sides know each other by number. So a page keeps its
// number over a reconnect, also to a coordinator that was started again. If an old socket of the
// same browser still has the number, that socket is dead and is closed; a socket of another browser
// keeps it. A page that takes the number of an absent one gets no bytes of that one's pairs,
// because their connections are bound to keys.
PeerId Coordinator::renumber(PeerId id, PeerId wanted, Instant now) {
  if (wanted.value == 0 || wanted == id) return id;
  if (Peer* const before = find(wanted)) {
    const Peer& peer = *find(id);
    if (before->browser != peer.browser || before->site != peer.site) return id;
    // Siblings go on with the pairs that it names, because Seek tells them to. It is for all, and
    // overtakes what is for one: that these are over would come after it.
    std::erase_if(before->introductions, [&peer](const auto& each) {
      return each.second.sibling != 0 &&
             std::find(peer.paired.begin(), peer.paired.end(), each.first) != peer.paired.end();
    });
    keep_session(wanted, *before, now);
    refuse(wanted, Error::timed_out, now);
  }
  auto node = peers_.extract(id);  // its address stays
  node.key() = wanted;
  peers_.insert(std::move(node));
  outputs_.push_back(Renumber{id, wanted});
  return wanted;
}

// Whoever was refused has to say everything again.
void Coordinator::keep_session(PeerId id, const Peer& peer, Instant now) {
  List<Root> roots = peer.site->directory.roots_of(id);
  if (roots.empty()) return;
  drop_session(id);
  session_roots_ += roots.size();
  const Instant until = now + limits::session_wait;
  sessions_[id] = {peer.site->name, peer.browser, std::move(roots), until};
  session_ends_.emplace_back(until, id);
  while (session_ends_.front().first <= now || session_roots_ > limits::session_roots) {
    // One that was kept anew has a later end.
    const auto [end, oldest] = session_ends_.front();
    const auto found = sessions_.find(oldest);
    if (found != sessions_.end() && found->second.until == end) drop_session(oldest);
    session_ends_.pop_front();
  }
}

void Coordinator::drop_session(PeerId id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  session_roots_ -= found->second.roots.size();
  sessions_.erase(found);
}

List<Root> Coordinator::take_session(PeerId id, const Peer& peer, std::uint64_t held, Instant now) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end() || found->second.browser != peer.browser ||
      found->second.site != peer.site->name) {
    return {};
  }
  const bool lives = found->second.until > now;
  List<Root> roots = std::move(found->second.roots);
  session_roots_ -= roots.size();
  sessions_.erase(found);
  std::uint64_t sum = 0;
  for (const Root& root : roots) sum += summand_of(root);
  if (!lives || sum != held) roots.clear();
  return roots;
}

// Introduces this peer again to each peer of which both sides say that they have a pair.
void Coordinator::resume(PeerId id, Peer& peer) {
  const std::vector<PeerId> paired = std::move(peer.paired);
  peer.paired.clear();
  for (const PeerId other_id : paired) {
    Peer* const other = find(other_id);
    if (!other || other->browser.empty()) {
      peer.paired.push_back(other_id);
      continue;
    }
    if (other->site != peer.site || other->browser == peer.browser ||
        peer.introductions.count(other_id) > 0 ||
        peer.introductions.size() >= limits::introductions_per_peer) {
      continue;
    }
    const Introduction again{Root{}, false, true};
    const auto known = other->introductions.find(id);
    if (known != other->introductions.end()) {
      // It was a sibling's until now, and its neighbours need not be told.
      if (known->second.sibling == 0 || known->second.browser != tag_of(peer.browser)) continue;
      known->second = again;
    } else {
      const auto at = std::find(other->paired.begin(), other->paired.end(), id);
      if (at == other->paired.end() ||
          other->introductions.size() >= limits::introductions_per_peer) {
        continue;
      }
      other->paired.erase(at);
      other->introductions.emplace(id, again);
      tell(other_id, Resume{id});
    }
    peer.introductions.emplace(other_id, again);
    tell(id, Resume{other_id});
  }
}

bus::Seek Coordinator::seek_of(PeerId id, const Peer& peer) {
  return {peer.site->name, id, peer.browser, peer.paired};
}

}  // namespace peer_cdn::signal
