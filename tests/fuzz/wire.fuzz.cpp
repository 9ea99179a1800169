// Law: an accepted message is written back as it came (but for the later fields of a hello), and an
// accepted block header describes exactly the message it came with.
#include "swarm/wire.hpp"

#include <cstdlib>

using namespace peer_cdn;
using namespace peer_cdn::swarm;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteSpan frame(data, size);
  if (const auto message = wire::parse_message(frame)) {
    const Bytes again = wire::encode(*message);
    if (again.size() > size || !std::equal(again.begin(), again.end(), data)) std::abort();
    if (again.size() != size && !holds_alternative<wire::Hello>(*message)) std::abort();
  }
  if (const auto header = wire::parse_block_header(frame, size)) {
    if (wire::block_header_bytes + header->block.bytes != size) std::abort();
    const Bytes again = wire::encode(*header);
    if (!std::equal(again.begin(), again.end(), data)) std::abort();
  }
  return 0;
}
