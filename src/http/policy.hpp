// What may be routed, and which of the origin's answers may be stored and shared.
//
// Sharing itself is opted into by the manifest alone; these are the conditions on top of it.
#pragma once

#include <cstdint>
#include <string_view>

namespace peer_cdn {

// A request as the fetch event shows it. Texts are the platform's own words (Request.mode, ...).
struct RequestFields {
  std::string_view method;
  bool same_origin = false;      // its URL's origin is the worker's
  std::string_view destination;  // "", "script", "worker", ...
  std::string_view cache;        // "default", "no-store", "only-if-cached", ...
  bool has_authorization = false;
  bool has_bypass = false;     // the header x-peer-cdn: the page's own reads of the origin
  bool has_condition = false;  // If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since
};

// Whether the router is asked at all. If not, there is no respondWith.
//
// Not: other methods than GET, other origins, Authorization, our bypass header, the scripts of
// workers, conditional requests (the page wants to see a 304, which only the origin can give), and
// "only-if-cached", which must not cause traffic. Other cache modes and navigations are routed:
// they speak of the HTTP cache, a service worker comes before it, and what we answer from is
// checked against a manifest of at most limits::manifest_age.
bool may_route(const RequestFields& request);

// Whether a listed resource is answered by the manifest. What becomes a document of its own (a
// page, a frame, an SVG or PDF that is opened) is taken as not listed: the head that the origin
// sends with it, its Content-Security-Policy, Content-Disposition or Cross-Origin-*, guards the
// site, and the manifest does not know it. Users' middlewares still run.
bool may_answer(std::string_view destination);

// An answer of the origin. Absent headers are empty.
struct ResponseFields {
  std::uint32_t status = 0;
  std::string_view type;  // Response.type: "basic", "cors", "opaque", ...
  std::string_view cache_control;
  std::string_view vary;
};

// Whether a listed resource's answer may be read as such, stored and offered to peers. If not, it
// passes through to the page as it is. Refused: a status other than 200 and 206; a type other than
// "basic" (opaque, or redirected to another origin); Cache-Control private or no-store, in any
// form, or one that cannot be parsed (RFC 9111 5.2.2); Vary beyond Accept-Encoding (RFC
// 9110 12.5.5). Set-Cookie is invisible here: that a site lists a resource says that it is nobody's
// own.
bool may_share(const ResponseFields& response);

}  // namespace peer_cdn
