// Every error of this project, once: the same word in C++, JSON, JavaScript and the docs.
//
// Input that is refused is answered with an error. A broken invariant of our own is a bug, and
// asserts.
#pragma once

#include <cstdint>
#include <string_view>

namespace peer_cdn {

enum class Error : std::uint8_t {
  none,
  // A message or a file cannot be used.
  malformed_message,
  malformed_manifest,
  malformed_route,
  message_too_long,
  version_mismatch,
  unknown_message,
  // A peer broke the protocol, so the pair is closed.
  unasked_block,
  piece_out_of_bounds,
  wrong_length,
  request_flood,
  wrong_digest,
  // One source of pieces cannot go on, so another one does.
  nobody_has_it,
  peer_gone,
  peer_stalled,
  upload_off,
  no_webrtc,
  no_coordinator,
  no_page,
  no_manifest,
  timed_out,
  // The origin.
  origin_changed,
  origin_unreachable,
  origin_unusable,
  not_in_manifest,
  digests_mismatch,
  // This browser.
  storage_full,
  storage_lost,
  engine_failed,
  registered_late,
  cancelled,
  // The coordinator.
  origin_refused,
  rate_limited,
  too_many_peers,
  shutting_down,
};
inline constexpr Error last_error = Error::shutting_down;

// Whether it says why no coordinator helps this page.
constexpr bool is_of_coordinator(Error error) {
  return error == Error::no_coordinator || error == Error::version_mismatch ||
         error >= Error::origin_refused;
}

// The kebab-case code of an error, "wrong-digest" for Error::wrong_digest. Static storage.
std::string_view code(Error error);
// The same, and empty for Error::none.
inline std::string_view code_or_nothing(Error error) {
  return error == Error::none ? std::string_view() : code(error);
}
// The error of a code that JavaScript sent: Error::none for an empty one, and peer_gone for one
// that we do not know.
Error error_of(std::string_view code);

}  // namespace peer_cdn
