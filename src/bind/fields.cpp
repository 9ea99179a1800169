#include "bind/fields.hpp"

#include <limits>
#include <utility>

namespace peer_cdn::bind {
namespace {

// The members by their names.
template <class Fields, class F>
void each_member(Fields& fields, F f) {
  f("type", fields.type);
  f("browser", fields.browser);
  f("code", fields.code);
  f("version", fields.version);
  f("peer", fields.peer);
  f("offer", fields.offer);
  f("lean", fields.lean);
  f("add", fields.add);
  f("remove", fields.remove);
  f("roots", fields.roots);
  f("peers", fields.peers);
  f("introduced", fields.introduced);
  f("description.type", fields.description_type);
  f("description.sdp", fields.description_sdp);
  f("candidates", fields.candidates);
}
template <class Fields, class F>
void each_member_of_candidate(Fields& candidate, F f) {
  f("candidate", candidate.candidate);
  f("sdpMid", candidate.mid);
  f("sdpMLineIndex", candidate.line);
}

double to_number(std::string_view digits) {
  double number = digits.empty() ? std::numeric_limits<double>::quiet_NaN() : 0;
  for (const char c : digits) number = number * 10 + (c - '0');
  return number;
}
// Numbers that the core sends are whole.
std::string to_digits(double number) {
  return std::to_string(static_cast<std::uint64_t>(number));
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
// Whatever the element is: its members follow, and what has none is no candidate.
void take(char, std::string_view, std::optional<signal::CandidateFields>& to) {
  to.emplace();
}
template <class T>
void take(char type, std::string_view value, std::optional<std::vector<T>>& to) {
  if (type != 'l') return;
  std::vector<T> list;
  while (!value.empty()) {
    std::string_view element = take_until(value, '\1');
    std::optional<T> taken;
    const char element_type = element.empty() ? '\0' : element.front();
    take(element_type, element.substr(element.empty() ? 0 : 1), taken);
    if (!taken) return;
    list.push_back(std::move(*taken));
  }
  to = std::move(list);
}

std::string valued(const std::string& value) {
  return 's' + value;
}
std::string valued(double value) {
  return 'n' + to_digits(value);
}
std::string valued(bool value) {
  return value ? "b1" : "b0";
}
std::string valued(const signal::CandidateFields&) {
  return {};
}
template <class T>
std::string valued(const std::vector<T>& list) {
  std::string all = "l";
  for (const T& each : list) (all += valued(each)) += '\1';
  return all;
}

// The candidate that has this member, or null. Leaves the member's own name.
signal::CandidateFields* candidate_of(signal::Fields& fields, std::string_view& name) {
  std::string_view rest = name;
  const std::string_view object = take_until(rest, '.');
  if (object == "candidate") {
    name = rest;
    return &fields.candidate;
  }
  if (object != "candidates" || !fields.candidates) return nullptr;
  const double index = to_number(take_until(rest, '.'));
  if (!(index >= 0 && index < static_cast<double>(fields.candidates->size()))) return nullptr;
  name = rest;
  return &(*fields.candidates)[static_cast<std::size_t>(index)];
}

}  // namespace

signal::Fields to_fields(std::string_view text) {
  signal::Fields fields;
  while (!text.empty()) {
    std::string_view name = take_until(text, '\0');
    const std::string_view value = take_until(text, '\0');
    if (value.empty()) continue;
    const auto take_named = [&](std::string_view each, auto& member) {
      if (each == name) take(value.front(), value.substr(1), member);
    };
    if (auto* candidate = candidate_of(fields, name)) {
      each_member_of_candidate(*candidate, take_named);
    } else {
      each_member(fields, take_named);
    }
  }
  return fields;
}

std::string to_text(const signal::Fields& fields) {
  std::string all;
  std::string object;
  const auto put = [&](std::string_view name, const auto& member) {
    if (!member) return;
    ((all += object) += name) += '\0';
    (all += valued(*member)) += '\0';
  };
  each_member(fields, put);
  object = "candidate.";
  each_member_of_candidate(fields.candidate, put);
  for (std::size_t i = 0; fields.candidates && i < fields.candidates->size(); ++i) {
    object = "candidates." + std::to_string(i) + '.';
    each_member_of_candidate((*fields.candidates)[i], put);
  }
  return all;
}

}  // namespace peer_cdn::bind
