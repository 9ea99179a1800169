// What is on its way from the origin to the open bodies: each answer is read once, and shared by
// all bodies of its resource that want its pieces, whatever ranges they were asked for. Only bodies
// whose pages asked in the same manner share: the origin is asked with their credentials mode and
// their headers.
//
//   asked    |  let go of   |  kept by the host  |  yet to come                      |
//                           ^ kept               ^ next                              ^ end
//
// A body that joins is given the pieces from `kept` on that it wants. An answer goes as far as the
// fastest of its readers asks, so a reader that stops holds nobody up: it leaves when the others
// get further ahead of it than it may gather, and finds those pieces in the store.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <optional>

#include "base/error.hpp"
#include "base/list.hpp"
#include "base/pieces.hpp"
#include "base/record.hpp"
#include "base/time.hpp"

namespace peer_cdn {

using StreamId = std::uint32_t;  // counts up from 1, over all resources

struct Resource;

// What an answer is of. A path's answers are not those of another path that has the same bytes: the
// origin may refuse that one.
struct Subject {
  const Resource* of = nullptr;
  std::uint32_t manner = 0;  // how the page asked, as Engine numbers it
  bool operator==(const Subject&) const = default;
};

// One request to the origin, from the question to its last reader.
struct Stream {
  StreamId id = 0;
  Subject of;
  PieceRange asked;
  bool whole = false;   // asked without a Range header
  bool reload = false;  // past the browser's HTTP cache
  Duration wait{};      // before it is asked
  PieceIndex end = 0;   // of what the answer holds, once there is one
  PieceIndex kept = 0;
  PieceIndex next = 0;       // behind the last piece that was verified
  std::uint32_t writer = 0;  // the reader that stores its pieces; 0 if that one left
  std::uint32_t readers = 0;
  bool over = false;  // it brings nothing more that can be used

  // What its readers are told as it comes (http/part.hpp).
  struct Listener {
    std::uint32_t body;
    std::uint32_t job;
    PieceIndex until = 0;  // how far it takes them now
  };
  List<Listener> listeners{};
  bool asked_for = false;  // of the host
  Instant asked_at{};
  Instant heard_at{};  // brought something, or was told to go on
  std::optional<Instant> head_at{};
  bool is_all = false;      // it was answered with the whole resource, from its first byte on
  PieceIndex held_end = 0;  // of what the answer holds, whatever is wanted of it
  PieceIndex told = 0;      // pieces before this one came
  std::optional<Error> ended{};
  bool is_learned = false;  // its head
  Record before{};          // what was known then
  bool is_denied = false;   // its tag or date is not what pages are given for these bytes

  bool gives(const Subject& subject, bool past_cache) const {
    return of == subject && !over && (reload || !past_cache);
  }
  PieceIndex until() const {
    PieceIndex until = 0;
    for (const Listener& each : listeners) until = std::max(until, each.until);
    return until;
  }
};

class Streams {
 public:
  Stream& open(const Subject& of, PieceRange asked, bool whole, bool reload, Duration wait) {
    return streams_.add(
        new Stream{++ids_, of, asked, whole, reload, wait, asked.end, asked.begin, asked.begin});
  }
  // One that has this piece, or will have it at most `ahead` pieces from now.
  Stream* find(const Subject& of, PieceIndex piece, bool reload, std::uint32_t ahead) {
    for (Stream& each : streams_) {
      if (!each.gives(of, reload)) continue;
      const bool is_near = each.is_all || piece <= each.next + ahead;
      if (is_near && piece >= each.kept && piece < each.end) return &each;
    }
    return nullptr;
  }
  // Another than this one that brings all of the resource, and this piece is yet to come.
  const Stream* find_all(const Subject& of, const Stream& one, PieceIndex piece) const {
    for (const Stream& each : streams_) {
      if (each.gives(of, false) && each.is_all && each.id != one.id && piece >= each.kept) {
        return &each;
      }
    }
    return nullptr;
  }
  // Nobody joins those any more that brought nothing for so long, though their readers wait.
  void forsake_silent(const Subject& of, Duration silence, Instant now) {
    for (Stream& each : streams_) {
      const bool is_paused = each.head_at && each.told >= each.until();
      const Instant heard_at = std::max(each.asked_at, each.heard_at);
      if (each.of == of && each.asked_for && !is_paused && now - heard_at > silence) {
        each.over = true;
      }
    }
  }
  // Where the first of those begins that bring at least `few` pieces behind `piece`; `end` if none.
  PieceIndex next_begin(const Subject& of, PieceIndex piece, bool reload, std::uint32_t few,
                        PieceIndex end) const {
    for (const Stream& each : streams_) {
      if (!each.gives(of, reload)) continue;
      if (each.kept + few > each.end) continue;
      if (each.kept > piece) end = std::min(end, each.kept);
    }
    return end;
  }
  Stream* find(StreamId id) {
    for (Stream& each : streams_) {
      if (each.id == id) return &each;
    }
    return nullptr;
  }
  // Requires an open one: it is, as long as it has a reader.
  Stream& at(StreamId id) {
    Stream* stream = find(id);
    assert(stream);
    return *stream;
  }
  // Returns the reader's number, for leave().
  std::uint32_t join(Stream& stream) {
    ++stream.readers;
    return ++ids_;
  }
  void leave(StreamId id, std::uint32_t reader) {
    Stream& stream = at(id);
    if (stream.writer == reader) stream.writer = 0;
    if (--stream.readers == 0) streams_.erase(stream);
  }

 private:
  OwnedList<Stream> streams_;
  std::uint32_t ids_ = 0;
};

}  // namespace peer_cdn
