// Other coordinators of the same sites, as one of them knows them: who is there, what its visitors
// can serve, and the frames that are for it. What follows for visitors the Coordinator decides.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "base/time.hpp"
#include "signal/bus.hpp"
#include "signal/message.hpp"

namespace peer_cdn::signal {

// Tells the browsers of two peers apart that follow each other under one number: 64 bits of it.
std::uint64_t tag_of(std::string_view browser);

// What is to be sent over the bus.
struct Publish {
  bus::Name to = 0;  // 0: all
  Text frame;
};

class Siblings {
 public:
  // Which sibling, from 1 on; 0 is this coordinator itself. It may be another's when it was lost.
  using Number = std::uint8_t;

  // The bus is reached, again perhaps: siblings notice that they may have missed something.
  void open(bus::Name self, Instant now);
  // It is lost. What siblings hold is remembered until they have been silent for too long.
  void close();
  bool is_open() const { return open_; }
  bus::Name name() const { return self_; }

  // Whose frame it is: nobody's, if there are too many siblings. Not asked for our own.
  std::optional<Number> number_of(bus::Name name, Instant now);
  // A frame came. False: frames of before are missing, or nothing was heard of it yet.
  bool follows(Number sibling, const bus::Head& head, Instant now);
  // Whether it is time to ask for everything; then it counts as asked.
  bool may_start(Number sibling, Instant now);
  // The same for telling it everything.
  bool may_tell_all(Number sibling, Instant now);
  void set_synced(Number sibling, bool synced);
  bool is_synced(Number sibling) const { return list_[sibling].synced; }
  // It is no sibling any more. Its marks must be forgotten before.
  void remove(Number sibling);
  // Those that were silent for too long.
  std::vector<Number> silent(Instant now) const;
  std::vector<Number> all() const;
  std::uint32_t synced_count() const;

  // What its visitors can serve. True: it is the first of the siblings, or was the last, that has
  // the mark.
  bool add_mark(Number sibling, const std::string& site, Mark mark);
  bool remove_mark(Number sibling, const std::string& site, Mark mark);
  // Between the two all that it has is added. What was not is forgotten.
  void begin_all(Number sibling);
  template <class F>  // called with each site and mark that no sibling has any more
  void end_all(Number sibling, F went);
  bool has(const std::string& site, Mark mark) const { return bits_of(site, mark) != 0; }
  // Those in step that have the mark.
  std::vector<Number> holders(const std::string& site, Mark mark) const;
  std::vector<Mark> marks(const std::string& site) const;

  // A visitor of ours came to be the first that can serve a mark, or was the last.
  void note(const std::string& site, Mark mark, bool came, Instant now);

  void tell(Number sibling, const bus::Record& record, Instant now);
  void tell_all(const bus::Record& record, Instant now);
  // What waits for more waits no longer.
  void flush(Instant now);
  // Tells what was noted, and that we are there, when it is time.
  void handle_timeout(Instant now);
  std::optional<Instant> next_timeout() const;
  // Records for one sibling share a frame, which is given when it is full, or some time after the
  // frames before.
  std::optional<Publish> poll(Instant now);

 private:
  // A bit for each sibling.
  using Bits = std::uint64_t;
  static_assert(limits::siblings_max <= 64);
  struct Sibling {
    bus::Name name = 0;  // 0: nobody has this number
    Instant heard{};
    std::uint32_t frames = 0;  // to all, by its last head
    bool synced = false;       // all is known of it, and nothing was missed since
    std::optional<Instant> started, told;
    std::optional<std::unordered_map<std::string, std::unordered_set<Mark>>> confirmed;
    Text building;  // records for it
  };
  struct Noted {
    std::unordered_map<Mark, bool> changes;  // true: came
  };

  Bits bits_of(const std::string& site, Mark mark) const;
  static Bits bit(Number sibling) { return Bits{1} << (sibling - 1); }
  void append(Text& building, Number sibling, const bus::Record& record, Instant now);
  void finish(Text& building, Number sibling);

  bool open_ = false;
  bus::Name self_ = 0;
  std::uint32_t frames_ = 0;                            // to all
  std::array<Sibling, limits::siblings_max + 1> list_;  // the first is not used
  Text building_;                                       // records for all
  std::unordered_map<std::string, std::unordered_map<Mark, Bits>> marks_;
  std::size_t marks_count_ = 0;
  std::unordered_map<std::string, Noted> noted_;
  std::optional<Instant> noted_due_;
  Instant next_noted_{};  // so much was told that the next is not sooner
  std::optional<Instant> heartbeat_due_;
  std::optional<Instant> frames_due_;  // when something is being built
  Instant next_frames_{};              // not before this
  std::deque<Publish> ready_;
};

template <class F>
void Siblings::end_all(Number sibling, F went) {
  const auto all = std::exchange(list_[sibling].confirmed, std::nullopt);
  if (!all) return;
  for (auto site = marks_.begin(); site != marks_.end();) {
    auto& [name, marks] = *site;
    const auto kept = all->find(name);
    for (auto mark = marks.begin(); mark != marks.end();) {
      const bool is_kept = kept != all->end() && kept->second.count(mark->first) > 0;
      if (!is_kept) mark->second &= ~bit(sibling);
      if (mark->second != 0) {
        ++mark;
        continue;
      }
      const Mark gone = mark->first;
      mark = marks.erase(mark);
      --marks_count_;
      went(name, gone);
    }
    site = marks.empty() ? marks_.erase(site) : std::next(site);
  }
}

}  // namespace peer_cdn::signal
