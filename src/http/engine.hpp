// The worker's decisions in one place: whose a request is, what waits for a manifest or for the
// store, and what all exchanges are told.
//
//   fetch event -> open(): an Exchange -> commands, until its last byte (http/exchange.hpp)
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/limits.hpp"
#include "base/manifest.hpp"
#include "base/names.hpp"
#include "http/conditions.hpp"
#include "http/exchange.hpp"
#include "http/freshness.hpp"
#include "http/losses.hpp"
#include "http/news.hpp"
#include "http/policy.hpp"
#include "http/router.hpp"
#include "http/site_manifest.hpp"

namespace peer_cdn {

// Whose request a fetch is.
struct Routed {
  enum class Whose : std::uint8_t {
    browser,   // no route takes it, or what it becomes is not ours to answer: no respondWith
    unlisted,  // the same, because of the manifest in memory: a newer one may say otherwise
    ours,
  };
  Whose whose = Whose::browser;
  RouteId id{};
};

// A request as the fetch event shows it.
struct FetchEvent {
  RequestFields fields;
  std::string_view path;        // with its query
  std::string_view conditions;  // its Range among them (http/conditions.hpp), a line each
  // What of it the origin is told besides: credentials mode, own headers, ... Two requests with the
  // same text would have the same answer.
  std::string_view manner;
  PageId page{};  // of the requester, if it said hello
};

class Engine {
 public:
  // --- Routes: added while the worker's script first runs.
  Result<RouteId> add_route(std::string_view path, Strategy strategy, List<Plugin> plugins);
  const OwnedList<Text>& patterns() const { return router_.patterns(); }
  Text url_patterns() const { return router_.url_patterns(); }
  // The worker's script has run once. A browser asks a worker for requests only where its script
  // listened by then.
  void handle_script_ran() { has_script_run_ = true; }
  // The site registers us: registered_late if the browser will ask us for nothing.
  Error handle_registered() {
    is_late_ = has_script_run_;
    return is_late_ ? Error::registered_late : Error::none;
  }
  // Whose worker this is, by its scope and its manifest, both as paths. How the site's names end
  // (base/site.hpp).
  Text name_site(std::string_view scope, std::string_view manifest);

  // Whose request this is. `test` as in Router::match. Where all plugins of a route are ours, the
  // browser itself does what we would only pass on: what the manifest does not list, and what
  // becomes a document. The site's other listeners see it then. Before a manifest has
  // come, or was asked for in vain, nobody knows, and it is ours.
  template <class Test>
  Routed route(const RequestFields& request, std::string_view path_and_query, Test&& test) const {
    const std::string_view path = path_and_query.substr(0, path_and_query.find('?'));
    if (!may_route(request) || path == manifest_path()) return {};
    const auto id = router_.match(path, test);
    if (!id) return {};
    return {whose(*id, path_and_query, request.destination, may_answer(request), is_plain(request)),
            *id};
  }
  // Opens an exchange if the request is ours. `wall`: milliseconds of the computer's clock.
  template <class Test>
  std::optional<ExchangeId> open(const FetchEvent& event, Test&& test, Instant now, double wall) {
    wall_ms_ = wall - to_ms(now);
    if (event.fields.mode == "navigate") fetch_manifest(now);
    if (is_write(event.fields)) note_write(event.path, now);
    const Routed routed = route(event.fields, event.path, test);
    if (routed.whose == Routed::Whose::ours) return open(routed.id, event, now);
    const bool is_known = routed.whose == Routed::Whose::unlisted;
    if (is_known && is_manifest_old(now) && freshness_.may_ask(now)) fetch_manifest(now);
    return std::nullopt;
  }

  // --- The manifest: gathered entry by entry, and used when all of it is good.
  void begin_manifest() { next_manifest_ = Manifest(); }
  Error add_resource(const ResourceFields& fields);
  // `disabled`: the site's switch. Nothing is routed until a later manifest says otherwise.
  // `is_none`: the manifest stands for that the site has none.
  void commit_manifest(bool disabled, bool is_none);
  // What came of reading the stored manifest: it was fetched when the computer's clock was
  // `fetched_wall`, and this was lost then.
  void handle_manifest_loaded(ManifestFetch fetch, double fetched_wall, std::string_view lost,
                              Instant now);
  // It is to be asked for now.
  void fetch_manifest(Instant now);
  // What came of that.
  void handle_manifest_fetched(ManifestFetch fetch, double wall, Instant now);
  // What its origin cannot give, to be stored with the manifest (http/losses.hpp).
  Text manifest_losses() const { return losses_of(commons_.manifest); }

  // --- The store
  void handle_store_begin(double asked_bytes, double browser_bytes);
  void add_stored(const Root& root, PieceRange run) {
    commons_.holdings.add(root, run, commons_.manifest);
  }
  // All of it is listed, or cannot be: then we do without it.
  void handle_store_listed(bool ok, Instant now);
  // It is another one now, and empty.
  void handle_store_renewed();
  // A page stored a run.
  void handle_stored(const Root& root, PieceRange run);
  // A page could not store a run.
  void handle_unstored(const Root& root, PieceRange run);
  // The roots to drop, so that this run (empty: what is there already) fits. `is_full`: the browser
  // had no room for it, and nothing was dropped since.
  Error make_room(const Root& root, PieceRange run, bool is_full, List<Root>& dropped);
  List<Root> drop_unlisted();
  // What came of Store. The error that is to be told: once, until something is stored again, and
  // not twice in a row for one file.
  Error handle_store_done(BodyId body, const Root& root, PieceRange run, StoreOutcome outcome);

  // --- Pages
  Pages& pages() { return commons_.pages; }
  // `knows_end`: the page says how its site's names end. Pages of the release before this one do
  // not. They cannot hear a site with names of its own, nor keep its worker alive.
  void handle_hello(PageId page, bool knows_end, Instant now);
  void handle_page_gone(PageId page, Instant now);
  void handle_company(const Root& root, Instant now);

  // --- Exchanges
  Exchange* exchange(ExchangeId id) {
    Open* open = find(id);
    return open ? &open->exchange : nullptr;
  }
  // The part that has this body; null if it is over.
  Part* part(BodyId body);
  // What the origin, or the store (200), gave as the digest list of a resource, and its digest. The
  // code that says why it is none: digests_mismatch, or origin_unreachable where the trouble
  // passes.
  Error handle_list(const Root& root, std::uint32_t status, const Digest& actual,
                    std::string_view bytes);
  // There is none: the next who needs it asks again, unless another request brought it.
  void handle_no_list(const Root& root);
  // What the manifest in use says of this exchange's path, if it is listed there.
  Resource* listed(ExchangeId id) {
    const Open* open = find(id);
    return open ? commons_.manifest.find(open->exchange.asked().path) : nullptr;
  }
  // What the store has as the record of this exchange's resource, which had this root when it was
  // asked for; empty if nothing.
  void handle_record(ExchangeId id, const Root& root, std::string_view text, Instant now);
  // The request of this exchange was passed on to the origin as the page made it, and was answered.
  void handle_passed(ExchangeId id, const OriginAnswer& answer, Instant now);
  // What an answer of the origin brings.
  void handle_stream_head(StreamId stream, const OriginAnswer& answer, Instant now);
  void handle_stream_piece(StreamId stream, PieceIndex piece, std::uint64_t bytes,
                           const Digest& digest, Instant now);
  // So many bytes of its body came, without a pause of our own; it is told once.
  void handle_stream_rate(StreamId stream, std::uint64_t bytes, Instant now);
  void handle_stream_end(StreamId stream, Error error, Instant now);
  // Another request to the origin was answered after so long.
  void handle_origin_answered(Duration wait, Instant now) {
    commons_.outlook.network().handle_first(wait, now);
  }
  Outlook& outlook() { return commons_.outlook; }

  void handle_timeout(Instant now);
  Deadline next_timeout() const;
  // What follows from an event. To be called after each one.
  void settle(Instant now);
  // What the host is to do, in order. An exchange that is over is there until the host has emptied
  // the list: it may ask for its head.
  List<Command>& commands() { return commons_.commands; }
  List<Command> take_commands(Instant now) {
    settle(now);
    return std::exchange(commons_.commands, {});
  }
  // Responses that are open, and of these, those without a first byte.
  std::size_t open_bodies() const { return commons_.parts.size(); }
  std::size_t waiting() const { return commons_.waiting(); }

 private:
  struct Route {
    Strategy strategy;
    List<Plugin> plugins;
    bool is_ours = true;  // none of the site's middlewares is in it
  };
  // What a request waits for before its chain begins.
  enum class Stage : std::uint8_t { manifest, freshness, store, begun };
  struct Open {
    Text conditions;
    Text manner;
    bool is_plain;
    bool is_head;
    Stage stage = Stage::manifest;
    Deadline until{};  // for a newer manifest
    Exchange exchange;
  };

  Open* find(ExchangeId id);
  std::string_view manifest_path() const {
    return manifest_path_.empty() ? names::manifest_path : std::string_view(manifest_path_);
  }
  Routed::Whose whose(RouteId id, std::string_view path_and_query, std::string_view destination,
                      bool may_answer, bool is_plain) const;
  // The entry of a path, unless the origin has to answer for itself.
  Resource* find(std::string_view path_and_query, std::string_view destination,
                 bool may_answer) const;
  std::uint32_t number_of(std::string_view manner);
  ExchangeId open(RouteId route, const FetchEvent& event, Instant now);
  // A page may be changing what lies at this path: what is held of it does not count before the
  // origin was asked (RFC 9111 4.4). Whether the origin has taken it is not known, because the
  // browser itself does it: through a worker an upload would tell no progress.
  void note_write(std::string_view path_and_query, Instant now);
  // Whoever is told may be over then, and leave the list.
  template <class F>
  void for_each_part(F tell) {
    for (std::size_t i = commons_.parts.size(); i-- > 0;) tell(*commons_.parts[i]);
  }
  void go_on(Open& open, Instant now);
  void begin(Open& open, Resource* resource, Instant now);
  void go_on(Instant now);
  // Why the worker answers nothing, if so.
  Error standing() const;
  void announce();
  void keep_manifest(bool is_new);
  bool is_manifest_old(Instant now) const { return freshness_.is_old(to_ms(now) + wall_ms_); }

  Router router_;
  OwnedList<Route> routes_;  // by RouteId
  Text manifest_path_;       // none: names::manifest_path
  Manifest next_manifest_;
  Text written_;  // before the stored manifest was read, as losses_of() has it
  // Older ones that exchanges may point into, until none is open.
  OwnedList<Manifest> retired_;
  bool has_own_names_ = false;  // the site is not that of the whole origin with the usual manifest
  bool disabled_ = false;
  bool has_script_run_ = false;
  bool is_late_ = false;           // the site registered us when its script had run
  Error announced_ = Error::none;  // to the pages
  SiteManifest site_manifest_;
  Freshness freshness_;
  double wall_ms_ = 0;  // what the computer's clock is ahead of ours
  Commons commons_;
  OwnedList<Open> exchanges_;
  OwnedList<Open> over_;
  bool is_store_asked_ = false;
  bool is_store_listed_ = false;
  bool is_store_full_ = false;
  Root told_full_{};  // the file of which that was told last
  bool is_busy_ = false;
  bool is_told_busy_ = false;
  News news_;
  // What was open when a manifest came, perhaps to the worker before this one, may be unlisted and
  // stored.
  bool may_hold_unlisted_ = true;
};

}  // namespace peer_cdn
