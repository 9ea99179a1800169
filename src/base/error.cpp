#include "base/error.hpp"

#include <algorithm>
#include <array>
#include <cassert>

namespace peer_cdn {
namespace {

constexpr std::array codes = {
    std::string_view("none"),
    std::string_view("malformed-message"),
    std::string_view("malformed-manifest"),
    std::string_view("malformed-route"),
    std::string_view("message-too-long"),
    std::string_view("version-mismatch"),
    std::string_view("unknown-message"),
    std::string_view("unasked-block"),
    std::string_view("piece-out-of-bounds"),
    std::string_view("wrong-length"),
    std::string_view("request-flood"),
    std::string_view("wrong-digest"),
    std::string_view("nobody-has-it"),
    std::string_view("peer-gone"),
    std::string_view("peer-stalled"),
    std::string_view("upload-off"),
    std::string_view("no-webrtc"),
    std::string_view("no-coordinator"),
    std::string_view("no-page"),
    std::string_view("no-worker"),
    std::string_view("timed-out"),
    std::string_view("origin-changed"),
    std::string_view("origin-unreachable"),
    std::string_view("origin-unusable"),
    std::string_view("range-not-satisfiable"),
    std::string_view("not-in-manifest"),
    std::string_view("digests-mismatch"),
    std::string_view("storage-full"),
    std::string_view("storage-lost"),
    std::string_view("engine-failed"),
    std::string_view("options-differ"),
    std::string_view("plugin-failed"),
    std::string_view("cancelled"),
    std::string_view("origin-refused"),
    std::string_view("rate-limited"),
    std::string_view("too-many-peers"),
    std::string_view("shutting-down"),
};
static_assert(codes.size() == static_cast<std::size_t>(last_error) + 1);

}  // namespace

std::string_view code(Error error) {
  assert(static_cast<std::size_t>(error) < codes.size());
  return codes[static_cast<std::size_t>(error)];
}

Error error_of(std::string_view code) {
  if (code.empty()) return Error::none;
  const auto at = std::find(codes.begin(), codes.end(), code);
  return at == codes.end() ? Error::peer_gone : static_cast<Error>(at - codes.begin());
}

}  // namespace peer_cdn
