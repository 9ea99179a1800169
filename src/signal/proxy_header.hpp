// The PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt): a balancer that does not
// speak HTTP says in front of a connection's bytes whose connection it is.
#pragma once

#include <cstddef>
#include <optional>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/text.hpp"

namespace peer_cdn::signal {

struct ProxyHeader {
  std::size_t bytes = 0;  // of the header: what follows is the connection's own
  // The visitor's address: "203.0.113.7", or eight groups of IPv6. Empty if the proxy does not know
  // it, or if the connection is the proxy's own (a check).
  Text address;
};

// Reads the header at the front of what a connection has sent so far. Nothing: the header goes on.
// Errors: malformed_message; message_too_long (beyond limits::proxy_header_bytes).
Result<std::optional<ProxyHeader>> read_proxy_header(ByteSpan bytes);

}  // namespace peer_cdn::signal
