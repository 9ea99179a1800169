// Which requests are ours to answer.
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
  bool has_condition = false;  // one that may be the whole answer: http/conditions.hpp
  bool is_followed = true;     // its redirect mode is "follow"
  std::string_view mode{};     // "cors", "no-cors", "same-origin", "navigate"
  bool has_range = false;
  bool has_integrity = false;
  bool is_discreet = false;     // without credentials, or without a referrer
  bool lacks_referrer = false;  // though its policy allows one
};

// Whether the router is asked at all. If not, there is no respondWith.
//
// Not: other methods than GET and HEAD, other origins, Authorization, our bypass header, the
// scripts of workers, and "only-if-cached", which must not cause traffic. Navigations are routed.
bool may_route(const RequestFields& request);

// Whether it is a GET or HEAD.
bool is_read(const RequestFields& request);

// Whether it may change what lies at its URL: its method is not safe (RFC 9110 9.2.1).
bool is_write(const RequestFields& request);

// Whether it asks for a body, whatever the client has. Others are answered only where the manifest
// in memory lists them, and a site's middlewares never see them.
bool is_plain(const RequestFields& request);

// Whether a listed resource is answered by the manifest. What becomes a document of its own (a
// page, a frame, an SVG or PDF that is opened) is taken as not listed: the head that the origin
// sends with it, its Content-Security-Policy, Content-Disposition or Cross-Origin-*, guards the
// site, and the manifest does not know it. The same holds where the page wants to know of redirects
// ("error", "manual"), because only the origin can tell. Users' middlewares still run.
bool may_answer(const RequestFields& request);

// What a cache mode means for what we hold. The HTTP cache has the same words (Fetch, "request's
// cache mode").
struct CacheUse {
  bool takes_held = true;  // from the store, and from what a page has stored
  bool asks_peers = true;  // other visitors
  bool stores = true;      // what comes
  bool validates = false;  // against a manifest that was asked for after the request
};
CacheUse cache_use(std::string_view mode);

// How the origin is asked for something, in the words of Fetch's requests.
enum class CacheMode : std::uint8_t {
  page,  // the page's own
  reload,
  no_store,
};
struct OriginRequest {
  // The page's Request itself, which says all.
  bool is_own = false;
  CacheMode cache = CacheMode::page;
  bool is_same_origin = false;  // its mode, instead of the page's
};

// What of a page's request decides how the origin is asked.
struct Repeatable {
  bool is_own = false;  // the page's own Request may ask for all of it
  bool is_no_cors = false;
  bool is_past_cache = false;  // its cache mode already passes the HTTP cache by
  bool is_discreet = false;    // a page's own request would say more of the visitor
  static Repeatable of(const RequestFields& request);
  // As the page asked, as far as a worker can repeat it. Only the page's own Request has what the
  // browser adds by itself: client hints, Sec-Purpose, its priority, the Origin of an element that
  // is read across origins. A Request cannot be changed without losing these. With integrity it
  // would be read to its end before its first byte is passed on. To one that lacks a referrer
  // WebKit gives the worker's script as such. An answer to a range is of use only where it was
  // asked for, so the HTTP cache is left out; and the mode "no-cors" has no ranges.
  OriginRequest request(bool whole, bool reload) const;
};

// Whether a browser takes this type for that destination: a script that is no JavaScript, or a
// style that is no CSS, is blocked. The manifest's type may be a guess by the file's name, so what
// it would block is left to the origin, which sends another one (Fetch, "should response to request
// be blocked due to its MIME type"; HTML, "fetch a single module script").
bool suits(std::string_view destination, std::string_view type);

// Whether an origin is likely to compress what it sends under this type: texts, and what is as
// good as text.
bool is_compressible(std::string_view type);

// Whether a page can use what the network answered to a request that we only passed on: if not, the
// site's own caches may have something better. HTML for a script is what a server says of a path
// that is not there. A refusal (400 to 403) is the word that a page's own code asked for: what a
// visitor got before logging out is none.
bool is_usable(std::uint32_t status, std::string_view destination, std::string_view type);

}  // namespace peer_cdn
