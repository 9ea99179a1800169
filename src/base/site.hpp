// A site of an origin.
#pragma once

#include <string_view>

#include "base/text.hpp"

namespace peer_cdn {

// How the names of a site end: a site is a scope and a manifest, both as paths. Two sites of one
// origin have no name in common (Cache, lock, BroadcastChannel, what is kept of the visitor's
// choices). The site of a whole origin with the usual manifest has the published names, so its end
// is empty. Any other has its scope, " /shop/", and its manifest if that is not the usual one.
// Neither can have a space, because both are parts of a URL.
Text site_end(std::string_view scope, std::string_view manifest);

}  // namespace peer_cdn
