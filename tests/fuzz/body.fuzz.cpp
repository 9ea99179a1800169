// Law: whatever the sources and the reader do, in any order and with any job, what a body passes on
// is the asked range from its first byte on, each piece once, and only pieces whose buffer the host
// was told to keep; after Done or Fail nothing comes out; and Done means all of it.
//
// Input: six bytes for the resource, the range, what is held and the opener; then two bytes a step,
// what is done and to what.
#include "http/body.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <set>

#include "base/limits.hpp"

using namespace peer_cdn;

namespace {

void check(bool law) {
  if (!law) std::abort();
}

constexpr std::uint32_t piece_bytes = 64 * 1024;

struct Host {
  Body body;
  std::set<PieceIndex> kept;
  std::uint64_t at;  // the next byte
  bool over = false;

  explicit Host(Body made) : body(std::move(made)), at(body.range().begin) {}

  void drain() {
    while (const auto output = body.poll_output()) {
      check(!over);
      if (const auto* enqueue = std::get_if<Body::Enqueue>(&*output)) {
        check(kept.erase(enqueue->piece) == 1);
        const std::uint64_t begin = std::uint64_t{enqueue->piece} * piece_bytes;
        check(begin + enqueue->begin == at && enqueue->begin < enqueue->end);
        at = begin + enqueue->end;
      }
      if (std::holds_alternative<Body::Done>(*output)) {
        check(at == body.range().end);
        over = true;
      }
      if (std::holds_alternative<Body::Fail>(*output)) over = true;
    }
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 6) return 0;
  const std::uint64_t bytes = 1 + std::uint64_t{data[0]} * 21000;
  const auto geometry = Geometry::parse(bytes, piece_bytes);
  const std::uint64_t begin = bytes * data[1] / 256;
  const std::uint64_t end = begin + 1 + (bytes - begin - 1) * data[2] / 255;
  PieceSet held(geometry->count());
  held.add(PieceRange{data[3], static_cast<PieceIndex>(data[3] + data[4] % 32)});
  const auto opener = static_cast<PluginKind>(1 + data[5] % 3);
  Host host(Body(*geometry, {begin, end}, held, opener));
  std::vector<std::uint8_t> list;
  for (PieceIndex piece = 0; piece < geometry->count(); ++piece) {
    list.insert(list.end(), Digest::bytes_size, static_cast<std::uint8_t>(piece));
  }
  host.body.handle_digests(DigestList::parse(*geometry, list).value());
  Instant now{};
  host.body.start(now);
  host.drain();
  for (std::size_t i = 6; i + 1 < size; i += 2) {
    now += Duration(500000);
    const JobId job{data[i] / 16U};
    const PieceIndex piece = data[i + 1] % geometry->count();
    Digest digest;
    digest.bytes.fill(static_cast<std::uint8_t>(piece));
    bool keep = false;
    switch (data[i] % 8) {
      case 0:
        host.body.handle_pull(std::int64_t{data[i + 1]} * 9999, now);
        break;
      case 1:
        keep = host.body.handle_piece(job, piece, geometry->bytes_of(piece), now);
        break;
      case 2:
        keep = host.body.handle_digest(job, piece, geometry->bytes_of(piece), digest, now);
        break;
      case 3:
        host.body.handle_head(job, {{data[i + 1] < 9 ? 500U : 200U, "basic", "", ""}, "", ""}, now);
        break;
      case 4:
        host.body.handle_end(job, data[i + 1] % 2 ? Error::none : Error::peer_gone, now);
        break;
      case 5:
        host.body.handle_timeout(now);
        break;
      case 6:
        host.body.handle_held({piece, piece + 3});
        break;
      default:
        if (data[i + 1] == 255) host.body.handle_cancel();
        if (data[i + 1] < 9) host.body.handle_hedge(now);
        break;
    }
    if (keep) check(host.kept.insert(piece).second);
    host.drain();
  }
  return 0;
}
