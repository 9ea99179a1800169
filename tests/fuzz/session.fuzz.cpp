// Law: whatever a peer says, in whatever order, a swarm gives a reader only verified pieces, and in
// order. It sends only bytes of pieces that it holds. And it ends in silence (every timeout ahead).
//
// The input is a list of events: kind u8, then a frame's length u8 and its bytes, or the fields of
// the kind.
#include <cstdlib>

#include "base/limits.hpp"
#include "swarm/swarm.hpp"

using namespace peer_cdn;
using namespace peer_cdn::swarm;

namespace {

constexpr PeerId peer = {1};
void law(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FrameReader input(ByteSpan(data, size));
  const Geometry geometry =
      *Geometry::parse(3 * 2 * limits::block_bytes - 5, 2 * limits::block_bytes);
  Root wanted, held;
  wanted.bytes.fill(1);
  held.bytes.fill(2);
  Swarm swarm(1);
  Instant now(std::chrono::seconds(1));
  PieceIndex next = 0;
  bool good[3] = {};
  bool holds = true;
  bool ended = false;
  const Bytes zeros(3 * Digest::bytes_size);
  const auto drain = [&] {
    while (auto output = swarm.poll_output()) {
      if (const auto* o = get_if<SendBlock>(&*output)) {
        law(holds && o->root == held && o->piece < 3);
        law(o->offset + o->bytes <= geometry.bytes_of(o->piece));
      }
      if (const auto* o = get_if<TakeBlock>(&*output)) {
        law(o->root == wanted && o->offset + o->bytes <= geometry.bytes_of(o->piece));
        good[o->piece] = false;
      }
      if (const auto* o = get_if<Deliver>(&*output))
        law(!ended && o->piece == next++ && good[o->piece]);
      if (const auto* o = get_if<End>(&*output)) {
        law(!ended && (o->error != Error::none || next == 3));
        ended = true;
      }
    }
    const auto timeout = swarm.next_timeout();
    law(!timeout || *timeout > now);
  };
  swarm.handle_held(held, geometry, {0, 3}, now);
  swarm.open({1}, wanted, geometry, {{0, 3}, {true, std::chrono::milliseconds(100)}}, now);
  swarm.grant({1}, limits::mib, now);
  swarm.handle_pair_open(peer, now);
  swarm.handle_control(peer, wire::encode(wire::Message(wire::Hello{wire::version})), now);
  drain();
  for (int events = 0; input.remaining() > 0 && events < 400; ++events) {
    const auto kind = input.number<std::uint8_t>();
    const auto number = input.number<std::uint8_t>();
    const PieceIndex piece = number % 3;
    switch (kind % 15) {
      case 0:
      case 1:
        swarm.handle_control(peer, input.take(std::min<std::size_t>(number, input.remaining())),
                             now);
        break;
      case 2: {  // a block of the first handle, which was probably asked for
        const auto block =
            wire::block_at(piece, number & 64 ? limits::block_bytes : 0, geometry.bytes_of(piece));
        swarm.handle_block(peer, wire::encode(wire::BlockHeader{1, block}),
                           wire::block_header_bytes + block.bytes, now);
        break;
      }
      case 3:
        swarm.handle_block(peer, input.take(std::min<std::size_t>(16, input.remaining())), number,
                           now);
        break;
      case 4:
        now += std::chrono::milliseconds(number * 20);
        swarm.handle_timeout(now);
        break;
      case 5:
        swarm.handle_digests(wanted, *DigestList::parse(geometry, zeros), now);
        break;
      case 6:
        good[piece] = true;
        swarm.handle_digest(wanted, piece, Digest{}, now);
        break;
      case 7:
        swarm.handle_digest(wanted, piece, wanted, now);
        break;
      case 8:
        swarm.handle_pair_closed(peer, now);
        drain();
        swarm.handle_pair_open(peer, now);
        break;
      case 9:
        swarm.handle_block_sent(peer, std::uint64_t{number} * 1024, now);
        break;
      case 10:
        if (number & 1) holds = false;
        if (number & 1) swarm.handle_dropped(held, now);
        if (!(number & 1)) swarm.handle_unreadable(peer, held, piece, now);
        break;
      case 12:  // a piece of the last fetch that is whole
        if (swarm.handle_fetched({number / 3U % 4U}, piece, now)) good[piece] = false;
        break;
      case 13:
        swarm.handle_fetch_end({number / 3U % 4U}, number & 1 ? Error::none : Error::timed_out,
                               now);
        break;
      case 14:
        swarm.handle_transfer(wanted, number & 2, number & 1, now);
        break;
      default:
        swarm.handle_answered(wanted, number, now);
        swarm.handle_store_failed(wanted, {0, piece}, now);
    }
    drain();
  }
  return 0;
}
