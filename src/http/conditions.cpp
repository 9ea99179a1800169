#include "http/conditions.hpp"

#include "base/text.hpp"
#include "http/head.hpp"

namespace peer_cdn {
namespace {

bool is_weak(std::string_view tag) {
  return tag.substr(0, 2) == "W/";
}

// One that was given for these bytes.
bool is_given(std::string_view validator, const Resource& resource) {
  return !validator.empty() &&
         (resource.record.knows(validator) || validator == entity_tag(resource));
}

// The next tag of a list, which may have empty members (RFC 9110 5.6.1, 8.8.3). A comma may be part
// of a tag.
std::string_view take_tag(std::string_view& list) {
  while (!list.empty() && (is_space(list.front()) || list.front() == ',')) list.remove_prefix(1);
  const std::size_t open = list.find('"');
  const std::size_t close = open == std::string_view::npos ? open : list.find('"', open + 1);
  const std::string_view tag =
      list.substr(0, close == std::string_view::npos ? list.find(',') : close + 1);
  list.remove_prefix(tag.size());
  return tag;
}

// Whether one of them was given for these bytes. Weak ones are the same tag where `weak`.
bool has_given(std::string_view list, bool weak, const Resource& resource) {
  if (list == "*") return resource.record.is_given();
  while (!list.empty()) {
    const std::string_view tag = take_tag(list);
    const std::string_view strong = is_weak(tag) ? tag.substr(2) : tag;
    if (!weak && is_weak(tag)) continue;
    if (is_given(strong, resource)) return true;
    Text weakened = std::string_view("W/");
    if (weak && is_given(weakened += strong, resource)) return true;
  }
  return false;
}

}  // namespace

Conditions Conditions::take(std::string_view& rest) {
  Conditions of;
  for (std::string_view* each : {&of.range, &of.if_range, &of.if_match, &of.if_unmodified_since,
                                 &of.if_none_match, &of.if_modified_since}) {
    *each = trim(take_line(rest));
  }
  return of;
}

Condition evaluate(const Conditions& asked, const Resource& resource) {
  // The order of RFC 9110 13.2.2.
  if (!asked.if_match.empty()) {
    if (!has_given(asked.if_match, false, resource)) return Condition::origin;
  } else if (!asked.if_unmodified_since.empty() && !is_given(asked.if_unmodified_since, resource)) {
    return Condition::origin;
  }
  if (!asked.if_none_match.empty()) {
    return has_given(asked.if_none_match, true, resource) ? Condition::not_modified
                                                          : Condition::origin;
  }
  if (!asked.if_modified_since.empty()) {
    return is_given(asked.if_modified_since, resource) ? Condition::not_modified
                                                       : Condition::origin;
  }
  if (asked.range.empty() || asked.if_range.empty()) return Condition::holds;
  const bool holds = !is_weak(asked.if_range) && is_given(asked.if_range, resource);
  return holds ? Condition::holds : Condition::origin;
}

}  // namespace peer_cdn
