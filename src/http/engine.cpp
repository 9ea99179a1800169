#include "http/engine.hpp"

#include <algorithm>
#include <utility>

#include "base/range.hpp"
#include "base/site.hpp"

namespace peer_cdn {

// --- Routes --------------------------------------------------------------------------------------

Result<RouteId> Engine::add_route(std::string_view path, Strategy strategy, List<Plugin> plugins) {
  if (plugins.empty() || plugins.size() > limits::plugins_per_route) return Error::malformed_route;
  const auto id = router_.add(path);
  if (!id) return id.error();
  bool is_ours = true;
  for (const Plugin& each : plugins) is_ours &= each.kind != PluginKind::user;
  routes_.add(new Route{strategy, std::move(plugins), is_ours});  // the router counts them too
  return *id;
}

Text Engine::name_site(std::string_view scope, std::string_view manifest) {
  manifest_path_ = manifest.substr(0, manifest.find('?'));
  Text end = site_end(scope, manifest);
  has_own_names_ = !end.empty();
  return end;
}

Resource* Engine::find(std::string_view path_and_query, std::string_view destination,
                       bool may_answer) const {
  if (!may_answer) return nullptr;
  Resource* resource = commons_.manifest.find(path_and_query);
  return resource && suits(destination, resource->type) ? resource : nullptr;
}

Routed::Whose Engine::whose(RouteId id, std::string_view path_and_query,
                            std::string_view destination, bool may_answer, bool is_plain) const {
  if (disabled_) return Routed::Whose::unlisted;
  const bool is_ours = routes_[id.value].is_ours;
  if (is_ours ? !may_answer : !is_plain) return Routed::Whose::browser;
  // What is listed below our own path is of a site that lies there.
  const bool is_open = is_plain && !(is_ours && site_manifest_.is_known());
  if (is_open && !is_own(path_and_query)) return Routed::Whose::ours;
  return find(path_and_query, destination, may_answer) ? Routed::Whose::ours
                                                       : Routed::Whose::unlisted;
}

// Equal texts of open requests have equal numbers. A stream is open no longer than one of its
// readers, so it never meets a text that got its number later.
std::uint32_t Engine::number_of(std::string_view manner) {
  for (const Open& each : exchanges_) {
    if (each.manner == manner) return each.exchange.asked().manner;
  }
  return ++commons_.ids;
}

// --- The manifest --------------------------------------------------------------------------------

Error Engine::add_resource(const ResourceFields& fields) {
  auto resource = parse_resource(fields);
  if (!resource) return resource.error();
  return next_manifest_.add(std::move(resource.value())).error();
}

void Engine::commit_manifest(bool disabled, bool is_none) {
  // What was learned of a resource holds for the manifest that it was learned with; how its origin
  // sends it holds for its bytes.
  for (Resource& each : next_manifest_.resources()) {
    const Resource* before = commons_.manifest.find_path(each.path);
    if (before && before->root == each.root && before->record.is_given()) {
      each.record = before->record;
      each.learn_type();
    }
  }
  if (!exchanges_.empty() || !over_.empty())
    retired_.add(new Manifest(std::move(commons_.manifest)));
  commons_.manifest = std::move(next_manifest_);
  next_manifest_ = Manifest();
  disabled_ = disabled;
  site_manifest_.handle_used(is_none);
}

void Engine::handle_manifest_loaded(ManifestFetch fetch, double fetched_wall, std::string_view lost,
                                    Instant now) {
  const bool is_used = fetch == ManifestFetch::other;
  freshness_.handle_loaded(is_used ? fetched_wall : 0);
  if (is_used) {
    read_losses(lost, commons_.manifest);
    read_losses(written_, commons_.manifest, now + limits::write_memory);
    commons_.has_lost = !written_.empty();
  }
  go_on(now);
}

void Engine::fetch_manifest(Instant now) {
  if (freshness_.is_fetching()) return;
  freshness_.handle_fetch(now);
  commons_.commands.emplace_back(command::FetchManifest{});
}

void Engine::handle_manifest_fetched(ManifestFetch fetch, double wall, Instant now) {
  const bool is_other = fetch == ManifestFetch::other;
  const bool is_known = is_other || fetch == ManifestFetch::same;
  site_manifest_.handle_fetched(fetch);
  freshness_.handle_fetched(is_known, wall);
  if (is_known) keep_manifest(is_other);
  if (is_other) {
    // One that lists nothing (switched off, or lost in a deployment) stops all sharing, but what is
    // held is kept: switching on again must not be a flash crowd at the origin.
    may_hold_unlisted_ = commons_.manifest.size() > 0;
    if (may_hold_unlisted_) commons_.commands.emplace_back(command::DropUnlisted{});
  }
  go_on(now);
}

void Engine::keep_manifest(bool is_new) {
  const auto fetched = static_cast<std::uint64_t>(freshness_.fetched_wall());
  commons_.commands.emplace_back(command::KeepManifest{fetched, is_new});
}

Error Engine::standing() const {
  if (is_late_) return Error::registered_late;
  return site_manifest_.error();
}

void Engine::announce() {
  announced_ = standing();
  const auto open = static_cast<std::uint32_t>(open_bodies());
  // Who is told that the worker is busy keeps it alive, until it is told that it is not.
  is_told_busy_ = open > 0;
  commons_.commands.emplace_back(command::Announce{open, announced_});
}

// --- The store -----------------------------------------------------------------------------------

void Engine::handle_store_renewed() {
  if (site_manifest_.is_used()) keep_manifest(true);
}

void Engine::handle_store_begin(double asked_bytes, double browser_bytes) {
  commons_.holdings.set_quota(asked_bytes, browser_bytes);
  commons_.holdings.clear();
}

void Engine::handle_store_listed(bool ok, Instant now) {
  is_store_listed_ = true;
  // One that has not answered in time is there all the same: what comes is written when it is open.
  commons_.has_store = ok;
  go_on(now);
  // Storage that is denied, or does not answer, is tried again by the next request.
  is_store_listed_ = is_store_asked_ = ok;
}

void Engine::handle_stored(const Root& root, PieceRange run) {
  commons_.hold(root, run);
  // Before there is a manifest nobody knows what may go.
  if (freshness_.is_loaded() && commons_.holdings.is_over_quota()) {
    commons_.commands.emplace_back(command::MakeRoom{});
  }
}

// The worker writes what it was handed of the run, and makes room for it, as for what it fetched
// itself. If there is no room it tells so, and the page stores no more of the file.
void Engine::handle_unstored(const Root& root, PieceRange run) {
  auto& unstored = commons_.unstored;
  if (unstored.size() >= limits::unstored_runs) unstored.clear();
  unstored.push_back({root, run});
}

Error Engine::make_room(const Root& root, PieceRange run, bool is_full, List<Root>& dropped) {
  const Error error =
      commons_.holdings.make_room(root, run, is_full, commons_.manifest, commons_.opens(), dropped);
  // Others read it from memory until it is written.
  if (error == Error::none && !run.empty()) commons_.hold(root, run);
  return error;
}

List<Root> Engine::drop_unlisted() {
  return commons_.holdings.drop_unlisted(commons_.manifest, commons_.opens());
}

Error Engine::handle_store_done(BodyId body, const Root& root, PieceRange run,
                                StoreOutcome outcome) {
  commons_.writes.handle_done();
  const bool has_failed = outcome != StoreOutcome::stored;
  const bool was_full = std::exchange(is_store_full_, has_failed);
  if (!has_failed) return Error::none;
  commons_.holdings.forget(root, run);
  if (Part* failed = part(body)) failed->handle_store_failed();
  if (was_full || root == told_full_) return Error::none;
  told_full_ = root;
  return Error::storage_full;
}

// --- Pages ---------------------------------------------------------------------------------------

void Engine::handle_hello(PageId page, bool knows_end, Instant now) {
  if (has_own_names_ && !knows_end) return;
  commons_.pages.handle_hello(page, now);
  for (Open& each : exchanges_) each.exchange.handle_hello(now);
  // Those that went make room.
  commons_.pages.for_each(
      [&](PageId each) { commons_.commands.emplace_back(command::LookFor{each}); });
  announce();
}

void Engine::handle_page_gone(PageId page, Instant now) {
  commons_.pages.handle_bye(page);
  for_each_part([&](Part& part) { part.handle_page_gone(page, now); });
}

void Engine::handle_company(const Root& root, Instant now) {
  for_each_part([&](Part& part) {
    if (part.root() == root) part.handle_company(now);
  });
}

// --- Exchanges -----------------------------------------------------------------------------------

ExchangeId Engine::open(RouteId route, const FetchEvent& event, Instant now) {
  const ExchangeId id{++commons_.ids};
  const Route& known = routes_[route.value];
  Asked asked{id, route, event.path, event.fields.destination, event.page};
  asked.manner = number_of(event.manner);
  asked.may_answer = may_answer(event.fields);
  asked.cache = cache_use(event.fields.cache);
  asked.repeatable = Repeatable::of(event.fields);
  go_on(exchanges_.add(new Open{event.conditions,
                                event.manner,
                                is_plain(event.fields),
                                event.fields.method == "HEAD",
                                Stage::manifest,
                                {},
                                {commons_, known.strategy, known.plugins, std::move(asked)}}),
        now);
  return id;
}

void Engine::note_write(std::string_view path_and_query, Instant now) {
  // Nobody knows yet what is listed.
  if (!freshness_.is_loaded()) {
    if (written_.size() < limits::written_bytes) {
      add_loss(written_, Error::wrong_digest, path_and_query);
    }
    return;
  }
  Resource* resource = commons_.manifest.find(path_and_query);
  if (!resource) return;
  resource->lost = Error::wrong_digest;
  resource->written_until = now + limits::write_memory;
  keep_manifest(false);
}

// A request waits until the stored manifest is in memory, then for a newer one if that is old, and,
// if it is listed, for what the store holds and says of it.
void Engine::go_on(Open& open, Instant now) {
  if (open.stage == Stage::begun) return;
  const Asked& asked = open.exchange.asked();
  const bool is_ours = whose(asked.route, asked.path, asked.destination, asked.may_answer,
                             open.is_plain) == Routed::Whose::ours;
  if (open.stage == Stage::manifest) {
    if (!freshness_.is_loaded()) return;
    open.stage = Stage::freshness;
    if (is_ours && (asked.cache.validates || is_manifest_old(now))) {
      const bool waits = freshness_.may_ask(now) || freshness_.is_fetching();
      if (freshness_.may_ask(now)) fetch_manifest(now);
      if (waits && freshness_.is_worth_waiting()) open.until = now + limits::manifest_wait;
    }
  }
  if (open.stage == Stage::freshness) {
    const bool is_silent = open.until && freshness_.is_fetching();
    if (is_silent && !open.until.has_passed(now)) return;
    if (is_silent) freshness_.handle_silent();
    open.until.reset();
    open.stage = Stage::store;
  }
  if (!is_ours) {
    open.stage = Stage::begun;
    return open.exchange.fall_through();
  }
  Resource* resource = find(asked.path, asked.destination, asked.may_answer);
  if (resource) {
    const bool is_held = commons_.holdings.holds(resource->root);
    if (!is_store_listed_) {
      if (!std::exchange(is_store_asked_, true)) {
        commons_.commands.emplace_back(command::ListStore{});
      }
      // To list it the browser looks at every entry, which takes long where there are thousands. So
      // of a file that is one run its record says that it is held; if it is not, its run is found
      // gone.
      if (resource->geometry.bytes() > limits::segment_bytes) return;
      if (resource->is_record_read && !is_held) return;
    }
    if (!resource->is_record_read && (is_held || !is_store_listed_)) {
      // Once for all who wait, unless the first of them has gone.
      if (!find(ExchangeId{resource->record_asker})) {
        resource->record_asker = asked.exchange.value;
        commons_.commands.emplace_back(command::NeedRecord{asked.exchange});
      }
      return;
    }
  }
  open.stage = Stage::begun;
  begin(open, resource, now);
}

// What the page gets of a listed resource, if it is ours to say.
void Engine::begin(Open& open, Resource* resource, Instant now) {
  if (!resource) return open.exchange.start(nullptr, {}, false, false, now);
  resource->is_record_read = true;
  const Conditions asked = Conditions::of(open.conditions);
  const Condition condition = evaluate(asked, *resource);
  const auto range = parse_range(asked.range, resource->geometry.bytes());
  // What lies behind the end is the origin's to refuse: the file may have grown. What is not one
  // range is the origin's to understand: it may send several parts, or ignore the header.
  bool passes = is_lasting(resource->lost) || condition == Condition::origin ||
                (!asked.range.empty() && !range);
  // Nothing else than what is held says it.
  passes |= !open.is_plain && !open.exchange.asked().cache.takes_held;
  if (!passes && condition == Condition::not_modified) {
    return open.exchange.answer_empty(*resource, 304);
  }
  if (open.is_head) {
    // Only what was seen can be said, and only of the whole.
    passes |= resource->record.headers().empty() || !asked.range.empty();
    if (!passes) return open.exchange.answer_empty(*resource, 200);
  }
  // Other bytes may have become the right ones.
  const bool checks = resource->lost == Error::wrong_digest && !resource->is_being_written(now) &&
                      open.is_plain && asked.range.empty() &&
                      resource->geometry.bytes() <= limits::checked_bytes;
  if (passes && !checks) return open.exchange.start(nullptr, {}, true, false, now);
  open.exchange.start(resource, range, true, checks, now);
}

void Engine::handle_record(ExchangeId id, const Root& root, std::string_view text, Instant now) {
  Resource* resource = listed(id);
  // A manifest that came meanwhile may have other bytes at that path.
  if (resource && resource->root == root) {
    resource->is_record_read = true;
    resource->record.read(text);
    resource->learn_type();
    if (!is_store_listed_ && !text.empty()) {
      commons_.hold(root, resource->geometry.all());
    }
  }
  go_on(now);
}

void Engine::handle_passed(ExchangeId id, const OriginAnswer& answer, Instant now) {
  const Open* open = find(id);
  Resource* resource = listed(id);
  if (!resource || open->exchange.is_over()) return;
  const std::uint64_t total = resource->geometry.bytes();
  const auto held = parse_content_range(answer.content_range);
  // Whatever was asked: of a part only the total counts.
  const ByteRange asked_for{held ? held->range.begin : 0, total};
  const Verdict verdict = judge(answer, {total, asked_for, answer.status != 206}).verdict;
  std::string_view conditions = open->conditions;
  const bool is_whole = open->is_plain && take_line(conditions).empty();
  if (verdict == Verdict::take) {
    // Nobody compares its bytes: they may be those of the version before, out of a cache. So it
    // teaches only where its validators were given with right bytes.
    const bool says = !is_lasting(resource->lost) && resource->record.is_given() &&
                      !resource->record.denies(answer.headers);
    commons_.learn(*resource, id, answer, says);
  } else if (verdict == Verdict::busy) {
    commons_.note_busy(*resource, answer, now);
    commons_.lose(*resource, id, Error::origin_unreachable);
  } else if (is_whole && answer.status >= 200) {
    resource->forms.lost_whole = true;
    commons_.lose(*resource, id, error_of(verdict));
  }
}

void Engine::go_on(Instant now) {
  for (std::size_t i = 0; i < exchanges_.size(); ++i) go_on(exchanges_[i], now);
}

Engine::Open* Engine::find(ExchangeId id) {
  for (auto* list : {&exchanges_, &over_}) {
    for (Open& each : *list) {
      if (each.exchange.asked().exchange == id) return &each;
    }
  }
  return nullptr;
}

Part* Engine::part(BodyId body) {
  for (Part* each : commons_.parts) {
    if (each->id() == body) return each;
  }
  return nullptr;
}

Error Engine::handle_list(const Root& root, std::uint32_t status, const Digest& actual,
                          std::string_view bytes) {
  if (is_busy(status)) return Error::origin_unreachable;
  if (status / 100 != 2 || actual != root) return Error::digests_mismatch;
  Commons::Digests* list = commons_.list_of(root);
  for (Part* each : commons_.parts) {
    if (each->root() != root) continue;
    auto digests = DigestList::parse(each->body().geometry(), bytes_of(bytes));
    if (!digests) return digests.error();
    // Another request for it, which nobody waited for any more, may have come to nothing.
    if (!list) list = &commons_.lists.add(new Commons::Digests{root, {}});
    list->list = std::move(digests.value());
    each->handle_list(list->list);
  }
  return Error::none;
}

void Engine::handle_no_list(const Root& root) {
  const Commons::Digests* list = commons_.list_of(root);
  if (list && list->list.empty()) commons_.lists.erase(*list);
}

void Engine::handle_stream_head(StreamId id, const OriginAnswer& answer, Instant now) {
  Stream* stream = commons_.streams.find(id);
  if (!stream) return;
  stream->head_at = stream->heard_at = now;
  commons_.outlook.network().handle_first(now - stream->asked_at, now);
  stream->told = answer.status == 200 ? 0 : stream->asked.begin;
  stream->is_denied = stream->of.of->record.denies(answer.headers);
  // Whoever is told may leave, or end the stream for all.
  for (const Stream::Listener& each : List(stream->listeners)) {
    if (Part* told = part({each.body})) told->handle_stream_head({each.job}, answer, now);
  }
}

void Engine::handle_stream_piece(StreamId id, PieceIndex piece, std::uint64_t bytes,
                                 const Digest& digest, Instant now) {
  Stream* stream = commons_.streams.find(id);
  if (!stream) return;
  stream->told = piece + 1;
  stream->heard_at = now;
  for (const Stream::Listener& each : List(stream->listeners)) {
    if (Part* told = part({each.body}))
      told->handle_stream_piece({each.job}, id, {piece, bytes, digest}, now);
  }
}

void Engine::handle_stream_rate(StreamId id, std::uint64_t bytes, Instant now) {
  const Stream* stream = commons_.streams.find(id);
  if (stream && stream->head_at) {
    commons_.outlook.network().handle_body(bytes, *stream->head_at, now);
  }
}

void Engine::handle_stream_end(StreamId id, Error error, Instant now) {
  Stream* stream = commons_.streams.find(id);
  if (!stream) return;
  // The page gave up its own Request, for whose answer others wait.
  if (error == Error::cancelled) {
    for (const Stream::Listener& each : stream->listeners) {
      if (Part* other = part({each.body})) return other->open_stream(*stream, false);
    }
    return;
  }
  stream->ended = error;
  for (const Stream::Listener& each : List(stream->listeners)) {
    if (Part* told = part({each.body})) told->handle_end({each.job}, error, now);
  }
}

// --- Time ----------------------------------------------------------------------------------------

void Engine::handle_timeout(Instant now) {
  for_each_part([now](Part& part) { part.handle_timeout(now); });
  for (std::size_t i = 0; i < exchanges_.size(); ++i) {
    go_on(exchanges_[i], now);
    exchanges_[i].exchange.handle_timeout(now);
  }
}

Deadline Engine::next_timeout() const {
  Deadline next = sooner(commons_.writes.next_timeout(), news_.next_timeout());
  for (const Part* each : commons_.parts) next = sooner(next, each->next_timeout());
  for (const Open& each : exchanges_) {
    next = sooner(next, sooner(each.exchange.next_timeout(), each.until));
  }
  return next;
}

void Engine::settle(Instant now) {
  if (commons_.commands.empty()) over_.clear();
  if (exchanges_.empty() && over_.empty()) retired_.clear();
  commons_.settle_handed();
  while (!commons_.stored.empty()) {
    const Commons::Stored stored = commons_.stored[0];
    commons_.stored.erase(commons_.stored.begin());
    for_each_part([&](Part& part) {
      if (part.root() == stored.root) part.handle_stored(stored.run, now);
    });
  }
  for (std::size_t i = 0; i < exchanges_.size();) {
    if (!exchanges_[i].exchange.settle(now)) {
      ++i;
      continue;
    }
    commons_.commands.emplace_back(command::Over{exchanges_[i].exchange.asked().exchange});
    over_.add(exchanges_.release(i));
  }
  if (standing() != announced_) announce();
  if (std::exchange(commons_.has_lost, false)) keep_manifest(false);
  // The manifest is known to be old where the origin has other bytes.
  if (std::exchange(commons_.is_manifest_wrong, false)) {
    freshness_.expire();
    fetch_manifest(now);
  }
  auto& lists = commons_.lists;
  for (std::size_t i = 0; i < lists.size();) {
    const bool is_kept = lists.size() <= limits::lists_kept && !lists[i].list.empty();
    if (is_kept || commons_.is_open(lists[i].root)) {
      ++i;
    } else {
      lists.erase(i);
    }
  }
  const auto open = static_cast<std::uint32_t>(open_bodies());
  if ((open > 0) != is_busy_) {
    is_busy_ = open > 0;
    commons_.has_news = true;
    if (!is_busy_ && is_store_listed_ && std::exchange(may_hold_unlisted_, false)) {
      commons_.commands.emplace_back(command::DropUnlisted{});
    }
  }
  if (commons_.writes.next(!is_busy_, now)) commons_.commands.emplace_back(command::WriteNext{});
  if (std::exchange(commons_.has_news, false)) news_.handle(now);
  if (!news_.goes_out(waiting() == 0, now)) return;
  commons_.commands.emplace_back(command::TellNews{});
  if (std::exchange(is_told_busy_, is_busy_) != is_busy_) {
    commons_.commands.emplace_back(command::Busy{open});
  }
}

}  // namespace peer_cdn
