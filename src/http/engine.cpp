#include "http/engine.hpp"

#include <algorithm>

#include "base/limits.hpp"
#include "base/range.hpp"

namespace peer_cdn {
namespace {

// What the origin will answer the next time too. The trouble that it has may be over by then.
bool is_lasting(Error error) {
  return error == Error::origin_changed || error == Error::origin_unusable ||
         error == Error::digests_mismatch;
}

}  // namespace

Result<RouteId> Engine::add_route(std::string_view path, Strategy strategy,
                                  std::vector<PluginKind> plugins) {
  if (plugins.empty() || plugins.size() > limits::plugins_per_route) return Error::malformed_route;
  const auto id = router_.add("GET", path);
  if (!id) return id.error();
  Route route{strategy, static_cast<std::uint8_t>(plugins.size()), {}};
  std::copy(plugins.begin(), plugins.end(), route.plugins.begin());
  routes_.push_back(route);  // the router counts them too
  return *id;
}

Error Engine::add_resource(const ResourceFields& fields) {
  auto resource = parse_resource(fields);
  if (!resource) return resource.error();
  return next_manifest_.add(std::move(resource.value())).error();
}

void Engine::commit_manifest(bool disabled) {
  if (exchanges_.size() > 0) retired_.add({++ids_}, std::move(manifest_));
  manifest_ = std::move(next_manifest_);
  next_manifest_ = Manifest();
  disabled_ = disabled;
  has_manifest_ = true;
}

void Engine::lose(std::string_view path_and_query, Error error) {
  if (Resource* resource = manifest_.find(path_and_query)) resource->lost = error;
}

Resource* Engine::find(std::string_view path_and_query, std::string_view destination) const {
  if (!may_answer(destination)) return nullptr;
  Resource* resource = manifest_.find(path_and_query);
  if (!resource || !suits(destination, resource->type) || is_lasting(resource->lost))
    return nullptr;
  return resource;
}

Routed::Whose Engine::whose(RouteId id, std::string_view path_and_query,
                            std::string_view destination) const {
  const Route& route = routes_[id.value];
  for (std::size_t i = 0; i < route.count; ++i) {
    if (route.plugins[i] == PluginKind::user) return Routed::Whose::ours;
  }
  if (!may_answer(destination)) return Routed::Whose::browser;
  return has_manifest_ && !find(path_and_query, destination) ? Routed::Whose::unlisted
                                                             : Routed::Whose::ours;
}

void Engine::add_stored(const Root& root, PieceRange run) {
  const std::uint64_t bytes = bytes_of(root, run);
  used_bytes_ += bytes;
  // A root's runs mostly come together.
  for (auto entry = stored_.rbegin(); entry != stored_.rend(); ++entry) {
    if (entry->root != root) continue;
    entry->bytes += bytes;
    return;
  }
  stored_.push_back({root, bytes, false, false, stored_count_++});
}

Result<std::vector<Root>> Engine::make_room(const Root& root, PieceRange run, bool is_full) {
  for (StoredRoot& entry : stored_) {
    entry.listed = manifest_.find(entry.root) != nullptr;
    // Its last runs may be written after its response has ended: it does not give way to itself.
    entry.open = is_open(entry.root) || (entry.root == root && !run.empty());
  }
  // A browser that is full gives less than we hoped for: no more than what is used now.
  const std::uint64_t quota = is_full ? std::min(used_bytes_, quota_bytes_) : quota_bytes_;
  auto dropped = roots_to_drop(stored_, quota, bytes_of(root, run));
  if (!dropped) return dropped;
  for (const Root& gone : *dropped) {
    const auto entry = std::find_if(stored_.begin(), stored_.end(),
                                    [&gone](const StoredRoot& each) { return each.root == gone; });
    used_bytes_ -= entry->bytes;
    stored_.erase(entry);
  }
  return dropped;
}

// What the manifest does not list any more has an unknown piece: a run is at most one segment.
std::uint64_t Engine::bytes_of(const Root& root, PieceRange run) const {
  if (run.empty()) return 0;
  const Resource* resource = manifest_.find(root);
  if (!resource) return limits::segment_bytes;
  const Geometry& geometry = resource->geometry;
  run.end = std::min(run.end, geometry.count());
  return geometry.range_of({std::min(run.begin, run.end), run.end}).bytes();
}

bool Engine::is_open(const Root& root) const {
  return bodies_.any_of([&root](const OpenBody& body) { return body.root == root; });
}

std::vector<Root> Engine::unlisted(const std::vector<Root>& stored) const {
  std::vector<StoredRoot> roots;
  for (const Root& root : stored) {
    roots.push_back({root, 0, manifest_.find(root) != nullptr, is_open(root), 0});
  }
  return unlisted_roots(roots);
}

ExchangeId Engine::open(RouteId route, std::string_view path_and_query, std::string_view range,
                        std::string_view if_range, std::string_view destination) {
  const Route& known = routes_[route.value];
  const ExchangeId id{++ids_};
  const PluginKind* plugins = known.plugins.data();
  Exchange& exchange = exchanges_.add(id, {Chain(known.strategy, {plugins, plugins + known.count}),
                                           find(path_and_query, destination),
                                           {},
                                           std::string(destination)});
  if (exchange.resource && range_applies(if_range, entity_tag(*exchange.resource))) {
    const auto asked = parse_range(range, exchange.resource->geometry.bytes());
    // What lies behind the end is the origin's to refuse: the file may have grown.
    if (!asked) exchange.resource = nullptr;
    if (asked) exchange.asked = *asked;
  }
  return id;
}

void Engine::close(ExchangeId id) {
  exchanges_.erase(id);
  if (exchanges_.size() == 0) retired_.clear();
}

bool Engine::are_peers_sooner(std::uint64_t bytes) const {
  if (!warm_ || !peers_.measured()) return false;
  // What each has to bring yet comes first.
  std::uint64_t of_peers = bytes;
  std::uint64_t of_network = bytes;
  bodies_.any_of([&](const OpenBody& open) {
    (open.body.asks_peers() ? of_peers : of_network) += std::min(open.body.range().bytes(), bytes);
    return false;
  });
  return peers_.expected(of_peers) <= network_.expected(of_network);
}

bool Engine::asks_peers(ExchangeId id, bool known, double patience, Instant now) {
  Exchange* asked = exchange(id);
  if (!asked || !asked->resource) return true;
  asked->known = known;
  asked->patience = patience;
  const std::uint64_t bytes = asked->range().bytes();
  if (bytes > limits::small_bytes) return true;
  if (!known) return false;
  if (patience >= 1 || !asked->chain.is_hedged() || are_peers_sooner(bytes)) return true;
  if (probed_at_ && now - *probed_at_ < limits::probe_wait) return false;
  probed_at_ = now;
  return true;
}

void Engine::handle_asked(ExchangeId id, std::uint32_t plugin, Instant now) {
  Exchange* asked = exchange(id);
  if (!asked || !asked->resource) return;
  const bool is_large = asked->range().bytes() > limits::small_bytes;
  if (asked->patience >= 1 || (is_large && asked->known)) return;
  asked->chain.handle_pending(plugin, hedge_wait(*asked, warm_), now);
}

Terms Engine::terms(const Exchange& exchange) const {
  const std::uint64_t bytes = exchange.range().bytes();
  const double wait = exchange.patience * static_cast<double>(network_.expected(bytes).count());
  const bool is_short = wait < static_cast<double>(Duration(limits::hedge_delay).count());
  // A small response is hedged here: it is over before a page could share the work.
  const bool may = exchange.chain.is_hedged() && bytes > limits::small_bytes;
  return {
      may ? static_cast<std::uint32_t>(std::clamp(exchange.patience, 1.0, limits::peers_slower_max))
          : 0U,
      is_short ? Duration(static_cast<std::int64_t>(wait)) : limits::hedge_delay};
}

void Engine::handle_pending(ExchangeId id, std::uint32_t plugin, bool warm, Instant now) {
  warm_ = warm;
  bodies_.for_each([id](OpenBody& open) {
    if (open.exchange == id) open.body.handle_known();
  });
  if (Exchange* asked = exchange(id)) {
    asked->chain.handle_pending(plugin, hedge_wait(*asked, warm), now);
  }
}

// From the start of the delegate.
Duration Engine::hedge_wait(const Exchange& asked, bool warm) const {
  if (!asked.resource) return limits::hedge_delay;
  const std::uint64_t bytes = asked.range().bytes();
  const Duration patience = terms(asked).patience;
  // The page itself asks the origin then; should nothing come of that either, we do.
  if (bytes > limits::small_bytes && asked.known) return patience + limits::hedge_delay;
  if (asked.patience >= 1) return patience;
  if (!warm || !are_peers_sooner(bytes)) return Duration(0);
  return std::min<Duration>(network_.expected(bytes), limits::hedge_delay);
}

std::optional<BodyId> Engine::open_body(ExchangeId exchange_id, PluginKind opener, PieceSet held,
                                        bool attended) {
  const Exchange* asked = exchange(exchange_id);
  if (!asked || !asked->resource) return std::nullopt;
  // The network makes the page's answer of the origin's first one, not of two.
  if (asked->origin_lost) return std::nullopt;
  const Geometry& geometry = asked->resource->geometry;
  const ByteRange range = asked->range();
  if (!attended && range.bytes() > limits::unattended_bytes) return std::nullopt;
  if (opener == PluginKind::cache && !held.has_all(geometry.covering(range))) return std::nullopt;
  const BodyId id{++ids_};
  std::uint64_t window = 2 * limits::window_first_bytes;
  while (window < limits::window_bytes_max &&
         network_.expected(window) < network_.first() + limits::window_span) {
    window *= 2;
  }
  bodies_.add(id,
              {asked->resource->root, exchange_id,
               Body(geometry, range, std::move(held),
                    {opener, !asked->asked, window, asked->known, &streams_, asked->resource})});
  return id;
}

void Engine::handle_head(BodyId id, JobId job, const OriginAnswer& answer, Instant now) {
  OpenBody* open = bodies_.find(id);
  if (open && open->body.handle_head(job, answer, now)) {
    learn_type(open->exchange, answer.content_type);
  }
}

void Engine::learn_type(ExchangeId id, std::string_view type) {
  Exchange* asked = exchange(id);
  if (asked && asked->resource->type != type) asked->resource->type = std::string(type);
}

void Engine::handle_type(BodyId id, std::string_view type, Instant now) {
  OpenBody* open = bodies_.find(id);
  Exchange* asked = open ? exchange(open->exchange) : nullptr;
  if (!asked) return;
  learn_type(open->exchange, type);
  if (suits(asked->destination, type)) return;
  asked->origin_lost = true;
  open->body.handle_unfit(now);
}

Error Engine::close(BodyId id) {
  const OpenBody* open = bodies_.find(id);
  if (!open) return Error::none;
  const Error error = open->body.origin_error();
  Exchange* asked = exchange(open->exchange);
  bodies_.erase(id);
  if (error == Error::none || !asked) return Error::none;
  asked->origin_lost = true;
  if (asked->resource->lost == error) return Error::none;
  asked->resource->lost = error;
  return error;
}

}  // namespace peer_cdn
