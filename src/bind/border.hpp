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
enum class RequestFlag : unsigned { same_origin = 1, authorization = 2, bypass = 4, condition = 8 };

// What route() gives instead of a route: the browser does it, or does it because the manifest does
// not list it.
enum class Unrouted : int { browser = -1, unlisted = -2 };

// What a chain is told.
enum class ChainEvent : unsigned {
  start,
  null,
  response,
  stored_response,
  error,
  pending,
  pending_warm,
  asked,
  timeout,
  cancel,
};

}  // namespace peer_cdn
