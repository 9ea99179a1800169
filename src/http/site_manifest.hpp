// Whether the site has a manifest, by what its answers and the store say.
#pragma once

#include <cstdint>

#include "base/error.hpp"

namespace peer_cdn {

// What came of asking for the manifest, or of reading the stored one.
enum class ManifestFetch : std::uint8_t {
  failed,     // no answer, or it broke off; or nothing is stored
  unusable,   // as in ManifestAnswer (base/judge.hpp)
  malformed,  // its text is no manifest
  same,       // it is the one in use
  other,      // it is in use now
};

class SiteManifest {
 public:
  // Another one is in use. `is_none`: it stands for that the site has none.
  void handle_used(bool is_none) { state_ = is_none ? State::none : State::some; }
  void handle_fetched(ManifestFetch fetch) {
    // Where nothing is in use, and nothing came: also of a path that never answers, or breaks off.
    const bool came = fetch == ManifestFetch::same || fetch == ManifestFetch::other;
    if (came || is_used()) return;
    // What was there and could not be read is told, whatever comes of later requests.
    if (fetch == ManifestFetch::malformed) state_ = State::malformed;
    if (state_ == State::unknown) state_ = State::refused;
  }

  // Whether one is in use; it may stand for none.
  bool is_used() const { return state_ == State::some || state_ == State::none; }
  // Whether it is known what is listed. While a manifest was asked for in vain, that is nothing.
  bool is_known() const { return state_ != State::unknown; }
  // Why the site has none, as far as is known.
  Error error() const {
    if (state_ == State::malformed) return Error::malformed_manifest;
    const bool is_missing = state_ == State::none || state_ == State::refused;
    return is_missing ? Error::no_manifest : Error::none;
  }

 private:
  enum class State : std::uint8_t { unknown, refused, malformed, none, some };
  State state_ = State::unknown;
};

}  // namespace peer_cdn
