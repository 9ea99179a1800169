// What the origin cannot give, as it is kept with the manifest in the store: over the lives of
// workers, until the manifest changes.
#pragma once

#include <string_view>

#include "base/error.hpp"
#include "base/manifest.hpp"
#include "base/text.hpp"

namespace peer_cdn {

// Whether the origin will answer so the next time too. The trouble that it has may be over by then.
bool is_lasting(Error error);

// A code and a path, a line each.
void add_loss(Text& all, Error error, std::string_view path);
// Those of each that is lost: limits::lost_resources at the most.
Text losses_of(const Manifest& manifest);
// Marks what a worker before this one kept, or what was written to before the manifest was read:
// those may be changing `until` then.
void read_losses(std::string_view kept, const Manifest& manifest, Deadline until = {});

}  // namespace peer_cdn
