#include "http/engine.hpp"

#include <algorithm>

#include "base/limits.hpp"
#include "http/eviction.hpp"
#include "http/range.hpp"

namespace peer_cdn {

ResponseHead Exchange::head() const {
  return satisfiable ? response_head(*resource, asked) : unsatisfiable_head(*resource);
}

Result<RouteId> Engine::add_route(std::string_view path, Strategy strategy,
                                  std::vector<PluginKind> plugins) {
  if (plugins.empty() || plugins.size() > limits::plugins_per_route) return Error::malformed_route;
  const auto id = router_.add("GET", path);
  if (!id) return id.error();
  if (routes_.size() <= id->value) routes_.resize(id->value + 1);
  routes_[id->value] = {strategy, std::move(plugins)};
  return *id;
}

Error Engine::add_resource(const ResourceFields& fields) {
  auto resource = parse_resource(fields);
  if (!resource) return resource.error();
  return next_manifest_.add(std::move(resource.value())).error();
}

void Engine::commit_manifest(bool disabled) {
  manifest_ = std::move(next_manifest_);
  next_manifest_ = Manifest();
  disabled_ = disabled;
}

std::vector<Root> Engine::unlisted(const std::vector<Root>& stored) const {
  std::vector<StoredRoot> roots;
  for (const Root& root : stored) {
    const bool open = std::any_of(bodies_.begin(), bodies_.end(),
                                  [&root](const auto& slot) { return slot.second->root == root; });
    roots.push_back({root, 0, manifest_.find(root) != nullptr, open, 0});
  }
  return unlisted_roots(roots);
}

ExchangeId Engine::open(RouteId route, std::string_view path_and_query, std::string_view range,
                        std::string_view if_range) {
  const Route& known = routes_[route.value];
  auto exchange =
      std::make_unique<Exchange>(Exchange{Chain(known.strategy, known.plugins), {}, {}});
  if (const Resource* resource = manifest_.find(path_and_query)) {
    exchange->resource = *resource;
    if (range_applies(if_range, entity_tag(*resource))) {
      const auto asked = parse_range(range, resource->geometry.bytes());
      exchange->satisfiable = static_cast<bool>(asked);
      if (asked) exchange->asked = *asked;
    }
  }
  const ExchangeId id{++ids_};
  exchanges_.emplace_back(id, std::move(exchange));
  return id;
}

std::optional<BodyId> Engine::open_body(ExchangeId exchange_id, PluginKind opener, PieceSet held,
                                        bool attended) {
  const Exchange* asked = exchange(exchange_id);
  if (!asked || !asked->resource || !asked->satisfiable) return std::nullopt;
  const Geometry& geometry = asked->resource->geometry;
  const ByteRange range = asked->range();
  if (!attended && range.bytes() > limits::unattended_bytes) return std::nullopt;
  if (opener == PluginKind::cache && !held.has_all(geometry.covering(range))) return std::nullopt;
  const BodyId id{++ids_};
  bodies_.emplace_back(
      id, std::make_unique<OpenBody>(
              OpenBody{asked->resource->root, Body(geometry, range, std::move(held), opener)}));
  return id;
}

}  // namespace peer_cdn
