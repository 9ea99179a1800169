#include "peer/account.hpp"

#include <cstddef>

#include "base/limits.hpp"
#include "base/range.hpp"

namespace peer_cdn::peer {
namespace {

// Kinds of candidates (RFC 8445, 5.1.1): the host's own address, what a NAT made of it, a relay's.
enum Kind : std::uint8_t { host = 1, reflexive = 2, relay = 4 };

std::uint8_t kind_of(std::string_view candidate) {
  constexpr std::string_view before = " typ ";
  const std::size_t at = candidate.find(before);
  if (at == std::string_view::npos) return 0;
  const std::string_view type = candidate.substr(at + before.size());
  if (type.starts_with("host")) return host;
  return type.starts_with("relay") ? relay : reflexive;
}

constexpr unsigned bit(Route route) {
  return 1u << static_cast<unsigned>(route);
}

// The routes that two sides with such candidates try.
unsigned routes_of(std::uint8_t ours, std::uint8_t theirs) {
  if (ours == 0 || theirs == 0) return 0;
  const unsigned any = ours | theirs;
  unsigned routes = 0;
  if (ours & theirs & host) routes |= bit(Route::local);
  const bool both_direct = (ours & (host | reflexive)) != 0 && (theirs & (host | reflexive)) != 0;
  if (both_direct && (any & reflexive) != 0) routes |= bit(Route::direct);
  if (any & relay) routes |= bit(Route::relayed);
  return routes;
}

constexpr std::size_t tried_figure(unsigned route) {
  return static_cast<std::size_t>(Figure::local_tried) + std::size_t{2} * route;
}

}  // namespace

void Account::handle_transfer(std::string_view id, const Sources& sources, bool done) {
  Transfer* known = nullptr;
  for (Transfer& each : transfers_) {
    if (each.id == id) known = &each;
  }
  // One too many is counted when it is over.
  if (known == nullptr && !done && transfers_.size() >= limits::counted_transfers) return;
  if (known == nullptr) known = &transfers_.add(new Transfer{id, {}});
  for (std::size_t i = 0; i < sources.size(); ++i) {
    if (is_counting_ && sources[i] > known->sources[i]) {
      figures_[i] += sources[i] - known->sources[i];
    }
  }
  known->sources = sources;
  if (done) transfers_.erase(*known);
}

Account::Try* Account::find(PeerId peer) {
  for (Try& each : tries_) {
    if (each.peer == peer) return &each;
  }
  return nullptr;
}

void Account::handle_try(PeerId peer) {
  handle_over(peer);
  tries_.push_back({peer});
}

void Account::handle_given(PeerId peer) {
  handle_over(peer);
  if (Try* known = find(PeerId{})) known->peer = peer;
}

void Account::handle_candidate(PeerId peer, bool is_ours, std::string_view candidate) {
  if (Try* known = find(peer)) (is_ours ? known->ours : known->theirs) |= kind_of(candidate);
}

void Account::handle_open(PeerId peer, Route route) {
  if (Try* known = find(peer)) known->route = route;
}

void Account::handle_failed(PeerId peer) {
  const Try* known = find(peer);
  if (known != nullptr && !known->route) count(figures_, *known);
  handle_over(peer);
}

void Account::handle_over(PeerId peer) {
  const Try* known = find(peer);
  if (known != nullptr && known->route) count(figures_, *known);
  tries_.erase_if([peer](const Try& each) { return each.peer == peer; });
}

void Account::count(Figures& figures, const Try& what) {
  unsigned tried = routes_of(what.ours, what.theirs);
  if (what.route) {
    const auto route = static_cast<unsigned>(*what.route);
    ++figures[tried_figure(route) + 1];
    // A NAT may show a way that no candidate named.
    tried |= bit(*what.route);
  }
  for (unsigned route = 0; tried >> route != 0; ++route) {
    figures[tried_figure(route)] += tried >> route & 1;
  }
}

Text Account::report() const {
  Text text;
  Figures figures = figures_;
  for (const Try& each : tries_) {
    if (each.route) count(figures, each);
  }
  if (figures == Figures{}) return text;
  text += "{\"version\":";
  append_decimal(text, limits::report_version);
  std::string_view names = figure_names;
  for (const std::uint64_t figure : figures) {
    text += ",\"";
    text += take_line(names);
    text += "\":";
    append_decimal(text, figure);
  }
  text += "}";
  return text;
}

}  // namespace peer_cdn::peer
