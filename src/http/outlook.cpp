#include "http/outlook.hpp"

#include <algorithm>

namespace peer_cdn {

bool Outlook::are_peers_sooner(const Wish& wish) const {
  if (!warm_ || !peers_.measured()) return false;
  // What each has to bring yet comes first.
  return peers_.expected(wish.bytes + wish.before_of_peers) <=
         network_.expected(wish.bytes + wish.before_of_network);
}

bool Outlook::asks_peers(const Wish& wish, Instant now) {
  if (!wish.is_small()) return true;
  if (!wish.known) return false;
  if (wish.patience >= 1 || !wish.is_hedged || are_peers_sooner(wish)) return true;
  if (spares_until_ && !spares_until_.has_passed(now)) return false;
  spares_until_ = now + limits::probe_wait;
  return true;
}

bool Outlook::waits_for_word(const Wish& wish) {
  return wish.patience >= 1 || (!wish.is_small() && wish.known);
}

Duration Outlook::hedge_wait(const Wish& wish) const {
  const Duration patience = terms(wish).patience;
  // The page itself asks the origin then; should nothing come of that either, we do.
  if (!wish.is_small() && wish.known) return patience + limits::hedge_delay;
  if (wish.patience >= 1) return patience;
  if (!are_peers_sooner(wish)) return Duration(0);
  return std::min<Duration>(network_.expected(wish.bytes), limits::hedge_delay);
}

Terms Outlook::terms(const Wish& wish) const {
  const double wait = wish.patience * static_cast<double>(network_.expected(wish.bytes).count());
  const bool is_short = wait < static_cast<double>(Duration(limits::hedge_delay).count());
  // A small response is hedged here: it is over before a page could share the work.
  const bool may = wish.is_hedged && !wish.is_small();
  return {may ? static_cast<std::uint32_t>(std::clamp(wish.patience, 1.0, limits::peers_slower_max))
              : 0U,
          is_short ? Duration(static_cast<std::int64_t>(wait)) : limits::hedge_delay};
}

std::uint64_t Outlook::second_window() const {
  std::uint64_t window = 2 * limits::window_first_bytes;
  while (window < limits::window_bytes_max &&
         network_.expected(window) < network_.first() + limits::window_span) {
    window *= 2;
  }
  return window;
}

}  // namespace peer_cdn
