// Ranges of bytes as HTTP writes them (RFC 9110 section 14), and ours, which are half-open.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/pieces.hpp"
#include "base/result.hpp"

namespace peer_cdn {

// What a Range header (empty: there is none) asks of a resource of that many bytes.
//   nullopt                  the whole resource, status 200. Also for a header that a server may or
//   must
//                            ignore: another unit than bytes, malformed, or several ranges at once
//                            (RFC 9110 14.2; no browser's own loader asks for several)
//   a range                  never empty, inside the resource, status 206. A last position past the
//   end
//                            is the end; a suffix longer than the resource is all of it
//   range_not_satisfiable    well-formed, but no byte of the resource is in it (14.1.2), status 416
Result<std::optional<ByteRange>> parse_range(std::string_view header, std::uint64_t resource_bytes);

// If-Range (RFC 9110 13.1.5): whether the Range header counts. Empty: there is no such header. The
// etag is ours, quoted and strong; a date or a weak etag never matches, and the answer is whole.
bool range_applies(std::string_view if_range, std::string_view etag);

struct ContentRange {
  ByteRange range;
  std::optional<std::uint64_t> total;  // bytes of the whole representation, where they are known
  bool operator==(const ContentRange&) const = default;
};

// What an origin says its 206 holds: "bytes 0-5/100", or "bytes 0-5/*". malformed_message for
// anything else (RFC 9110 14.4).
Result<ContentRange> parse_content_range(std::string_view header);
// A Content-Length: digits only (RFC 9110 8.6).
std::optional<std::uint64_t> parse_length(std::string_view header);

// "bytes=0-5", to ask with. The range is not empty.
std::string range_header(ByteRange range);
// "bytes 0-5/100", to answer 206 with. The range is not empty.
std::string content_range(ByteRange range, std::uint64_t total);

}  // namespace peer_cdn
