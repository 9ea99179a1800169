// The site's server: a line of limited rate that its open answers share, a block of each in turn.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <unordered_map>

#include "base/pieces.hpp"
#include "base/time.hpp"
#include "file.hpp"

namespace peer_cdn::sim {

class World;
class Visitor;
using StreamId = std::uint32_t;

class Origin {
 public:
  explicit Origin(World& world) : world_(world) {}

  // What of an answer comes: the head, bytes, each whole piece (right or not), and the end. What is
  // not set is not told.
  struct Sink {
    std::function<void(Visitor&)> head;
    std::function<void(Visitor&, std::uint32_t)> bytes;
    std::function<void(Visitor&, PieceIndex, bool right)> piece;
    std::function<void(Visitor&, bool all)> end;
  };
  StreamId open(Visitor& visitor, const File& file, PieceRange pieces, Sink sink);
  // Its reader takes the pieces before `until` now; all of them, if it was never told.
  void pace(StreamId stream, PieceIndex until);
  void close(StreamId stream) { streams_.erase(stream); }

  std::uint64_t bytes_per_second = 0;  // 0: as fast as the visitors' lines
  double fails = 0;                    // of pieces: the answer ends there
  double lies = 0;                     // of pieces are of another version
  std::uint64_t bytes_sent = 0, requests = 0;

 private:
  struct Stream {
    std::uint32_t visitor = 0;
    PieceRange rest;
    PieceIndex until = 0;  // as its reader takes them
    const File* file = nullptr;
    std::shared_ptr<const Sink> sink;
    std::uint32_t sent = 0;       // of the first piece of the rest
    std::uint32_t under_way = 0;  // blocks
    bool waits = false;           // for its turn
    bool over = false;            // all of it is under way
  };
  struct Chunk {
    PieceIndex piece;
    std::uint32_t bytes;
    bool whole, last, right;  // the piece is, the answer is over, it is what was asked for
  };
  void queue(StreamId stream);
  void send_next();
  void send(StreamId id, Stream& stream);
  void arrive(StreamId id, Chunk chunk);
  void acknowledge(Visitor& visitor, StreamId id, Duration queued);
  template <class F>
  void tell(Instant when, StreamId id, F event);

  World& world_;
  std::unordered_map<StreamId, Stream> streams_;
  std::deque<StreamId> turns_;
  bool busy_ = false;
  StreamId issued_ = 0;
};

}  // namespace peer_cdn::sim
