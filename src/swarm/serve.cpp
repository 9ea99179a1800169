// The half of a swarm that serves: what this page holds, which peers asked for it, and whose block
// goes out next.
#include <algorithm>

#include "base/limits.hpp"
#include "swarm/swarm.hpp"

namespace peer_cdn::swarm {

// --- What is held --------------------------------------------------------------------------------

void Swarm::handle_held(const Root& root, const Geometry& geometry, PieceRange pieces,
                        Instant now) {
  if (pieces.empty() || pieces.end > geometry.count()) return settle(now);
  hold(root, geometry, pieces, now);
  if (Watch* watch = find_watch(root)) watch->heard = now;
  if (const Holding* held = holdings_.find(root); held != nullptr && held->pieces.complete()) {
    unwatch(root);
  }
  if (Download* download = find_download(root)) {
    if (download->geometry() == geometry) download->handle_kept(pieces, true, outputs_);
  }
  settle(now);
}

std::uint64_t Swarm::missing_bytes(const Root& root, const Geometry& geometry) {
  const Holding* holding = holdings_.find(root);
  const std::uint64_t held = holding != nullptr ? holding->pieces.held() : 0;
  return geometry.bytes() - std::min(geometry.bytes(), held * geometry.piece_bytes());
}

void Swarm::hold(const Root& root, const Geometry& geometry, PieceRange pieces, Instant now) {
  Holding* holding = holdings_.find(root);
  if (holding == nullptr && holdings_.size() < limits::manifest_entries) {
    holding = &holdings_.insert(root, {geometry, PieceSet(geometry.count())});
  }
  if (holding == nullptr || !(holding->geometry == geometry)) return;
  const bool first = holding->pieces.empty();
  if (!holding->pieces.add(pieces)) return;
  if (first && serving_) outputs_.push(Announce{root, true});
  for (Pair& pair : pairs_) {
    if (pair.closed) continue;
    for (const Asker::Want& want : pair.asker.wants()) {
      if (want.root == root) send(pair, wire::Update{want.handle, pieces}, now);
    }
  }
}

void Swarm::lose(const Root& root, PieceRange pieces) {
  Holding* holding = holdings_.find(root);
  if (holding == nullptr) return;
  const PieceIndex end = std::min(pieces.end, holding->geometry.count());
  for (PieceIndex piece = pieces.begin; piece < end; ++piece) holding->pieces.remove(piece);
  if (!holding->pieces.empty()) return;
  holdings_.erase(root);
  const Watch* watch = find_watch(root);
  if (serving_ && (watch == nullptr || !watch->offered)) outputs_.push(Announce{root, false});
}

void Swarm::handle_dropped(const Root& root, Instant now) {
  unwatch(root);
  if (Download* download = find_download(root))
    download->handle_dropped(download->geometry().all());
  if (holdings_.find(root) != nullptr) {
    holdings_.erase(root);
    if (serving_) outputs_.push(Announce{root, false});
  }
  for (Pair& pair : pairs_) {
    const auto wants = pair.asker.wants();
    for (const Asker::Want& want : wants) {
      if (want.root == root) end_serving(pair, want.handle, true, now);
    }
  }
  settle(now);
}

void Swarm::handle_upload_options(const UploadOptions& options, Instant now) {
  upload_.handle_options(options, now);
  switch_serving(now);
  settle(now);
}

void Swarm::switch_serving(Instant now) {
  if (upload_.on() == serving_) return;
  serving_ = upload_.on();
  for (const auto& holding : holdings_) outputs_.push(Announce{holding.key, serving_});
  for (const Watch& watch : watches_) {
    if (watch.offered) outputs_.push(Announce{watch.root, serving_});
  }
  if (serving_) return;
  outputs_.push(Report{Error::upload_off, std::nullopt});
  for (Pair& pair : pairs_) {
    const auto wants = pair.asker.wants();
    for (const Asker::Want& want : wants) end_serving(pair, want.handle, true, now);
  }
}

// --- Which peers asked for it --------------------------------------------------------------------

void Swarm::handle(Pair& pair, const wire::Want& want, Instant now) {
  const Holding* holding = holdings_.find(want.root);
  const Download* download = find_download(want.root);
  const bool coming = download != nullptr && download->readers() > 0;
  const Watch* watch = find_watch(want.root);
  const bool offered = watch != nullptr && watch->offered;
  meet(want.root, 0, now);
  if (!serving_ || (holding == nullptr && !coming && !offered) ||
      !pair.asker.want(want.handle, want.root, now)) {
    return send(pair, wire::Not{want.handle}, now);
  }
  // If nothing is here yet, it is on its way, and updates will follow.
  const PieceSet pieces = holding != nullptr
                              ? holding->pieces
                              : PieceSet((coming ? download->geometry() : watch->geometry).count());
  send(pair, wire::Have{want.handle, pieces.bitfield()}, now);
  if (!coming) return;
  for (const auto& [range, rank] : download->claims(now)) {
    send(pair, wire::Claim{want.handle, range, rank}, now);
  }
}

void Swarm::handle(Pair& pair, const wire::Request& request, Instant now) {
  const Root* root = pair.asker.root_of(request.handle);
  const Holding* holding = root != nullptr ? holdings_.find(*root) : nullptr;
  // The handle was over, or the root dropped, before the request came.
  if (holding == nullptr) return send(pair, wire::Reject{request.handle, request.blocks}, now);
  wire::Reject reject{request.handle, {}};
  for (const wire::Block& block : request.blocks) {
    const Geometry& geometry = holding->geometry;
    const std::uint32_t piece_bytes =
        block.piece < geometry.count() ? geometry.bytes_of(block.piece) : 0;
    if (block.offset >= piece_bytes || block.offset % limits::block_bytes != 0 ||
        !(block == wire::block_at(block.piece, block.offset, piece_bytes))) {
      return close_pair(pair, Error::piece_out_of_bounds);
    }
    if (!holding->pieces.has(block.piece)) {
      reject.blocks.push_back(block);
    } else if (!pair.asker.queue({request.handle, *root, block})) {
      return close_pair(pair, Error::request_flood);
    }
  }
  if (!reject.blocks.empty()) send(pair, reject, now);
}

void Swarm::handle(Pair& pair, const wire::Cancel& cancel, Instant now) {
  wire::Reject reject{cancel.handle, {}};
  for (const wire::Block& block : cancel.blocks) {
    if (pair.asker.cancel(cancel.handle, block)) reject.blocks.push_back(block);
  }
  if (!reject.blocks.empty()) send(pair, reject, now);
}

void Swarm::handle(Pair& pair, const wire::Done& done, Instant now) {
  end_serving(pair, done.handle, false, now);
}

void Swarm::end_serving(Pair& pair, wire::Handle handle, bool tell, Instant now) {
  wire::Reject reject{handle, pair.asker.take_all(handle)};
  pair.asker.done(handle);
  if (pair.closed) return;
  if (!reject.blocks.empty()) send(pair, reject, now);
  if (tell) send(pair, wire::Not{handle}, now);
}

// --- Whose block goes out next -------------------------------------------------------------------

void Swarm::handle_block_sent(PeerId peer, std::uint64_t buffered, Instant now) {
  if (Pair* pair = find(peer)) pair->asker.buffer.handle_sent(buffered, now);
  settle(now);
}

void Swarm::handle_buffered(PeerId peer, std::uint64_t buffered, Instant now) {
  if (Pair* pair = find(peer)) pair->asker.buffer.handle_buffered(buffered, now);
  settle(now);
}

void Swarm::handle_unreadable(PeerId peer, const Root& root, PieceIndex piece, Instant now) {
  lose(root, {piece, piece + 1});
  if (Download* download = find_download(root)) download->handle_dropped({piece, piece + 1});
  if (Pair* pair = find(peer)) {
    if (const auto requested = pair->asker.buffer.handle_unreadable(root, piece)) {
      send(*pair, wire::Reject{requested->handle, {requested->block}}, now);
    }
  }
  settle(now);
}

void Swarm::pump(Instant now) {
  for (std::size_t passed = 0; passed < pairs_.size(); ++turn_) {
    Pair& pair = pairs_[turn_ % pairs_.size()];
    if (pair.closed || pair.asker.empty() || !pair.asker.buffer.has_room()) {
      ++passed;
      continue;
    }
    if (!upload_.ready(now)) return;
    passed = 0;
    const Requested next = pair.asker.take();
    const wire::Block& block = next.block;
    const Holding* holding = holdings_.find(next.root);
    if (holding == nullptr || !holding->pieces.has(block.piece)) {
      send(pair, wire::Reject{next.handle, {block}}, now);
      continue;
    }
    const Download* download = find_download(next.root);
    const bool in_memory = download != nullptr && download->is_verified(block.piece);
    upload_.take(block.bytes);
    pair.asker.buffer.release(next, now);
    pool_.handle_used(pair.session.peer(), now);
    outputs_.push(SendBlock{pair.session.peer(),
                            wire::encode(wire::BlockHeader{next.handle, block}), next.root,
                            block.piece, block.offset, block.bytes, in_memory});
    switch_serving(now);  // this block may have spent the last of the cap
  }
}

}  // namespace peer_cdn::swarm
