#include "world.hpp"

#include <algorithm>

namespace peer_cdn::sim {
namespace {

// Longest time that a reader with credit may hear nothing: asking, being introduced, a stall.
constexpr Duration silence_max = 9s;

std::uint64_t mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

template <class T>
Digest hash(const std::vector<T>& values) {
  Digest digest;
  for (std::size_t lane = 0; lane < 4; ++lane) {
    std::uint64_t h = mix(lane + 1);
    for (const T value : values) h = mix(h ^ value);
    for (std::size_t i = 0; i < 8; ++i) {
      digest.bytes[lane * 8 + i] = static_cast<std::uint8_t>(h >> (8 * i));
    }
  }
  return digest;
}

std::string browser_of(std::uint32_t index) {
  Digest digest;
  digest.bytes[0] = static_cast<std::uint8_t>(index);
  return to_hex(digest).substr(0, 32);
}

}  // namespace

std::uint64_t Random::next() {
  return mix(state_++);
}

Digest digest_of(const Tags& tags) {
  return hash(tags);
}

File::File(std::uint64_t file_seed, std::uint64_t bytes, std::uint64_t piece_bytes)
    : seed(file_seed), geometry(*Geometry::parse(bytes, piece_bytes)) {
  for (PieceIndex piece = 0; piece < geometry.count(); ++piece) {
    const Digest digest = digest_of(tags(piece));
    digests.insert(digests.end(), digest.bytes.begin(), digest.bytes.end());
    root = digest;
  }
  if (geometry.count() > 1) root = hash(digests);
}

Tags File::tags(PieceIndex piece) const {
  Tags tags((geometry.bytes_of(piece) + limits::block_bytes - 1) / limits::block_bytes);
  for (std::size_t i = 0; i < tags.size(); ++i) tags[i] = mix(seed ^ mix(piece * 1000ULL + i));
  return tags;
}

// --- World ---------------------------------------------------------------------------------------

World::World(std::uint64_t seed, Network network)
    : random(seed), network_(network), coordinator_(seed) {}

Visitor& World::add() {
  visitors.push_back(
      std::make_unique<Visitor>(*this, static_cast<std::uint32_t>(visitors.size()), random.next()));
  Visitor& visitor = *visitors.back();
  step(visitor, [&] {
    visitor.peer.start(now_);
    visitor.peer.handle_leading(true, now_);
  });
  return visitor;
}

const File& World::file(std::uint64_t bytes, std::uint64_t piece_bytes) {
  files_.push_back(std::make_unique<File>(random.next(), bytes, piece_bytes));
  return *files_.back();
}

const File& World::file_of(const Root& root) const {
  return **std::find_if(files_.begin(), files_.end(), [&](auto& f) { return f->root == root; });
}

void World::check(bool holds, const char* what) {
  if (!holds && violations.size() < 10) violations.push_back(what);
}

void World::at(Instant when, std::function<void()> happen) {
  events_.push({when, order_++, std::move(happen)});
}
void World::after(Duration wait, std::function<void()> happen) {
  at(now_ + wait, std::move(happen));
}

void World::step(Visitor& visitor, const std::function<void()>& event) {
  if (!visitor.alive) return;
  event();
  while (auto output = visitor.peer.poll_output()) {
    match(*output, [&](auto& o) { visitor.perform(o); });
  }
  std::uint64_t memory = 0;
  for (const auto& [key, tags] : visitor.memory_) memory += tags.size() * limits::block_bytes;
  visitor.memory_max = std::max(visitor.memory_max, memory);
  check(memory <= limits::retained_bytes + 16 * limits::mib, "memory is bounded");
  const auto next = visitor.peer.next_timeout();
  if (!next || next == visitor.woken_at_) return;
  visitor.woken_at_ = next;
  at(std::max(*next, now_ + Duration(1)), [this, &visitor, when = *next] {
    if (visitor.woken_at_ != when) return;
    visitor.woken_at_.reset();
    step(visitor, [&] { visitor.peer.handle_timeout(now_); });
  });
}

void World::step_coordinator(const std::function<void()>& event) {
  event();
  const auto tell = [this](PeerId id, const signal::Message& message) {
    Visitor* visitor = visitor_of(id);
    if (visitor == nullptr) return;
    after(network_.delay, [this, visitor, id, message] {
      if (visitor->id_ != id) return;
      step(*visitor, [&] { visitor->peer.handle_message(message, now_); });
    });
  };
  while (auto output = coordinator_.poll_output()) {
    if (const auto* one = get_if<signal::Tell>(&*output)) tell(one->peer, one->message);
    if (const auto* all = get_if<signal::TellAll>(&*output)) {
      for (const PeerId peer : all->peers) tell(peer, all->message);
    }
    check(!holds_alternative<signal::Close>(*output), "the coordinator refuses no honest peer");
  }
  const auto next = coordinator_.next_timeout();
  if (!next || next == coordinator_woken_) return;
  coordinator_woken_ = next;
  at(std::max(*next, now_ + Duration(1)), [this, when = *next] {
    if (coordinator_woken_ != when) return;
    coordinator_woken_.reset();
    step_coordinator([&] { coordinator_.handle_timeout(now_); });
  });
}

void World::check_silence() {
  for (const auto& visitor : visitors) {
    for (const Reading& reading : visitor->readings) {
      if (reading.ended || reading.closed || !visitor->alive) continue;
      check(reading.credit <= 0 || now_ - reading.heard <= silence_max,
            "no reader is left waiting");
    }
  }
}

bool World::run(Duration at_most, const std::function<bool()>& until) {
  const Instant end = now_ + at_most;
  while (!until()) {
    if (!violations.empty()) return false;
    if (events_.empty() || events_.top().at > end) {
      now_ = end;
      return false;
    }
    const Event event = events_.top();
    events_.pop();
    now_ = event.at;
    event.happen();
    check_silence();
  }
  return violations.empty();
}

bool World::run_readers(Duration at_most) {
  return run(at_most, [this] {
    for (const auto& visitor : visitors) {
      for (const Reading& reading : visitor->readings) {
        if (visitor->alive && !reading.ended && !reading.closed) return false;
      }
    }
    return true;
  });
}

Visitor* World::visitor_of(PeerId id) {
  const auto it = ids_.find(id);
  return it == ids_.end() ? nullptr : it->second;
}

World::Link* World::link(Visitor& from, PeerId to) {
  for (auto it = links_.rbegin(); it != links_.rend(); ++it) {
    if ((*it)->from == &from && (*it)->to_id == to && (*it)->alive) return it->get();
  }
  return nullptr;
}

World::Link& World::make_link(Visitor& from, PeerId to) {
  if (Link* old = link(from, to)) old->alive = false;
  links_.push_back(std::make_unique<Link>());
  links_.back()->from = &from;
  links_.back()->to_id = to;
  return *links_.back();
}

// Both descriptions are there: the connection comes up, or never does.
void World::connect(Link& offerer) {
  Visitor* other = visitor_of(offerer.to_id);
  if (other == nullptr || !offerer.from->id_) return;
  Link* back = link(*other, *offerer.from->id_);
  if (back == nullptr || random.chance(network_.unreachable)) return;
  offerer.back = back;
  back->back = &offerer;
  const Duration comes_up = random.between(2 * network_.delay, 4 * network_.delay);
  for (Link* side : {&offerer, back}) {
    after(comes_up, [this, side] {
      if (!side->alive || !side->back->alive) return;
      side->open = true;
      step(*side->from, [&] { side->from->peer.handle_pair_open(side->to_id, now_); });
    });
  }
}

// This side closed it: the other notices.
void World::cut(Link& link, Duration notice) {
  link.alive = false;
  Link* back = link.back;
  if (back == nullptr || !back->alive) return;
  after(notice, [this, back] {
    if (!back->alive) return;
    back->alive = false;
    step(*back->from, [&] { back->from->peer.handle_pair_closed(back->to_id, now_); });
  });
}

void World::transmit(Link& link, int channel, std::size_t bytes,
                     std::function<void(Visitor&, PeerId)> arrive) {
  Direction& way = link.direction;
  const auto on_wire =
      Duration(static_cast<Duration::rep>(bytes * 1'000'000 / network_.bytes_per_second));
  way.free = std::max(now_, way.free) + on_wire;
  Instant arrival = way.free + network_.delay + random.between(0ms, network_.jitter);
  while (random.chance(network_.loss)) arrival += 2 * network_.delay + 10ms;
  arrival = std::max(arrival, way.arrived[channel]);
  way.arrived[channel] = arrival;
  if (channel == 1) {
    way.buffered += bytes;
    at(way.free, [this, &link, bytes] {
      Direction& sent = link.direction;
      const bool was_high = sent.buffered > limits::buffered_low;
      sent.buffered -= bytes;
      if (!link.alive || !was_high || sent.buffered > limits::buffered_low) return;
      step(*link.from, [&] {
        link.from->peer.swarm().handle_buffered(link.to_id, link.direction.buffered, now_);
      });
    });
  }
  at(arrival, [&link, arrive = std::move(arrive)] {
    // What was sent before the end still arrives, if the other side is there.
    Link* back = link.back;
    if (back == nullptr || !back->alive || !back->open) return;
    arrive(*back->from, back->to_id);
  });
}

// --- Visitor -------------------------------------------------------------------------------------

Visitor::Visitor(World& world, std::uint32_t index, std::uint64_t seed)
    : peer(browser_of(index), seed), world_(world) {}

void Visitor::hold(const File& file, PieceRange pieces) {
  store_.emplace(file.root, PieceSet(file.geometry.count())).first->second.add(pieces);
  world_.step(*this,
              [&] { peer.swarm().handle_held(file.root, file.geometry, pieces, world_.now()); });
}

std::size_t Visitor::read(const File& file, PieceRange pieces, std::uint64_t bytes_per_second) {
  Reading reading;
  reading.file = &file;
  reading.pieces = pieces;
  reading.next = pieces.begin;
  reading.opened = reading.heard = world_.now();
  reading.bytes_per_second = bytes_per_second;
  reading.credit = static_cast<std::int64_t>(limits::mib);
  readings.push_back(reading);
  const auto reader = static_cast<std::uint32_t>(readings.size());
  world_.step(*this, [&] {
    peer.open({reader}, file.root, file.geometry, pieces, {}, world_.now());
    peer.swarm().grant({reader}, limits::mib, world_.now());
  });
  return reader - 1;
}

void Visitor::close(std::size_t reader) {
  readings[reader].closed = true;
  world_.step(*this,
              [&] { peer.swarm().close({static_cast<std::uint32_t>(reader + 1)}, world_.now()); });
}

void Visitor::die() {
  alive = false;
  if (id_) {
    world_.step_coordinator([&] { world_.coordinator_.handle_disconnect(*id_, world_.now()); });
  }
  const Duration notice = world_.random.between(0s, 8s);
  for (auto& link : world_.links_) {
    if (link->from == this && link->alive) world_.cut(*link, notice);
  }
}

void Visitor::perform(signal::OpenSocket&) {
  const std::uint32_t socket = ++sockets_;
  world_.after(2 * world_.network_.delay, [this, socket] {
    if (socket != sockets_ || !alive) return;
    world_.step_coordinator([&] {
      const auto id = world_.coordinator_.handle_connect("https://site.example", world_.now());
      if (id) {
        id_ = *id;
        world_.ids_[*id] = this;
      }
    });
    world_.step(*this, [&] { peer.handle_socket_open(world_.now()); });
  });
}

void Visitor::perform(signal::CloseSocket&) {
  ++sockets_;
  if (!id_) return;
  const PeerId id = *id_;
  id_.reset();
  world_.after(world_.network_.delay, [this, id] {
    world_.step_coordinator([&] { world_.coordinator_.handle_disconnect(id, world_.now()); });
  });
}

void Visitor::perform(signal::SendMessage& output) {
  world_.after(world_.network_.delay, [this, id = id_, message = std::move(output.message)] {
    if (!id || !alive || id != id_) return;
    world_.step_coordinator(
        [&] { world_.coordinator_.handle_message(*id, message, world_.now()); });
  });
}

void Visitor::perform(peer::CreatePair& output) {
  world_.make_link(*this, output.peer);
  if (!output.offer) return;
  world_.after(3ms, [this, to = output.peer] {
    world_.step(*this, [&] {
      peer.handle_local_description(to, {true, "offer"}, world_.now());
      peer.handle_local_candidate(to, {"candidate", "0", 0}, world_.now());
    });
  });
}

void Visitor::perform(peer::RemoteDescription& output) {
  World::Link* link = world_.link(*this, output.peer);
  world_.check(link != nullptr, "descriptions are for pairs that were created");
  if (link == nullptr) return;
  if (!output.description.offer) return world_.connect(*link);
  world_.after(3ms, [this, to = output.peer] {
    world_.step(*this, [&] { peer.handle_local_description(to, {false, "answer"}, world_.now()); });
  });
}

void Visitor::perform(peer::RemoteCandidate&) {}

void Visitor::perform(swarm::ClosePair& output) {
  if (World::Link* link = world_.link(*this, output.peer)) world_.cut(*link, 50ms);
}

void Visitor::perform(swarm::SendControl& output) {
  World::Link* link = world_.link(*this, output.peer);
  if (link == nullptr) return;
  const std::size_t bytes = output.frame.size();
  world_.check(bytes <= limits::message_bytes, "messages are bounded");
  world_.transmit(
      *link, 0, bytes, [this, frame = std::move(output.frame)](Visitor& to, PeerId from) {
        world_.step(to, [&] { to.peer.swarm().handle_control(from, frame, world_.now()); });
      });
}

void Visitor::perform(swarm::SendBlock& output) {
  world_.check(store_[output.root].has(output.piece), "only what is held is sent");
  const Duration reads = world_.random.between(0ms, 3ms);
  world_.after(reads, [this, output = std::move(output)] {
    World::Link* link = world_.link(*this, output.peer);
    if (link == nullptr) return;
    if (world_.random.chance(faults.loses)) {
      return world_.step(*this, [&] {
        peer.swarm().handle_unreadable(output.peer, output.root, output.piece, world_.now());
      });
    }
    if (faults.stalls_after >= 0 &&
        blocks_sent >= static_cast<std::uint64_t>(faults.stalls_after)) {
      return;
    }
    ++blocks_sent;
    Tag tag = world_.file_of(output.root).tags(output.piece)[output.offset / limits::block_bytes];
    if (world_.random.chance(faults.lies)) tag ^= 1;
    const std::size_t bytes = output.header.size() + output.bytes;
    world_.transmit(*link, 1, bytes, [=, this](Visitor& to, PeerId from) {
      to.message_ = tag;
      world_.step(to,
                  [&] { to.peer.swarm().handle_block(from, output.header, bytes, world_.now()); });
      to.message_.reset();
    });
    world_.step(*this, [&] {
      peer.swarm().handle_block_sent(output.peer, link->direction.buffered, world_.now());
    });
  });
}

void Visitor::perform(swarm::TakeBlock& output) {
  world_.check(message_.has_value(), "a block is taken while its message is handled");
  Tags& tags = memory_[{output.root, output.piece}];
  tags.resize(world_.file_of(output.root).tags(output.piece).size());
  tags[output.offset / limits::block_bytes] = message_.value_or(0);
  bytes_taken += output.bytes;
}

void Visitor::perform(swarm::DigestPiece& output) {
  const Digest digest = digest_of(memory_[{output.root, output.piece}]);
  world_.after(world_.random.between(0ms, 4ms), [this, output, digest] {
    world_.step(*this, [&] {
      peer.swarm().handle_digest(output.root, output.piece, digest, world_.now());
    });
  });
}

void Visitor::perform(swarm::FetchDigests& output) {
  world_.after(world_.random.between(20ms, 80ms), [this, root = output.root] {
    const File& file = world_.file_of(root);
    const auto list = DigestList::parse(file.geometry, file.digests);
    world_.step(*this, [&] { peer.swarm().handle_digests(root, *list, world_.now()); });
  });
}

void Visitor::perform(swarm::Deliver& output) {
  Reading& reading = readings[output.reader.value - 1];
  const File& file = world_.file_of(output.root);
  const std::uint32_t bytes = file.geometry.bytes_of(output.piece);
  world_.check(!reading.ended && !reading.closed, "nothing follows the end");
  world_.check(reading.pending, "pending is said before the first piece");
  world_.check(output.piece == reading.next, "pieces come in order");
  world_.check(reading.credit > 0, "pieces come under credit");
  world_.check(memory_[{output.root, output.piece}] == file.tags(output.piece),
               "only right bytes are delivered");
  reading.credit -= bytes;
  ++reading.next;
  reading.heard = world_.now();
  const Duration consume =
      reading.bytes_per_second == 0
          ? Duration(0)
          : Duration(static_cast<Duration::rep>(bytes * 1'000'000ULL / reading.bytes_per_second));
  world_.after(consume, [this, reader = output.reader, bytes] {
    Reading& later = readings[reader.value - 1];
    if (later.ended || later.closed) return;
    if (later.credit <= 0) later.heard = world_.now();
    later.credit += bytes;
    world_.step(*this, [&] { peer.swarm().grant(reader, bytes, world_.now()); });
  });
}

void Visitor::perform(swarm::Pending& output) {
  readings[output.reader.value - 1].pending = true;
}

void Visitor::perform(swarm::End& output) {
  Reading& reading = readings[output.reader.value - 1];
  world_.check(!reading.ended && !reading.closed, "a reader ends once");
  world_.check(output.error != Error::none || reading.next == reading.pieces.end,
               "the end without an error is the end");
  reading.ended = output.error;
  reading.ended_at = world_.now();
}

void Visitor::perform(swarm::StoreRun& output) {
  const File& file = world_.file_of(output.root);
  world_.check(file.geometry.segment_end(output.pieces.begin) >= output.pieces.end,
               "a run lies inside one segment");
  for (PieceIndex piece = output.pieces.begin; piece < output.pieces.end; ++piece) {
    world_.check(memory_[{output.root, piece}] == file.tags(piece), "only right bytes are stored");
  }
  const bool fails = world_.random.chance(faults.loses);
  world_.after(world_.random.between(1ms, 30ms), [this, fails, &file, output] {
    if (!fails) return hold(file, output.pieces);
    world_.step(
        *this, [&] { peer.swarm().handle_store_failed(output.root, output.pieces, world_.now()); });
  });
}

void Visitor::perform(swarm::Forget& output) {
  world_.check(memory_.erase({output.root, output.piece}) == 1, "what is forgotten was there");
}

void Visitor::perform(swarm::Report& output) {
  ++reports[output.error];
}

}  // namespace peer_cdn::sim
