#include "signal/siblings.hpp"

#include <algorithm>
#include <utility>

namespace peer_cdn::signal {

std::uint64_t tag_of(std::string_view browser) {
  std::uint64_t tag = 0;
  for (const char c : browser.substr(0, 16)) {
    tag = tag << 4 | static_cast<std::uint64_t>(c <= '9' ? c - '0' : c - 'a' + 10);
  }
  return tag;
}

// A number is left out, so that siblings ask for what the bus may have lost.
void Siblings::open(bus::Name self, Instant now) {
  self_ = self;
  open_ = true;
  ++frames_;
  noted_.clear();
  noted_due_.reset();
  heartbeat_due_ = now;
}

void Siblings::close() {
  open_ = false;
  building_.clear();
  frames_due_.reset();
  for (Sibling& sibling : list_) sibling.building.clear();
  ready_.clear();
}

std::optional<Siblings::Number> Siblings::number_of(bus::Name name, Instant now) {
  std::optional<Number> unused;
  for (std::size_t i = limits::siblings_max; i > 0; --i) {
    if (list_[i].name == name) return static_cast<Number>(i);
    if (list_[i].name == 0) unused = static_cast<Number>(i);
  }
  if (unused) {
    list_[*unused] = Sibling{};
    list_[*unused].name = name;
    list_[*unused].heard = now;
  }
  return unused;
}

bool Siblings::follows(Number number, const bus::Head& head, Instant now) {
  Sibling& sibling = list_[number];
  sibling.heard = now;
  const std::uint32_t expected = sibling.frames + (head.to_all ? 1 : 0);
  sibling.frames = head.number;
  return sibling.synced && head.number == expected;
}

bool Siblings::may_start(Number number, Instant now) {
  std::optional<Instant>& last = list_[number].started;
  if (last && now - *last < limits::sibling_start_wait) return false;
  last = now;
  return true;
}

// It asks at most so often too. The half is for clocks and networks that are not even.
bool Siblings::may_tell_all(Number number, Instant now) {
  std::optional<Instant>& last = list_[number].told;
  if (last && now - *last < limits::sibling_start_wait / 2) return false;
  last = now;
  return true;
}

void Siblings::set_synced(Number sibling, bool synced) {
  list_[sibling].synced = synced;
}

void Siblings::remove(Number sibling) {
  list_[sibling] = Sibling{};
}

std::vector<Siblings::Number> Siblings::all() const {
  std::vector<Number> numbers;
  for (std::size_t i = 1; i < list_.size(); ++i) {
    if (list_[i].name != 0) numbers.push_back(static_cast<Number>(i));
  }
  return numbers;
}

std::vector<Siblings::Number> Siblings::silent(Instant now) const {
  std::vector<Number> numbers = all();
  std::erase_if(numbers, [&](Number n) { return now - list_[n].heard < limits::sibling_silence; });
  return numbers;
}

std::uint32_t Siblings::synced_count() const {
  return static_cast<std::uint32_t>(
      std::count_if(list_.begin(), list_.end(), [](const Sibling& s) { return s.synced; }));
}

// --- Marks ---------------------------------------------------------------------------------------

Siblings::Bits Siblings::bits_of(const std::string& site, Mark mark) const {
  const auto marks = marks_.find(site);
  if (marks == marks_.end()) return 0;
  const auto found = marks->second.find(mark);
  return found == marks->second.end() ? 0 : found->second;
}

// A mark that is known takes no room: others may have it too, and who told everything again has it
// still.
bool Siblings::add_mark(Number sibling, const std::string& site, Mark mark) {
  const bool is_first = bits_of(site, mark) == 0;
  if (is_first && marks_count_ >= limits::marks_elsewhere) return false;
  if (marks_.size() >= limits::sites_per_coordinator && marks_.count(site) == 0) return false;
  Bits& bits = marks_[site][mark];
  if (is_first) ++marks_count_;
  bits |= bit(sibling);
  if (auto& confirmed = list_[sibling].confirmed) (*confirmed)[site].insert(mark);
  return is_first;
}

void Siblings::begin_all(Number sibling) {
  list_[sibling].confirmed.emplace();
}

bool Siblings::remove_mark(Number sibling, const std::string& site, Mark mark) {
  const auto marks = marks_.find(site);
  if (marks == marks_.end()) return false;
  const auto found = marks->second.find(mark);
  if (found == marks->second.end()) return false;
  found->second &= ~bit(sibling);
  if (found->second != 0) return false;
  marks->second.erase(found);
  --marks_count_;
  if (marks->second.empty()) marks_.erase(marks);
  return true;
}

std::vector<Siblings::Number> Siblings::holders(const std::string& site, Mark mark) const {
  std::vector<Number> numbers;
  if (!open_) return numbers;
  const Bits bits = bits_of(site, mark);
  for (std::size_t i = 1; bits != 0 && i < list_.size(); ++i) {
    const auto number = static_cast<Number>(i);
    if ((bits & bit(number)) != 0 && list_[i].synced) numbers.push_back(number);
  }
  return numbers;
}

std::vector<Mark> Siblings::marks(const std::string& site) const {
  std::vector<Mark> all;
  const auto marks = marks_.find(site);
  if (marks == marks_.end()) return all;
  for (const auto& [mark, bits] : marks->second) all.push_back(mark);
  return all;
}

// --- What is told --------------------------------------------------------------------------------

void Siblings::note(const std::string& site, Mark mark, bool came, Instant now) {
  if (!open_) return;
  noted_[site].changes[mark] = came;
  if (!noted_due_) noted_due_ = std::max<Instant>(now + limits::presence_wait, next_noted_);
}

void Siblings::append(Text& building, Number sibling, const bus::Record& record, Instant now) {
  if (!frames_due_) frames_due_ = std::max(now, next_frames_);
  const std::size_t before = building.size();
  if (before == 0) building.grow_to(bus::head_bytes);
  bus::append_record(building, record);
  if (building.size() <= limits::bus_frame_bytes || before == 0) return;
  // The record is too much for this frame, and begins the next one.
  const Text last = std::string_view(building).substr(before);
  while (building.size() > before) building.pop_back();
  finish(building, sibling);
  building.grow_to(bus::head_bytes);
  building += last;
}

void Siblings::finish(Text& building, Number sibling) {
  const bool to_all = sibling == 0;
  if (to_all) ++frames_;
  Text head;
  bus::append_head(head, {self_, frames_, to_all});
  std::copy(head.begin(), head.end(), building.begin());
  ready_.push_back({to_all ? 0 : list_[sibling].name, std::exchange(building, Text())});
}

void Siblings::tell(Number sibling, const bus::Record& record, Instant now) {
  if (open_) append(list_[sibling].building, sibling, record, now);
}

void Siblings::tell_all(const bus::Record& record, Instant now) {
  if (open_) append(building_, 0, record, now);
}

// What is for all goes first, so that what is for one has its number.
void Siblings::flush(Instant now) {
  frames_due_.reset();
  next_frames_ = now + limits::bus_wait;
  if (!building_.empty()) finish(building_, 0);
  for (const Number number : all()) {
    if (!list_[number].building.empty()) finish(list_[number].building, number);
  }
}

void Siblings::handle_timeout(Instant now) {
  if (noted_due_ && *noted_due_ <= now) {
    std::size_t told = 0;
    for (const auto& [site, noted] : noted_) {
      bus::Changes changes{site, {}, {}};
      told += noted.changes.size();
      for (const auto& [mark, came] : noted.changes) {
        (came ? changes.add : changes.remove).push_back(mark);
        if (changes.add.size() + changes.remove.size() < limits::marks_per_record) continue;
        tell_all(std::exchange(changes, {site, {}, {}}), now);
      }
      if (!changes.add.empty() || !changes.remove.empty()) tell_all(changes, now);
    }
    noted_.clear();
    noted_due_.reset();
    const double seconds = static_cast<double>(told) / limits::bus_marks_per_second;
    next_noted_ =
        now + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  }
  if (heartbeat_due_ && *heartbeat_due_ <= now) {
    heartbeat_due_.reset();
    if (open_ && building_.empty()) building_.grow_to(bus::head_bytes);
    if (open_ || !all().empty()) heartbeat_due_ = now + limits::sibling_heartbeat;
    flush(now);
  }
}

std::optional<Instant> Siblings::next_timeout() const {
  std::optional<Instant> next = heartbeat_due_;
  for (const auto& due : {noted_due_, frames_due_}) {
    if (due && (!next || *due < *next)) next = due;
  }
  return next;
}

std::optional<Publish> Siblings::poll(Instant now) {
  if (ready_.empty() && frames_due_ && *frames_due_ <= now) flush(now);
  if (ready_.empty()) return std::nullopt;
  Publish next = std::move(ready_.front());
  ready_.pop_front();
  return next;
}

}  // namespace peer_cdn::signal
