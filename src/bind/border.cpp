// Prints border.def with the numbers that the compiler gives it, as JSON: scripts/border.mjs makes
// JavaScript of it. A name that is missing in the list of an enum is a warning of the switch in
// check_*, and so an error.
#include "bind/border.hpp"

#include <cstdio>
#include <set>
#include <string>
#include <string_view>
#include <variant>

#include "base/error.hpp"
#include "base/figures.hpp"
#include "base/limits.hpp"
#include "base/names.hpp"
#include "base/pieces.hpp"
#include "bind/mailbox.hpp"
#include "http/chain.hpp"
#include "http/command.hpp"
#include "http/site_manifest.hpp"
#include "http/writes.hpp"
#include "peer/ahead.hpp"

namespace {

using namespace peer_cdn;
using peer::Permission;
using peer::Word;
namespace all = peer_cdn::limits;

double to_number(Duration duration) {
  return to_ms(duration);
}
template <class Rep, class Period>
double to_number(std::chrono::duration<Rep, Period> duration) {
  return to_ms(Duration(duration));
}
template <class T>
requires std::is_arithmetic_v<T>
double to_number(T value) {
  return static_cast<double>(value);
}

// The place of a type in a variant: what index() says when it is there.
template <class T, class... Ts>
constexpr std::size_t place_in(const std::variant<Ts...>*) {
  std::size_t place = 0;
  (void)((std::is_same_v<T, Ts> || (++place, false)) || ...);
  return place;
}

// Commas between members; braces around them.
class Object {
 public:
  Object(const char* name, char open, char close) : close_(close) {
    std::printf("%s\"%s\": %c", first_in_file ? "" : ",\n", name, open);
    first_in_file = false;
  }
  ~Object() { std::printf("%c", close_); }
  void next() {
    std::printf("%s\n ", first_ ? "" : ",");
    first_ = false;
  }

 private:
  static inline bool first_in_file = true;
  bool first_ = true;
  char close_;
};

std::string quoted(std::string_view text) {
  return '"' + std::string(text) + '"';
}

void print_enums() {
  Object object("enums", '{', '}');
  const auto add = [&object](std::string_view prefix, const std::string& name, double value) {
    object.next();
    std::printf("\"%s_%s\": %.17g", std::string(prefix).c_str(), name.c_str(), value);
  };
#define ENUM(type, prefix, ...)  \
  {                              \
    constexpr auto at = #prefix; \
    __VA_ARGS__                  \
  }
#define VALUE(type, name) add(at, #name, static_cast<double>(type::name));
#include "bind/border.def"
}

// Does nothing: here the compiler misses what a list has forgotten.
#define ENUM(type, prefix, ...)                    \
  [[maybe_unused]] void check_##type(type value) { \
    switch (value) { __VA_ARGS__ }                 \
  }
#define VALUE(type, name) \
  case type::name:        \
    break;
#include "bind/border.def"

void print_limits() {
  Object object("limits", '{', '}');
#define LIMIT(name, limit) \
  object.next();           \
  std::printf("\"%s\": %.17g", #name, to_number(all::limit));
#include "bind/border.def"
}

void print_names() {
  Object object("names", '{', '}');
#define NAME(name, text) \
  object.next();         \
  std::printf("\"%s\": %s", #name, quoted(text).c_str());
#include "bind/border.def"
}

// By an object, because offsetof is for types without a base.
void print_places() {
  Object object("places", '{', '}');
#define PLACE(name, mailbox, member)                                               \
  {                                                                                \
    static const mailbox box{};                                                    \
    object.next();                                                                 \
    std::printf("\"%s\": %u", #name,                                               \
                static_cast<unsigned>(reinterpret_cast<const char*>(&box.member) - \
                                      reinterpret_cast<const char*>(&box)));       \
  }
#include "bind/border.def"
}

void print_codes(const char* name, bool (*is_listed)(Error)) {
  Object object(name, '[', ']');
  for (unsigned number = 1; number <= static_cast<unsigned>(last_error); ++number) {
    const auto error = static_cast<Error>(number);
    if (!is_listed(error)) continue;
    object.next();
    std::printf("%s", quoted(code(error)).c_str());
  }
}

// The parameters as JavaScript passes them: "unsigned begin, text root".
#define TEXT_FIRST(name) text name,
#define TEXT_ONLY(name) text name
#define SPELL(parameters) #parameters
#define SPELL_EXPANDED(parameters) SPELL(parameters)

void print_functions() {
  Object object("functions", '[', ']');
#define FUNCTION(result, name, parameters)                                            \
  object.next();                                                                      \
  std::printf("[%s, %s, %s, \"%d\"]", quoted(#result).c_str(), quoted(#name).c_str(), \
              quoted(SPELL_EXPANDED(parameters)).c_str(), __COUNTER__);
#include "bind/border.def"
}

// A list that follows another one counts on.
void print_peer_functions() {
  Object object("peerFunctions", '[', ']');
  constexpr int before = __COUNTER__;
#define PEER_FUNCTION(result, name, parameters)                                       \
  object.next();                                                                      \
  std::printf("[%s, %s, %s, \"%d\"]", quoted(#result).c_str(), quoted(#name).c_str(), \
              quoted(SPELL_EXPANDED(parameters)).c_str(), __COUNTER__ - before);
#define TEXT_FIRST(name) text name,
#define TEXT_ONLY(name) text name
#include "bind/border.def"
}

// The outputs of a page's engine: name, number, the names of the numbers, and what follows them.
void print_outputs() {
  Object object("outputs", '[', ']');
  constexpr int before = __COUNTER__;
  std::string fields;
  std::string last;
#define OUTPUT(type, ...)                                                              \
  {                                                                                    \
    fields.clear();                                                                    \
    last = "null";                                                                     \
    __VA_ARGS__                                                                        \
    object.next();                                                                     \
    std::printf("[\"%s\", %d, [%s], %s]", #type, __COUNTER__ - before, fields.c_str(), \
                last.c_str());                                                         \
  }
#define FIELD(name, value) fields += (fields.empty() ? "" : ", ") + quoted(#name);
#define TEXT(name, value) last = "[\"string\", " + quoted(#name) + "]";
#define BYTES(name, value) last = "[\"Uint8Array<ArrayBuffer>\", " + quoted(#name) + "]";
#include "bind/border.def"
}

void print_coordinator() {
  {
    Object object("coordinatorFunctions", '[', ']');
#define COORDINATOR_FUNCTION(result, name, parameters)                        \
  object.next();                                                              \
  std::printf("[%s, %s, %s]", quoted(#result).c_str(), quoted(#name).c_str(), \
              quoted(SPELL_EXPANDED(parameters)).c_str());
#include "bind/border.def"
  }
  Object object("coordinatorStatistics", '[', ']');
  const auto add = [&object](std::string_view name) {
    object.next();
    std::printf("%s", quoted(name).c_str());
  };
#define STATISTIC(name, member) add(#name);
#define REPORT_STATISTIC(name, member) add(#name);
#include "bind/border.def"
  for (std::string_view names = figure_names; !names.empty();) add(take_line(names));
}

// A command that the list has not would come out without a place for its fields.
#define COMMAND(type, ...) +1
static_assert(
#include "bind/border.def"
    == std::variant_size_v<Command>, "the list has every command");

// How JavaScript reads a field: a form of scripts/border.mjs.
template <class T>
constexpr const char* form_of() {
  if constexpr (std::is_same_v<T, Duration>) return "TIME";
  if constexpr (std::is_same_v<T, bool>) return "BOOL";
  static_assert(std::is_same_v<T, Duration> || sizeof(T) == 1 || sizeof(T) == 4 || sizeof(T) == 8);
  return sizeof(T) == 1 ? "BYTE" : sizeof(T) == 4 ? "WORD" : "WIDE";
}

// How many members an aggregate has.
struct Anything {
  template <class T>
  operator T() const;  // NOLINT: implicit, and never called
};
template <class T, class... Members>
constexpr std::size_t members_of() {
  if constexpr (requires { T{Members{}..., Anything{}}; }) {
    return members_of<T, Members..., Anything>();
  } else {
    return sizeof...(Members);
  }
}

// The member of which a field is: "it.run" of "it.run.begin".
std::string member_of(std::string_view value) {
  return std::string(value.substr(0, value.find('.', value.find('.') + 1)));
}

// "name": its form, and its place in the command. False: the list has not every member of a
// command.
bool print_commands() {
  Object object("commands", '[', ']');
  std::string fields;
  std::set<std::string> members;
  bool is_complete = true;
#define COMMAND(type, ...)                                                                      \
  {                                                                                             \
    static const command::type it{};                                                            \
    [[maybe_unused]] const auto* at = reinterpret_cast<const char*>(&it);                       \
    fields.clear();                                                                             \
    members.clear();                                                                            \
    __VA_ARGS__                                                                                 \
    if (members.size() != members_of<command::type>()) {                                        \
      std::fprintf(stderr, "error: border.def has not every member of command::%s\n", #type);   \
      is_complete = false;                                                                      \
    }                                                                                           \
    object.next();                                                                              \
    std::printf("[\"%s\", %u, {%s}]", #type,                                                    \
                static_cast<unsigned>(place_in<command::type>(static_cast<Command*>(nullptr))), \
                fields.c_str());                                                                \
  }
#define FIELD(name, value)                                                                         \
  members.insert(member_of(#value));                                                               \
  fields += (fields.empty() ? "" : ", ") + quoted(#name) + ": [" +                                 \
            quoted(form_of<std::remove_cv_t<std::remove_reference_t<decltype(value)>>>()) + ", " + \
            std::to_string(reinterpret_cast<const char*>(&value) - at) + "]";
#include "bind/border.def"
  return is_complete;
}

// Where std::variant keeps its number: the byte that differs between two that are alike otherwise.
void print_command_layout() {
  Object object("commandLayout", '{', '}');
  const Command first{command::FetchManifest{}};
  const Command second{command::ListStore{}};
  const auto* a = reinterpret_cast<const unsigned char*>(&first);
  const auto* b = reinterpret_cast<const unsigned char*>(&second);
  std::size_t at = sizeof(Command);
  while (at > 0 && !(a[at - 1] == first.index() && b[at - 1] == second.index())) --at;
  object.next();
  std::printf("\"bytes\": %u, \"kind\": %u", static_cast<unsigned>(sizeof(Command)),
              static_cast<unsigned>(at - 1));
}

}  // namespace

int main() {
  std::printf("{");
  print_enums();
  print_limits();
  print_names();
  print_places();
  print_codes("codes", [](Error) { return true; });
  print_codes("coordinatorCodes", is_of_coordinator);
  print_functions();
  print_peer_functions();
  print_outputs();
  print_coordinator();
  const bool is_complete = print_commands();
  print_command_layout();
  std::printf("}\n");
  return is_complete ? 0 : 1;
}
