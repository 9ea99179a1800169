#include "http/pages.hpp"

namespace peer_cdn {

Pages::Page* Pages::find(PageId page) {
  for (Page& each : pages_) {
    if (each.id == page) return &each;
  }
  return nullptr;
}

void Pages::handle_hello(PageId id, Instant now) {
  Page* page = find(id);
  if (!page) page = &pages_.add(new Page{id, {}});
  page->heard_until = now + limits::heard_memory;
  page->told = false;
  page->marks.clear();
}

void Pages::handle_bye(PageId id) {
  if (const Page* page = find(id)) pages_.erase(*page);
}

void Pages::handle_present(PageId id, const List<Mark>& marks, std::size_t added) {
  Page* page = find(id);
  if (!page) return;
  page->told = true;
  List<Mark>& known = page->marks;
  // After its hello a page tells all at once, and nothing of it is known yet.
  for (const Mark mark : marks) {
    known.erase_if([mark](Mark each) { return each == mark; });
  }
  for (std::size_t at = 0; at < added; ++at) known.push_back(marks[at]);
}

void Pages::handle_heard(PageId id, Instant now) {
  if (Page* page = find(id)) page->heard_until = now + limits::heard_memory;
}

void Pages::handle_silent(PageId id) {
  if (Page* page = find(id)) page->heard_until.reset();
}

std::optional<PageId> Pages::choose(PageId requester) const {
  if (has(requester)) return requester;
  for (const Page& each : pages_) {
    if (each.heard_until) return each.id;
  }
  if (pages_.empty()) return std::nullopt;
  return pages_[0].id;
}

Deadline Pages::hello_until(Instant now) const {
  if (!pages_.empty() || now >= answers_until_) return {};
  return answers_until_;
}

Duration Pages::ack_wait(PageId id, Instant now) const {
  for (const Page& each : pages_) {
    if (each.id == id && each.heard_until && !each.heard_until.has_passed(now)) {
      return limits::busy_ack_wait;
    }
  }
  return limits::ack_wait;
}

bool Pages::may_be_present(const Root& root) const {
  const Mark mark = mark_of(root);
  for (const Page& page : pages_) {
    if (!page.told) return true;
    for (const Mark each : page.marks) {
      if (each == mark) return true;
    }
  }
  return false;
}

}  // namespace peer_cdn
