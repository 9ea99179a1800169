// The words that only the worker's border has, beside those of the core: border.def lists both.
#pragma once

// An export by its number: the __COUNTER__ of whoever includes border.def before anything else
// counts.
#define BORDER_SPELL(number) #number
#define BORDER_EXPORT(number) \
  __attribute__((used, visibility("default"), export_name(BORDER_SPELL(number))))
static_assert(__COUNTER__ == 0, "the exports are counted from 1");

namespace peer_cdn {

// What a request has, as bits.
enum class RequestFlag : unsigned {
  same_origin = 1,
  authorization = 2,
  bypass = 4,
  navigation = 8,
  redirect = 16,
};

}  // namespace peer_cdn
