// What anybody of a site has, as its visitors are told.
#include "signal/coordinator.hpp"

#include <algorithm>
#include <utility>

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

}  // namespace peer_cdn::signal
