// One spelling for all the spellings of a path.
#pragma once

#include <string_view>

#include "base/text.hpp"

namespace peer_cdn {

// The key by which paths are compared, of a URL's path and query. File servers decode a path before
// they look for the file, so "/%40a" and "/@a" are one file to them, and here; RFC 3986 would part
// them. Printable ASCII is decoded. What would mean something else then, or what no URL shows,
// stays encoded with its hex digits in lower case: "/", "\", "%", "?", "#", controls, all beyond
// ASCII. The query is kept as it is.
Text path_key(std::string_view path_and_query);

}  // namespace peer_cdn
