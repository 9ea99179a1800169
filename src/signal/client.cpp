#include "signal/client.hpp"

#include <algorithm>
#include <utility>

#include "base/variant.hpp"
#include "signal/wants.hpp"

namespace peer_cdn::signal {
namespace {

// The error that the coordinator's code names. A code that we do not know is of a later version.
Error parse_code(std::string_view text) {
  for (int i = 1; i <= static_cast<int>(Error::shutting_down); ++i) {
    if (code(static_cast<Error>(i)) == text) return static_cast<Error>(i);
  }
  return Error::unknown_message;
}

}  // namespace

Client::Client(std::string browser, std::uint64_t seed)
    : browser_(std::move(browser)), random_(seed) {}

void Client::start(Instant now) {
  if (state_ == State::stopped) open(now);
}

void Client::stop(Instant) {
  if (state_ > State::waiting) outputs_.push(CloseSocket{});
  state_ = State::stopped;
  attempts_ = 0;
  forget_session(false);
}

void Client::open(Instant now) {
  state_ = State::opening;
  away_ = Error::no_coordinator;
  state_expires_ = now + limits::welcome_wait;
  outputs_.push(OpenSocket{});
}

void Client::handle_socket_open(Instant now, List<PeerId> paired) {
  if (state_ != State::opening) return;
  state_ = State::greeting;
  state_expires_ = now + limits::welcome_wait;
  std::uint64_t held = 0;
  for (const auto& [root, announcement] : announcements_) {
    if (announcement.told) held += summand_of(root);
  }
  Hello hello{version, browser_, number_, std::move(paired), true, held};
  hello.wants = write_wants(wanted_);
  list_changed_ = false;
  send(std::move(hello));
}

void Client::handle_socket_closed(Instant now) {
  if (state_ <= State::waiting) return;
  // A session that ended says nothing of the next one: the coordinator may let go of sockets, and
  // Firefox closes those of a page that is about to be left. The next attempt tells.
  const bool nobody = !welcomed() && away_ == Error::no_coordinator;
  schedule_reconnect(now);
  forget_session(nobody);
}

// Ends the session from our side, because the socket is of no more use.
void Client::drop(Error error, Instant now) {
  outputs_.push(CloseSocket{error});
  outputs_.push(SignalReport{error});
  schedule_reconnect(now);
  forget_session(false);
}

// The wait doubles while sessions do not last. A random part of its upper half is taken off, and
// whoever had a session may wait longer, so that the many clients of a coordinator that restarts do
// not all come back at once.
void Client::schedule_reconnect(Instant now) {
  if (welcomed() && now - welcomed_at_ >= limits::reconnect_max) attempts_ = 0;
  const Duration wait = std::min<Duration>(
      limits::reconnect_min * (1 << std::min(attempts_, limits::reconnect_doublings)),
      limits::reconnect_max);
  ++attempts_;
  const Duration longest = welcomed() ? std::max<Duration>(wait, limits::reconnect_spread) : wait;
  const auto span = static_cast<std::uint64_t>((longest - wait / 2).count());
  state_ = State::waiting;
  state_expires_ = now + longest - Duration(static_cast<Duration::rep>(random_.below(span + 1)));
}

// Forgets all that belonged to the socket: asks without an answer, introductions, and the marks of
// what others have. What the coordinator was told it may know still.
void Client::forget_session(bool report) {
  if (report) outputs_.push(SignalReport{Error::no_coordinator});
  for (const Asked& asked : asked_) outputs_.push(Answered{asked.root, 0});
  for (const PeerId peer : introduced_) outputs_.push(Left{peer});
  asked_.clear();
  introduced_.clear();
  end_offer();
  while (candidates_.poll()) {
  }
  candidates_due_.reset();
  silent_asks_ = 0;
  word_expires_.reset();
  lists_untold_ = 0;
  list_expires_.reset();
  changes_due_.reset();
  changed_.clear();
  for (auto& [root, announcement] : announcements_) announcement.queued = false;
}

void Client::handle_message(const Message& message, Instant now) {
  if (state_ < State::greeting) return;
  silent_asks_ = 0;
  word_expires_.reset();
  match(message, [this, now](const auto& m) { handle(m, now); });
}

void Client::handle(const Welcome& welcome, Instant now) {
  if (state_ != State::greeting) return;
  if (welcome.version != version) {
    refuse(Error::version_mismatch, now);
    return;
  }
  state_ = State::welcomed;
  welcomed_at_ = now;
  number_ = welcome.peer;
  lean_ = welcome.lean;
  // A coordinator that is not lean tells all marks.
  if (lean_) expect_list(now);
  send_list(now);
  for (auto& [root, announcement] : announcements_) {
    if (!welcome.kept) announcement.told = false;
    announcement.queued = true;
    changed_.push_back(root);
  }
  send_changes();
}

// The first word of a session says all, also where it does not call itself whole.
void Client::handle(const Present& present, Instant) {
  if (!welcomed()) return;
  const auto cells = read_cells(present.set ? std::string_view(*present.set) : std::string_view());
  if (!cells) return outputs_.push(SignalReport{cells.error()});
  if (present.whole && lists_untold_ > 0 && --lists_untold_ == 0) list_expires_.reset();
  if (lists_untold_ > 0) return;  // of a list before the last one
  FlatSet<Mark> all;
  if (connected() && !present.whole) all = present_;
  state_ = State::connected;
  const auto take = [&all](Mark mark, bool is_there) {
    if (!is_there) return all.erase(mark);
    // A site cannot have more marks, so a coordinator that tells more is not believed.
    if (all.size() < limits::roots_per_site) all.insert(mark);
  };
  for (const Mark mark : present.remove) take(mark, false);
  for (const Mark mark : present.add) take(mark, true);
  for (const Cell& cell : *cells) {
    const std::size_t first = cell.index * files_per_cell;
    for (std::size_t i = first; i < std::min(first + files_per_cell, wanted_.size()); ++i) {
      take(wanted_.begin()[i], (cell.bits & bit_of(i)) != 0);
    }
  }
  Told told;
  for (const Mark mark : all) {
    if (!present_.contains(mark)) told.marks.push_back(mark);
  }
  told.come = told.marks.size();
  for (const Mark mark : present_) {
    if (!all.contains(mark)) told.marks.push_back(mark);
  }
  told.informs = !present.set || wanted_.size() > 0;
  present_ = std::move(all);
  outputs_.push(std::move(told));
}

void Client::end_offer() {
  if (!offer_.empty()) outputs_.push(Left{});
  decline({}, {});
}

void Client::handle(const Answer& answer, Instant now) {
  if (answer.offered.value != 0) handle(Introduce{answer.offered, true, true}, now);
  // Nothing else was asked for when the offer went out, so this was its chance.
  if (is_out_ && !answer.roots.empty()) end_offer();
  for (const PeerId peer : answer.introduced) handle(Introduce{peer}, now);
  for (std::size_t i = 0; i < answer.roots.size(); ++i) {
    const auto asked = std::find_if(asked_.begin(), asked_.end(),
                                    [&](const Asked& a) { return a.root == answer.roots[i]; });
    if (asked == asked_.end()) continue;
    outputs_.push(Answered{asked->root, answer.peers[i]});
    asked_.erase(asked);
  }
}

void Client::handle(const Introduce& introduce, Instant) {
  if (!welcomed() || introduced(introduce.peer)) return;
  const bool is_ours = introduce.offer && introduce.brought;
  // An offer that was withdrawn meanwhile is given to nobody.
  if (introduced_.size() >= limits::introductions_per_peer || (is_ours && !is_out_)) {
    send(Decline{introduce.peer});
    return;
  }
  introduced_.push_back(introduce.peer);
  if (is_ours) {
    offer_.clear();
    is_out_ = false;
    send_candidates();  // those for peer 0, before another offer is out
  }
  outputs_.push(Introduced{introduce.peer, introduce.offer, introduce.brought});
}

void Client::handle(const Signal& signal, Instant) {
  if (introduced(signal.peer)) outputs_.push(Signalled{signal});
}

void Client::handle(const Gone& gone, Instant) {
  if (!introduced(gone.peer)) return;
  introduced_.erase(std::find(introduced_.begin(), introduced_.end(), gone.peer));
  outputs_.push(Left{gone.peer});
}

void Client::handle(const Resume& resume, Instant) {
  if (!welcomed() || introduced(resume.peer)) return;
  introduced_.push_back(resume.peer);
  outputs_.push(Resumed{resume.peer});
}

// The coordinator closes the socket next. If its version is another, to connect again does not
// help.
void Client::handle(const Refusal& refusal, Instant now) {
  refuse(parse_code(refusal.code), now);
}

void Client::refuse(Error error, Instant now) {
  outputs_.push(SignalReport{error});
  if (is_of_coordinator(error)) away_ = error;
  if (error == Error::version_mismatch) stop(now);
}

void Client::want(const FlatSet<Mark>& marks, Instant now) {
  if (wanted_ == marks) return;
  wanted_ = marks;
  list_changed_ = true;
  send_list(now);
}

void Client::expect_list(Instant now) {
  ++lists_untold_;
  list_expires_ = now + limits::list_wait;
}

// The hello said the list, unless it has changed since.
void Client::send_list(Instant now) {
  if (!welcomed() || !lean_ || !std::exchange(list_changed_, false)) return;
  send(Want{write_wants(wanted_)});
  expect_list(now);
}

void Client::announce(const Root& root, Instant now) {
  change(root, true, now);
}
void Client::withdraw(const Root& root, Instant now) {
  change(root, false, now);
}

void Client::change(const Root& root, bool held, Instant now) {
  Announcement* announcement = announcements_.find(root);
  if (announcement == nullptr) {
    if (!held || announcements_.size() >= limits::roots_per_peer) return;
    announcement = &announcements_.insert(root, Announcement{});
  }
  if (announcement->held == held) return;
  announcement->held = held;
  if (!welcomed()) {
    if (!held && !announcement->told) announcements_.erase(root);
    return;
  }
  if (!std::exchange(announcement->queued, true)) changed_.push_back(root);
  if (!changes_due_) changes_due_ = now + limits::announce_wait;
}

void Client::send_changes() {
  Have have;
  for (const Root& root : changed_) {
    Announcement& announcement = *announcements_.find(root);
    announcement.queued = false;
    if (announcement.held != announcement.told)
      (announcement.held ? have.add : have.remove).push_back(root);
    announcement.told = announcement.held;
    if (!announcement.held) announcements_.erase(root);
    if (std::max(have.add.size(), have.remove.size()) == limits::roots_per_message) {
      send(std::exchange(have, Have{}));
    }
  }
  changed_.clear();
  changes_due_.reset();
  if (!have.add.empty() || !have.remove.empty()) send(std::move(have));
}

void Client::ask(const Root& root, Instant now) {
  for (const Asked& asked : asked_) {
    if (asked.root == root) return;  // one answer is for both
  }
  if (state_ <= State::waiting || asked_.size() >= limits::asks_waiting) {
    outputs_.push(Answered{root, 0});
    outputs_.push(SignalReport{away_});
    return;
  }
  asked_.push_back(Asked{root, now + limits::answer_wait});
}

bool Client::offer(const std::string& sdp) {
  if (!asks_due_ || sdp.size() > limits::offer_bytes) return false;
  asks_due_.reset();
  offer_ = sdp;
  return true;
}

// Called when the host has taken every other output, so that all asks of one go are collected.
void Client::send_asks() {
  if (asks_due_) return;
  const bool asks =
      std::any_of(asked_.begin(), asked_.end(), [](const Asked& asked) { return !asked.sent; });
  // If two pages come at once, the coordinator must know the roots of one before it answers the
  // other's ask.
  if (asks && !changed_.empty()) send_changes();
  Ask ask;
  for (Asked& asked : asked_) {
    if (asked.sent) continue;
    asked.sent = true;
    if (!offer_.empty() && !std::exchange(is_out_, true)) ask.offer = offer_;
    ask.roots.push_back(asked.root);
    if (ask.roots.size() == limits::roots_per_message) send(std::exchange(ask, Ask{}));
  }
  if (!ask.roots.empty()) send(std::move(ask));
}

void Client::signal(Signal signal, Instant now) {
  if (!introduced(signal.peer) && !(signal.peer.value == 0 && !offer_.empty())) return;
  const bool waits = lean_ && holds_alternative<Candidate>(signal.what);
  (waits ? candidates_ : outputs_).push(SendMessage{std::move(signal), waits});
  if (waits && !candidates_due_) candidates_due_ = now + limits::candidates_wait;
}

void Client::send_candidates() {
  while (auto waiting = candidates_.poll()) outputs_.push(std::move(*waiting));
  candidates_due_.reset();
}

void Client::decline(PeerId peer, Instant) {
  if (peer.value == 0) {
    asks_due_.reset();
    offer_.clear();
    is_out_ = false;
  }
  const auto it = std::find(introduced_.begin(), introduced_.end(), peer);
  if (it == introduced_.end()) return;
  introduced_.erase(it);
  send(Decline{peer});
}

bool Client::introduced(PeerId peer) const {
  return std::find(introduced_.begin(), introduced_.end(), peer) != introduced_.end();
}

bool Client::anyone_has(const Root& root) const {
  return connected() && present_.contains(mark_of(root));
}

// An ask without roots is answered, so it shows whether the socket lives.
void Client::handle_network_changed(Instant now) {
  attempts_ = 0;
  if (state_ == State::waiting) {
    open(now);
  } else if (welcomed()) {
    send(Ask{});
    word_expires_ = now + limits::word_wait;
  }
}

void Client::handle_timeout(Instant now) {
  if (state_ == State::waiting && state_expires_ <= now) open(now);
  const bool late =
      (state_ == State::opening || state_ == State::greeting) && state_expires_ <= now;
  const auto is_over = [now](const std::optional<Instant>& at) { return at && *at <= now; };
  if (late || is_over(word_expires_) || is_over(list_expires_)) drop(Error::no_coordinator, now);
  if (changes_due_ && *changes_due_ <= now) send_changes();
  if (is_over(candidates_due_)) send_candidates();
  if (is_over(asks_due_)) asks_due_.reset();
  bool silent = false;
  while (!asked_.empty() && asked_.front().expires <= now) {
    end_offer();
    outputs_.push(Answered{asked_.front().root, 0});
    asked_.erase(asked_.begin());
    silent = true;
  }
  if (!silent) return;
  if (welcomed() && ++silent_asks_ >= limits::silent_asks) {
    drop(Error::no_coordinator, now);
  } else {
    outputs_.push(SignalReport{Error::no_coordinator});
  }
}

std::optional<Instant> Client::next_timeout() const {
  std::optional<Instant> next = changes_due_;
  const auto sooner = [&next](Instant at) {
    if (!next || at < *next) next = at;
  };
  if (candidates_due_) sooner(*candidates_due_);
  if (asks_due_) sooner(*asks_due_);
  if (!asked_.empty()) sooner(asked_.front().expires);
  if (word_expires_) sooner(*word_expires_);
  if (list_expires_) sooner(*list_expires_);
  if (state_ == State::waiting || state_ == State::opening || state_ == State::greeting) {
    sooner(state_expires_);
  }
  return next;
}

std::optional<ClientOutput> Client::poll_output() {
  if (outputs_.empty() && welcomed()) send_asks();
  return outputs_.poll();
}

}  // namespace peer_cdn::signal
