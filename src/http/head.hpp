// The head of a response of ours: as the origin sent it, where this browser has seen that, else as
// the manifest says. Nothing of it comes from a peer.
#pragma once

#include <cstdint>
#include <optional>

#include "base/manifest.hpp"
#include "base/pieces.hpp"
#include "base/text.hpp"

namespace peer_cdn {

struct ResponseHead {
  std::uint32_t status = 200;
  std::string_view reason;  // its phrase (RFC 9112 section 4), where the origin sends any
  Text headers;             // a lower-case name and a value, a line each
};

// The strong entity tag of a resource: its root in quotes (RFC 9110 8.8.3). It is given where this
// browser has not seen the origin's.
Text entity_tag(const Resource& resource);

// `status`: 200 with the whole resource, 206 with that range of it, 304. Nothing that the origin
// may not have sent is added: a `nosniff` of our own would block what the manifest lists under a
// type that no server sends.
ResponseHead response_head(const Resource& resource, std::uint32_t status,
                           const std::optional<ByteRange>& range);

}  // namespace peer_cdn
