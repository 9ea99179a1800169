// The messages between a client and the coordinator (src/README.md, With the coordinator).
//
// The page's border turns JSON text into Fields by JSON.parse, the coordinator's by
// signal/json.hpp. parse_message() is the one validator of both. A client says some of the
// messages, and a coordinator tells some: a page has the code only to write the ones and to read
// the others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "base/limits.hpp"
#include "base/list.hpp"
#include "base/result.hpp"
#include "base/variant.hpp"

namespace peer_cdn::signal {

inline constexpr std::uint32_t version = limits::protocol_version;

// Of a browser's id, in lower-case hex.
inline constexpr std::size_t browser_digits = 32;
bool is_browser(std::string_view text);

std::optional<Mark> parse_mark(std::string_view hex);
std::string to_hex(Mark mark);

// Sums of roots, by which a client and a coordinator see whether they mean the same ones. A root is
// a digest, so its first eight bytes will do.
std::uint64_t summand_of(const Root& root);

struct Description {
  bool offer = false;  // else an answer
  std::string sdp;
  bool operator==(const Description&) const = default;
};

struct Candidate {
  std::string candidate;  // "" is end-of-candidates
  std::string sdp_mid;
  std::uint32_t sdp_m_line_index = 0;
  bool operator==(const Candidate&) const = default;
};

struct Hello {
  std::uint32_t version = 0;
  std::string browser;      // 32 lower-case hex digits; empty if the version is not ours
  PeerId peer = {};         // after a reconnect: the number of before; 0 is none
  List<PeerId> peers = {};  // the peers with which pairs are still open
  bool lean = false;        // understands lists, and introductions inside an Answer
  // After a reconnect: the sum of the roots that it had announced; 0 is none.
  std::uint64_t held = 0;
  // What it could want (signal/wants.hpp). Without it the client is told of all.
  std::optional<std::string> wants = {};
  bool operator==(const Hello&) const = default;
};
struct Welcome {
  std::uint32_t version = 0;
  PeerId peer;
  bool lean = false;  // so does this coordinator; said only to a lean client
  bool kept = false;  // what Hello::held says is known still, and need not be announced again
  bool operator==(const Welcome&) const = default;
};
struct Present {
  List<Mark> add;
  List<Mark> remove;
  // What was told before counts no more.
  bool whole = false;
  // To a client that said what it could want, in place of the marks: the cells of its list that
  // changed (signal/wants.hpp).
  std::optional<std::string> set = {};
  bool operator==(const Present&) const = default;
};
struct Want {  // what the client could want from now on: it has another manifest
  std::string wants;
  bool operator==(const Want&) const = default;
};
struct Have {
  List<Root> add;
  List<Root> remove;
  bool operator==(const Have&) const = default;
};
struct Ask {
  List<Root> roots;
  // From a lean client: the offer of a connection that is nobody's yet, for whom this ask
  // introduces first. With a client an SDP, with a coordinator a JSON object. Empty: none.
  std::string offer = {};
  bool operator==(const Ask&) const = default;
};
struct Answer {
  List<Root> roots;
  List<std::uint32_t> peers;  // a number for each root; 0: nobody has it
  // To a lean client: who was introduced to it by this ask, in place of an Introduce for each. A
  // page's socket makes such messages of it (web/socket.js), so that Fields have no such list.
  List<PeerId> introduced = {};
  PeerId offered = {};  // and to whom this ask's own offer was given; 0: nobody
  bool operator==(const Answer&) const = default;
};
struct Introduce {
  PeerId peer;
  bool offer = false;
  bool brought = false;  // the offer went with the ask: it follows this, or was this client's own
  bool operator==(const Introduce&) const = default;
};
// `peer` 0, from a client: whoever the offer of its last ask was given to.
struct Signal {
  PeerId peer;
  Variant<Description, Candidate> what;
  bool operator==(const Signal&) const = default;
};
// A signal as a coordinator relays it: JSON objects of which it knows no more than that.
struct Relayed {
  PeerId peer;              // whom it is for
  std::string description;  // empty: none
  std::vector<std::string> candidates;
  bool operator==(const Relayed&) const = default;
};
struct Decline {
  PeerId peer;
  bool operator==(const Decline&) const = default;
};
struct Gone {
  PeerId peer;
  bool operator==(const Gone&) const = default;
};
struct Resume {  // the two are introduced again and still have their pair, so neither offers
  PeerId peer;
  bool operator==(const Resume&) const = default;
};
struct Refusal {
  std::string code;
  bool operator==(const Refusal&) const = default;
};

using Message = Variant<Hello, Welcome, Present, Want, Have, Ask, Answer, Introduce, Signal,
                        Decline, Gone, Resume, Refusal>;

// A JSON object's members as they came, before they are checked. A member of another JSON type than
// the one named here counts as absent. Numbers are doubles, because JSON has no others.
struct Fields {
  std::optional<std::string> type, browser, code, held, wants, set;
  std::optional<double> version, peer;
  std::optional<bool> offer, brought, lean, kept, whole;
  std::optional<std::vector<std::string>> add, remove, roots;
  std::optional<List<double>> peers;
  std::optional<std::string> description_type, description_sdp;
  std::optional<std::string> candidate, candidate_mid;
  std::optional<double> candidate_line;
};

// JSON's numbers are doubles. Ours are whole, and fit into 32 bits.
std::optional<std::uint32_t> whole_number(const std::optional<double>& number);

// Errors: malformed_message, unknown_message, message_too_long (a list or text beyond its limit).
Result<Message> parse_message(const Fields& fields);
// The same, of what a coordinator tells. Any other is unknown_message.
Result<Message> parse_told(const Fields& fields);
// The inverse: parse_message(to_fields(m)) is m.
Fields to_fields(const Message& message);
// The same, of what a client says. Of any other there are no fields.
Fields said_to_fields(const Message& message);

}  // namespace peer_cdn::signal
