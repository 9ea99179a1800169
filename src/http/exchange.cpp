#include "http/exchange.hpp"

#include <algorithm>
#include <utility>

#include "base/variant.hpp"

namespace peer_cdn {
Exchange::Exchange(Commons& commons, Strategy strategy, const List<Plugin>& plugins, Asked asked)
    : commons_(commons),
      plugins_(plugins),
      strategy_(strategy),
      chain_(strategy),
      asked_(std::move(asked)) {
  for (const Plugin& each : plugins_) {
    chain_.add(each.kind);
    answers_.push_back({});
    asked_.has_delegate |= each.kind == PluginKind::delegate;
  }
  asked_.is_hedged = chain_.is_hedged();
}

void Exchange::start(Resource* resource, std::optional<ByteRange> part, bool is_listed, bool checks,
                     Instant now) {
  asked_.checks = checks;
  is_listed_ = is_listed;
  asked_.resource = resource;
  asked_.part = part;
  // A page gives what it has stored before it asks anybody.
  if (resource && !asked_.cache.takes_held && commons_.holdings.holds(resource->root)) {
    asked_.cache.asks_peers = false;
  }
  if (resource) {
    const Geometry& geometry = resource->geometry;
    commons_.commands.emplace_back(command::Begin{asked_.exchange, geometry.bytes(),
                                                  geometry.piece_bytes(), asked_.range().bytes()});
  }
  chain_.start(now);
  run_chain(now);
}

void Exchange::answer_empty(Resource& resource, std::uint32_t status) {
  asked_.resource = &resource;
  status_ = status;
  is_answered_ = true;
  if (resource.record.give(entity_tag(resource))) commons_.keep_record(asked_.exchange);
  commons_.commands.emplace_back(command::AnswerEmpty{asked_.exchange});
}

void Exchange::fall_through() {
  is_answered_ = true;
  commons_.commands.emplace_back(command::FallThrough{asked_.exchange});
}

bool Exchange::handle_answer(std::uint32_t plugin, bool has_response, BodyId made, Instant now) {
  if (!chain_.is_running(plugin)) return false;
  answers_[plugin] = made;
  chain_.handle_answer(plugin, has_response ? Answer::response : Answer::null, now);
  run_chain(now);
  // A middleware may give a response of ours long after all of it came.
  const Part* part = find(answer_);
  if (is_answered_ && (!part || part->is_over())) await_puts(now);
  return true;
}

GetId Exchange::handle_get(const Plugin& what, Instant now) {
  if (is_over_) return {};
  const GetId id{++commons_.ids};
  Get get;
  get.id = id;
  get.what = what;
  begin(get, now);
  run_chain(now);
  return id;
}

Part* Exchange::find(BodyId body) {
  for (Part& part : parts_) {
    if (part.id() == body) return &part;
  }
  return nullptr;
}

// --- The chain -----------------------------------------------------------------------------------

void Exchange::run_chain(Instant now) {
  while (const auto output = chain_.poll_output()) {
    match(*output, [&](const auto& it) { perform(it, now); });
  }
}

void Exchange::perform(const Chain::Start& start, Instant now) {
  const Plugin& plugin = plugins_[start.plugin];
  if (plugin.kind == PluginKind::user) {
    commons_.commands.emplace_back(command::Ask{asked_.exchange, asked_.route, start.plugin});
    return;
  }
  Get get;
  get.plugin = start.plugin;
  get.what = plugin;
  begin(get, now);
}

void Exchange::perform(const Chain::Abort& abort, Instant now) {
  aborted_ |= 1U << static_cast<unsigned>(plugins_[abort.plugin].kind);
  std::size_t i = 0;
  while (i < gets_.size() &&
         (gets_[i].id != GetId{} || gets_[i].is_put || gets_[i].plugin != abort.plugin)) {
    ++i;
  }
  if (i == gets_.size()) return;
  const BodyId body = gets_[i].body;
  gets_.erase(i);
  // A part that the network has joined is the answer of both plugins.
  Part* part = find(body);
  if (part && body != answer_) part->cancel(now);
}

void Exchange::perform(const Chain::Respond& respond, Instant /*now*/) {
  is_answered_ = true;
  const BodyId body = answers_[respond.plugin];
  const Part* part = find(body);
  if (!part || !part->has_passed()) answer_ = body;
  const bool holds = part && part->opener() != PluginKind::cache && asked_.cache.stores;
  commons_.commands.emplace_back(command::Respond{asked_.exchange, respond.plugin, body, holds});
}

// Never a copy of a stream of ours, which would be pulled whole into memory: it is read back from
// the store when all of it was passed on. What our own plugins gave is stored as it comes, by
// whoever verified it.
void Exchange::perform(const Chain::Put& put, Instant /*now*/) {
  if (plugins_[put.plugin].kind != PluginKind::user) return;
  if (answer_ != BodyId{}) {
    puts_.push_back(put.plugin);
  } else {
    commons_.commands.emplace_back(command::Put{asked_.exchange, put.plugin, {}});
  }
}

void Exchange::perform(const Chain::GiveUp& give_up, Instant /*now*/) {
  commons_.commands.emplace_back(command::GiveUp{asked_.exchange, give_up.plugin});
}

// What the network cannot give is read from the store, though no page keeps the worker alive for so
// long a body: it may end early, but else there is none.
void Exchange::perform(const Chain::FallThrough& /*none*/, Instant now) {
  const std::uint32_t cache = plugin_of(PluginKind::cache);
  const bool has_failed = plugin_of(PluginKind::network) < plugins_.size();
  if (is_last_ || !has_failed || cache == plugins_.size()) return fall_through();
  is_last_ = true;
  Get get;
  get.plugin = cache;
  get.what = plugins_[cache];
  chain_.start_again(cache, now);
  begin(get, now);
}

std::uint32_t Exchange::plugin_of(PluginKind kind) const {
  std::uint32_t at = 0;
  while (at < plugins_.size() && plugins_[at].kind != kind) ++at;
  return at;
}

// --- Plugins of ours -----------------------------------------------------------------------------

void Exchange::begin(Get get, Instant now) {
  const PluginKind kind = get.what.kind;
  const bool may = kind == PluginKind::network    ? true
                   : asked_.checks                ? false
                   : kind == PluginKind::delegate ? asked_.cache.asks_peers
                                                  : asked_.cache.takes_held;
  if (!asked_.resource || !may) return settle(get, nullptr, now);
  if (kind == PluginKind::delegate) {
    asked_.known = commons_.pages.may_be_present(asked_.resource->root);
    asked_.patience = get.what.patience;
    if (!commons_.outlook.asks_peers(wish(), now)) {
      return settle(get, nullptr, now);
    }
  }
  if (kind == PluginKind::network && asked_.resource->is_spared(now)) {
    return settle(get, nullptr, now);
  }
  if (kind == PluginKind::network && strategy_ == Strategy::ordered) {
    for (Part& part : parts_) {
      const bool waits = part.opener() == PluginKind::delegate && !part.has_begun();
      if (!waits || part.is_over()) continue;
      // Peers take long, or nothing says that they do not: the origin begins, in the same part.
      get.body = part.id();
      gets_.push_back(get);
      return part.handle_hedge(now);
    }
  }
  // Only a long body needs a page that keeps the worker alive.
  const bool is_long = asked_.range().bytes() > limits::unattended_bytes;
  const bool needs_page = kind == PluginKind::delegate || is_long;
  const bool has_page = needs_page && commons_.pages.choose(asked_.page);
  // A small response does not wait for a page that has yet to say hello.
  if (!has_page && is_long) get.page_until = commons_.pages.hello_until(now);
  if (get.page_until) return gets_.push_back(get);
  open_part(get, has_page, now);
}

void Exchange::go_on(Instant now, bool has_hello) {
  for (std::size_t i = 0; i < gets_.size();) {
    const Deadline until = gets_[i].page_until;
    if (!until || !(has_hello || until.has_passed(now))) {
      ++i;
      continue;
    }
    Get get = gets_[i];
    get.page_until.reset();
    gets_.erase(i);
    open_part(get, has_hello, now);
    run_chain(now);
    i = 0;
  }
}

// None if the plugin cannot answer: nobody is there to be asked, the store lacks a piece and only
// the store is asked, or no page is there to keep the worker alive for so long a body.
void Exchange::open_part(Get get, bool has_page, Instant now) {
  const PluginKind kind = get.what.kind;
  const Geometry& geometry = asked_.resource->geometry;
  const ByteRange range = asked_.range();
  const bool can = kind == PluginKind::delegate ? has_page
                   : kind == PluginKind::cache
                       ? commons_.holdings.pieces(asked_.resource->root, geometry.count())
                             .has_all(geometry.covering(range))
                       : true;
  const bool is_attended = has_page || is_last_ || range.bytes() <= limits::unattended_bytes;
  // The network makes the page's answer of the origin's first one, not of two.
  if (!can || !is_attended || has_lost_origin_ || (lost(kind) && !get.is_put)) {
    return settle(get, nullptr, now);
  }
  get.body = {++commons_.ids};
  gets_.push_back(get);
  parts_.add(new Part({get.body, kind, has_page, get.what.timeout}, asked_, commons_, now))
      .start(now);
  // The network does not wait for a page's word when nothing says that peers are sooner.
  const bool is_of_chain = get.id == GetId{};
  if (kind != PluginKind::delegate || !is_of_chain || Outlook::waits_for_word(asked_.wish()))
    return;
  chain_.handle_pending(get.plugin, commons_.outlook.hedge_wait(wish()), now);
}

bool Exchange::follow(Part& part, Instant now) {
  if (const auto warm = part.take_pending()) {
    commons_.outlook.handle_warm(*warm);
    // What is known now holds for all of its parts.
    for (std::size_t i = 0; i < parts_.size(); ++i) parts_[i].handle_known(now);
    if (asked_.has_delegate) {
      chain_.handle_pending(plugin_of(PluginKind::delegate), commons_.outlook.hedge_wait(wish()),
                            now);
    }
    run_chain(now);
    return true;
  }
  has_lost_origin_ |= part.has_lost_origin();
  if (part.is_settled || !(part.has_begun() || part.has_passed() || part.is_over())) return false;
  part.is_settled = true;
  settle(part, now);
  return true;
}

bool Exchange::settle(Instant now) {
  // What one of them gave may open another.
  for (std::size_t i = 0; i < parts_.size();) i = follow(parts_[i], now) ? 0 : i + 1;
  for (std::size_t i = parts_.size(); i-- > 0;) {
    if (!parts_[i].is_over()) continue;
    if (parts_[i].id() == answer_) {
      if (!parts_[i].is_complete()) puts_.clear();
      await_puts(now);
    }
    parts_.erase(i);
  }
  begin_puts(now);
  return is_over_ = is_answered_ && parts_.empty() && gets_.empty() && puts_.empty();
}

// The delegate's own get before that of the network which has joined it.
void Exchange::settle(const Part& part, Instant now) {
  for (std::size_t i = 0; i < gets_.size();) {
    if (gets_[i].body != part.id()) {
      ++i;
      continue;
    }
    const Get get = gets_[i];
    gets_.erase(i);
    settle(get, &part, now);
    run_chain(now);
    i = 0;
  }
}

// `part`: whose first byte, or whose end without one; null if there was none.
void Exchange::settle(const Get& get, const Part* part, Instant now) {
  auto& commands = commons_.commands;
  const ExchangeId id = asked_.exchange;
  const bool has_body = part && (part->has_begun() || part->has_passed());
  if (get.is_put) {
    if (has_body) commands.emplace_back(command::Put{id, get.plugin, part->id()});
    return;
  }
  if (has_body) {
    if (get.id != GetId{}) {
      // The origin's own answer is there once.
      bool is_wanted = false;
      for (const Get& each : gets_) is_wanted |= each.body == part->id();
      for (const BodyId each : answers_) is_wanted |= each == part->id();
      commands.emplace_back(
          command::Settle{id, get.id, part->id(), is_wanted && part->has_passed()});
      return;
    }
    answers_[get.plugin] = part->id();
    const bool is_stored = get.what.kind == PluginKind::cache;
    return chain_.handle_answer(get.plugin, is_stored ? Answer::stored_response : Answer::response,
                                now);
  }
  const bool is_network = get.what.kind == PluginKind::network;
  if (is_network && part && part->opener() == PluginKind::delegate) {
    // It had joined peers that gave nothing.
    Get alone = get;
    alone.body = {};
    return begin(alone, now);
  }
  if (is_network && !lost(PluginKind::network)) {
    // Where a middleware of the site's is in the route, that one decides what is of use.
    const bool is_ours = plugin_of(PluginKind::user) == plugins_.size();
    commands.emplace_back(command::Through{id, get.plugin, get.id, is_ours, is_listed_});
  } else if (get.id != GetId{}) {
    commands.emplace_back(command::Settle{id, get.id, {}, false});
  } else {
    chain_.handle_answer(get.plugin, Answer::null, now);
  }
}

// --- What a site's put() gets --------------------------------------------------------------------

// The last pieces are on their way to the store: by a page, if they are from peers.
void Exchange::await_puts(Instant now) {
  if (!puts_.empty() && !puts_until_) puts_until_ = now + limits::put_held_wait;
  begin_puts(now);
}

void Exchange::begin_puts(Instant now) {
  if (!puts_until_ || puts_.empty()) return;
  const Geometry& geometry = asked_.resource->geometry;
  const PieceSet held = commons_.holdings.pieces(asked_.resource->root, geometry.count());
  if (!held.has_all(geometry.covering(asked_.range()))) return;
  puts_until_.reset();
  const List<std::uint32_t> plugins = std::move(puts_);
  puts_ = {};
  for (const std::uint32_t plugin : plugins) {
    Get get;
    get.plugin = plugin;
    get.what.kind = PluginKind::cache;
    get.is_put = true;
    open_part(get, true, now);
  }
}

// --- Time ----------------------------------------------------------------------------------------

void Exchange::handle_timeout(Instant now) {
  go_on(now, false);
  chain_.handle_timeout(now);
  run_chain(now);
  if (puts_until_.has_passed(now)) {
    puts_until_.reset();
    puts_.clear();
  }
}

Deadline Exchange::next_timeout() const {
  Deadline next = sooner(chain_.next_timeout(), puts_until_);
  for (const Get& get : gets_) next = sooner(next, get.page_until);
  return next;
}

}  // namespace peer_cdn
