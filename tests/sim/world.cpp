#include "world.hpp"

#include <algorithm>
#include <cmath>
#include <ctime>

#include "swarm/wire.hpp"

namespace peer_cdn::sim {
namespace {

// Longest time that a reader with credit may hear nothing: without the origin, as long as it would
// be better off there.
constexpr Duration silence_max = limits::bridge_stall;
constexpr Duration silence_of_origin_max = limits::fetch_silence + limits::bridge_stall;
// What a packet carries.
constexpr double packet_bytes = 1200;

}  // namespace

std::int64_t processor_ns() {
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return std::int64_t{used.tv_sec} * 1'000'000'000 + used.tv_nsec;
}

World::World(std::uint64_t seed, Network net)
    : network(net),
      random(seed),
      origin(*this),
      coordinator_(std::make_unique<signal::Coordinator>(seed)) {}

World::~World() = default;

Visitor& World::add() {
  return add({Duration(0), network.bytes_per_second, network.bytes_per_second, network.loss / 2});
}

Visitor& World::add(const Line& line, bool online) {
  const auto id = static_cast<VisitorId>(visitors.size());
  visitors.push_back(std::make_unique<Visitor>(*this, id, random.next()));
  Visitor& visitor = *visitors.back();
  visitor.line = line;
  step(visitor, [&](Visitor&) {
    visitor.peer.handle_wanted(marks_, now_);
    if (online) visitor.peer.start(now_);
    visitor.peer.handle_leading(true, now_);
  });
  return visitor;
}

void World::remove(VisitorId id) {
  visitors[id]->die();
  visitors[id].reset();
}

const File& World::file(std::uint64_t bytes, std::uint64_t piece_bytes) {
  files_.push_back(std::make_unique<File>(random.next(), bytes, piece_bytes));
  marks_.insert(mark_of(files_.back()->root));
  for (const auto& visitor : visitors) {
    if (!visitor || !visitor->alive) continue;
    step(*visitor, [&](Visitor& told) { told.peer.handle_wanted(marks_, now_); });
  }
  return *files_.back();
}

const File& World::file_of(const Root& root) const {
  return **std::find_if(files_.begin(), files_.end(), [&](auto& f) { return f->root == root; });
}

std::vector<const File*> World::files() const {
  std::vector<const File*> files;
  for (const auto& file : files_) files.push_back(file.get());
  return files;
}

void World::check(bool holds, const char* what) {
  if (!holds && violations.size() < 10) violations.push_back(what);
}

bool World::run_readers(Duration at_most) {
  return run(at_most, [this] {
    return std::none_of(visitors.begin(), visitors.end(),
                        [](const auto& visitor) { return visitor->reading(); });
  });
}

// One timer a visitor: a later deadline than the one that is set is looked at when that one comes.
void World::wake(Visitor& visitor) {
  const auto next = visitor.peer.next_timeout();
  if (!next || (visitor.woken_at_ && *visitor.woken_at_ <= *next)) return;
  visitor.woken_at_ = next;
  at(std::max(*next, now_ + Duration(1)), visitor.id, [this, when = *next](Visitor& woken) {
    if (woken.woken_at_ != when) return;
    woken.woken_at_.reset();
    const auto due = woken.peer.next_timeout();
    if (due && *due <= now_) woken.peer.handle_timeout(now_);
  });
}

void World::check_silence() {
  looked_at_ = now_;
  for (const auto& visitor : visitors) {
    if (!visitor->alive || now_ < visitor->asleep_until) continue;
    for (const Reading& reading : visitor->readings) {
      if (reading.ended || reading.closed) continue;
      const Duration most = reading.origin_helps ? silence_of_origin_max : silence_max;
      check(reading.credit <= 0 || now_ - reading.heard <= most, "no reader is left waiting");
    }
  }
}

// --- The coordinator -----------------------------------------------------------------------------

// In the order in which they were sent, each with a delay of its own.
void World::tell(PeerId id, const std::shared_ptr<const signal::Message>& message) {
  const auto found = ids_.find(id);
  if (found == ids_.end()) return;
  Visitor& visitor = *visitors[found->second];
  for (int times = random.chance(network.repeats) ? 2 : 1; times > 0; --times) {
    const Instant sent = now_ + to_server(visitor) + random.between(0ms, network.jitter);
    visitor.told_ = std::max(visitor.told_, sent);
    ++messages;
    at(visitor.told_, visitor.id, [this, id, message](Visitor& told) {
      if (told.id_ == id) told.peer.handle_message(*message, now_);
    });
  }
}

void World::drain_coordinator() {
  while (auto output = coordinator_->poll_output()) {
    if (auto* one = std::get_if<signal::Tell>(&*output)) {
      tell(one->peer, std::make_shared<const signal::Message>(std::move(one->message)));
    }
    if (auto* relay = std::get_if<signal::Relay>(&*output)) {  // the offer of an ask
      tell(relay->signal.peer,
           std::make_shared<const signal::Message>(
               signal::Signal{relay->from, signal::Description{true, relay->signal.description}}));
    }
    if (auto* all = std::get_if<signal::TellAll>(&*output)) {
      const auto message = std::make_shared<const signal::Message>(std::move(all->message));
      for (const PeerId peer : all->peers) tell(peer, message);
    }
    if (const auto* renumber = std::get_if<signal::Renumber>(&*output)) {
      Visitor& visitor = *visitors[ids_.at(renumber->from)];
      ids_.erase(renumber->from);
      ids_[renumber->to] = visitor.id;
      renumbered_[renumber->from] = renumber->to;
      if (visitor.id_ == renumber->from) visitor.id_ = renumber->to;
    }
    const auto* close = std::get_if<signal::Close>(&*output);
    check(close == nullptr || close->error == Error::timed_out,
          "the coordinator refuses no honest peer");
  }
  const auto next = coordinator_->next_timeout();
  if (!next || next == coordinator_woken_) return;
  coordinator_woken_ = next;
  at(std::max(*next, now_ + Duration(1)), [this, when = *next] {
    if (coordinator_woken_ != when) return;
    coordinator_woken_.reset();
    step_coordinator([&](signal::Coordinator& c) { c.handle_timeout(now_); });
  });
}

void World::disconnect(PeerId peer) {
  const auto renumbered = renumbered_.find(peer);
  if (renumbered != renumbered_.end()) peer = renumbered->second;
  ids_.erase(peer);
  step_coordinator([&](signal::Coordinator& c) { c.handle_disconnect(peer, now_); });
}

void World::restart_coordinator() {
  coordinator_ = std::make_unique<signal::Coordinator>(random.next());
  coordinator_woken_.reset();
  for (const auto& [id, index] : ids_) {
    visitors[index]->id_.reset();
    const std::uint32_t socket = visitors[index]->sockets_;
    at(now_ + random.between(0ms, 500ms), index, [this, socket](Visitor& visitor) {
      if (socket == visitor.sockets_) visitor.peer.handle_socket_closed(now_);
    });
  }
  ids_.clear();
  renumbered_.clear();
}

// --- Connections ---------------------------------------------------------------------------------

World::Link* World::link(LinkId id) {
  if (id.slot >= links_.size() || links_[id.slot].generation != id.generation) return nullptr;
  return &links_[id.slot];
}

World::LinkId World::id_of(const Visitor& from, PeerId to) const {
  for (const auto& [peer, id] : from.links_) {
    if (peer == to) return {static_cast<std::uint32_t>(id >> 32), static_cast<std::uint32_t>(id)};
  }
  return {};
}

World::Link* World::link(const Visitor& from, PeerId to) {
  return link(id_of(from, to));
}

void World::make_link(Visitor& from, PeerId to) {
  drop_link(from, to);
  std::uint32_t slot = 0;
  if (free_links_.empty()) {
    slot = static_cast<std::uint32_t>(links_.size());
    links_.emplace_back();
  } else {
    slot = free_links_.back();
    free_links_.pop_back();
  }
  Link& made = links_[slot];
  const std::uint32_t generation = made.generation + 1;  // 0 names none
  made = Link();
  made.generation = generation;
  made.from = from.id;
  made.to = to;
  made.alive = true;
  from.links_.emplace_back(to, std::uint64_t{slot} << 32 | generation);
  check(from.links_.size() <= limits::pairs_per_page, "connections are bounded");
}

void World::drop_link(Visitor& from, PeerId to) {
  const LinkId id = id_of(from, to);
  Link* dropped = link(id);
  if (dropped == nullptr) return;
  ++dropped->generation;
  dropped->alive = false;
  free_links_.push_back(id.slot);
  from.links_.erase(std::find_if(from.links_.begin(), from.links_.end(),
                                 [&](const auto& entry) { return entry.first == to; }));
}

void World::give_link(Visitor& from, PeerId to) {
  Link* given = link(from, PeerId{});
  check(given != nullptr && link(from, to) == nullptr, "one connection for each pair");
  if (given == nullptr) return;
  given->to = to;
  for (auto& [peer, id] : from.links_) {
    if (peer.value == 0) peer = to;
  }
}

// Both descriptions are there: the connection comes up, or never does.
void World::connect(Visitor& offerer, PeerId to) {
  const auto found = ids_.find(to);
  if (found == ids_.end() || !offerer.id_) return;
  Visitor& other = *visitors[found->second];
  const LinkId one = id_of(offerer, to), two = id_of(other, *offerer.id_);
  if (link(one) == nullptr || link(two) == nullptr) return;
  if (link(one)->open) {  // ICE was started again
    const Duration wait = 4 * link(one)->delay;
    find_path(one, wait);
    return find_path(two, wait);
  }
  if (random.chance(network.unreachable)) return;
  link(one)->back = two;
  link(two)->back = one;
  const Duration delay = offerer.line.delay + network.delay + other.line.delay;
  const double loss = 1 - (1 - offerer.line.loss) * (1 - other.line.loss);
  const std::uint64_t pace =
      network.window > 0 ? World::pace(2 * delay, loss, network.window) : network.window;
  // ICE, DTLS and SCTP take some four round trips.
  const Duration comes_up = random.between(4 * delay, 8 * delay);
  for (const LinkId id : {one, two}) {
    Link& side = *link(id);
    side.delay = delay;
    side.pace = pace;
    at(now_ + comes_up, side.from, [this, id](Visitor& visitor) {
      Link* up = link(id);
      if (up == nullptr || link(up->back) == nullptr) return;
      up->open = true;
      visitor.peer.handle_pair_open(up->to, now_);
    });
  }
}

void World::lose(Visitor& visitor, PeerId peer) {
  const LinkId id = id_of(visitor, peer);
  if (link(id) == nullptr || !link(id)->open || link(link(id)->back) == nullptr) return;
  for (const LinkId each : {id, link(id)->back}) {
    link(each)->lost = true;
    at(now_ + random.between(2s, 7s), link(each)->from, [this, each](Visitor& v) {
      const Link* side = link(each);
      if (side != nullptr && side->lost) v.peer.handle_pair_lost(side->to, now_);
    });
  }
}

void World::find_path(LinkId id, Duration wait) {
  at(now_ + wait, link(id)->from, [this, id](Visitor& visitor) {
    Link* found = link(id);
    if (found == nullptr) return;
    found->lost = false;
    for (auto& action : std::exchange(found->held, {})) at(now_, visitor.id, std::move(action));
    visitor.peer.handle_pair_found(found->to, now_);
  });
}

void World::take(LinkId id, std::function<void(Visitor&)> action) {
  Link* here = link(id);
  if (here == nullptr) return;
  if (here->lost) return here->held.push_back(std::move(action));
  action(*visitors[here->from]);
}

void World::cut(Visitor& from, PeerId to, Duration wait) {
  const Link* side = link(from, to);
  if (side == nullptr) return;
  const LinkId back = side->back;
  drop_link(from, to);
  notice(back, wait);
}

void World::notice(LinkId id, Duration wait) {
  const Link* side = link(id);
  if (side == nullptr) return;
  at(now_ + wait, side->from, [this, id](Visitor& visitor) {
    const Link* gone = link(id);
    if (gone == nullptr) return;
    const PeerId to = gone->to;
    drop_link(visitor, to);
    visitor.peer.handle_pair_closed(to, now_);
  });
}

std::uint64_t World::pace(Duration round_trip, double loss, std::uint64_t window) {
  auto under_way = static_cast<double>(window);
  const double lossy = loss > 0 ? 1.22 * packet_bytes / std::sqrt(loss) : under_way;
  if (window == 0 || lossy < under_way) under_way = lossy;
  return static_cast<std::uint64_t>(under_way * 1e6 / static_cast<double>(round_trip.count()));
}

Duration World::span(std::size_t bytes, std::uint64_t per_second) {
  if (per_second == 0) return Duration(0);
  return Duration(static_cast<Duration::rep>(bytes * 1'000'000 / per_second));
}

Instant World::arrive(Visitor& visitor, std::size_t bytes, std::uint64_t pace) {
  visitor.down_free_ = std::max(now_, visitor.down_free_) + span(bytes, visitor.line.down);
  if (pace == 0) return visitor.down_free_;
  visitor.origin_free_ = std::max(now_, visitor.origin_free_) + span(bytes, pace);
  return visitor.origin_free_ = std::max(visitor.origin_free_, visitor.down_free_);
}

// When it comes to the other line: after all before it on that channel.
Instant World::transmit(Visitor& sender, Link& side, int channel, std::size_t bytes) {
  sender.up_free_ = std::max(now_, sender.up_free_) + span(bytes, sender.line.up);
  side.free = std::max(std::max(now_, side.free) + span(bytes, side.pace), sender.up_free_);
  Instant arrival = side.free + side.delay + random.between(0ms, network.jitter);
  const double loss = sender.line.loss + network.loss / 2;
  while (random.chance(loss)) arrival += 2 * side.delay + 10ms;
  side.arrived[channel] = std::max(arrival, side.arrived[channel]);
  return side.arrived[channel];
}

void World::send_control(Visitor& sender, PeerId to, Bytes frame, Error offence) {
  Link* side = link(sender, to);
  if (side == nullptr || !side->open) return;
  check(frame.size() <= limits::message_bytes || sender.is_rogue(), "messages are bounded");
  if (watching) watch_control(sender, *side, frame);
  const Link* back = link(side->back);
  if (back == nullptr) return;
  const Instant arrival = transmit(sender, *side, 0, frame.size());
  const auto shared = std::make_shared<const Bytes>(std::move(frame));
  const auto taken = [this, id = side->back, shared, offence](Visitor& visitor) {
    const Link* here = link(id);
    if (here == nullptr) return;
    if (offence != Error::none) ++visitor.wronged[offence];
    visitor.peer.swarm().handle_control(here->to, *shared, now_);
  };
  at(arrival, back->from, [this, id = side->back, taken](Visitor&) { take(id, taken); });
}

void World::send_block(Visitor& sender, PeerId to, Message message) {
  Link* side = link(sender, to);
  if (side == nullptr || !side->open) return;
  const LinkId id = id_of(sender, to);
  const std::size_t bytes = message.bytes;
  const Instant arrival = transmit(sender, *side, 1, bytes);
  side->buffered += bytes;
  at(side->free, sender.id, [this, id, bytes](Visitor& visitor) {
    Link* sent = link(id);
    if (sent == nullptr) return;
    const bool was_high = sent->buffered > limits::buffered_low;
    sent->buffered -= bytes;
    if (!was_high || sent->buffered > limits::buffered_low) return;
    visitor.peer.swarm().handle_buffered(sent->to, sent->buffered, now_);
  });
  const Link* back = link(side->back);
  if (back == nullptr) return;
  const auto taken = [this, id = side->back, message = std::move(message)](Visitor& visitor) {
    const Link* here = link(id);
    if (here == nullptr) return;
    if (message.offence != Error::none) ++visitor.wronged[message.offence];
    visitor.message_ = message.tag;
    visitor.peer.swarm().handle_block(here->to, message.header, message.bytes, now_);
  };
  at(arrival, [this, visitor = back->from, bytes, id = side->back, taken] {
    if (find(visitor) == nullptr) return;
    at(arrive(*find(visitor), bytes), visitor, [this, id, taken](Visitor&) { take(id, taken); });
  });
}

// --- The law of a pair ---------------------------------------------------------------------------

void World::watch_control(Visitor& sender, Link& side, const Bytes& frame) {
  Visitor* other = sender.other(side.to);
  if (other == nullptr || other->is_rogue() || sender.is_rogue()) return;
  const auto message = swarm::wire::parse_message(frame);
  check(static_cast<bool>(message), "what is sent can be read");
  if (!message) return;
  if (const auto* request = get_if<swarm::wire::Request>(&*message)) {
    for (const auto& block : request->blocks) side.unanswered.emplace_back(request->handle, block);
    check(side.unanswered.size() <= limits::unanswered_blocks, "requests in flight are bounded");
  }
  if (const auto* reject = get_if<swarm::wire::Reject>(&*message)) {
    for (const auto& block : reject->blocks) watch_answer(side, reject->handle, block);
  }
}

void World::watch_answer(Link& holder, std::uint32_t handle, const swarm::wire::Block& block) {
  Link* asker = link(holder.back);
  if (asker == nullptr) return;
  const auto asked =
      std::find(asker->unanswered.begin(), asker->unanswered.end(), std::make_pair(handle, block));
  check(asked != asker->unanswered.end(), "a request is answered once");
  if (asked != asker->unanswered.end()) asker->unanswered.erase(asked);
}

}  // namespace peer_cdn::sim
