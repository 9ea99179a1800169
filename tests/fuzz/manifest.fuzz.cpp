// Law: an accepted resource is within the limits, its cut covers every byte once, and it is found
// again by its path and by its root. Every refusal is malformed-manifest.
//
// Input: 8 bytes each of `bytes` and `pieceBytes` (as doubles), one of flags, then lines: path,
// root, type, and one header a line as "name:value".
#include "base/manifest.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "base/limits.hpp"
#include "base/path.hpp"
#include "base/text.hpp"

using namespace peer_cdn;

namespace {

void check(bool law) {
  if (!law) std::abort();
}

double take_double(std::string_view& rest) {
  double number = 0;
  if (rest.size() >= sizeof number) {
    std::memcpy(&number, rest.data(), sizeof number);
    rest.remove_prefix(sizeof number);
  }
  return number;
}

void check_geometry(const Geometry& geometry) {
  check(geometry.bytes() >= 1 && geometry.bytes() <= limits::resource_bytes_max);
  check(geometry.count() >= 1 && geometry.count() <= limits::pieces_per_resource);
  std::uint64_t at = 0;
  for (PieceIndex piece = 0; piece < geometry.count(); ++piece) {
    const ByteRange range = geometry.range_of({piece, piece + 1});
    check(range.begin == at && range.bytes() == geometry.bytes_of(piece) && range.bytes() > 0);
    check(geometry.covering(range) == PieceRange{piece, piece + 1});
    check(geometry.segment_begin(piece) <= piece && piece < geometry.segment_end(piece));
    check(geometry.segment_end(piece) <= geometry.count());
    at = range.end;
  }
  check(at == geometry.bytes());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(data, data + size);
  std::string_view rest = input;
  ResourceFields fields;
  fields.bytes = take_double(rest);
  fields.piece_bytes = take_double(rest);
  if (!rest.empty()) {
    fields.any_query = (rest.front() & 1) != 0;
    rest.remove_prefix(1);
  }
  fields.path = take_line(rest);
  fields.root = take_line(rest);
  fields.type = take_line(rest);
  // A header a line there, two lines here.
  fields.headers = rest;
  std::replace(fields.headers.begin(), fields.headers.end(), ':', '\n');

  const auto parsed = parse_resource(fields);
  if (!parsed) {
    check(parsed.error() == Error::malformed_manifest);
    return 0;
  }
  check(parsed->path == path_key(fields.path) && parsed->path.size() <= limits::path_bytes);
  check(parsed->path[0] == '/' && std::string_view(parsed->path).substr(0, 2) != "//");
  check(static_cast<double>(parsed->geometry.bytes()) == fields.bytes);
  check(to_hex(parsed->root) == fields.root);
  check(parsed->headers.size() == fields.headers.size());
  for (std::string_view headers = parsed->headers; !headers.empty();) {
    const std::string name(take_line(headers));
    const std::string value(take_line(headers));
    check(name != "content-length" && name != "content-encoding" && name != "set-cookie");
    check((name + value).find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
  }
  check_geometry(parsed->geometry);

  Manifest manifest;
  const auto added = manifest.add(*parsed);
  check(static_cast<bool>(added));
  check(manifest.find(fields.path) == *added && manifest.find(parsed->root) == *added);
  if (fields.any_query) check(manifest.find(std::string(fields.path) + "?x") == *added);
  check(!manifest.add(*parsed));
  return 0;
}
