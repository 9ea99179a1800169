#include "signal/coordinator.hpp"

#include <algorithm>
#include <utility>

namespace peer_cdn::signal {

// Numbers go up from a random one. So a page that reconnects to a restarted coordinator does not
// find a stranger under the number of a peer with which it still has a pair.
Coordinator::Coordinator(std::uint64_t seed)
    : random_(seed), next_peer_(static_cast<std::uint32_t>(random_.next())) {}

Result<PeerId> Coordinator::handle_connect(std::string_view site_name, Instant now,
                                           std::uint32_t place) {
  if (peers_.size() >= limits::peers_per_coordinator) return Error::too_many_peers;
  auto found = sites_.find(std::string(site_name));
  if (found == sites_.end()) {
    if (sites_.size() >= limits::sites_per_coordinator) return Error::too_many_peers;
    found = sites_.emplace(std::string(site_name), Site{}).first;
    found->second.name = site_name;
  }
  Site& site = found->second;
  if (site.sockets >= limits::peers_per_site) return Error::too_many_peers;
  while (next_peer_ == 0 || peers_.count(PeerId{next_peer_}) > 0) ++next_peer_;
  const PeerId id{next_peer_++};
  Peer& peer = peers_[id];
  peer.site = &site;
  peer.place = place;
  peer.messages.reckoned = peer.asked_introductions.reckoned = peer.changes.reckoned = now;
  ++site.sockets;
  greetings_.emplace_back(now + limits::hello_wait, id);
  return id;
}

void Coordinator::handle_disconnect(PeerId id, Instant now) {
  forget(id, now);
}

void Coordinator::handle_malformed(PeerId id, Error error, Instant now) {
  refuse(id, error, now);
}

void Coordinator::handle_message(PeerId id, const Message& message, Instant now) {
  Peer* const peer = find(id);
  if (!peer) return;
  if (!spend(*peer, message, now)) return refuse(id, Error::rate_limited, now);
  const bool hello = holds_alternative<Hello>(message);
  // Hello comes first, and once.
  if (hello != peer->browser.empty()) return refuse(id, Error::malformed_message, now);
  match(message, [&](const auto& m) { handle(id, *peer, m, now); });
}

void Coordinator::handle(PeerId id, Peer& peer, const Hello& hello, Instant now) {
  if (hello.version != version) return refuse(id, Error::version_mismatch, now);
  peer.browser = hello.browser;
  peer.lean = hello.lean;
  peer.paired.assign(hello.peers.begin(), hello.peers.end());
  id = renumber(id, hello.peer, now);
  peer.position = static_cast<std::uint32_t>(peer.site->members.size());
  peer.site->members.push_back(id);
  tell(id, Welcome{version, id, peer.lean});
  tell_marks(id, *peer.site);
  resume(id, peer);
}

// Pairs outlive the sockets, and the two sides know each other by number. So a page keeps its
// number over a reconnect, also to a coordinator that was started again. If an old socket of the
// same browser still has the number, that socket is dead and is closed; a socket of another browser
// keeps it. A page that takes the number of an absent one gets no bytes of that one's pairs,
// because their connections are bound to keys.
PeerId Coordinator::renumber(PeerId id, PeerId wanted, Instant now) {
  if (wanted.value == 0 || wanted == id) return id;
  if (const Peer* const before = find(wanted)) {
    const Peer& peer = *find(id);
    if (before->browser != peer.browser || before->site != peer.site) return id;
    refuse(wanted, Error::timed_out, now);
  }
  auto node = peers_.extract(id);  // its address stays
  node.key() = wanted;
  peers_.insert(std::move(node));
  outputs_.push_back(Renumber{id, wanted});
  return wanted;
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
    const auto at = std::find(other->paired.begin(), other->paired.end(), id);
    if (at == other->paired.end() || other->site != peer.site || other->browser == peer.browser ||
        peer.introductions.count(other_id) > 0 ||
        peer.introductions.size() >= limits::introductions_per_peer ||
        other->introductions.size() >= limits::introductions_per_peer) {
      continue;
    }
    other->paired.erase(at);
    const Introduction again{Root{}, false, true};
    peer.introductions.emplace(other_id, again);
    other->introductions.emplace(id, again);
    tell(id, Resume{other_id});
    tell(other_id, Resume{id});
  }
}

void Coordinator::handle(PeerId id, Peer& peer, const Have& have, Instant now) {
  Site& site = *peer.site;
  for (const Root& root : have.remove) {
    if (site.directory.remove(id, root) == Directory::Change::mark_went) {
      note(site, mark_of(root), false, now);
    }
  }
  for (const Root& root : have.add) {
    if (site.directory.add(id, root) == Directory::Change::mark_came) {
      note(site, mark_of(root), true, now);
    }
  }
}

// A peer that was introduced before and holds the root counts too, because it costs nothing.
void Coordinator::handle(PeerId id, Peer& asker, const Ask& ask, Instant now) {
  Answer answer;
  bool is_news = ask.roots.empty();  // something that the asker can use before an offer comes
  for (const Root& root : ask.roots) {
    const std::size_t before = answer.introduced.size();
    std::size_t known = 0;
    for (const auto& [other, introduction] : asker.introductions) {
      if (asker.site->directory.holds(other, root)) ++known;
    }
    if (known < limits::introductions_per_root) {
      const std::size_t more =
          std::min(limits::introductions_per_ask, limits::introductions_per_root - known);
      introduce(id, {root}, more, now, answer.introduced);
    }
    const std::size_t found = answer.introduced.size() - before;
    if (found == 0 || known > 0) is_news = true;
    known += found;
    answer.roots.push_back(root);
    answer.peers.push_back(static_cast<std::uint32_t>(known));
  }
  // A client of version 1's beginning looks for whom it was introduced to in messages of their own.
  if (!asker.lean) {
    for (const PeerId holder : std::exchange(answer.introduced, {})) tell(id, Introduce{holder});
  }
  if (asker.lean && !is_news) return hold(id, asker, std::move(answer), now);
  tell(id, std::move(answer));
}

void Coordinator::tell(PeerId id, Message message) {
  if (!holds_.empty()) release(id);
  outputs_.push_back(Tell{id, std::move(message)});
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

bool Coordinator::is_lean(PeerId id) const {
  const auto found = peers_.find(id);
  return found != peers_.end() && found->second.lean;
}

bool Coordinator::may_signal(const Peer& peer, PeerId to) {
  const bool may = peer.introductions.count(to) > 0;
  ++(may ? stats_.relayed : stats_.not_introduced);
  return may;
}

void Coordinator::handle(PeerId id, Peer& peer, const Signal& signal, Instant) {
  if (may_signal(peer, signal.peer)) tell(signal.peer, Signal{id, signal.what});
}

// A client that is not lean wants one thing in each message.
void Coordinator::handle_signal(PeerId id, Relayed signal, Instant now) {
  Peer* const peer = find(id);
  if (!peer) return;
  if (!spend(*peer, now)) return refuse(id, Error::rate_limited, now);
  if (peer->browser.empty()) return refuse(id, Error::malformed_message, now);
  if (!may_signal(*peer, signal.peer)) return;
  if (!holds_.empty()) release(signal.peer);
  if (find(signal.peer)->lean) return outputs_.push_back(Relay{id, std::move(signal)});
  const auto relay = [&](std::string description, std::vector<std::string> candidates) {
    outputs_.push_back(
        Relay{id, Relayed{signal.peer, std::move(description), std::move(candidates)}});
  };
  if (!signal.description.empty()) relay(std::move(signal.description), {});
  for (std::string& candidate : signal.candidates) relay({}, {std::move(candidate)});
}

// A holder that declines is replaced, once. An asker that declines wants no other.
void Coordinator::handle(PeerId id, Peer& peer, const Decline& decline, Instant now) {
  const auto found = peer.introductions.find(decline.peer);
  if (found == peer.introductions.end()) {
    ++stats_.not_introduced;
    return;
  }
  const Introduction introduction = found->second;
  Peer& other = *find(decline.peer);
  part(id, peer, decline.peer, other, now);
  tell(decline.peer, Gone{id});
  if (introduction.holder && !introduction.second) {
    std::vector<PeerId> others;
    introduce(decline.peer, {introduction.root, false, true}, 1, now, others);
    for (const PeerId holder : others) tell(decline.peer, Introduce{holder});
  }
}

void Coordinator::part(PeerId id, Peer& peer, PeerId other_id, Peer& other, Instant now) {
  const auto remember = [now](Peer& side, PeerId declined) {
    side.introductions.erase(declined);
    if (side.declined.size() >= limits::declines_per_peer)
      side.declined.erase(side.declined.begin());
    side.declined.push_back(Declined{declined, now + limits::decline_wait});
  };
  remember(peer, other_id);
  remember(other, id);
}

// Holders that may be introduced: those that are near first, then those with the fewest
// introductions, then those whose last one is the longest ago. Equals come in random order.
std::vector<PeerId> Coordinator::candidates(PeerId id, Peer& asker, const Root& root, Instant now) {
  while (!asker.declined.empty() && asker.declined.front().until <= now)
    asker.declined.erase(asker.declined.begin());
  const auto declined = [&](PeerId holder) {
    return std::any_of(asker.declined.begin(), asker.declined.end(),
                       [holder](const Declined& d) { return d.peer == holder; });
  };
  const std::vector<PeerId>& holders = asker.site->directory.holders(root);
  struct Holder {
    bool far;
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
    if (holder == id || peer.browser == asker.browser || declined(holder) ||
        asker.introductions.count(holder) > 0 ||
        peer.introductions.size() >= limits::introductions_per_peer) {
      continue;
    }
    const bool far = asker.place == 0 || peer.place != asker.place;
    found.push_back({far, peer.introductions.size(), peer.introduced_at, holder});
  }
  std::stable_sort(found.begin(), found.end(), [](const Holder& a, const Holder& b) {
    if (a.far != b.far) return b.far;
    if (a.introductions != b.introductions) return a.introductions < b.introductions;
    return a.introduced_at < b.introduced_at;
  });
  std::vector<PeerId> peers;
  for (const Holder& holder : found) peers.push_back(holder.peer);
  return peers;
}

void Coordinator::introduce(PeerId id, const Introduction& asked, std::size_t wanted, Instant now,
                            std::vector<PeerId>& found) {
  Peer& asker = *find(id);
  if (asker.introductions.size() >= limits::introductions_per_peer) return;
  asker.asked_introductions.refill(limits::introductions_per_second, limits::introductions_burst,
                                   now);
  for (const PeerId holder_id : candidates(id, asker, asked.root, now)) {
    if (wanted == 0 || asker.introductions.size() >= limits::introductions_per_peer ||
        !asker.asked_introductions.spend(1)) {
      break;
    }
    --wanted;
    Peer& holder = *find(holder_id);
    asker.introductions.emplace(holder_id, asked);
    holder.introductions.emplace(id, Introduction{asked.root, true, asked.second});
    holder.introduced_at = now;
    tell(holder_id, Introduce{id, true});
    found.push_back(holder_id);
    ++stats_.introductions;
  }
}

Coordinator::Peer* Coordinator::find(PeerId id) {
  const auto found = peers_.find(id);
  return found == peers_.end() ? nullptr : &found->second;
}

void Coordinator::Bucket::refill(double per_second, double burst, Instant now) {
  tokens = std::min(burst, tokens + to_ms(now - reckoned) / 1000 * per_second);
  reckoned = now;
}

bool Coordinator::Bucket::spend(double cost) {
  if (tokens < cost) return false;
  tokens -= cost;
  return true;
}

bool Coordinator::spend(Peer& peer, Instant now) {
  peer.messages.refill(limits::messages_per_second, limits::messages_burst, now);
  return peer.messages.spend(1);
}

bool Coordinator::spend(Peer& peer, const Message& message, Instant now) {
  peer.messages.refill(limits::messages_per_second, limits::messages_burst, now);
  double cost = 1;
  if (const auto* ask = get_if<Ask>(&message)) {
    const std::size_t more = ask->roots.size() / limits::asked_roots_per_token;
    cost += static_cast<double>(more);
  }
  if (const auto* have = get_if<Have>(&message)) {
    peer.changes.refill(limits::changes_per_second, limits::changes_burst, now);
    if (!peer.changes.spend(static_cast<double>(have->add.size() + have->remove.size())))
      return false;
  }
  return peer.messages.spend(cost);
}

void Coordinator::refuse(PeerId id, Error error, Instant now) {
  if (!find(id)) return;
  ++stats_.refused;
  tell(id, Refusal{std::string(code(error))});
  outputs_.push_back(Close{id, error});
  forget(id, now);
}

void Coordinator::forget(PeerId id, Instant now) {
  const auto found = peers_.find(id);
  if (found == peers_.end()) return;
  const Peer peer = std::move(found->second);
  peers_.erase(found);
  for (const auto& [other_id, introduction] : peer.introductions) {
    Peer& other = *find(other_id);
    other.introductions.erase(id);
    if (other.paired.size() >= limits::pairs_per_page) other.paired.erase(other.paired.begin());
    other.paired.push_back(id);
    tell(other_id, Gone{id});
  }
  Site& site = *peer.site;
  if (--site.sockets == 0) {
    sites_.erase(std::string(site.name));
    return;
  }
  if (!peer.browser.empty()) {
    const PeerId last = site.members.back();
    if (last != id) {
      site.members[peer.position] = last;
      find(last)->position = peer.position;
    }
    site.members.pop_back();
  }
  std::vector<Mark> went;
  site.directory.remove(id, went);
  for (const Mark mark : went) note(site, mark, false, now);
}

// If a mark came and went within one batch it is told as gone, because a newcomer may have been
// told that it is there.
void Coordinator::note(Site& site, Mark mark, bool came, Instant now) {
  site.changes[mark] = came;
  if (site.changes_due) return;
  site.changes_due = std::max<Instant>(now + limits::presence_wait, site.next_batch);
  batches_.emplace(*site.changes_due, site.name);
}

// Sends at least one message, even if nobody has anything: it says that all marks are told.
void Coordinator::tell_marks(PeerId id, const Site& site) {
  const std::vector<Mark> marks = site.directory.marks();
  std::size_t told = 0;
  do {
    const std::size_t end = std::min(marks.size(), told + limits::marks_per_message);
    Present present;
    present.add.assign(marks.begin() + static_cast<std::ptrdiff_t>(told),
                       marks.begin() + static_cast<std::ptrdiff_t>(end));
    tell(id, std::move(present));
    told = end;
  } while (told < marks.size());
}

// What it costs does not depend on how many visitors there are, nor on how much changes: the more
// there is to send, the later is the next batch.
void Coordinator::tell_changes(Site& site, Instant now) {
  Present present;
  std::size_t told = 0;
  std::size_t sent = 0;
  for (const auto& [mark, came] : site.changes) {
    (came ? present.add : present.remove).push_back(mark);
    ++told;
    if (told % limits::marks_per_message == 0 || told == site.changes.size()) {
      if (!site.members.empty()) outputs_.push_back(TellAll{site.members, std::move(present)});
      sent += site.members.size();
      present = Present{};
    }
  }
  site.changes.clear();
  site.changes_due.reset();
  const double seconds = static_cast<double>(sent) / limits::presence_sends_per_second;
  site.next_batch =
      now + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

void Coordinator::handle_timeout(Instant now) {
  while (!greetings_.empty() && greetings_.front().first <= now) {
    const PeerId id = greetings_.front().second;
    greetings_.pop_front();
    const Peer* const peer = find(id);
    if (peer && peer->browser.empty()) refuse(id, Error::timed_out, now);
  }
  while (!holds_.empty() && holds_.front().first <= now) {
    const PeerId id = holds_.front().second;
    holds_.pop_front();
    release(id);
  }
  while (!batches_.empty() && batches_.begin()->first <= now) {
    const auto batch = batches_.extract(batches_.begin());
    const auto site = sites_.find(batch.mapped());
    if (site != sites_.end() && site->second.changes_due == batch.key()) {
      tell_changes(site->second, now);
    }
  }
}

std::optional<Instant> Coordinator::next_timeout() const {
  std::optional<Instant> next;
  if (!greetings_.empty()) next = greetings_.front().first;
  if (!batches_.empty() && (!next || batches_.begin()->first < *next)) {
    next = batches_.begin()->first;
  }
  if (!holds_.empty() && (!next || holds_.front().first < *next)) next = holds_.front().first;
  return next;
}

std::optional<CoordinatorOutput> Coordinator::poll_output() {
  if (outputs_.empty()) return std::nullopt;
  CoordinatorOutput output = std::move(outputs_.front());
  outputs_.pop_front();
  return output;
}

Coordinator::Stats Coordinator::stats() const {
  Stats stats = stats_;
  stats.peers = static_cast<std::uint32_t>(peers_.size());
  stats.sites = static_cast<std::uint32_t>(sites_.size());
  return stats;
}

}  // namespace peer_cdn::signal
