// What a rogue makes of its peer's messages, and what it adds to them.
#include <algorithm>

#include "swarm/wire.hpp"
#include "visitor.hpp"
#include "world.hpp"

namespace peer_cdn::sim {
namespace {

namespace wire = swarm::wire;

// None of the real peer's.
constexpr wire::Handle own_handle = 1U << 30;

}  // namespace

bool Visitor::tamper(PeerId to, Bytes& frame) {
  const auto message = wire::parse_message(frame);
  if (!message) return true;
  if (holds_alternative<wire::Hello>(*message) && !store_.empty()) {
    const Root root = store_.begin()->first;
    // Behind the hello.
    world_.after(std::chrono::milliseconds(1), id, [=](Visitor& v) { v.trouble(to, root); });
  }
  const bool advertises = faults.rogue == Rogue::advertises;
  if (advertises && holds_alternative<wire::Reject>(*message)) return false;
  const auto* have = get_if<wire::Have>(&*message);
  if (have == nullptr || store_.empty()) return true;
  const std::uint32_t count = store_.begin()->second.count();
  if (have->bitfield.size() != (count + 7) / 8) return true;
  if (faults.rogue == Rogue::claims) {
    frame = wire::encode(wire::Have{have->handle, PieceSet(count).bitfield()});
    claim(to, {have->handle, {0, count}, 0});
  }
  if (advertises) {
    PieceSet all(count);
    all.add({0, count});
    frame = wire::encode(wire::Have{have->handle, all.bitfield()});
  }
  if (faults.rogue == Rogue::tells_beyond) {
    const Visitor* asker = other(to);
    world_.send_control(*this, to, std::move(frame));
    const bool hears = asker != nullptr && asker->reading();
    world_.send_control(*this, to, wire::encode(wire::Update{have->handle, {0, count + 1}}),
                        hears ? Error::piece_out_of_bounds : Error::none);
    return false;
  }
  return true;
}

bool Visitor::tamper(PeerId, Bytes& header, std::size_t& bytes, Error& offence) {
  if (faults.rogue == Rogue::advertises) return false;
  if (!world_.random.chance(0.2)) return true;
  if (faults.rogue == Rogue::unasked_blocks) {
    wire::BlockHeader block = *wire::parse_block_header(header, bytes);
    block.handle += own_handle;
    header = wire::encode(block);
    offence = Error::unasked_block;
  }
  if (faults.rogue == Rogue::wrong_lengths) {
    bytes += world_.random.chance(0.5) ? 1 : std::size_t{0} - 1;
    offence = Error::wrong_length;
  }
  return true;
}

// Time and again while the connection is there.
void Visitor::trouble(PeerId to, const Root& root) {
  if (other(to) == nullptr) return;
  if (faults.rogue == Rogue::babbles) return babble(to);
  if (faults.rogue != Rogue::asks_beyond && faults.rogue != Rogue::floods) return;
  world_.send_control(*this, to, wire::encode(wire::Want{own_handle + ++tried_, root}));
  ask_badly(to, root);
  world_.after(world_.random.between(std::chrono::milliseconds(50), std::chrono::seconds(2)), id,
               [=](Visitor& v) { v.trouble(to, root); });
}

void Visitor::ask_badly(PeerId to, const Root& root) {
  const auto held = other(to)->store_.find(root);
  if (held == other(to)->store_.end() || held->second.empty()) return;
  const Geometry& geometry = world_.file_of(root).geometry;
  const PieceIndex piece = held->second.next_held(0);
  const wire::Block good = wire::block_at(piece, 0, geometry.bytes_of(piece));
  wire::Request request{own_handle + tried_, {good}};
  if (faults.rogue == Rogue::asks_beyond) {
    request.blocks.push_back({geometry.count(), 0, limits::block_bytes});
    return world_.send_control(*this, to, wire::encode(request), Error::piece_out_of_bounds);
  }
  request.blocks = List<swarm::wire::Block>(wire::blocks_max, good);
  for (const Error offence : {Error::none, Error::request_flood}) {
    world_.send_control(*this, to, wire::encode(request), offence);
  }
}

void Visitor::claim(PeerId to, const wire::Claim& all) {
  world_.after(std::chrono::milliseconds(500), id, [=](Visitor& v) {
    if (v.other(to) == nullptr) return;
    v.world_.send_control(v, to, wire::encode(all));
    v.claim(to, all);
  });
}

void Visitor::babble(PeerId to) {
  const Bytes junk[] = {Bytes{200, 0, 0, 0, 0}, Bytes{1, 0}, Bytes(limits::message_bytes + 1, 9)};
  const Error names[] = {Error::unknown_message, Error::malformed_message, Error::message_too_long};
  const std::uint64_t which = world_.random.below(3);
  world_.after(world_.random.between(std::chrono::milliseconds(1), std::chrono::seconds(2)), id,
               [=, this](Visitor&) { world_.send_control(*this, to, junk[which], names[which]); });
}

}  // namespace peer_cdn::sim
