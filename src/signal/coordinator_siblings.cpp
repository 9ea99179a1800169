// What coordinators do for each other's peers.
#include <algorithm>
#include <utility>

#include "signal/coordinator.hpp"

namespace peer_cdn::signal {
// --- Asking --------------------------------------------------------------------------------------

// Siblings that may have a root get a share of what is wanted of it, each sibling in one record.
std::map<Siblings::Number, std::vector<bus::Wanted>> Coordinator::shares_of(
    Peer& asker, const std::vector<bus::Wanted>& wanted, Instant now) {
  asker.asked_introductions.refill(limits::introductions_per_second, limits::introductions_burst,
                                   now);
  std::map<Siblings::Number, std::vector<bus::Wanted>> shares;
  const auto may = static_cast<std::size_t>(asker.asked_introductions.tokens);
  std::size_t left = std::min(may, limits::introductions_per_peer - asker.introductions.size());
  for (const bus::Wanted& each : wanted) {
    std::vector<Siblings::Number> holders = siblings_.holders(asker.site->name, mark_of(each.root));
    std::size_t count = each.count;
    for (std::size_t i = std::min(holders.size(), limits::siblings_asked); i > 0; --i) {
      const auto at = static_cast<std::size_t>(random_.below(holders.size()));
      const std::size_t share = std::min((count + i - 1) / i, left);
      shares[holders[at]].push_back({each.root, static_cast<std::uint8_t>(share)});
      holders.erase(holders.begin() + static_cast<std::ptrdiff_t>(at));
      count -= std::min(count, share);
      left -= share;
    }
  }
  return shares;
}

void Coordinator::ask_siblings(PeerId id, bool second, const std::vector<bus::Wanted>& wanted,
                               Answer answer, Instant now) {
  Peer& asker = *find(id);
  auto asked = shares_of(asker, wanted, now);
  const std::uint32_t number = next_pending_++;
  for (auto& [sibling, roots] : asked) {
    bus::Look look{number,      second, asker.site->name, id, asker.browser,
                   asker.place, {},     std::move(roots)};
    for (const auto& [other, introduction] : asker.introductions) {
      if (introduction.sibling == sibling) look.known.push_back(other);
    }
    siblings_.tell(sibling, look, now);
  }
  if (second) return;
  pendings_.emplace(
      number, Pending{id, std::move(answer), asked.size(), now + limits::sibling_answer_wait});
  ++asker.pending;
  if (asked.empty()) finish(number, now);
}

void Coordinator::handle(Siblings::Number sibling, const bus::Look& look, Instant now) {
  bus::Seen seen{look.number, look.second, look.asker, {}};
  Site* const site = site_of(look.site);
  for (const bus::Wanted& wanted : look.wanted) {
    bus::Found& found = seen.found.emplace_back(bus::Found{wanted.root, 0, {}});
    if (!site) continue;
    for (const PeerId known : look.known) {
      if (site->directory.holds(known, wanted.root)) ++found.known;
    }
    const Asker asker{look.asker, look.browser, look.place, sibling, nullptr};
    const std::size_t most = std::min<std::size_t>(wanted.count, limits::introductions_per_ask);
    for (const PeerId id : candidates(asker, *site, wanted.root, now)) {
      if (found.holders.size() >= most) break;
      Peer& holder = *find(id);
      holder.introductions.emplace(
          look.asker, Introduction{wanted.root, true, look.second, sibling, tag_of(look.browser)});
      holder.introduced_at = now;
      tell(id, Introduce{look.asker, true});
      found.holders.push_back({id, holder.browser});
    }
  }
  siblings_.tell(sibling, seen, now);
}

// Two visitors may ask for each other at once, and then each of their coordinators has told its own
// to offer. The offer of the lower number stands; the other side is told that it is the one that
// asked. Whether the two crossed so.
bool Coordinator::settle_crossed(Siblings::Number sibling, PeerId id, Peer& asker,
                                 const bus::Holder& holder, const Root& root) {
  const auto known = asker.introductions.find(holder.peer);
  if (known == asker.introductions.end()) return false;
  Introduction& introduction = known->second;
  if (!introduction.holder || introduction.sibling != sibling ||
      introduction.browser != tag_of(holder.browser)) {
    return false;
  }
  if (id.value < holder.peer.value) return true;
  introduction.root = root;
  introduction.holder = false;
  ++stats_.introductions;
  tell(id, Gone{holder.peer});
  tell(id, Introduce{holder.peer});
  return true;
}

// A holder that the asker cannot have any more is told so.
void Coordinator::handle(Siblings::Number sibling, const bus::Seen& seen, Instant now) {
  Peer* const asker = find(seen.asker);
  const auto pending = pendings_.find(seen.number);
  const bool is_awaited = pending != pendings_.end() && pending->second.asker == seen.asker &&
                          pending->second.siblings > 0;
  for (const bus::Found& found : seen.found) {
    std::size_t introduced = 0;
    for (const bus::Holder& holder : found.holders) {
      if (asker && settle_crossed(sibling, seen.asker, *asker, holder, found.root)) {
        ++introduced;
        continue;
      }
      const bool is_free = asker && !asker->browser.empty() && holder.peer != seen.asker &&
                           holder.browser != asker->browser &&
                           asker->introductions.count(holder.peer) == 0 &&
                           asker->introductions.size() < limits::introductions_per_peer;
      if (!is_free || !asker->asked_introductions.spend(1)) {
        siblings_.tell(sibling, bus::Part{seen.asker, holder.peer, false}, now);
        continue;
      }
      asker->introductions.emplace(holder.peer, Introduction{found.root, false, seen.second,
                                                             sibling, tag_of(holder.browser)});
      ++stats_.introductions;
      ++introduced;
      if (is_awaited) {
        pending->second.answer.introduced.push_back(holder.peer);
      } else {
        tell(seen.asker, Introduce{holder.peer});
      }
    }
    if (!is_awaited) continue;
    Answer& answer = pending->second.answer;
    const auto at = std::find(answer.roots.begin(), answer.roots.end(), found.root);
    if (at == answer.roots.end()) continue;
    answer.peers[static_cast<std::size_t>(at - answer.roots.begin())] +=
        static_cast<std::uint32_t>(introduced + found.known);
  }
  if (is_awaited && --pending->second.siblings == 0) finish(seen.number, now);
}

void Coordinator::finish(std::uint32_t number, Instant now) {
  Pending pending = std::move(pendings_.extract(number).mapped());
  Peer* const asker = find(pending.asker);
  --asker->pending;
  // Only what waits for an offer anyway may wait for it.
  const List<std::uint32_t>& peers = pending.answer.peers;
  std::size_t waits = pending.answer.introduced.size();
  if (pending.answer.offered.value != 0) ++waits;
  std::size_t named = 0;
  for (const std::uint32_t count : peers) named += count;
  const bool is_news = std::find(peers.begin(), peers.end(), 0u) != peers.end() || named > waits;
  complete(pending.asker, *asker, std::move(pending.answer), is_news, now);
}

void Coordinator::tell_introduced(PeerId id) {
  const Peer* const peer = find(id);
  if (!peer || peer->pending == 0) return;
  for (auto& [number, pending] : pendings_) {
    if (pending.asker != id) continue;
    const PeerId offered = std::exchange(pending.answer.offered, {});
    if (offered.value != 0) outputs_.push_back(Tell{id, Introduce{offered, true, true}});
    for (const PeerId other : std::exchange(pending.answer.introduced, {})) {
      outputs_.push_back(Tell{id, Introduce{other}});
    }
  }
}

// --- Pairs ---------------------------------------------------------------------------------------

void Coordinator::handle(Siblings::Number sibling, const bus::Pass& pass, Instant) {
  const Introduction* const introduction = introduction_of(pass.signal.peer, pass.from);
  if (introduction && introduction->sibling == sibling) deliver(pass.from, pass.signal);
}

void Coordinator::handle(Siblings::Number sibling, const bus::Part& part, Instant now) {
  const Introduction* const found = introduction_of(part.to, part.from);
  if (!found || found->sibling != sibling) return;
  const Introduction introduction = *found;
  Peer& peer = *find(part.to);
  peer.introductions.erase(part.from);
  if (part.declined) {
    remember_declined(peer, part.from, now);
  } else {
    remember_paired(peer, part.from);
  }
  tell(part.to, Gone{part.from});
  if (part.declined && !introduction.holder && !introduction.second) {
    replace(part.to, introduction.root, now);
  }
}

// The socket of before of a visitor that came back at a sibling is dead. The visitor's pairs go on:
// whoever is introduced to it is told nothing, because its number stays.
void Coordinator::handle(Siblings::Number sibling, const bus::Seek& seek, Instant now) {
  const Site* const site = site_of(seek.site);
  if (!site) return;
  const Peer* const before = find(seek.peer);
  if (before && before->browser == seek.browser && before->site == site) {
    refuse(seek.peer, Error::timed_out, now);
    if (!site_of(seek.site)) return;
  }
  for (const PeerId id : seek.paired) {
    Peer* const peer = find(id);
    if (!peer || peer->site != site || peer->browser.empty() || peer->browser == seek.browser) {
      continue;
    }
    const Introduction again{Root{}, false, true, sibling, tag_of(seek.browser)};
    const auto known = peer->introductions.find(seek.peer);
    if (known != peer->introductions.end()) {
      Introduction& introduction = known->second;
      if (introduction.sibling == 0 || introduction.browser != again.browser) continue;
      introduction = again;
    } else {
      const auto at = std::find(peer->paired.begin(), peer->paired.end(), seek.peer);
      if (at == peer->paired.end() ||
          peer->introductions.size() >= limits::introductions_per_peer) {
        continue;
      }
      peer->paired.erase(at);
      peer->introductions.emplace(seek.peer, again);
      tell(id, Resume{seek.peer});
    }
    siblings_.tell(sibling, bus::Again{id, seek.peer, peer->browser}, now);
  }
}

void Coordinator::handle(Siblings::Number sibling, const bus::Again& again, Instant now) {
  const Introduction* const known = introduction_of(again.to, again.from);
  if (known && known->sibling == sibling) return;
  Peer* const peer = known ? nullptr : find(again.to);
  if (peer && peer->browser != again.browser &&
      peer->introductions.size() < limits::introductions_per_peer) {
    const auto at = std::find(peer->paired.begin(), peer->paired.end(), again.from);
    if (at != peer->paired.end()) {
      peer->paired.erase(at);
      peer->introductions.emplace(
          again.from, Introduction{Root{}, false, true, sibling, tag_of(again.browser)});
      return tell(again.to, Resume{again.from});
    }
  }
  siblings_.tell(sibling, bus::Part{again.to, again.from, false}, now);
}

// --- Siblings ------------------------------------------------------------------------------------

Error Coordinator::handle_frame(ByteSpan bytes, Instant now) {
  const auto frame = bus::read_frame(bytes);
  if (frame && (!siblings_.is_open() || frame->head.from == siblings_.name())) return Error::none;
  const auto sibling = frame ? siblings_.number_of(frame->head.from, now) : std::nullopt;
  if (!sibling) {
    ++stats_.frames_refused;
    return frame ? Error::too_many_peers : frame.error();
  }
  const bool was_synced = siblings_.is_synced(*sibling);
  const bool follows = siblings_.follows(*sibling, frame->head, now);
  if (was_synced && !follows) lose_track(*sibling);
  if (!siblings_.is_synced(*sibling) && siblings_.may_start(*sibling, now)) {
    siblings_.tell(*sibling, bus::Start{}, now);
  }
  for (const bus::Record& record : frame->records) {
    // Of one that is not in step only this is of use.
    const bool is_first = std::holds_alternative<bus::Start>(record) ||
                          std::holds_alternative<bus::All>(record) ||
                          std::holds_alternative<bus::Bye>(record);
    if (!is_first && !siblings_.is_synced(*sibling)) continue;
    std::visit([&](const auto& it) { handle(*sibling, it, now); }, record);
    if (std::holds_alternative<bus::Bye>(record)) break;
  }
  return Error::none;
}

void Coordinator::handle_bus_open(bus::Name self, Instant now) {
  siblings_.open(self, now);
  for (const Siblings::Number sibling : siblings_.all()) {
    lose_track(sibling);
    if (siblings_.may_start(sibling, now)) siblings_.tell(sibling, bus::Start{}, now);
  }
}

void Coordinator::leave_bus(Instant now) {
  siblings_.tell_all(bus::Bye{}, now);
  siblings_.flush(now);
}

void Coordinator::lose_track(Siblings::Number sibling) {
  siblings_.set_synced(sibling, false);
  for (auto& [id, peer] : peers_) {
    std::vector<PeerId> parted;
    for (const auto& [other, introduction] : peer.introductions) {
      if (introduction.sibling == sibling) parted.push_back(other);
    }
    for (const PeerId other : parted) {
      peer.introductions.erase(other);
      remember_paired(peer, other);
      tell(id, Gone{other});
    }
  }
}

void Coordinator::forget(Siblings::Number sibling, Instant now) {
  lose_track(sibling);
  siblings_.begin_all(sibling);
  siblings_.end_all(sibling, [&](const std::string& site, Mark mark) {
    change_elsewhere(site, mark, false, now);
  });
  siblings_.remove(sibling);
}

void Coordinator::handle(Siblings::Number sibling, const bus::Bye&, Instant now) {
  forget(sibling, now);
}

void Coordinator::handle(Siblings::Number sibling, const bus::Start&, Instant now) {
  if (!siblings_.may_tell_all(sibling, now)) return;
  const bool was_synced = siblings_.is_synced(sibling);
  lose_track(sibling);
  siblings_.set_synced(sibling, was_synced);
  bus::All all{true, false, {}, {}};
  const auto tell_part = [&] { siblings_.tell(sibling, std::exchange(all, bus::All{}), now); };
  for (const auto& [name, site] : sites_) {
    for (const Mark mark : site.directory.marks()) {
      all.site = name;
      all.marks.push_back(mark);
      if (all.marks.size() == limits::marks_per_record) tell_part();
    }
    if (!all.marks.empty()) tell_part();
  }
  all.last = true;
  tell_part();
}

void Coordinator::handle(Siblings::Number sibling, const bus::All& all, Instant now) {
  if (all.first) siblings_.begin_all(sibling);
  handle(sibling, bus::Changes{all.site, all.marks, {}}, now);
  if (!all.last) return;
  siblings_.end_all(sibling, [&](const std::string& site, Mark mark) {
    change_elsewhere(site, mark, false, now);
  });
  if (siblings_.is_synced(sibling)) return;
  siblings_.set_synced(sibling, true);
  for (const auto& [id, peer] : peers_) {
    if (!peer.paired.empty() && !peer.browser.empty())
      siblings_.tell(sibling, seek_of(id, peer), now);
  }
}

void Coordinator::handle(Siblings::Number sibling, const bus::Changes& changes, Instant now) {
  for (const Mark mark : changes.remove) {
    if (siblings_.remove_mark(sibling, changes.site, mark)) {
      change_elsewhere(changes.site, mark, false, now);
    }
  }
  for (const Mark mark : changes.add) {
    if (siblings_.add_mark(sibling, changes.site, mark)) {
      change_elsewhere(changes.site, mark, true, now);
    }
  }
}

}  // namespace peer_cdn::signal
