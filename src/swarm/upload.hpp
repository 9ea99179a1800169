// Blocks that are sent to others: within the visitor's caps, one to each asker in turn, and never
// more into a channel than it sends in about a quarter of a second.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/limits.hpp"
#include "base/list.hpp"
#include "base/time.hpp"
#include "swarm/rate.hpp"
#include "swarm/wire.hpp"

namespace peer_cdn::swarm {

struct UploadOptions {
  bool on = true;
  std::uint64_t bytes_per_second = limits::upload_rate;  // 0: no cap
  std::uint64_t bytes_in_all = limits::upload_bytes;     // 0: no cap
  std::uint64_t sent_before = 0;                         // by the engines before this one
};

// The caps of one page: a token bucket that goes into debt by at most a block.
class Upload {
 public:
  // Upload is switched on, and the total is not spent.
  bool on() const;
  void handle_options(const UploadOptions& options, Instant now);
  // Whether a block may go out now. The caller says with take() that one did.
  bool ready(Instant now);
  void take(std::uint32_t bytes);
  // When the next block may go out, if the cap on the rate holds it back.
  std::optional<Instant> next_ready() const;

 private:
  UploadOptions options_;
  std::int64_t tokens_ = 0;  // bytes
  Instant refilled_{};
  std::uint64_t sent_ = 0;
};

// More is sent when so much of what a channel had unsent is left: SCTP does not speed up on a
// channel that runs dry.
constexpr std::uint64_t refill_at(std::uint64_t buffered) {
  return std::max(limits::buffered_low, buffered / 2);
}

// A block that a peer asked us for, under the peer's own handle.
struct Requested {
  wire::Handle handle = 0;
  Root root;
  wire::Block block;
};

// The bytes on their way into one channel: blocks that the host reads, and unsent bytes in the
// channel.
class SendBuffer {
 public:
  bool has_room() const;
  void release(const Requested& requested, Instant now);
  // The host handed the oldest released block to the channel.
  void handle_sent(std::uint64_t buffered, Instant now);
  // The oldest released block of this piece cannot be sent, because the store lost it. Returns the
  // request, to be rejected.
  std::optional<Requested> handle_unreadable(const Root& root, PieceIndex piece);
  void handle_buffered(std::uint64_t buffered, Instant now);

 private:
  void take_out(std::size_t index);
  void drained(std::uint64_t before, std::uint64_t buffered, Instant now);

  List<Requested> with_host_;  // oldest first
  std::uint64_t with_host_bytes_ = 0;
  std::uint64_t buffered_ = 0;
  Rate rate_;
};

// The asking side of a pair: the roots that the peer wants, by its handles, and the blocks that it
// asked us for, first come, first served.
class Asker {
 public:
  struct Want {
    wire::Handle handle = 0;
    Root root;
  };

  // False: the peer asks for roots too fast, or for too many at a time.
  bool want(wire::Handle handle, const Root& root, Instant now);
  const Root* root_of(wire::Handle handle) const;
  void done(wire::Handle handle);
  const List<Want>& wants() const { return wants_; }

  // False: the peer has more requests here than an honest peer sends.
  bool queue(const Requested& requested);
  bool empty() const { return queue_.empty(); }
  Requested take();
  // True if the block was still queued.
  bool cancel(wire::Handle handle, const wire::Block& block);
  // Takes all blocks of one handle out of the queue.
  List<wire::Block> take_all(wire::Handle handle);

  SendBuffer buffer;

 private:
  List<Want> wants_;
  List<Requested> queue_;
  std::uint32_t want_tokens_ = limits::wants_burst;
  Instant refilled_{};
};

}  // namespace peer_cdn::swarm
