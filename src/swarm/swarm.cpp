#include "swarm/swarm.hpp"

#include <algorithm>

#include "base/limits.hpp"
#include "base/variant.hpp"

namespace peer_cdn::swarm {

Swarm::Swarm(std::uint64_t seed) : seed_(seed) {}

Swarm::Pair* Swarm::find(PeerId peer) {
  for (Pair& pair : pairs_) {
    if (pair.session.peer() == peer && !pair.closed) return &pair;
  }
  return nullptr;
}

Download* Swarm::find_download(const Root& root) {
  for (Download& download : downloads_) {
    if (download.root() == root) return &download;
  }
  return nullptr;
}

Download* Swarm::download_of(const Pair& pair, wire::Handle handle) {
  if (handle == 0) return nullptr;
  for (Download& download : downloads_) {
    const Download::Holder* holder = download.holder(pair.session.peer());
    if (holder != nullptr && holder->handle == handle) return &download;
  }
  return nullptr;
}

void Swarm::send(Pair& pair, const wire::Message& message, Instant now) {
  pool_.handle_used(pair.session.peer(), now);
  outputs_.push(SendControl{pair.session.peer(), wire::encode(message)});
}

// --- Pairs ---------------------------------------------------------------------------------------

bool Swarm::admit(PeerId peer, bool asked, bool offered, Instant now) {
  const bool admitted = pool_.admit(peer, asked, offered, now);
  settle(now);
  return admitted;
}

void Swarm::handle_pair_open(PeerId peer, Instant now) {
  if (find(peer) != nullptr) return;
  if (pool_.is_banned(peer) || pairs_.size() >= limits::pairs_per_page) {
    pool_.handle_closed(peer, now);
    outputs_.push(ClosePair{peer, Error::too_many_peers});
    return settle(now);
  }
  pool_.handle_open(peer, now);
  Pair& pair = pairs_.add(new Pair(peer));
  send(pair, wire::Hello{wire::version}, now);
  for (Download& download : downloads_) {
    if (download.readers() > 0) want(pair, download, now);
  }
  settle(now);
}

void Swarm::handle_pair_closed(PeerId peer, Instant now) {
  if (Pair* pair = find(peer)) forget_pair(*pair);
  pool_.handle_closed(peer, now);
  settle(now);
}

void Swarm::handle_pair_lost(PeerId peer, Instant now) {
  if (Pair* pair = find(peer)) {
    pool_.handle_lost(peer, now);
    pair->session.handle_lost();
    withdraw_requests(*pair, now);
  }
  settle(now);
}

void Swarm::handle_pair_found(PeerId peer, Instant now) {
  if (Pair* pair = find(peer)) {
    pool_.handle_found(peer);
    pair->session.handle_found(now);
    mark_stalled(*pair);
  }
  settle(now);
}

void Swarm::handle_pair_resumed(PeerId peer, Instant now) {
  pool_.handle_resumed(peer, now);
  settle(now);
}

void Swarm::handle_network_changed(Instant now) {
  pool_.handle_network_changed(now);
  settle(now);
}

std::size_t Swarm::answering() const {
  return static_cast<std::size_t>(std::count_if(pairs_.begin(), pairs_.end(), [](const Pair& pair) {
    return !pair.closed && !pair.session.stalled();
  }));
}

void Swarm::forget_pair(Pair& pair) {
  pair.closed = true;
  pool_.handle_closed(pair.session.peer(), told_);  // it was open: no failure
  for (Download& download : downloads_) download.remove_holder(pair.session.peer());
}

// A peer that is cut off is banned, because it would do the same again.
void Swarm::close_pair(Pair& pair, Error error) {
  if (pair.closed) return;
  pool_.ban(pair.session.peer());
  give_up_pair(pair, error);
}

// A pair that is made anew later opens only if the peer answers.
void Swarm::give_up_pair(Pair& pair, Error error) {
  forget_pair(pair);
  outputs_.push(Report{error, pair.session.peer()});
  outputs_.push(ClosePair{pair.session.peer(), error});
}

void Swarm::handle_control(PeerId peer, ByteSpan frame, Instant now) {
  Pair* pair = find(peer);
  if (pair == nullptr) return;
  const auto message = wire::parse_message(frame);
  if (!message) {
    close_pair(*pair, message.error());
  } else if (!pair->session.greeted() && !holds_alternative<wire::Hello>(*message)) {
    close_pair(*pair, Error::unknown_message);
  } else {
    match(*message, [&](const auto& m) { handle(*pair, m, now); });
  }
  settle(now);
}

void Swarm::handle(Pair& pair, const wire::Hello& hello, Instant) {
  const Error error = pair.session.handle_hello(hello.version);
  if (error != Error::none) close_pair(pair, error);
}

// --- Asking --------------------------------------------------------------------------------------

void Swarm::want(Pair& pair, Download& download, Instant now) {
  const wire::Handle handle = pair.session.want(now);
  Download::Holder& holder = download.add_holder(pair.session.peer(), handle, now);
  holder.stalled = pair.session.stalled();
  // Over a pair that is open the first blocks come a round trip sooner, if the peer has them. A
  // small file is asked of whoever says first that it has it, because that peer is the nearest.
  holder.hopeful &= pair.session.greeted() && download.geometry().bytes() > limits::small_bytes;
  send(pair, wire::Want{handle, download.root()}, now);
}

// Asks every connected peer that was not asked yet, or said that it had nothing.
void Swarm::want_all(Download& download, Instant now) {
  for (Pair& pair : pairs_) {
    const Download::Holder* holder = download.holder(pair.session.peer());
    if (!pair.closed && (holder == nullptr || holder->handle == 0)) want(pair, download, now);
  }
}

void Swarm::handle(Pair& pair, const wire::Have& have, Instant now) {
  pair.session.handle_answer(now);
  Download* download = download_of(pair, have.handle);
  if (download == nullptr) return;  // the download was over before this came
  Download::Holder& holder = *download->holder(pair.session.peer());
  auto pieces = PieceSet::parse(have.bitfield, download->geometry().count());
  if (!pieces || holder.answered) return close_pair(pair, Error::malformed_message);
  download->handle_have(holder, std::move(pieces.value()));
}

void Swarm::handle(Pair& pair, const wire::Not& message, Instant now) {
  pair.session.handle_answer(now);
  pair.session.abandon(message.handle);
  if (Download* download = download_of(pair, message.handle)) {
    download->handle_not(*download->holder(pair.session.peer()));
  }
}

void Swarm::handle(Pair& pair, const wire::Update& update, Instant) {
  Download* download = download_of(pair, update.handle);
  if (download == nullptr) return;
  if (update.pieces.end > download->geometry().count()) {
    return close_pair(pair, Error::piece_out_of_bounds);
  }
  download->handle_update(*download->holder(pair.session.peer()), update.pieces);
}

void Swarm::handle(Pair& pair, const wire::Reject& reject, Instant) {
  Download* download = download_of(pair, reject.handle);
  for (const wire::Block& block : reject.blocks) {
    const bool awaited = pair.session.handle_reject(reject.handle, block);
    if (awaited && download != nullptr) download->handle_reject(pair.session.peer(), block);
  }
}

void Swarm::handle_block(PeerId peer, ByteSpan header, std::size_t message_bytes, Instant now) {
  Pair* pair = find(peer);
  if (pair == nullptr) return;
  const auto parsed = wire::parse_block_header(header, message_bytes);
  const auto asked = parsed ? pair->session.handle_block(*parsed, now) : parsed.error();
  pool_.handle_used(peer, now);
  if (!asked) {
    close_pair(*pair, asked.error());
  } else if (*asked) {
    if (Download* download = download_of(*pair, parsed->handle)) {
      download->handle_block(peer, parsed->block, now, outputs_);
    }
  }
  settle(now);
}

void Swarm::cancel_unneeded(Download& download, Instant now) {
  for (const auto& [peer, block] : download.take_unneeded()) {
    Pair* pair = find(peer);
    const Download::Holder* holder = download.holder(peer);
    if (pair == nullptr || holder == nullptr) continue;
    if (!pair->session.cancel(holder->handle, block)) continue;
    send(*pair, wire::Cancel{holder->handle, {block}}, now);
  }
}

std::uint64_t Swarm::retained_bytes() const {
  std::uint64_t retained = 0;
  for (const Download& download : downloads_) retained += download.retained_bytes();
  return retained;
}

void Swarm::fill(Pair& pair, Instant now) {
  const PeerId peer = pair.session.peer();
  Duration span = limits::pipeline_span;
  for (Download& download : downloads_) {
    Download::Holder* holder = download.holder(peer);
    if (holder == nullptr) continue;
    span = std::min(span, download.request_span());
    holder->silent = !holder->answered && now >= holder->asked + limits::hope_wait;
  }
  pair.session.limit_span(span);
  if (!pair.session.is_due()) return;
  const bool ahead = has_memory();
  // One download can take all the room, so the one behind it is first the next time.
  const std::size_t first = pair.turn;
  for (std::size_t i = 0; i < downloads_.size() && pair.session.has_room(); ++i) {
    Download& download = downloads_[(first + i) % downloads_.size()];
    Download::Holder* holder = download.holder(peer);
    if (holder == nullptr || holder->handle == 0) continue;
    holder->rate = pair.session.rate().per_second();
    wire::Request request{holder->handle, {}};
    while (pair.session.has_room()) {
      const auto block = download.next_block(*holder, pair.session.idle(), ahead);
      if (!block) break;
      pair.session.ask(holder->handle, *block, now);
      request.blocks.push_back(*block);
    }
    holder->hopeful = false;
    if (request.blocks.empty()) continue;
    send(pair, request, now);
    pair.turn = first + i + 1;
  }
}

// --- Readers and the host's answers --------------------------------------------------------------

void Swarm::open(ReaderId reader, const Root& root, const Geometry& geometry, Order order,
                 Instant now) {
  Download* download = find_download(root);
  std::size_t readers = 0;
  for (const Download& other : downloads_) readers += other.readers();
  Error error = Error::none;
  if (order.pieces.empty() || order.pieces.end > geometry.count() ||
      (download != nullptr && !(download->geometry() == geometry))) {
    error = Error::piece_out_of_bounds;
  } else if (readers >= limits::readers_per_page ||
             (download == nullptr && downloads_.size() >= limits::downloads_per_page)) {
    error = Error::rate_limited;
  }
  if (error != Error::none) {
    outputs_.push(End{reader, error});
    return settle(now);
  }
  if (download == nullptr) {
    download = &downloads_.add(new Download(root, geometry, seed_));
    if (const Holding* holding = holdings_.find(root)) {
      for (PieceIndex piece = 0; piece < geometry.count(); ++piece) {
        if (holding->pieces.has(piece)) download->handle_kept({piece, piece + 1}, true, outputs_);
      }
    }
  }
  Watch* watch = find_watch(root);
  const bool met = watch != nullptr && watch->met;
  // The other page began a moment ago too, so there is nothing to wait for.
  if (met) order.help.patience = Duration(0);
  download->open(reader, order, now, outputs_);
  if (met) watch->heard = now;
  if (met && watch->introduced > 0) download->handle_answered(watch->introduced);
  want_all(*download, now);
  settle(now);
}

void Swarm::grant(ReaderId reader, std::uint64_t bytes, Instant now) {
  for (Download& download : downloads_) {
    if (download.grant(reader, bytes, now)) break;
  }
  settle(now);
}

void Swarm::close(ReaderId reader, Instant now) {
  for (Download& download : downloads_) {
    if (download.close(reader, outputs_)) break;
  }
  settle(now);
}

void Swarm::handle_answered(const Root& root, std::uint32_t peers, Instant now) {
  if (Download* download = find_download(root); download != nullptr && download->readers() > 0) {
    download->handle_answered(peers);
    if (peers > 0) want_all(*download, now);
  }
  if (peers > 0) meet(root, peers, now);
  settle(now);
}

void Swarm::handle_digests(const Root& root, DigestList digests, Instant now) {
  if (Download* download = find_download(root)) {
    download->handle_digests(std::move(digests), outputs_);
  }
  settle(now);
}

void Swarm::handle_digests_failed(const Root& root, Instant now) {
  if (Download* download = find_download(root)) download->handle_digests_failed(outputs_);
  settle(now);
}

void Swarm::handle_digest(const Root& root, PieceIndex piece, const Digest& digest, Instant now) {
  if (Download* download = find_download(root)) {
    if (const auto liar = download->handle_digest(piece, digest, outputs_)) {
      pool_.ban(*liar);
      if (Pair* pair = find(*liar)) close_pair(*pair, Error::wrong_digest);
    }
  }
  settle(now);
}

void Swarm::handle_undigested(const Root& root, PieceIndex piece, Instant now) {
  if (Download* download = find_download(root)) download->handle_undigested(piece, outputs_);
  settle(now);
}

void Swarm::handle_store_failed(const Root& root, PieceRange pieces, Instant now) {
  if (Download* download = find_download(root)) download->handle_kept(pieces, false, outputs_);
  settle(now);
}

void Swarm::handle_stop() {
  for (Download& download : downloads_) download.write_all(outputs_);
}

void Swarm::handle_hidden(Instant now) {
  handle_stop();
  settle(now);
}

// --- Time ----------------------------------------------------------------------------------------

void Swarm::settle(Instant now) {
  told_ = now;
  settle_pairs(now);
  settle_downloads(now);
  settle_watches(now);
  for (Pair& pair : pairs_) {
    if (!pair.closed) fill(pair, now);
  }
  settle_fetches(now);
  const bool tight = retained_bytes() > limits::unstored_bytes;
  for (Download& download : downloads_) download.write_back(now, tight, outputs_);
  pump(now);
  pairs_.erase_if([](const Pair& pair) { return pair.closed; });
}

// Cancels all that this peer was asked for, so that other peers are asked.
void Swarm::withdraw_requests(Pair& pair, Instant now) {
  for (const auto& [handle, block] : pair.session.abandon(std::nullopt)) {
    send(pair, wire::Cancel{handle, {block}}, now);
  }
  for (Download& download : downloads_) download.release(pair.session.peer());
  mark_stalled(pair);
}

void Swarm::mark_stalled(const Pair& pair) {
  for (Download& download : downloads_) {
    if (auto* holder = download.holder(pair.session.peer())) {
      holder->stalled = pair.session.stalled();
    }
  }
}

void Swarm::settle_pairs(Instant now) {
  for (Pair& pair : pairs_) {
    if (pair.closed) continue;
    const PeerId peer = pair.session.peer();
    // After a pause a peer that still owes an answer is not asked first.
    if (pair.session.recovers(now)) mark_stalled(pair);
    if (!pair.session.stalls(now)) continue;
    if (pair.session.stalls() >= limits::peer_stalls_max) {
      give_up_pair(pair, Error::peer_stalled);
      continue;
    }
    outputs_.push(Report{Error::peer_stalled, peer});
    withdraw_requests(pair, now);
  }
  while (const auto peer = pool_.take_restart(now)) outputs_.push(RestartPair{*peer});
  while (const auto peer = pool_.expired(now)) {
    const bool open = pool_.is_open(*peer);
    if (Pair* pair = find(*peer)) forget_pair(*pair);
    pool_.handle_closed(*peer, now);
    outputs_.push(ClosePair{*peer, open ? Error::none : Error::timed_out});
  }
}

void Swarm::settle_downloads(Instant now) {
  for (Download& download : downloads_) {
    download.settle(now, outputs_);
    cancel_unneeded(download, now);
    for (const PieceIndex piece : download.take_verified()) {
      if (!download.is_verified(piece)) continue;
      hold(download.root(), download.geometry(), {piece, piece + 1}, now);
    }
    for (const PieceIndex piece : download.take_gone()) {
      lose(download.root(), {piece, piece + 1});
    }
    if (download.take_nobody()) watch(download.root(), download.geometry(), now);
    if (download.readers() > 0) continue;
    while (!download.holders().empty()) {
      const Download::Holder& holder = download.holders()[0];
      const PeerId peer = holder.peer;
      Pair* pair = find(peer);
      if (pair != nullptr && holder.handle != 0) send(*pair, wire::Done{holder.handle}, now);
      download.remove_holder(peer);
    }
  }
  downloads_.erase_if([](const Download& download) { return download.finished(); });
}

void Swarm::handle_timeout(Instant now) {
  settle(now);
}

std::optional<Instant> Swarm::next_timeout() const {
  std::optional<Instant> next = pool_.next_timeout();
  const auto sooner = [&next](std::optional<Instant> other) {
    if (other && (!next || *other < *next)) next = other;
  };
  bool queued = false;
  for (const Pair& pair : pairs_) {
    sooner(pair.session.next_timeout());
    queued |= !pair.asker.empty() && pair.asker.buffer.has_room();
  }
  for (const Download& download : downloads_) sooner(download.next_timeout());
  if (!watches_.empty()) sooner(watches_due());
  if (queued) sooner(upload_.next_ready());
  return next;
}

}  // namespace peer_cdn::swarm
