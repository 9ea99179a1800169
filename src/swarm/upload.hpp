// What is sent to others: under the visitor's caps, a block to each asker in turn, and never more
// into a channel than drains in about a quarter of a second.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/limits.hpp"
#include "base/time.hpp"
#include "swarm/rate.hpp"
#include "swarm/wire.hpp"

namespace peer_cdn::swarm {

struct UploadOptions {
  bool on = true;
  std::uint64_t bytes_per_second = limits::upload_rate;  // 0: no cap
  std::uint64_t bytes_in_all = limits::upload_bytes;     // 0: no cap
};

// The caps of one page: a token bucket that goes into debt by at most a block.
class Upload {
 public:
  // Switched on, and the total is not spent.
  bool on() const;
  void handle_options(const UploadOptions& options, Instant now);
  // Whether a block may go out now; take() says that one did.
  bool ready(Instant now);
  void take(std::uint32_t bytes);
  // When the next one may, if the rate is what holds it back.
  std::optional<Instant> next_ready() const;
  std::uint64_t sent() const { return sent_; }

 private:
  UploadOptions options_;
  std::int64_t tokens_ = 0;  // bytes
  Instant refilled_{};
  std::uint64_t sent_ = 0;
};

// A block that a peer asked us for, by its own handle.
struct Requested {
  wire::Handle handle = 0;
  Root root;
  wire::Block block;
};

// What one channel holds: with the host (its read is asynchronous), and unsent in the channel.
class SendBuffer {
 public:
  bool has_room() const;
  void release(const Requested& requested, Instant now);
  // The oldest released block was handed to the channel.
  void handle_sent(std::uint64_t buffered, Instant now);
  // The oldest released block of this piece will not be.
  std::optional<Requested> handle_unreadable(const Root& root, PieceIndex piece);
  void handle_buffered(std::uint64_t buffered, Instant now);

 private:
  void take_out(std::size_t index);
  void drained(std::uint64_t before, std::uint64_t buffered, Instant now);

  std::vector<Requested> with_host_;  // oldest first
  std::uint64_t with_host_bytes_ = 0;
  std::uint64_t buffered_ = 0;
  Rate rate_;
};

// What one peer asked us for: the roots by its handles, and the blocks, first come, first served.
class Asker {
 public:
  struct Want {
    wire::Handle handle = 0;
    Root root;
  };

  // False: too fast, or too many at a time.
  bool want(wire::Handle handle, const Root& root, Instant now);
  const Root* root_of(wire::Handle handle) const;
  void done(wire::Handle handle);
  const std::vector<Want>& wants() const { return wants_; }

  // False: more than an honest peer asks.
  bool queue(const Requested& requested);
  bool empty() const { return queue_.empty(); }
  Requested take();
  // True if it was still queued.
  bool cancel(wire::Handle handle, const wire::Block& block);
  // Takes all of one handle out of the queue.
  std::vector<wire::Block> take_all(wire::Handle handle);

  SendBuffer buffer;

 private:
  std::vector<Want> wants_;
  std::vector<Requested> queue_;
  std::uint32_t want_tokens_ = limits::wants_burst;
  Instant refilled_{};
};

}  // namespace peer_cdn::swarm
