// What anybody of a site has, as its visitors are told.
#include <algorithm>
#include <utility>

#include "signal/coordinator.hpp"

namespace peer_cdn::signal {

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
  for (auto& [wants, audience] : site.audiences) {
    if (came) audience.handle_came(mark);
  }
  if (site.changes_due) return;
  site.changes_due = std::max<Instant>(now + limits::presence_wait, site.next_batch);
  batches_.emplace(*site.changes_due, site.name);
}

void Coordinator::handle(PeerId id, Peer& peer, const Want& want, Instant now) {
  listen(id, peer, &want.wants, now);
}

bool Coordinator::listen(PeerId id, Peer& peer, const std::string* wants, Instant now) {
  stop_listening(peer);
  Site& site = *peer.site;
  peer.audience = &site.everyone;
  if (wants != nullptr) {
    auto found = site.audiences.find(*wants);
    if (found == site.audiences.end()) {
      auto list = read_wants(*wants);
      if (!list) {
        peer.audience = nullptr;
        refuse(id, list.error(), now);
        return false;
      }
      if (site.audiences.size() < limits::audiences_per_site) {
        Audience audience(std::move(list.value()), presence_of(site));
        found = site.audiences.emplace(*wants, std::move(audience)).first;
      }
    }
    if (found != site.audiences.end()) peer.audience = &found->second;
  }
  peer.position = peer.audience->add(id);
  tell_all(id, *peer.audience, wants != nullptr);
  return true;
}

void Coordinator::stop_listening(Peer& peer) {
  Audience* const audience = std::exchange(peer.audience, nullptr);
  if (audience == nullptr) return;
  find(audience->remove(peer.position))->position = peer.position;
  if (audience == &peer.site->everyone || !audience->members().empty()) return;
  std::erase_if(peer.site->audiences, [&](const auto& each) { return &each.second == audience; });
}

std::vector<Mark> Coordinator::marks_of(const Site& site) const {
  std::vector<Mark> marks = site.directory.marks();
  for (const Mark mark : siblings_.marks(site.name)) {
    if (!site.directory.has(mark)) marks.push_back(mark);
  }
  return marks;
}

Presence Coordinator::presence_of(const Site& site) const {
  Presence presence;
  for (const Mark mark : marks_of(site)) presence.add(mark);
  return presence;
}

// Sends at least one message, even if nobody has anything: it says that all is told.
void Coordinator::tell_all(PeerId id, const Audience& audience, bool whole) {
  if (!audience.wants_all()) return tell(id, Present{{}, {}, true, audience.all()});
  const std::vector<Mark> marks = marks_of(*find(id)->site);
  std::size_t told = 0;
  do {
    const std::size_t end = std::min(marks.size(), told + limits::marks_per_message);
    Present present;
    present.whole = whole && told == 0;
    for (; told < end; ++told) present.add.push_back(marks[told]);
    tell(id, std::move(present));
  } while (told < marks.size());
}

// What it costs does not depend on how many visitors there are, nor on how much changes: the more
// there is to send, the later is the next batch.
void Coordinator::tell_changes(Site& site, Instant now) {
  std::size_t sent = 0;
  const auto send = [&](const Audience& audience, Present present) {
    outputs_.emplace_back(TellAll{audience.members(), std::move(present)});
    sent += audience.members().size();
  };
  if (!site.everyone.members().empty()) {
    Present present;
    std::size_t told = 0;
    for (const auto& [mark, came] : site.changes) {
      (came ? present.add : present.remove).push_back(mark);
      if (++told % limits::marks_per_message == 0 || told == site.changes.size()) {
        send(site.everyone, std::exchange(present, Present{}));
      }
    }
  }
  if (!site.audiences.empty()) {
    const Presence presence = presence_of(site);
    for (auto& [wants, audience] : site.audiences) {
      std::string set = audience.changes(presence);
      if (!set.empty()) send(audience, Present{{}, {}, false, std::move(set)});
    }
  }
  site.changes.clear();
  site.changes_due.reset();
  const double seconds = static_cast<double>(sent) / limits::presence_sends_per_second;
  site.next_batch =
      now + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

}  // namespace peer_cdn::signal
