#include "origin.hpp"

#include <algorithm>

#include "world.hpp"

namespace peer_cdn::sim {
namespace {

// What a line may have waiting for it: a sender's congestion window grows until it notices that.
constexpr Duration backlog = std::chrono::milliseconds(50);
constexpr std::uint32_t window_max = 64;  // blocks: 4 MiB

}  // namespace

StreamId Origin::open(Visitor& visitor, const File& file, PieceRange pieces, Sink sink) {
  const StreamId id = ++issued_;
  ++requests;
  streams_[id] = {visitor.id, pieces, pieces.end, &file,
                  std::make_shared<const Sink>(std::move(sink))};
  const Duration way = world_.to_server(visitor);
  world_.at(world_.now() + way, [this, id] { queue(id); });
  tell(world_.now() + 2 * way, id, [](Visitor& v, const Stream& stream) {
    if (stream.sink->head) stream.sink->head(v);
  });
  return id;
}

void Origin::pace(StreamId id, PieceIndex until) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  found->second.until = until;
  queue(id);
}

void Origin::queue(StreamId id) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  Stream& stream = found->second;
  const Visitor* visitor = world_.find(stream.visitor);
  const std::uint32_t window = visitor != nullptr ? visitor->origin_window : 0;
  if (stream.over || stream.waits || stream.under_way >= window) return;
  if (stream.rest.begin >= stream.until) return;
  stream.waits = true;
  turns_.push_back(id);
  if (!busy_) send_next();
}

// The line is free: the next block of whose turn it is.
void Origin::send_next() {
  busy_ = false;
  while (!turns_.empty() && !busy_) {
    const StreamId id = turns_.front();
    turns_.pop_front();
    const auto found = streams_.find(id);
    if (found == streams_.end()) continue;
    const Visitor* visitor = world_.find(found->second.visitor);
    if (visitor == nullptr || !visitor->alive) {
      streams_.erase(found);
    } else {
      send(id, found->second);
    }
  }
}

void Origin::send(StreamId id, Stream& stream) {
  busy_ = true;
  const PieceIndex piece = stream.rest.begin;
  const std::uint32_t rest = stream.file->geometry.bytes_of(piece) - stream.sent;
  const std::uint32_t bytes = std::min(rest, limits::block_bytes);
  const bool whole = bytes == rest;
  stream.sent = whole ? 0 : stream.sent + bytes;
  if (whole) ++stream.rest.begin;
  const bool last = whole && (stream.rest.empty() || world_.random.chance(fails));
  const bool right = !whole || !world_.random.chance(lies);
  stream.waits = false;
  stream.over = last;
  ++stream.under_way;
  bytes_sent += bytes;
  const auto on_line =
      bytes_per_second == 0
          ? Duration(1)
          : Duration(static_cast<Duration::rep>(bytes * 1'000'000ULL / bytes_per_second));
  const Instant there = world_.now() + on_line + world_.to_server(*world_.find(stream.visitor));
  const Chunk chunk{piece, bytes, whole, last, right};
  world_.at(world_.now() + on_line, [this] { send_next(); });
  world_.at(there, [this, id, chunk] { arrive(id, chunk); });
  queue(id);
}

// At the visitor's line, which may be slower than ours: the answer waits for it here.
void Origin::arrive(StreamId id, Chunk chunk) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  Visitor* visitor = world_.find(found->second.visitor);
  if (visitor == nullptr || !visitor->alive) return;
  const Duration way = world_.to_server(*visitor);
  const std::uint64_t pace = World::pace(2 * way, visitor->line.loss);
  const Instant through = world_.arrive(*visitor, chunk.bytes, pace);
  const Duration alone =
      std::max(World::span(chunk.bytes, visitor->line.down), World::span(chunk.bytes, pace));
  const Duration queued = through - world_.now() - alone;
  world_.at(through + way, [this, id, queued, to = visitor->id] {
    Visitor* acknowledging = world_.find(to);
    if (acknowledging != nullptr) acknowledge(*acknowledging, id, queued);
  });
  tell(through, id, [this, id, chunk](Visitor& v, const Stream& stream) {
    const auto sink = stream.sink;
    const bool all = stream.rest.empty();
    if (chunk.last) streams_.erase(id);
    if (sink->bytes) sink->bytes(v, chunk.bytes);
    if (chunk.whole && sink->piece) sink->piece(v, chunk.piece, chunk.right);
    if (chunk.last && sink->end) sink->end(v, all);
  });
}

// Slow start, until the line has more than it takes.
void Origin::acknowledge(Visitor& visitor, StreamId id, Duration queued) {
  std::uint32_t& window = visitor.origin_window;
  window = queued < backlog ? std::min(window + 1, window_max) : std::max(window - 1, 1U);
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  --found->second.under_way;
  queue(id);
}

template <class F>
void Origin::tell(Instant when, StreamId id, F event) {
  const auto found = streams_.find(id);
  world_.at(when, found->second.visitor, [this, id, event](Visitor& visitor) {
    const auto at = streams_.find(id);
    if (at != streams_.end()) event(visitor, at->second);
  });
}

}  // namespace peer_cdn::sim
