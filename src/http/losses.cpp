#include "http/losses.hpp"

#include "base/limits.hpp"

namespace peer_cdn {

bool is_lasting(Error error) {
  return error == Error::origin_changed || error == Error::origin_unusable ||
         error == Error::wrong_digest || error == Error::digests_mismatch;
}

void add_loss(Text& all, Error error, std::string_view path) {
  (((all += code(error)) += "\n") += path) += "\n";
}

Text losses_of(const Manifest& manifest) {
  Text all;
  std::size_t left = limits::lost_resources;
  for (const Resource& each : manifest.resources()) {
    if (!is_lasting(each.lost) || left == 0) continue;
    --left;
    add_loss(all, each.lost, each.path);
  }
  return all;
}

void read_losses(std::string_view kept, const Manifest& manifest, Deadline until) {
  while (!kept.empty()) {
    const Error error = error_of(take_line(kept));
    Resource* resource = manifest.find(take_line(kept));
    if (!resource || !is_lasting(error)) continue;
    resource->lost = error;
    resource->written_until = until;
  }
}

}  // namespace peer_cdn
