#include "http/pages.hpp"

namespace peer_cdn {

Pages::Page* Pages::find(PageId page) {
  for (Page& each : pages_) {
    if (each.id == page) return &each;
  }
  return nullptr;
}

void Pages::handle_hello(PageId id, Instant now) {
  if (Page* page = find(id)) {
    *page = {id, now};
  } else {
    pages_.push_back({id, now});
  }
}

void Pages::handle_bye(PageId page) {
  if (const Page* gone = find(page)) pages_.erase(pages_.begin() + (gone - pages_.data()));
}

void Pages::handle_present(PageId id, const List<Mark>& add, const List<Mark>& remove) {
  Page* page = find(id);
  if (!page) return;
  page->told = true;
  List<Mark>& marks = page->marks;
  const auto drop = [&marks](Mark mark) {
    for (std::size_t i = marks.size(); i-- > 0;) {
      if (marks[i] == mark) marks.erase(i);
    }
  };
  for (const Mark mark : add) {
    drop(mark);
    marks.push_back(mark);
  }
  for (const Mark mark : remove) drop(mark);
}

void Pages::handle_heard(PageId id, Instant now) {
  if (Page* page = find(id)) page->heard_at = now;
}

void Pages::handle_silent(PageId id) {
  if (Page* page = find(id)) page->heard_at.reset();
}

std::optional<PageId> Pages::choose(PageId requester) const {
  for (const Page& each : pages_) {
    if (each.id == requester) return requester;
  }
  if (pages_.empty()) return std::nullopt;
  return pages_.front().id;
}

std::optional<Instant> Pages::hello_until(Instant now) const {
  if (!pages_.empty() || now >= answers_until_) return std::nullopt;
  return answers_until_;
}

Duration Pages::ack_wait(PageId id, Instant now) const {
  for (const Page& each : pages_) {
    if (each.id == id && each.heard_at && now - *each.heard_at < limits::heard_memory) {
      return limits::busy_ack_wait;
    }
  }
  return limits::ack_wait;
}

bool Pages::may_be_present(const Root& root) const {
  const Mark mark = mark_of(root);
  return std::any_of(pages_.begin(), pages_.end(), [mark](const Page& page) {
    return !page.told || std::find(page.marks.begin(), page.marks.end(), mark) != page.marks.end();
  });
}

}  // namespace peer_cdn
