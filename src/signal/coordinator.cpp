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
  if (site_name.size() > limits::site_bytes) return Error::message_too_long;
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
  if (const Peer* const peer = find(id)) keep_session(id, *peer, now);
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
  // Nobody has the number 0, and siblings would refuse what names it.
  for (const PeerId other : hello.peers) {
    if (other.value != 0) remember_paired(peer, other);
  }
  id = renumber(id, hello.peer, now);
  peer.position = static_cast<std::uint32_t>(peer.site->members.size());
  peer.site->members.push_back(id);
  const std::vector<Root> kept = take_session(id, peer, hello.held, now);
  tell(id, Welcome{version, id, peer.lean, !kept.empty()});
  add(id, *peer.site, kept, now);
  tell_marks(id, *peer.site);
  resume(id, peer);
  // A sibling may have its socket of before, or those with which it has pairs.
  if (hello.peer == id) siblings_.tell_all(seek_of(id, peer), now);
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
  std::vector<Root> roots = peer.site->directory.roots_of(id);
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

std::vector<Root> Coordinator::take_session(PeerId id, const Peer& peer, std::uint64_t held,
                                            Instant now) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end() || found->second.browser != peer.browser ||
      found->second.site != peer.site->name) {
    return {};
  }
  const bool lives = found->second.until > now;
  std::vector<Root> roots = std::move(found->second.roots);
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

void Coordinator::handle(PeerId id, Peer& peer, const Have& have, Instant now) {
  Site& site = *peer.site;
  for (const Root& root : have.remove) {
    if (site.directory.remove(id, root) == Directory::Change::mark_went) {
      change(site, mark_of(root), false, now);
    }
  }
  add(id, site, have.add, now);
}

void Coordinator::add(PeerId id, Site& site, const std::vector<Root>& roots, Instant now) {
  for (const Root& root : roots) {
    if (site.directory.add(id, root) == Directory::Change::mark_came) {
      change(site, mark_of(root), true, now);
    }
  }
}

// A peer that was introduced before and holds the root counts too, because it costs nothing. What
// siblings are asked for is answered apart, so that the rest need not wait.
void Coordinator::handle(PeerId id, Peer& asker, const Ask& ask, Instant now) {
  Answer answer, waiting;
  std::vector<bus::Wanted> wanted;
  bool is_news = ask.roots.empty();  // something that the asker can use before an offer comes
  for (const Root& root : ask.roots) {
    std::size_t known = 0;
    for (const auto& [other, introduction] : asker.introductions) {
      if (introduction.sibling == 0 && asker.site->directory.holds(other, root)) ++known;
    }
    std::vector<PeerId> found;
    if (known < limits::introductions_per_root) {
      const std::size_t more =
          std::min(limits::introductions_per_ask, limits::introductions_per_root - known);
      introduce(id, {root}, more, now, found);
    }
    const std::size_t count = known + found.size();
    // Ours come first: a page whose download is long asks again, and then siblings have their turn.
    const bool is_enough = !found.empty() || count >= limits::introductions_per_ask ||
                           siblings_.holders(asker.site->name, mark_of(root)).empty();
    if (is_enough && (found.empty() || known > 0)) is_news = true;
    Answer& to = is_enough ? answer : waiting;
    to.roots.push_back(root);
    to.peers.push_back(static_cast<std::uint32_t>(count));
    to.introduced.insert(to.introduced.end(), found.begin(), found.end());
    if (is_enough) continue;
    wanted.push_back({root, static_cast<std::uint8_t>(limits::introductions_per_ask - count)});
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

void Coordinator::tell(PeerId id, Message message) {
  tell_before(id);
  outputs_.push_back(Tell{id, std::move(message)});
}

void Coordinator::tell_before(PeerId id) {
  if (!holds_.empty()) release(id);
  if (!pendings_.empty()) tell_introduced(id);
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

const Coordinator::Introduction* Coordinator::introduction_of(PeerId id, PeerId to) {
  const Peer* const peer = find(id);
  if (!peer) return nullptr;
  const auto found = peer->introductions.find(to);
  return found == peer->introductions.end() ? nullptr : &found->second;
}

const Coordinator::Introduction* Coordinator::may_signal(PeerId id, PeerId to) {
  const Introduction* const introduction = introduction_of(id, to);
  ++(introduction ? stats_.relayed : stats_.not_introduced);
  return introduction;
}

// Hosts without texts (the simulator) have one coordinator.
void Coordinator::handle(PeerId id, Peer&, const Signal& signal, Instant) {
  const Introduction* const introduction = may_signal(id, signal.peer);
  if (introduction && introduction->sibling == 0) tell(signal.peer, Signal{id, signal.what});
}

void Coordinator::handle_signal(PeerId id, Relayed signal, Instant now) {
  Peer* const peer = find(id);
  if (!peer) return;
  if (!spend(*peer, now)) return refuse(id, Error::rate_limited, now);
  if (peer->browser.empty()) return refuse(id, Error::malformed_message, now);
  const Introduction* const introduction = may_signal(id, signal.peer);
  if (!introduction) return;
  if (introduction->sibling == 0) return deliver(id, std::move(signal));
  siblings_.tell(introduction->sibling, bus::Pass{id, std::move(signal)}, now);
}

// A client that is not lean wants one thing in each message.
void Coordinator::deliver(PeerId from, Relayed signal) {
  tell_before(signal.peer);
  if (find(signal.peer)->lean) return outputs_.push_back(Relay{from, std::move(signal)});
  const auto relay = [&](std::string description, std::vector<std::string> candidates) {
    outputs_.push_back(
        Relay{from, Relayed{signal.peer, std::move(description), std::move(candidates)}});
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
  std::vector<PeerId> others;
  introduce(id, {root, false, true}, 1, now, others);
  for (const PeerId holder : others) tell(id, Introduce{holder});
  if (others.empty()) ask_siblings(id, true, {{root, 1}}, {}, now);
}

void Coordinator::remember_declined(Peer& peer, PeerId declined, Instant now) {
  if (peer.declined.size() >= limits::declines_per_peer) peer.declined.erase(peer.declined.begin());
  peer.declined.push_back(Declined{declined, now + limits::decline_wait});
}

void Coordinator::remember_paired(Peer& peer, PeerId other) {
  if (peer.paired.size() >= limits::pairs_per_page) peer.paired.erase(peer.paired.begin());
  peer.paired.push_back(other);
}

// Holders that may be introduced: those that are near first, then those with the fewest
// introductions, then those whose last one is the longest ago. Equals come in random order.
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
    if (holder == asker.id || peer.browser == asker.browser || declined(peer, holder) ||
        peer.introductions.count(asker.id) > 0 ||
        peer.introductions.size() >= limits::introductions_per_peer ||
        (asker.peer && asker.peer->introductions.count(holder) > 0)) {
      continue;
    }
    const bool far = !asker.peer || asker.peer->place == 0 || peer.place != asker.peer->place;
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
  while (!asker.declined.empty() && asker.declined.front().until <= now)
    asker.declined.erase(asker.declined.begin());
  const Asker wants{id, asker.browser, 0, &asker};
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
    tell(holder_id, Introduce{id, true});
    found.push_back(holder_id);
    ++stats_.introductions;
  }
}

Coordinator::Site* Coordinator::site_of(const std::string& name) {
  const auto found = sites_.find(name);
  return found == sites_.end() ? nullptr : &found->second;
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
  if (peer.pending > 0) {
    std::erase_if(pendings_, [id](const auto& pending) { return pending.second.asker == id; });
  }
  for (const auto& [other_id, introduction] : peer.introductions) {
    if (introduction.sibling != 0) {
      siblings_.tell(introduction.sibling, bus::Part{id, other_id, false}, now);
      continue;
    }
    Peer& other = *find(other_id);
    other.introductions.erase(id);
    remember_paired(other, id);
    tell(other_id, Gone{id});
  }
  Site& site = *peer.site;
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
  for (const Mark mark : went) change(site, mark, false, now);
  if (--site.sockets == 0) sites_.erase(std::string(site.name));
}

// What siblings have counts as much as what our own peers have.
void Coordinator::change(Site& site, Mark mark, bool came, Instant now) {
  siblings_.note(site.name, mark, came, now);
  if (!siblings_.has(site.name, mark)) note(site, mark, came, now);
}
void Coordinator::change_elsewhere(const std::string& name, Mark mark, bool came, Instant now) {
  Site* const site = site_of(name);
  if (site && !site->directory.has(mark)) note(*site, mark, came, now);
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
  std::vector<Mark> marks = site.directory.marks();
  for (const Mark mark : siblings_.marks(site.name)) {
    if (!site.directory.has(mark)) marks.push_back(mark);
  }
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
  while (!pendings_.empty() && pendings_.begin()->second.due <= now) {
    finish(pendings_.begin()->first, now);
  }
  while (!batches_.empty() && batches_.begin()->first <= now) {
    const auto batch = batches_.extract(batches_.begin());
    const auto site = sites_.find(batch.mapped());
    if (site != sites_.end() && site->second.changes_due == batch.key()) {
      tell_changes(site->second, now);
    }
  }
  const auto due = siblings_.next_timeout();
  if (!due || *due > now) return;
  for (const Siblings::Number sibling : siblings_.silent(now)) forget(sibling, now);
  siblings_.handle_timeout(now);
}

std::optional<Instant> Coordinator::next_timeout() const {
  std::optional<Instant> next = siblings_.next_timeout();
  const auto sooner = [&next](Instant at) {
    if (!next || at < *next) next = at;
  };
  if (!greetings_.empty()) sooner(greetings_.front().first);
  if (!batches_.empty()) sooner(batches_.begin()->first);
  if (!holds_.empty()) sooner(holds_.front().first);
  if (!pendings_.empty()) sooner(pendings_.begin()->second.due);
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
  stats.siblings = siblings_.synced_count();
  return stats;
}

}  // namespace peer_cdn::signal
