#include "origin.hpp"

#include <algorithm>

#include "world.hpp"

namespace peer_cdn::sim {
namespace {

// What a line may have waiting for it: a sender's congestion window notices about so late.
constexpr Duration backlog = std::chrono::milliseconds(50);

}  // namespace

StreamId Origin::open(Visitor& visitor, const File& file, PieceRange pieces, Sink sink) {
  const StreamId id = ++issued_;
  ++requests;
  streams_[id] = {visitor.id, pieces, &file, std::make_shared<const Sink>(std::move(sink))};
  const Duration way = world_.to_server(visitor);
  world_.at(world_.now() + way, [this, id] { queue(id); });
  tell(world_.now() + 2 * way, id, [](Visitor& v, const Stream& stream) {
    if (stream.sink->head) stream.sink->head(v);
  });
  return id;
}

void Origin::queue(StreamId stream) {
  turns_.push_back(stream);
  if (!busy_) send_next();
}

// The line is free: the next piece of whose turn it is.
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
  const PieceIndex piece = stream.rest.begin++;
  const std::uint32_t bytes = stream.file->geometry.bytes_of(piece);
  const bool last = stream.rest.empty() || world_.random.chance(fails);
  const bool right = !world_.random.chance(lies);
  bytes_sent += bytes;
  const auto on_line =
      bytes_per_second == 0
          ? Duration(1)
          : Duration(static_cast<Duration::rep>(bytes * 1'000'000ULL / bytes_per_second));
  const Duration way = world_.to_server(*world_.find(stream.visitor));
  world_.at(world_.now() + on_line, [this] { send_next(); });
  world_.at(world_.now() + on_line + way, [this, id, piece, bytes, last, right] {
    arrive(id, {piece, bytes, last, right});
  });
}

// At the visitor's line, which may be slower than ours: the answer waits for it here.
void Origin::arrive(StreamId id, Chunk chunk) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  Visitor* visitor = world_.find(found->second.visitor);
  if (visitor == nullptr || !visitor->alive) return;
  const Duration round_trip = 2 * world_.to_server(*visitor);
  const Instant through =
      world_.arrive(*visitor, chunk.bytes, World::pace(round_trip, visitor->line.loss));
  if (!chunk.last) {
    world_.at(std::max(world_.now(), through - backlog), [this, id] { queue(id); });
  }
  tell(through, id, [this, id, chunk](Visitor& v, const Stream& stream) {
    const auto sink = stream.sink;
    const bool all = stream.rest.empty();
    if (chunk.last) streams_.erase(id);
    sink->piece(v, chunk.piece, chunk.right);
    if (chunk.last && sink->end) sink->end(v, all);
  });
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
