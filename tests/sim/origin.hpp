// The site's server: a line of limited rate that its open answers share, a piece of each in turn.
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

  // What of an answer comes: the head, each piece (right or not), and the end.
  struct Sink {
    std::function<void(Visitor&)> head;
    std::function<void(Visitor&, PieceIndex, bool right)> piece;
    std::function<void(Visitor&, bool all)> end;
  };
  StreamId open(Visitor& visitor, const File& file, PieceRange pieces, Sink sink);
  void close(StreamId stream) { streams_.erase(stream); }

  std::uint64_t bytes_per_second = 0;  // 0: as fast as the visitors' lines
  double fails = 0;                    // of pieces: the answer ends there
  double lies = 0;                     // of pieces are of another version
  std::uint64_t bytes_sent = 0, requests = 0;

 private:
  struct Stream {
    std::uint32_t visitor = 0;
    PieceRange rest;
    const File* file = nullptr;
    std::shared_ptr<const Sink> sink;
  };
  struct Chunk {
    PieceIndex piece;
    std::uint32_t bytes;
    bool last, right;
  };
  void queue(StreamId stream);
  void send_next();
  void send(StreamId id, Stream& stream);
  void arrive(StreamId id, Chunk chunk);
  template <class F>
  void tell(Instant when, StreamId id, F event);

  World& world_;
  std::unordered_map<StreamId, Stream> streams_;
  std::deque<StreamId> turns_;
  bool busy_ = false;
  StreamId issued_ = 0;
};

}  // namespace peer_cdn::sim
