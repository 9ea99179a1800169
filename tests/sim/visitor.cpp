#include "visitor.hpp"

#include <algorithm>

#include "swarm/wire.hpp"
#include "worker.hpp"
#include "world.hpp"

namespace peer_cdn::sim {
namespace {

std::string browser_of(VisitorId index) {
  Digest digest;
  for (std::size_t i = 0; i < 4; ++i) digest.bytes[i] = static_cast<std::uint8_t>(index >> (8 * i));
  return to_hex(digest).substr(0, 32);
}

}  // namespace

Visitor::Visitor(World& world, VisitorId index, std::uint64_t seed)
    : peer(browser_of(index), seed), id(index), world_(world) {}

Visitor::~Visitor() = default;

void Visitor::drain() {
  while (auto output = peer.poll_output()) {
    match(*output, [&](auto& o) { perform(o); });
  }
  message_.reset();
  memory_max = std::max(memory_max, memory);
  world_.check(memory <= limits::retained_bytes + 16 * limits::mib, "memory is bounded");
}

void Visitor::hold(const File& file, PieceRange pieces) {
  world_.step(*this, [&](Visitor&) { handle_stored(file, pieces); });
}

std::size_t Visitor::read(const File& file, PieceRange pieces, std::uint64_t bytes_per_second,
                          swarm::OriginHelp help) {
  ReaderId reader;
  world_.step(*this, [&](Visitor&) {
    reader = open(file, pieces, help, false);
    readings.back().bytes_per_second = bytes_per_second;
    grant(reader, limits::mib);
  });
  return reader.value - 1;
}

ReaderId Visitor::open(const File& file, PieceRange pieces, swarm::OriginHelp help,
                       bool of_worker) {
  Reading reading;
  reading.file = &file;
  reading.pieces = pieces;
  reading.next = pieces.begin;
  reading.opened = reading.heard = world_.now();
  reading.of_worker = of_worker;
  reading.origin_helps = help.slower > 0;
  readings.push_back(reading);
  const ReaderId reader{static_cast<std::uint32_t>(readings.size())};
  peer.open(reader, file.root, file.geometry, {pieces, help}, world_.now());
  return reader;
}

void Visitor::grant(ReaderId reader, std::uint64_t bytes) {
  Reading& reading = readings[reader.value - 1];
  if (reading.ended || reading.closed) return;
  if (reading.credit <= 0) reading.heard = world_.now();
  reading.credit += static_cast<std::int64_t>(bytes);
  peer.swarm().grant(reader, bytes, world_.now());
}

void Visitor::close(ReaderId reader) {
  Reading& reading = readings[reader.value - 1];
  if (reading.ended || reading.closed) return;
  reading.closed = true;
  peer.swarm().close(reader, world_.now());
}

void Visitor::close(std::size_t reader) {
  world_.step(*this, [&](Visitor&) { close(ReaderId{static_cast<std::uint32_t>(reader + 1)}); });
}

Request& Visitor::fetch(const File& file, std::uint64_t bytes_per_second) {
  Request* request = nullptr;
  world_.step(*this, [&](Visitor&) {
    if (!worker) worker = std::make_unique<Worker>(world_, *this, world_.files());
    request = &worker->fetch(file, bytes_per_second);
  });
  return *request;
}

void Visitor::abort(Request& request) {
  world_.step(*this, [&](Visitor&) { worker->abort(request); });
}

void Visitor::warm_up(const std::vector<const File*>& files) {
  for (const File* file : files) peer.handle_listed(file->root, file->geometry, world_.now());
  peer.handle_list_complete(world_.now());
  idle();
}

void Visitor::idle() {
  peer.handle_idle(false, false, world_.now());
  world_.after(limits::idle_interval, id, [](Visitor& v) { v.idle(); });
}

bool Visitor::reading() const {
  return alive && std::any_of(readings.begin(), readings.end(), [](const Reading& reading) {
           return !reading.ended && !reading.closed;
         });
}

void Visitor::die() {
  if (!alive) return;
  alive = false;
  if (id_) {
    const PeerId gone = *std::exchange(id_, std::nullopt);
    world_.ids_.erase(gone);
    world_.step_coordinator(
        [&](signal::Coordinator& c) { c.handle_disconnect(gone, world_.now()); });
  }
  const Duration notice = world_.random.between(0s, 8s);
  while (!links_.empty()) world_.cut(*this, links_.back().first, notice);
}

void Visitor::sleep(Duration span) {
  asleep_until = world_.now() + span;
  // The others' connections are lost if it takes long; ours are found lost some time after.
  for (const auto& [to, unused] : links_) {
    World::Link* side = world_.link(*this, to);
    const Duration lost = world_.random.between(8s, 30s);
    if (lost >= span || side == nullptr) continue;
    world_.notice(side->back, lost);
    world_.notice(world_.id_of(*this, to), span + world_.random.between(0s, 8s));
  }
  if (span > 60s && id_) {
    const PeerId gone = *std::exchange(id_, std::nullopt);
    world_.ids_.erase(gone);
    world_.step_coordinator(
        [&](signal::Coordinator& c) { c.handle_disconnect(gone, world_.now()); });
    world_.after(span + 20ms, id, [this, socket = sockets_](Visitor&) {
      if (socket == sockets_) peer.handle_socket_closed(world_.now());
    });
  }
  world_.at(asleep_until, id, [this](Visitor&) {
    for (Reading& reading : readings) reading.heard = world_.now();
  });
}

void Visitor::lose_paths() {
  for (const auto& [to, unused] : links_) world_.lose(*this, to);
}

Visitor* Visitor::other(PeerId to) {
  const World::Link* side = world_.link(*this, to);
  const World::Link* back = side != nullptr ? world_.link(side->back) : nullptr;
  return back != nullptr ? world_.find(back->from) : nullptr;
}

// --- With the coordinator ------------------------------------------------------------------------

void Visitor::perform(signal::OpenSocket&) {
  const std::uint32_t socket = ++sockets_;
  world_.after(3 * world_.to_server(*this), id,
               [socket](Visitor& visitor) { visitor.handle_socket_accepted(socket); });
}

void Visitor::handle_socket_accepted(std::uint32_t socket) {
  if (socket != sockets_) return;
  bool accepted = false;
  world_.step_coordinator([&](signal::Coordinator& coordinator) {
    const auto number = coordinator.handle_connect("https://site.example", world_.now());
    accepted = static_cast<bool>(number);
    if (!accepted) return;
    id_ = *number;
    world_.ids_[*number] = id;
  });
  accepted ? peer.handle_socket_open(world_.now()) : peer.handle_socket_closed(world_.now());
}

void Visitor::perform(signal::CloseSocket&) {
  ++sockets_;
  if (!id_) return;
  const PeerId gone = *std::exchange(id_, std::nullopt);
  world_.at(world_.now() + world_.to_server(*this),
            [this_world = &world_, gone] { this_world->disconnect(gone); });
}

void Visitor::perform(signal::SendMessage& output) {
  if (!id_) return;
  tells_ = std::max(tells_, world_.now() + world_.to_server(*this) +
                                world_.random.between(Duration(0), world_.network.jitter));
  ++world_.messages;
  world_.at(tells_, [world = &world_, from = *id_, message = std::move(output.message)] {
    if (world->ids_.count(from) == 0) return;
    world->step_coordinator(
        [&](signal::Coordinator& c) { c.handle_message(from, message, world->now()); });
  });
}

void Visitor::perform(signal::Told& output) {
  const List<Mark>& marks = output.marks;
  const Mark* const gone = marks.begin() + output.come;
  const std::vector<Mark> add(marks.begin(), gone);
  const std::vector<Mark> remove(gone, marks.end());
  if (!marks_) marks_.emplace();
  marks_->insert(add.begin(), add.end());
  for (const Mark mark : remove) marks_->erase(mark);
  if (worker) worker->handle_present(add, remove);
}

// --- Connections ---------------------------------------------------------------------------------

void Visitor::perform(peer::CreatePair& output) {
  ++pairs_made;
  world_.make_link(*this, output.peer);
  if (!output.offer) return;
  world_.after(3ms, id, [to = output.peer, this](Visitor&) {
    peer.handle_local_description(to, {true, "offer"}, world_.now());
    peer.handle_local_candidate(to, {"candidate", "0", 0}, world_.now());
  });
}

void Visitor::perform(peer::GivePair& output) {
  world_.give_link(*this, output.peer);
}

void Visitor::perform(peer::RemoteDescription& output) {
  const bool known = world_.link(*this, output.peer) != nullptr;
  world_.check(known, "descriptions are for pairs that were created");
  if (!known) return;
  if (!output.description.offer) return world_.connect(*this, output.peer);
  world_.after(3ms, id, [to = output.peer, this](Visitor&) {
    peer.handle_local_description(to, {false, "answer"}, world_.now());
  });
}

void Visitor::perform(swarm::ClosePair& output) {
  world_.cut(*this, output.peer, 50ms);
}

void Visitor::perform(swarm::RestartPair& output) {
  world_.after(3ms, id, [to = output.peer, this](Visitor&) {
    peer.handle_local_description(to, {true, "again"}, world_.now());
  });
}

void Visitor::perform(swarm::SendControl& output) {
  if (is_rogue() && !tamper(output.peer, output.frame)) return;
  world_.send_control(*this, output.peer, std::move(output.frame));
}

// In the store, or verified and not stored yet.
bool Visitor::holds(const Root& root, PieceIndex piece) const {
  const auto stored = store_.find(root);
  if (stored != store_.end() && stored->second.has(piece)) return true;
  const auto kept = memory_.find({root, piece});
  return kept != memory_.end() && world_.file_of(root).is(piece, kept->second);
}

void Visitor::perform(swarm::SendBlock& output) {
  world_.check(holds(output.root, output.piece), "only what is held is sent");
  // In the order in which they came.
  read_at_ = std::max(read_at_, world_.now() + world_.random.between(0ms, 3ms));
  world_.at(read_at_, id, [output = std::move(output)](Visitor& v) { v.send_block(output); });
}

void Visitor::send_block(const swarm::SendBlock& output) {
  World::Link* side = world_.link(*this, output.peer);
  if (side == nullptr) return;
  if (world_.random.chance(faults.loses)) {
    return peer.swarm().handle_unreadable(output.peer, output.root, output.piece, world_.now());
  }
  if (faults.stalls_after >= 0 && blocks_sent >= static_cast<std::uint64_t>(faults.stalls_after)) {
    return;
  }
  const File& file = world_.file_of(output.root);
  Tag tag = file.tag(output.piece, output.offset / limits::block_bytes);
  if (world_.random.chance(faults.lies)) tag ^= 1;
  World::Message message{output.header, output.header.size() + output.bytes, tag};
  if (is_rogue()) {
    if (!tamper(output.peer, message.header, message.bytes, message.offence)) return;
  } else if (const Visitor* to = world_.watching ? other(output.peer) : nullptr) {
    const auto parsed = swarm::wire::parse_block_header(message.header, message.bytes);
    if (!to->is_rogue()) world_.watch_answer(*side, parsed->handle, parsed->block);
  }
  ++blocks_sent;
  const bool again = faults.rogue == Rogue::repeats_blocks && world_.random.chance(0.1);
  if (again) world_.send_block(*this, output.peer, message);
  if (again) message.offence = Error::unasked_block;
  world_.send_block(*this, output.peer, std::move(message));
  side = world_.link(*this, output.peer);
  peer.swarm().handle_block_sent(output.peer, side->buffered, world_.now());
}

// --- Pieces --------------------------------------------------------------------------------------

void Visitor::keep(const Root& root, PieceIndex piece, Tags tags) {
  Tags& kept = memory_[{root, piece}];
  memory += (tags.size() - kept.size()) * limits::block_bytes;
  kept = std::move(tags);
}

void Visitor::perform(swarm::TakeBlock& output) {
  world_.check(message_.has_value(), "a block is taken while its message is handled");
  Tags& tags = memory_[{output.root, output.piece}];
  if (tags.empty()) {
    tags.resize(world_.file_of(output.root).blocks_of(output.piece));
    memory += tags.size() * limits::block_bytes;
  }
  tags[output.offset / limits::block_bytes] = message_.value_or(0);
  bytes_taken += output.bytes;
}

void Visitor::perform(swarm::DigestPiece& output) {
  const Digest digest = digest_of(memory_[{output.root, output.piece}]);
  world_.after(world_.random.between(0ms, 4ms), id, [output, digest, this](Visitor&) {
    peer.swarm().handle_digest(output.root, output.piece, digest, world_.now());
  });
}

void Visitor::perform(swarm::FetchDigests& output) {
  const Duration waits = 2 * world_.to_server(*this) + world_.random.between(0ms, 20ms);
  world_.after(waits, id, [root = output.root, this](Visitor&) {
    const File& file = world_.file_of(root);
    peer.swarm().handle_digests(root, *DigestList::parse(file.geometry, file.digests),
                                world_.now());
  });
}

void Visitor::perform(swarm::Deliver& output) {
  Reading& reading = readings[output.reader.value - 1];
  if (reading.of_worker && reading.closed) return;
  const File& file = world_.file_of(output.root);
  const std::uint32_t bytes = file.geometry.bytes_of(output.piece);
  world_.check(!reading.ended && !reading.closed, "nothing follows the end");
  world_.check(reading.pending, "pending is said before the first piece");
  world_.check(output.piece == reading.next, "pieces come in order");
  world_.check(reading.credit > 0, "pieces come under credit");
  world_.check(file.is(output.piece, memory_[{output.root, output.piece}]),
               "only right bytes are delivered");
  reading.credit -= bytes;
  ++reading.next;
  reading.heard = world_.now();
  if (output.from == PieceSource::origin) reading.from_origin += bytes;
  if (reading.of_worker) return worker->handle_delivered(output);
  const Duration consume =
      reading.bytes_per_second == 0
          ? Duration(0)
          : Duration(static_cast<Duration::rep>(bytes * 1'000'000ULL / reading.bytes_per_second));
  world_.after(consume, id,
               [reader = output.reader, bytes](Visitor& v) { v.grant(reader, bytes); });
}

void Visitor::perform(swarm::Pending& output) {
  Reading& reading = readings[output.reader.value - 1];
  reading.pending = true;
  if (reading.of_worker) worker->handle_pending(output);
}

void Visitor::perform(swarm::End& output) {
  Reading& reading = readings[output.reader.value - 1];
  if (reading.of_worker && reading.closed) return;  // what was on its way already
  world_.check(!reading.ended && !reading.closed, "a reader ends once");
  world_.check(output.error != Error::none || reading.next == reading.pieces.end,
               "the end without an error is the end");
  reading.ended = output.error;
  reading.ended_at = world_.now();
  if (reading.of_worker) worker->handle_end(output);
}

void Visitor::perform(swarm::StoreRun& output) {
  const File& file = world_.file_of(output.root);
  world_.check(file.geometry.segment_end(output.pieces.begin) >= output.pieces.end,
               "a run lies inside one segment");
  for (PieceIndex piece = output.pieces.begin; piece < output.pieces.end; ++piece) {
    world_.check(file.is(piece, memory_[{output.root, piece}]), "only right bytes are stored");
  }
  const bool fails = world_.random.chance(faults.loses);
  world_.after(world_.random.between(1ms, 30ms), id, [fails, &file, output, this](Visitor&) {
    if (fails) {
      return peer.swarm().handle_store_failed(output.root, output.pieces, world_.now());
    }
    handle_stored(file, output.pieces);
    if (worker != nullptr) worker->handle_stored(output.root, output.pieces);
  });
}

void Visitor::handle_stored(const File& file, PieceRange pieces) {
  store_.emplace(file.root, PieceSet(file.geometry.count())).first->second.add(pieces);
  peer.swarm().handle_held(file.root, file.geometry, pieces, world_.now());
}

void Visitor::handle_transfer(const File& file, std::uint64_t from_origin, bool done) {
  peer.swarm().handle_transfer(file.root, from_origin, done, world_.now());
}

void Visitor::perform(swarm::Forget& output) {
  const auto at = memory_.find({output.root, output.piece});
  world_.check(at != memory_.end(), "what is forgotten was there");
  if (at == memory_.end()) return;
  memory -= at->second.size() * limits::block_bytes;
  memory_.erase(at);
}

void Visitor::perform(swarm::Report& output) {
  ++reports[output.error];
}

// --- The page's own fetches from the origin ------------------------------------------------------

void Visitor::perform(swarm::FetchPieces& output) {
  const File& file = world_.file_of(output.root);
  const FetchId fetch = output.fetch;
  Origin::Sink sink;
  sink.piece = [fetch, &file](Visitor& visitor, PieceIndex piece, bool right) {
    visitor.handle_fetched(fetch, file, piece, right);
  };
  sink.end = [fetch](Visitor& visitor, bool all) {
    visitor.fetches_.erase(fetch);
    visitor.peer.swarm().handle_fetch_end(fetch, all ? Error::none : Error::origin_unreachable,
                                          visitor.world_.now());
  };
  fetches_[fetch] = world_.origin.open(*this, file, output.pieces, std::move(sink));
}

void Visitor::handle_fetched(FetchId fetch, const File& file, PieceIndex piece, bool right) {
  if (!peer.swarm().handle_fetched(fetch, piece, world_.now())) return;
  Tags tags = file.tags(piece);
  if (!right) tags[0] ^= 1;
  keep(file.root, piece, std::move(tags));
}

void Visitor::perform(swarm::CancelFetch& output) {
  const auto at = fetches_.find(output.fetch);
  if (at == fetches_.end()) return;
  world_.origin.close(at->second);
  fetches_.erase(at);
}

void Visitor::perform(swarm::Company& output) {
  if (worker != nullptr) worker->handle_company(output.root);
}

}  // namespace peer_cdn::sim
