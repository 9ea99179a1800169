// One pair of peers, as the asking side sees it: which blocks are in flight, how fast they come,
// and when the peer stalls.
//
//   asked --block--> taken      asked --reject--> asked elsewhere
//     `--cancel--> cancelled --block or reject--> nothing
//
// A cancelled block is awaited too, so a block that nobody asked for can be told from a late one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/limits.hpp"
#include "base/list.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "swarm/rate.hpp"
#include "swarm/wire.hpp"

namespace peer_cdn::swarm {

class Session {
 public:
  explicit Session(PeerId peer) : peer_(peer) {}

  PeerId peer() const { return peer_; }
  // The first frame must be a hello of our version: version_mismatch, unknown_message.
  Error handle_hello(std::uint32_t version);
  bool greeted() const { return greeted_; }
  // A handle under which the peer is asked what it has. It answers, be it that it has nothing.
  wire::Handle want(Instant now);
  // It answered that. What nobody waits for is no sign that it will send what it was asked for.
  void handle_answer(Instant now);

  // A block that the peer was asked for, and will answer.
  struct Awaited {
    wire::Handle handle = 0;
    wire::Block block;
    bool operator==(const Awaited&) const = default;
  };
  // So much of the peer's rate may be in flight: half a second's, or less. A stalled peer is asked
  // for nothing.
  void limit_span(Duration span) { span_ = span; }
  bool has_room() const;
  // A quarter of that room is free. A request for each block would double the number of messages at
  // both ends.
  bool is_due() const;
  bool idle() const { return asked_.empty(); }
  void ask(wire::Handle handle, const wire::Block& block, Instant now);
  // True: the block is needed. False: it was cancelled. Error: unasked_block.
  Result<bool> handle_block(const wire::BlockHeader& header, Instant now);
  // True if the block was still needed.
  bool handle_reject(wire::Handle handle, const wire::Block& block);
  // True if the block was in flight: the caller tells the peer.
  bool cancel(wire::Handle handle, const wire::Block& block);
  // Cancels all blocks in flight, or those of one handle. Returns them.
  List<Awaited> abandon(std::optional<wire::Handle> handle);

  // Nothing came for limits::peer_stall although an answer is due. True once per stall.
  bool stalls(Instant now);
  // How many stalls there were, each within limits::peer_stall_memory of the one before.
  std::uint32_t stalls() const { return stalls_; }
  // The pause after a stall is over, or the peer answered. True once.
  bool recovers(Instant now);
  // A piece did not come that the peer had told to be on its way from the origin, to itself or to
  // another. A peer that told so too often is not believed for limits::peer_stall_memory, in
  // whatever file. To an honest peer that does no harm but that its fetches may be made twice.
  void handle_let_down(Instant now);
  bool is_believed(Instant now) const;
  // The path to the peer is gone, or back. A stall in between was not the peer's fault.
  void handle_lost() { lost_ = true; }
  void handle_found(Instant now);
  bool stalled() const { return lost_ || paused_until_; }
  std::optional<Instant> next_timeout() const;
  const Rate& rate() const { return rate_; }

 private:
  std::size_t depth() const;
  bool waits() const;
  void hear(Instant now);

  PeerId peer_;
  bool greeted_ = false;
  wire::Handle last_handle_ = 0;
  List<Awaited> asked_;
  List<Awaited> cancelled_;
  bool wanted_ = false;  // it was asked what it has, and has answered nothing since
  Rate rate_;
  Duration span_ = limits::pipeline_span;
  Instant heard_{};  // when the peer last answered, or when it was asked after a pause
  std::uint32_t stalls_ = 0;
  Instant stalled_at_{};
  std::optional<Instant> paused_until_;
  bool lost_ = false;
  std::uint32_t let_downs_ = 0;
  Instant let_down_at_{};
};

}  // namespace peer_cdn::swarm
