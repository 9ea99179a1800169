// The judge of what the origin answered, to the worker and to a page's engine.
//
//   judge(answer, asked)   what an answer is good for, by what was asked and what the manifest says
//   may_share(answer)      whether it may be read as a listed resource, stored and offered to peers
#pragma once

#include <cstdint>
#include <string_view>

#include "base/error.hpp"
#include "base/pieces.hpp"
#include "base/time.hpp"

namespace peer_cdn {

// An answer of the origin: its status and the headers that count. Absent headers are empty.
struct OriginAnswer {
  std::uint32_t status = 0;
  // Response.type: "basic", "cors", "opaque", ... "redirected" of what another URL gave.
  std::string_view type;
  std::string_view cache_control;
  std::string_view vary;
  std::string_view content_range;
  std::string_view content_encoding;
  std::string_view content_length;
  std::string_view content_type;
  std::string_view retry_after;
  std::string_view accept_ranges;
  std::string_view reason;   // the phrase of its status line, which HTTP/2 has not
  std::string_view headers;  // all of them, a lower-case name and a value, a line each
};

// What was asked of the origin, and what the manifest says of the resource.
struct OriginQuestion {
  std::uint64_t total = 0;  // bytes of the resource, by the manifest
  ByteRange range;          // never empty, inside the resource
  bool whole = false;       // without a Range header: `range` is the resource
};

enum class Verdict : std::uint8_t {
  take,      // Judgement::range of the resource is in its body
  changed,   // the origin has other bytes than the manifest says, or none
  unusable,  // it cannot be read as the resource: for one visitor only, refused, in another form
  busy,      // the origin has trouble that passes: 408, 425, 429, and 5xx except 501 and 505
};

struct Judgement {
  Verdict verdict;
  // If the verdict is `take`: the bytes of the resource that the answer holds. A 206 begins where
  // it was asked to, a 200 at the first byte. Either may end sooner or later than it was asked to.
  ByteRange range;

  bool operator==(const Judgement&) const = default;
};

// A 206 is taken for what it holds, because many servers send less than they were asked for. Some
// do not say the total ("bytes 0-5/*"); then it is the manifest's. Another total, or a whole answer
// of another length, is another file.
Judgement judge(const OriginAnswer& answer, const OriginQuestion& asked);

// Whether this status says that there is nothing at this URL any more.
bool is_gone(std::uint32_t status);

// What the site's answer to the manifest's path is good for.
enum class ManifestAnswer : std::uint8_t {
  read,      // its text is the manifest
  none,      // the site has none, or has taken it away: then it shares nothing
  unusable,  // the site is ill, or refuses it: what is in use stays
};
ManifestAnswer judge_manifest(std::uint32_t status);

// Whether this status says of trouble that passes.
bool is_busy(std::uint32_t status);

// How long an origin that is busy asks to be left alone: the seconds of its Retry-After (RFC 9110
// 10.2.3), at most `most`; `otherwise` where it does not say. A date is as good as none.
Duration busy_time(std::string_view retry_after, Duration otherwise, Duration most);

// What is told of an error that is remembered: whoever reads a file is told of the file, not of a
// piece.
Error told(Error error);

// The error that says why an answer was not taken; Error::none for one that was.
Error error_of(Verdict verdict);

// Why the body of an answer that was taken did not bring what was wanted. `seen`: what the host saw
// of its end. Error::none: it ended by itself; wrong_length: it goes on behind the last byte that
// was wanted. Anything else is the reason as it is. `whole`: a 200.
Error judge_end(Error seen, bool whole);

// A site opts into sharing by its manifest alone. These are the conditions on top of that. Refused:
// a status other than 200 and 206; a type other than "basic" (opaque, or redirected); Cache-Control
// private or no-store, in any form, or one that cannot be parsed (RFC 9111 5.2.2); Vary (RFC 9110
// 12.5.5) beyond Accept-Encoding, Origin and the headers of a preflight, which no GET of this
// origin has. No worker can see Set-Cookie. A site that lists a resource says that it is the same
// for every visitor.
bool may_share(const OriginAnswer& answer);

}  // namespace peer_cdn
