#include "peer/peer.hpp"

#include <string_view>

#include "base/limits.hpp"
#include "base/variant.hpp"

namespace peer_cdn::peer {
namespace {

constexpr PeerId nobody{};

// Media would be received, and each line of it answered: the answer would be longer than a message
// to the coordinator may be, which ends our socket.
bool is_of_channels_alone(std::string_view sdp) {
  constexpr std::string_view section = "\nm=";
  return sdp.find(section) == sdp.rfind(section);
}

}  // namespace

Peer::Peer(std::string browser, std::uint64_t seed)
    : swarm_(seed), client_(std::move(browser), seed) {}

void Peer::start(Instant now) {
  now_ = now;
  if (!webrtc_) return;
  client_.start(now);
}

void Peer::stop(Instant now) {
  now_ = now;
  swarm_.handle_stop();
  client_.stop(now);
}

void Peer::handle_socket_open(Instant now) {
  now_ = now;
  client_.handle_socket_open(now, swarm_.open_pairs());
}

void Peer::handle_socket_closed(Instant now) {
  now_ = now;
  client_.handle_socket_closed(now);
}

void Peer::handle_message(const signal::Message& message, Instant now) {
  now_ = now;
  client_.handle_message(message, now);
  if (holds_alternative<signal::Present>(message)) warm_if_idle();
}

void Peer::handle_local_description(PeerId peer, signal::Description description, Instant now) {
  now_ = now;
  if (!swarm_.has_pair(peer)) return;
  if (peer != nobody) return client_.signal({peer, std::move(description)}, now);
  if (!client_.offer(description.sdp)) close_pair(nobody, Error::none);
}

void Peer::handle_local_candidate(PeerId peer, signal::Candidate candidate, Instant now) {
  now_ = now;
  account_.handle_candidate(peer, true, candidate.candidate);
  if (swarm_.has_pair(peer)) client_.signal({peer, std::move(candidate)}, now);
}

void Peer::handle_pair_open(PeerId peer, Instant now) {
  now_ = now;
  swarm_.handle_pair_open(peer, now);
}

void Peer::handle_pair_closed(PeerId peer, Instant now) {
  now_ = now;
  account_.handle_failed(peer);
  swarm_.handle_pair_closed(peer, now);
  client_.decline(peer, now);
}

void Peer::handle_pair_lost(PeerId peer, Instant now) {
  now_ = now;
  swarm_.handle_pair_lost(peer, now);
}

void Peer::handle_pair_found(PeerId peer, Instant now) {
  now_ = now;
  swarm_.handle_pair_found(peer, now);
}

void Peer::handle_network_changed(Instant now) {
  now_ = now;
  swarm_.handle_network_changed(now);
  client_.handle_network_changed(now);
}

void Peer::handle_leading(bool leading, Instant now) {
  now_ = now;
  if (leading == leading_) return;
  leading_ = leading;
  for (const Root& root : announced_) {
    leading ? client_.announce(root, now) : client_.withdraw(root, now);
  }
}

void Peer::handle_no_webrtc(Instant now) {
  webrtc_ = false;
  stop(now);
}

void Peer::open(ReaderId reader, const Root& root, const Geometry& geometry, swarm::Order order,
                Instant now) {
  now_ = now;
  if (!webrtc_) {
    ready_.push(swarm::End{reader, Error::no_webrtc});
    return;
  }
  wanted_ = true;
  swarm_.open(reader, root, geometry, order, now);
}

void Peer::handle_timeout(Instant now) {
  now_ = now;
  swarm_.handle_timeout(now);
  client_.handle_timeout(now);
  while (!expected_.empty() && expected_.front().until <= now) {
    client_.decline(expected_.front().peer, now);
    expected_.erase(expected_.begin());
  }
}

std::optional<Instant> Peer::next_timeout() const {
  std::optional<Instant> next = swarm_.next_timeout();
  const auto client = client_.next_timeout();
  if (client && (!next || *client < *next)) next = client;
  if (!expected_.empty() && (!next || expected_.front().until < *next)) {
    next = expected_.front().until;
  }
  return next;
}

// The swarm's outputs go first, so that all it asks the client for in one go travels in one
// message.
std::optional<Output> Peer::poll_output() {
  while (ready_.empty()) {
    if (auto output = swarm_.poll_output()) {
      match(*output, [this](auto& o) { translate(o); });
    } else if (auto told = client_.poll_output()) {
      match(*told, [this](auto& o) { translate(o); });
    } else {
      return std::nullopt;
    }
  }
  return ready_.poll();
}

// --- Who has it ----------------------------------------------------------------------------------

void Peer::ask(const Root& root) {
  const bool watches = swarm_.watches(root);
  const bool hope = watches ? client_.reaches() : client_.anyone_has(root);
  if (!hope || !swarm_.is_reachable(now())) return swarm_.handle_answered(root, 0, now());
  // Of many who come at once, offers would bring even more to the few that have something.
  if (!watches) offer_ahead();
  client_.ask(root, now());
}

// A page without pairs makes one with whomever the coordinator names. If the connection is there
// before, its offer goes with the ask, and the answer to it comes when another's offer would. If
// nobody took it, it was made for nothing, and no other one is made for a while.
void Peer::offer_ahead() {
  if (swarm_.pairs() + expected_.size() > 0 || !client_.may_offer() || now() < offer_next_ ||
      !swarm_.admit(nobody, false, true, now())) {
    return;
  }
  offer_next_ = now() + limits::offer_rest;
  client_.expect_offer(now());
  account_.handle_try(nobody);
  ready_.push(CreatePair{nobody, true});
}

void Peer::translate(swarm::AskFor& output) {
  ask(output.root);
}

void Peer::translate(signal::Answered& answered) {
  swarm_.handle_answered(answered.root, answered.peers, now());
  if (answered.root != warming_) return;
  warming_.reset();
  if (answered.peers == 0) warm();
}

void Peer::translate(swarm::Announce& announce) {
  announce.on ? announced_.insert(announce.root) : announced_.erase(announce.root);
  if (!leading_) return;
  announce.on ? client_.announce(announce.root, now()) : client_.withdraw(announce.root, now());
}

void Peer::translate(signal::SignalReport& report) {
  ready_.push(swarm::Report{report.error, std::nullopt});
}

// --- The warm pool -------------------------------------------------------------------------------

void Peer::handle_wanted(const FlatSet<Mark>& marks, Instant now) {
  now_ = now;
  client_.want(marks, now);
}

void Peer::handle_listed(const Root& root, const Geometry& geometry, Instant now) {
  now_ = now;
  const auto at = std::find_if(listed_.begin(), listed_.end(),
                               [&](const Listed& listed) { return listed.root == root; });
  Listed listed{root, geometry};
  if (at != listed_.end()) {
    listed = *at;
    listed_.erase(at);
  } else if (listed_.size() >= limits::listed_roots) {
    listed_.erase(listed_.begin());
  }
  listed_.push_back(listed);
  is_list_complete_ = false;
}

void Peer::handle_list_complete(Instant now) {
  now_ = now;
  is_list_complete_ = true;
  warm_if_idle();
}

void Peer::handle_ahead(bool may, Instant now) {
  now_ = now;
  ahead_ = may;
}

void Peer::handle_idle(bool hidden, bool save_data, Instant now) {
  now_ = now;
  idle_ = !hidden && !save_data;
  warm_if_idle();
}

void Peer::handle_hidden(Instant now) {
  idle_ = false;
  swarm_.handle_hidden(now);
}

void Peer::warm_if_idle() {
  if (idle_ && ahead_ && is_list_complete_ && !warming_ && now_ >= warm_next_) warm();
}

// Asks for the listed file of which most is missing here; of equals for the one told last.
void Peer::warm() {
  // Who reads has its own asks, and the peers that others introduce then: more pairs with the first
  // few that have something make a worse crowd.
  if (swarm_.is_reading()) return;
  if (swarm_.pairs() + expected_.size() >= limits::pairs_warm_min || !swarm_.is_reachable(now())) {
    return;
  }
  Listed* best = nullptr;
  std::uint64_t most = 1;
  for (Listed& listed : listed_) {
    if (now() < listed.again || !client_.anyone_has(listed.root)) continue;
    const std::uint64_t missing = swarm_.missing_bytes(listed.root, listed.geometry);
    if (missing < most) continue;
    most = missing;
    best = &listed;
  }
  if (best == nullptr) return;
  warm_wait_ = std::clamp<Duration>(2 * warm_wait_, limits::idle_interval, limits::warm_wait_max);
  warm_next_ = now() + warm_wait_;
  best->again = warm_next_ + warm_wait_;
  warming_ = best->root;
  // The marks count what this page has itself: of what it has in part perhaps nobody else has any.
  if (most == best->geometry.bytes()) offer_ahead();
  client_.ask(best->root, now());
}

// --- Introductions -------------------------------------------------------------------------------

bool Peer::expects(PeerId peer) {
  const auto at = std::find_if(expected_.begin(), expected_.end(),
                               [&](const Expected& expected) { return expected.peer == peer; });
  if (at == expected_.end()) return false;
  expected_.erase(at);
  return true;
}

void Peer::create(PeerId peer, bool asked, bool offer) {
  if (swarm_.admit(peer, asked, offer, now())) {
    account_.handle_try(peer);
    ready_.push(CreatePair{peer, offer});
  } else {
    client_.decline(peer, now());
  }
}

void Peer::close_pair(PeerId peer, Error error) {
  account_.handle_over(peer);
  swarm_.handle_pair_closed(peer, now());
  ready_.push(swarm::ClosePair{peer, error});
}

// The offer that went with the ask is this peer's to answer.
void Peer::give(PeerId peer) {
  if (!swarm_.give(peer, now())) return client_.decline(peer, now());
  offer_next_ = now();
  account_.handle_given(peer);
  ready_.push(GivePair{peer});
}

// A peer that is introduced again has no pair with us any more, whatever we still believe.
void Peer::translate(signal::Introduced& introduced) {
  const PeerId peer = introduced.peer;
  if (swarm_.has_pair(peer)) close_pair(peer, Error::peer_gone);
  if (introduced.offer && introduced.brought) return give(peer);
  // The peer asked. Its own offer follows, or it waits for one.
  if (introduced.offer || introduced.brought) {
    if (ahead_ || wanted_) return create(peer, false, introduced.offer);
    return client_.decline(peer, now());
  }
  if (swarm_.is_banned(peer)) return client_.decline(peer, now());
  if (expected_.size() >= limits::introductions_waiting) {
    client_.decline(expected_.front().peer, now());
    expected_.erase(expected_.begin());
  }
  expected_.push_back({peer, now() + limits::offer_wait});
}

// A peer that signals what no page of ours would.
void Peer::refuse(PeerId peer) {
  ready_.push(swarm::Report{Error::malformed_message, peer});
  if (swarm_.has_pair(peer)) close_pair(peer, Error::malformed_message);
  client_.decline(peer, now());
}

// A page that has no pair with the peer any more says so.
void Peer::translate(signal::Resumed& resumed) {
  if (!swarm_.has_pair(resumed.peer)) return client_.decline(resumed.peer, now());
  swarm_.handle_pair_resumed(resumed.peer, now());
}

void Peer::translate(signal::Signalled& signalled) {
  const PeerId peer = signalled.signal.peer;
  if (auto* description = get_if<signal::Description>(&signalled.signal.what)) {
    if (!is_of_channels_alone(description->sdp)) return refuse(peer);
    if (description->offer && expects(peer)) create(peer, true, false);
    if (description->offer ? swarm_.takes_offer(peer, now()) : swarm_.has_pair(peer)) {
      ready_.push(RemoteDescription{peer, std::move(*description)});
    }
  } else if (swarm_.has_pair(peer)) {
    auto& candidate = *get_if<signal::Candidate>(&signalled.signal.what);
    account_.handle_candidate(peer, false, candidate.candidate);
    ready_.push(RemoteCandidate{peer, std::move(candidate)});
  }
}

void Peer::translate(signal::Left& left) {
  expects(left.peer);
  if (swarm_.has_pair(left.peer) && !swarm_.is_open(left.peer)) {
    close_pair(left.peer, Error::peer_gone);
  }
}

// The new offer can only go to a peer that signals reach. For another it waits until signals reach
// the peer again (Pool::handle_resumed).
void Peer::translate(swarm::RestartPair& restart) {
  if (client_.introduced(restart.peer)) ready_.push(restart);
}

void Peer::translate(swarm::ClosePair& close) {
  if (close.error == Error::timed_out) account_.handle_failed(close.peer);
  account_.handle_over(close.peer);
  client_.decline(close.peer, now());
  ready_.push(close);
}

}  // namespace peer_cdn::peer
