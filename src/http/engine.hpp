// The worker's decisions in one place: one fetch from its route to its response.
//
//   fetch event -> route() -> open(): an Exchange, what was asked and the chain of its plugins
//                             open_body(): a Body, when one of our plugins answers with pieces
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.hpp"
#include "base/manifest.hpp"
#include "base/names.hpp"
#include "http/body.hpp"
#include "http/chain.hpp"
#include "http/estimate.hpp"
#include "http/eviction.hpp"
#include "http/head.hpp"
#include "http/policy.hpp"
#include "http/router.hpp"
#include "http/slots.hpp"

namespace peer_cdn {

using ExchangeId = Id<struct ExchangeTag>;
using BodyId = Id<struct BodyTag>;

// One routed request. It stays with the manifest that it began with: a newer one does not change
// what a response that has begun is made of.
struct Exchange {
  Chain chain;
  Resource* resource = nullptr;    // none: the origin answers for itself
  std::optional<ByteRange> asked;  // by a Range header that counts
  std::string destination;         // Request.destination
  // DelegatePlugin's: the share of the network's time that peers may take to begin.
  double patience = limits::patience;
  bool known = true;         // by all that was told, somebody may have it
  bool origin_lost = false;  // a body of it ended because the origin's answer could not be used

  // What the response holds. Requires a listed resource.
  ByteRange range() const { return asked ? *asked : ByteRange{0, resource->geometry.bytes()}; }
  ResponseHead head() const { return response_head(*resource, asked); }
};

// Whose request a fetch is.
struct Routed {
  enum class Whose : std::uint8_t {
    browser,   // no route takes it, or what it becomes is not ours to answer: no respondWith
    unlisted,  // the same, because the manifest in memory does not list it, or it cannot be shared
    ours,
  };
  Whose whose = Whose::browser;
  RouteId id{};
};

// What a page may do that is asked for pieces.
struct Terms {
  std::uint32_t origin;  // 0, or: fetch from the origin too, what peers do not have, or bring so
                         // many times slower than it would
  Duration patience;     // for peers that have not begun, before it does
};

class Engine {
 public:
  // --- Routes: added while the worker's script first runs.
  Result<RouteId> add_route(std::string_view path, Strategy strategy,
                            std::vector<PluginKind> plugins);
  const std::vector<std::string>& patterns() const { return router_.patterns(); }
  void set_manifest_path(std::string path) { manifest_path_ = std::move(path); }

  // Whose request this is. `test` as in Router::match. Where all plugins of a route are ours, the
  // browser itself does what we would only pass on: what the manifest does not list, and what
  // becomes a document. The site's other listeners see it then. Before there is a manifest in
  // memory nobody knows, and it is ours.
  template <class Test>
  Routed route(const RequestFields& request, std::string_view path_and_query, Test&& test) const {
    const std::string_view path = path_and_query.substr(0, path_and_query.find('?'));
    if (disabled_ || !may_route(request) || is_reserved(path, manifest_path_)) return {};
    const auto id = router_.match(request.method, path, test);
    if (!id) return {};
    return {whose(*id, path_and_query, request.destination), *id};
  }

  // --- The manifest: gathered entry by entry, and used when all of it is good.
  void begin_manifest() { next_manifest_ = Manifest(); }
  Error add_resource(const ResourceFields& fields);
  // `disabled`: the site's switch. Nothing is routed until a later manifest says otherwise.
  void commit_manifest(bool disabled);
  // A worker before this one was told so of the origin of a resource that is listed.
  void lose(std::string_view path_and_query, Error error);
  // Of these stored roots, what nobody will be given any more.
  std::vector<Root> unlisted(const std::vector<Root>& stored) const;

  // --- The store: what its keys say, kept within a quota by dropping whole roots.
  void set_quota(std::uint64_t bytes) { quota_bytes_ = bytes; }
  void clear_stored() {
    stored_.clear();
    used_bytes_ = 0;
  }
  // A run is stored, or about to be. The order of the calls is the age of the roots.
  void add_stored(const Root& root, PieceRange run);
  // Whether that run (empty: what is there already) fits.
  bool fits(const Root& root, PieceRange run) const {
    return used_bytes_ + bytes_of(root, run) <= quota_bytes_;
  }
  // The roots to drop, and forgotten here, so that the run fits. `is_full`: the browser refused it,
  // whatever the quota. storage_full if that cannot be done without what is open.
  Result<std::vector<Root>> make_room(const Root& root, PieceRange run, bool is_full);

  // --- Exchanges and bodies: open until they are closed, under numbers that are not used again.
  ExchangeId open(RouteId route, std::string_view path_and_query, std::string_view range,
                  std::string_view if_range, std::string_view destination = {});
  Exchange* exchange(ExchangeId id) { return exchanges_.find(id); }
  void close(ExchangeId id);

  // --- Peers or the network: by what either has needed lately.
  Estimate& network() { return network_; }
  // From the request to the first piece, by pages that were connected already; the rate of small
  // responses that came from peers whole.
  Estimate& peers() { return peers_; }
  // A peer brought something: a page has an open pair.
  void handle_warm() { warm_ = true; }
  // Whether a delegate is to ask a page; `known`: somebody may have it. A page looks out for others
  // who want a large one too. A small one is asked of peers only when they are known to be sooner
  // than the network; now and then one is asked of both, or nobody would notice that they are.
  bool asks_peers(ExchangeId id, bool known, double patience, Instant now);
  // It asks one. The network does not wait for its word when nothing says that peers are sooner.
  void handle_asked(ExchangeId id, std::uint32_t plugin, Instant now);
  Terms terms(const Exchange& exchange) const;
  // A page knows somebody who has it; `warm`: and is connected to one.
  void handle_pending(ExchangeId id, std::uint32_t plugin, bool warm, Instant now);

  // A body for an exchange, from what is held and what the opener may use. None if the opener
  // cannot answer: the resource is not listed, the store lacks a piece and only the store is asked,
  // or no page is there to keep the worker alive for so long a body (limits::unattended_bytes).
  std::optional<BodyId> open_body(ExchangeId id, PluginKind opener, PieceSet held, bool attended);
  Body* body(BodyId id) {
    OpenBody* open = bodies_.find(id);
    return open ? &open->body : nullptr;
  }
  // Body::handle_head(). The type that the origin sends with a resource is kept.
  void handle_head(BodyId id, JobId job, const OriginAnswer& answer, Instant now);
  // The store remembers with which type the origin sent it. Where that does not suit the request,
  // the origin answers for itself: it may have mended the type.
  void handle_type(BodyId id, std::string_view type, Instant now);
  // What its origin turned out to be is remembered until the manifest changes: such a resource
  // passes through untouched. Gives the code that is to be told, once for each resource.
  Error close(BodyId id);
  std::size_t open_bodies() const { return bodies_.size(); }

 private:
  struct Route {
    Strategy strategy;
    std::uint8_t count;
    std::array<PluginKind, limits::plugins_per_route> plugins;
  };
  struct OpenBody {
    Root root;
    ExchangeId exchange;
    Body body;
  };
  Routed::Whose whose(RouteId id, std::string_view path_and_query,
                      std::string_view destination) const;
  // The entry of a path, unless the origin has to answer for itself.
  Resource* find(std::string_view path_and_query, std::string_view destination) const;
  void learn_type(ExchangeId id, std::string_view type);
  std::uint64_t bytes_of(const Root& root, PieceRange run) const;
  bool is_open(const Root& root) const;
  // For one response more.
  bool are_peers_sooner(std::uint64_t bytes) const;
  Duration hedge_wait(const Exchange& exchange, bool warm) const;

  Router router_;
  std::vector<Route> routes_;  // by RouteId
  std::string manifest_path_{names::manifest_path};
  Manifest manifest_;
  Manifest next_manifest_;
  // Older ones that exchanges may point into, until none is open.
  Slots<Id<struct ManifestTag>, Manifest> retired_;
  bool has_manifest_ = false;
  bool disabled_ = false;
  Slots<ExchangeId, Exchange> exchanges_;
  Streams streams_;
  Slots<BodyId, OpenBody> bodies_;
  std::uint32_t ids_ = 0;
  std::vector<StoredRoot> stored_;
  std::uint64_t stored_count_ = 0;
  std::uint64_t used_bytes_ = 0;
  std::uint64_t quota_bytes_ = limits::store_bytes;
  Estimate network_;
  Estimate peers_;
  bool warm_ = false;
  std::optional<Instant> probed_at_;
};

}  // namespace peer_cdn
