#include "base/record.hpp"

#include <algorithm>

#include "base/limits.hpp"

namespace peer_cdn {

std::string_view header_of(std::string_view lines, std::string_view name) {
  while (!lines.empty()) {
    const bool is_it = take_line(lines) == name;
    const std::string_view value = take_line(lines);
    if (is_it) return value;
  }
  return {};
}

bool has_header(std::string_view lines, std::string_view name) {
  return header_of(lines, name).data() != nullptr;
}

std::string_view Record::rest(unsigned line) const {
  std::string_view rest = text_;
  while (line-- > 0) take_line(rest);
  return rest;
}

std::string_view Record::line(unsigned number) const {
  std::string_view from = rest(number);
  return take_line(from);
}

std::string_view Record::reason() const {
  std::string_view reason = line(0);
  if (!reason.empty()) reason.remove_prefix(1);
  // Other code of the site's may have written it into the store, and a browser throws at some.
  for (const char c : reason) {
    if (c < ' ' || c > '~') return {};
  }
  return reason;
}

void Record::write(std::string_view form, std::string_view etag, std::string_view date,
                   std::string_view others, std::string_view headers) {
  Text text = form;
  for (const std::string_view each : {etag, date, others, headers}) (text += "\n") += each;
  text_ = std::move(text);
}

void Record::learn(std::string_view seen, bool whole, std::string_view reason) {
  // A part says nothing of the whole's length and encoding.
  const bool is_kept = is_whole() && !whole;
  const std::string_view tag = header_of(seen, "etag");
  const std::string_view modified = header_of(seen, "last-modified");
  Text others = line(3);
  for (const std::string_view each : {tag, modified}) {
    if (!is_given() || knows(each)) continue;
    if (others.size() + each.size() > limits::record_bytes) others.clear();
    (others += "\t") += each;
  }
  if (seen.size() > limits::record_bytes) seen = {};
  Text form = whole ? "1" : "0";
  form += reason;
  write(is_kept ? line(0) : std::string_view(form), is_given() ? etag() : tag,
        is_given() ? date() : modified, others, is_kept ? headers() : seen);
}

bool Record::give(std::string_view own_etag) {
  if (is_given()) return false;
  write({}, own_etag, {}, {}, {});
  return true;
}

bool Record::denies(std::string_view seen) const {
  const auto is_other = [this](std::string_view value, std::string_view given) {
    return value.empty() ? !given.empty() : !knows(value);
  };
  return is_given() && (is_other(header_of(seen, "etag"), etag()) ||
                        is_other(header_of(seen, "last-modified"), date()));
}

bool Record::knows(std::string_view validator) const {
  for (std::string_view others = line(3); !others.empty();) {
    others.remove_prefix(1);
    const std::size_t end = std::min(others.find('\t'), others.size());
    if (others.substr(0, end) == validator) return true;
    others.remove_prefix(end);
  }
  return etag() == validator || date() == validator;
}

}  // namespace peer_cdn
