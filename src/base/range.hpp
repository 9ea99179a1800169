// Ranges of bytes as HTTP writes them (RFC 9110 section 14), from and to ours, which are half-open.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/pieces.hpp"
#include "base/result.hpp"
#include "base/text.hpp"

namespace peer_cdn {

// The one range of a resource of so many bytes that a Range header asks for: never empty, inside
// the resource. A last position past the end means the end. A suffix longer than the resource means
// all of it. Nothing if a server may or must ignore the header (a unit other than bytes, a
// malformed header), may answer it in several ways (several ranges, RFC 9110 14.2), or must refuse
// it, because no byte of the resource is in it (14.1.2).
std::optional<ByteRange> parse_range(std::string_view header, std::uint64_t resource_bytes);

struct ContentRange {
  ByteRange range;
  std::optional<std::uint64_t> total;  // bytes of the whole representation, if known
  bool operator==(const ContentRange&) const = default;
};

// The Content-Range of a 206: "bytes 0-5/100" or "bytes 0-5/*". malformed_message for anything else
// (RFC 9110 14.4).
Result<ContentRange> parse_content_range(std::string_view header);
// A Content-Length, which is only digits (RFC 9110 8.6).
std::optional<std::uint64_t> parse_length(std::string_view header);

// std::to_string would bring in the machinery of formatting.
void append_decimal(Text& text, std::uint64_t number);
// The Content-Range header "bytes 0-5/100". Requires that the range is not empty.
Text content_range(ByteRange range, std::uint64_t total);

}  // namespace peer_cdn
