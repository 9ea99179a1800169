// The URL of an ICE server as browsers take it (RFC 7064, RFC 7065), for the page and for the doctor.

/**
 * Groups: the scheme, its s for TLS, host, port, transport. Ports above 65535 are left to the browser: they do not agree on them.
 */
export const iceUrl =
  /^\s*(?!stun.*\?)(stun|turn)(s?):(\[[^\]]+]|[^\s:/?#@["<>\\^|]+)(?::0*([1-9]\d{0,4}))?(?:\?transport=(udp|tcp))?\s*$/i;
