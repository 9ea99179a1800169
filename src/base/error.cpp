#include "base/error.hpp"

#include <cassert>
#include <cstddef>

#include "base/text.hpp"

namespace peer_cdn {
namespace {

constexpr std::string_view codes =
    "none\n"
    "malformed-message\n"
    "malformed-manifest\n"
    "malformed-route\n"
    "message-too-long\n"
    "version-mismatch\n"
    "unknown-message\n"
    "unasked-block\n"
    "piece-out-of-bounds\n"
    "wrong-length\n"
    "request-flood\n"
    "wrong-digest\n"
    "nobody-has-it\n"
    "peer-gone\n"
    "peer-stalled\n"
    "upload-off\n"
    "no-webrtc\n"
    "no-coordinator\n"
    "no-page\n"
    "no-manifest\n"
    "timed-out\n"
    "origin-changed\n"
    "origin-unreachable\n"
    "origin-unusable\n"
    "not-in-manifest\n"
    "digests-mismatch\n"
    "storage-full\n"
    "storage-lost\n"
    "engine-failed\n"
    "registered-late\n"
    "cancelled\n"
    "origin-refused\n"
    "rate-limited\n"
    "too-many-peers\n"
    "shutting-down\n";
static_assert(line_of(codes, "shutting-down") == static_cast<std::size_t>(last_error));

}  // namespace

std::string_view code(Error error) {
  assert(error <= last_error);
  std::string_view rest = codes;
  for (auto before = static_cast<unsigned>(error); before > 0; --before) take_line(rest);
  return take_line(rest);
}

Error error_of(std::string_view code) {
  if (code.empty()) return Error::none;
  const std::size_t at = line_of(codes, code);
  return at == std::string_view::npos ? Error::peer_gone : static_cast<Error>(at);
}

}  // namespace peer_cdn
