#include "signal/coordinator.hpp"

#include <algorithm>
#include <utility>

namespace peer_cdn::signal {

// Numbers go up from a random one. So a page that reconnects to a restarted coordinator does not
// find a stranger under the number of a peer with which it still has a pair.
Coordinator::Coordinator(std::uint64_t seed)
    : random_(seed), next_peer_(static_cast<std::uint32_t>(random_.next())) {}

Result<PeerId> Coordinator::handle_connect(std::string_view site_name, Instant now,
                                           const Place& place) {
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
  peer.messages.reckoned = peer.asked_introductions.reckoned = peer.adds.reckoned = now;
  ++site.sockets;
  greetings_.emplace_back(now + limits::hello_wait, id);
  return id;
}

void Coordinator::handle_token(PeerId id, List<RootKey> covered) {
  std::sort(covered.begin(), covered.end());
  if (Peer* const peer = find(id)) {
    peer->covered = std::make_unique<const List<RootKey>>(std::move(covered));
  }
}

bool Coordinator::covers(const Peer& peer, const Root& root) {
  if (!peer.covered ||
      std::binary_search(peer.covered->begin(), peer.covered->end(), key_of(root))) {
    return true;
  }
  ++stats_.not_covered;
  return false;
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
  // A sibling may have its socket of before, or those with which it has pairs.
  if (hello.peer == id) siblings_.tell_all(seek_of(id, peer), now);
  const List<Root> kept = take_session(id, peer, hello.held, now);
  tell(id, Welcome{version, id, peer.lean, !kept.empty()});
  for (const Root& root : kept) add(id, *peer.site, root, now);
  if (!listen(id, peer, hello.wants ? &*hello.wants : nullptr, now)) return;
  resume(id, peer);
}

void Coordinator::handle(PeerId id, Peer& peer, const Have& have, Instant now) {
  Site& site = *peer.site;
  for (const Root& root : have.remove) {
    if (site.directory.remove(id, root) == Directory::Change::mark_went) {
      change(site, mark_of(root), false, now);
    }
  }
  // What comes too fast is passed over, as what finds no room in the directory: others do not find
  // it here. The tiles of a map are no fault of the page, which would lose its socket.
  peer.adds.refill(limits::adds_per_second, limits::adds_burst, now);
  for (const Root& root : have.add) {
    if (peer.adds.spend(1)) {
      add(id, site, root, now);
    } else {
      ++stats_.passed_over;
    }
  }
}

void Coordinator::add(PeerId id, Site& site, const Root& root, Instant now) {
  if (!covers(*find(id), root)) return;
  const Directory::Change changed = site.directory.add(id, root);
  if (changed == Directory::Change::mark_came) change(site, mark_of(root), true, now);
  if (changed == Directory::Change::no_room) ++stats_.passed_over;
}

void Coordinator::tell(PeerId id, Message message) {
  tell_before(id);
  outputs_.push_back(Tell{id, std::move(message)});
}

void Coordinator::tell_before(PeerId id) {
  if (!holds_.empty()) release(id);
  if (!pendings_.empty()) tell_introduced(id);
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
  // Candidates of an offer that nobody took: the asker hears of that a moment later.
  if (to.value == 0) return nullptr;
  const Introduction* const introduction = introduction_of(id, to);
  ++(introduction ? stats_.relayed : stats_.not_introduced);
  return introduction;
}

// Hosts without texts (the simulator) have one coordinator.
void Coordinator::handle(PeerId id, Peer& peer, const Signal& signal, Instant) {
  const PeerId to = signal.peer.value == 0 ? peer.offered : signal.peer;
  const Introduction* const introduction = may_signal(id, to);
  if (introduction && introduction->sibling == 0) tell(to, Signal{id, signal.what});
}

void Coordinator::handle_signal(PeerId id, Relayed signal, Instant now) {
  Peer* const peer = find(id);
  if (!peer) return;
  if (!spend(*peer, now)) return refuse(id, Error::rate_limited, now);
  if (peer->browser.empty()) return refuse(id, Error::malformed_message, now);
  if (signal.peer.value == 0) signal.peer = peer->offered;
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

void Coordinator::remember_paired(Peer& peer, PeerId other) {
  if (peer.paired.size() >= limits::pairs_per_page) peer.paired.erase(peer.paired.begin());
  peer.paired.push_back(other);
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
    const std::size_t more = ask->roots.size() / limits::asked_roots_per_message;
    cost += static_cast<double>(more);
  }
  if (holds_alternative<Want>(message)) cost = limits::want_cost;
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
  stop_listening(found->second);
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
  std::vector<Mark> went;
  site.directory.remove(id, went);
  for (const Mark mark : went) change(site, mark, false, now);
  if (--site.sockets == 0) sites_.erase(std::string(site.name));
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
