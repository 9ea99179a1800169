#include "bind/fields.hpp"

#include <limits>
#include <utility>

#include "base/range.hpp"

namespace peer_cdn::bind {
namespace {

// The members by their names: of what a page is told, and of what it says.
template <class Fields, class F>
void each_common(Fields& fields, F f) {
  f("type", fields.type);
  f("version", fields.version);
  f("peer", fields.peer);
  f("lean", fields.lean);
  f("add", fields.add);
  f("remove", fields.remove);
  f("roots", fields.roots);
  f("peers", fields.peers);
  f("description.type", fields.description_type);
  f("description.sdp", fields.description_sdp);
  f("candidate.candidate", fields.candidate);
  f("candidate.sdpMid", fields.candidate_mid);
  f("candidate.sdpMLineIndex", fields.candidate_line);
}
template <class F>
void each_told(signal::Fields& fields, F f) {
  each_common(fields, f);
  f("code", fields.code);
  f("kept", fields.kept);
  f("offer", fields.offer);
  f("brought", fields.brought);
  f("set", fields.set);
  f("whole", fields.whole);
}
template <class F>
void each_said(const signal::Fields& fields, F f) {
  each_common(fields, f);
  f("browser", fields.browser);
  f("held", fields.held);
  f("wants", fields.wants);
}

double to_number(std::string_view digits) {
  double number = digits.empty() ? std::numeric_limits<double>::quiet_NaN() : 0;
  for (const char c : digits) number = number * 10 + (c - '0');
  return number;
}

std::string_view take_until(std::string_view& rest, char end) {
  const std::size_t at = rest.find(end);
  const std::string_view taken = rest.substr(0, at);
  rest = at == std::string_view::npos ? std::string_view() : rest.substr(at + 1);
  return taken;
}

void take(char type, std::string_view value, std::optional<std::string>& to) {
  if (type == 's') to = std::string(value);
}
void take(char type, std::string_view value, std::optional<double>& to) {
  if (type == 'n') to = to_number(value);
}
void take(char type, std::string_view value, std::optional<bool>& to) {
  if (type == 'b') to = value == "1";
}
template <class Items>
void take(char type, std::string_view value, std::optional<Items>& to) {
  if (type != 'l') return;
  Items list;
  while (!value.empty()) {
    std::string_view element = take_until(value, '\1');
    std::optional<std::decay_t<decltype(list.front())>> taken;
    if (!element.empty()) take(element.front(), element.substr(1), taken);
    if (!taken) return;
    list.push_back(std::move(*taken));
  }
  to = std::move(list);
}

void put(Text& to, const std::string& value) {
  (to += "s") += value;
}
// Numbers that the core sends are whole.
void put(Text& to, double value) {
  append_decimal(to += "n", static_cast<std::uint64_t>(value));
}
void put(Text& to, bool value) {
  to += value ? "b1" : "b0";
}
template <class Items>
void put(Text& to, const Items& list) {
  to += "l";
  for (const auto& each : list) {
    put(to, each);
    to += "\1";
  }
}

}  // namespace

signal::Fields to_fields(std::string_view text) {
  signal::Fields fields;
  while (!text.empty()) {
    const std::string_view name = take_until(text, '\0');
    const std::string_view value = take_until(text, '\0');
    if (value.empty()) continue;
    each_told(fields, [&](std::string_view each, auto& member) {
      if (each == name) take(value.front(), value.substr(1), member);
    });
  }
  return fields;
}

Text to_text(const signal::Fields& fields) {
  constexpr std::string_view end("\0", 1);
  Text all;
  each_said(fields, [&](std::string_view name, const auto& member) {
    if (!member) return;
    (all += name) += end;
    put(all, *member);
    all += end;
  });
  return all;
}

}  // namespace peer_cdn::bind
