// The pages of this site: which ones said hello, which one is asked, and what they say that others
// have.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/ids.hpp"
#include "base/limits.hpp"
#include "base/list.hpp"
#include "base/time.hpp"
#include "http/command.hpp"

namespace peer_cdn {

class Pages {
 public:
  // The worker began, and asked who is there.
  void handle_start(Instant now) { answers_until_ = now + limits::ack_wait; }
  void handle_hello(PageId page, Instant now);
  void handle_bye(PageId page);
  // To the marks that it told before, the first `added` of these have come; the rest are gone.
  void handle_present(PageId page, const List<Mark>& marks, std::size_t added);
  void handle_heard(PageId page, Instant now);
  // It did not say that it got a request: it may be frozen. The next one does not wait as long, and
  // is another page's, if it is not its own.
  void handle_silent(PageId page);

  bool has(PageId page) const { return const_cast<Pages*>(this)->find(page) != nullptr; }
  // The page that is asked: the requester, or the one that is there longest, before those that were
  // silent.
  std::optional<PageId> choose(PageId requester) const;
  template <class Visit>
  void for_each(Visit visit) const {
    for (const Page& each : pages_) visit(each.id);
  }
  // Until when a hello may be on its way: in the first moments of the worker's life, as long as no
  // page is known.
  Deadline hello_until(Instant now) const;
  // How long it may take to say that it got a request.
  Duration ack_wait(PageId page, Instant now) const;
  // Whether somebody may have it, by all that the pages told. A page that told nothing yet may know
  // somebody.
  bool may_be_present(const Root& root) const;

 private:
  struct Page {
    PageId id;
    Deadline heard_until;  // it is known to listen; none: it was silent
    bool told = false;
    List<Mark> marks{};
  };
  Page* find(PageId page);

  OwnedList<Page> pages_;  // in the order of their first hello
  Instant answers_until_{};
};

}  // namespace peer_cdn
