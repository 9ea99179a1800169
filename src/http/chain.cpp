#include "http/chain.hpp"

#include <cassert>

#include "base/limits.hpp"

namespace peer_cdn {

void Chain::start(Instant now) {
  assert(next_ == 0 && !done_);
  if (strategy_ == Strategy::ordered || plugins_.empty()) return go_on(now);
  while (next_ < plugins_.size()) start_next(now);
}

void Chain::start_again(std::uint32_t plugin, Instant now) {
  assert(done_ && !is_running(plugin));
  done_ = false;
  plugins_[plugin].state = State::running;
  plugins_[plugin].started = now;
}

void Chain::handle_answer(std::uint32_t plugin, Answer answer, Instant now) {
  if (!is_running(plugin)) return;
  plugins_[plugin].state = State::over;
  if (answer != Answer::null) return respond(plugin, answer);
  // A hedge is of the delegate that was started last, and that has no need of it any more.
  if (plugin + 1 == next_) hedge_at_.reset();
  go_on(now);
}

void Chain::handle_pending(std::uint32_t plugin, Duration wait, Instant now) {
  if (!is_running(plugin) || plugins_[plugin].kind != PluginKind::delegate) return;
  const bool followed =
      plugin + 1 == next_ && next_ < plugins_.size() && plugins_[next_].kind == PluginKind::network;
  const Instant at = plugins_[plugin].started + wait;
  if (!followed || hedge_at_.has_passed(at)) return;
  hedge_at_ = at;
  handle_timeout(now);
}

void Chain::handle_timeout(Instant now) {
  if (hedge_at_.has_passed(now)) {
    hedge_at_.reset();
    start_next(now);
  }
  for (std::uint32_t i = 0; i < plugins_.size(); ++i) {
    if (!gives_up_at(i).has_passed(now)) continue;
    outputs_.emplace_back(GiveUp{i});
    handle_answer(i, Answer::null, now);
  }
}

Deadline Chain::next_timeout() const {
  Deadline next = hedge_at_;
  for (std::uint32_t i = 0; i < plugins_.size(); ++i) next = sooner(next, gives_up_at(i));
  return next;
}

bool Chain::is_hedged() const {
  if (strategy_ != Strategy::ordered) return false;
  for (std::size_t i = 1; i < plugins_.size(); ++i) {
    if (plugins_[i - 1].kind == PluginKind::delegate && plugins_[i].kind == PluginKind::network) {
      return true;
    }
  }
  return false;
}

std::optional<Chain::Output> Chain::poll_output() {
  if (polled_ == outputs_.size()) {
    outputs_.clear();
    polled_ = 0;
    return std::nullopt;
  }
  return outputs_[polled_++];
}

void Chain::start_next(Instant now) {
  plugins_[next_].state = State::running;
  plugins_[next_].started = now;
  outputs_.emplace_back(Start{next_++});
}

void Chain::respond(std::uint32_t plugin, Answer answer) {
  done_ = true;
  hedge_at_.reset();
  outputs_.emplace_back(Respond{plugin});
  abort_running();
  // Ordered: those that were asked before it, nearest first. Fastest: all were asked.
  const bool ordered = strategy_ == Strategy::ordered;
  auto at = static_cast<std::uint32_t>(ordered ? plugin + 1 : plugins_.size());
  while (at-- > 0) {
    if (at == plugin && answer == Answer::stored_response) continue;
    outputs_.emplace_back(Put{at});
  }
}

void Chain::go_on(Instant now) {
  for (const Plugin& plugin : plugins_) {
    if (plugin.state == State::running) return;
  }
  if (next_ < plugins_.size()) return start_next(now);
  done_ = true;
  outputs_.emplace_back(FallThrough{});
}

void Chain::abort_running() {
  for (std::uint32_t i = 0; i < plugins_.size(); ++i) {
    if (!is_running(i)) continue;
    plugins_[i].state = State::over;
    outputs_.emplace_back(Abort{i});
  }
}

bool Chain::is_running(std::uint32_t plugin) const {
  return plugin < plugins_.size() && plugins_[plugin].state == State::running;
}

Deadline Chain::gives_up_at(std::uint32_t plugin) const {
  if (!is_running(plugin) || plugins_[plugin].kind != PluginKind::user) return {};
  return plugins_[plugin].started + limits::plugin_wait;
}

}  // namespace peer_cdn
