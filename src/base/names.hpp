// The names under which the parts of a site find each other. They are published, or in what
// visitors have stored. So if one changes, older parts and stores must still be understood.
#pragma once

#include <string_view>

namespace peer_cdn::names {

// The name of the worker's Cache is this and the version that the site gave.
inline constexpr std::string_view cache_prefix = "peer-cdn-v";
// Our own requests to the origin have this header, and the router never takes them.
inline constexpr std::string_view bypass_header = "x-peer-cdn";
inline constexpr std::string_view manifest_path = "/peer-cdn.json";
// Everything below this path is ours, and no route takes it, unless the manifest lists it: a site
// may lie there itself.
inline constexpr std::string_view own_path = "/peer-cdn/";
// Where digest lists are, unless the manifest says otherwise; and their keys in the store.
inline constexpr std::string_view digests_path = "/peer-cdn/digests/";
inline constexpr std::string_view store_path = "/peer-cdn/store/";
inline constexpr std::string_view records_path = "/peer-cdn/records/";
// Where the coordinator listens, unless a site says otherwise.
inline constexpr std::string_view socket_path = "/peer-cdn/ws";
// Where pages of a site that asks for it report (base/figures.hpp).
inline constexpr std::string_view report_path = "/peer-cdn/report";
// The engine's script, where it is not beside the page's own.
inline constexpr std::string_view engine_path = "/peer-cdn/engine.js";
// The channel of Redis on which coordinators reach all others. One alone is reached at this, a
// colon and its name.
inline constexpr std::string_view bus_channel = "peer-cdn:coordinators";
// The BroadcastChannel between the worker and the pages.
inline constexpr std::string_view channel = "peer-cdn";

}  // namespace peer_cdn::names
