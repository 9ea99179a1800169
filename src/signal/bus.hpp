// What coordinators that serve the same sites, siblings, tell each other over a bus (Redis): frames
// of records. src/README.md, Between coordinators, has the table.
//
// The bus delivers what one coordinator sends to another in order, or loses it. Whoever can write
// to it is believed no more than a visitor: read_frame() is the one validator.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/text.hpp"
#include "signal/message.hpp"
#include "signal/place.hpp"

namespace peer_cdn::signal::bus {

// A coordinator's name on the bus: a random number.
using Name = std::uint64_t;

// To all: what the sender's visitors can serve has changed.
struct Changes {
  std::string site;
  std::vector<Mark> add, remove;
  bool operator==(const Changes&) const = default;
};
// To all: a visitor is back, perhaps from one of you, and says with whom it still has pairs.
struct Seek {
  std::string site;
  PeerId peer;
  std::string browser;
  std::vector<PeerId> paired;
  bool operator==(const Seek&) const = default;
};
// To all: the sender ends.
struct Bye {
  bool operator==(const Bye&) const = default;
};

// To one: the sender knows nothing of you, or missed something. Both forget what they introduced
// to each other, and an All follows.
struct Start {
  bool operator==(const Start&) const = default;
};
// To one: what the sender's visitors can serve, in parts.
struct All {
  bool first = false, last = false;
  std::string site;
  std::vector<Mark> marks;
  bool operator==(const All&) const = default;
};
// To one: a visitor of the sender's wants holders among yours.
struct Wanted {
  Root root;
  std::uint8_t count = 0;
  bool operator==(const Wanted&) const = default;
};
struct Look {
  std::uint32_t number = 0;  // the sender's, for the answer
  bool second = false;       // the holder that declined before is replaced, once
  std::string site;
  PeerId asker;
  std::string browser;
  Place place;                // of the asker
  std::vector<PeerId> known;  // visitors of yours to whom the asker is introduced
  std::vector<Wanted> wanted;
  bool operator==(const Look&) const = default;
};
// To one: its answer. The holders are introduced to the asker, and were told to offer.
struct Holder {
  PeerId peer;
  std::string browser;
  bool operator==(const Holder&) const = default;
};
struct Found {
  Root root;
  std::uint8_t known = 0;  // how many of the known have it
  std::vector<Holder> holders;
  bool operator==(const Found&) const = default;
};
struct Seen {
  std::uint32_t number = 0;
  bool second = false;
  PeerId asker;
  std::vector<Found> found;
  bool operator==(const Seen&) const = default;
};
// To one: a visitor of the sender's signals one of yours.
struct Pass {
  PeerId from;
  Relayed signal;
  bool operator==(const Pass&) const = default;
};
// To one: the introduction of the two is over.
struct Part {
  PeerId from, to;
  bool declined = false;  // else the visitor went
  bool operator==(const Part&) const = default;
};
// To one: the answer to a Seek. The two are introduced again.
struct Again {
  PeerId from, to;
  std::string browser;  // of `from`
  bool operator==(const Again&) const = default;
};

using Record = std::variant<Changes, Seek, Bye, Start, All, Look, Seen, Pass, Part, Again>;

struct Head {
  Name from = 0;
  // How many frames to all the sender has sent, this one included: who misses one notices.
  std::uint32_t number = 0;
  bool to_all = false;
  bool operator==(const Head&) const = default;
};
struct Frame {
  Head head;
  std::vector<Record> records;
  bool operator==(const Frame&) const = default;
};

inline constexpr std::size_t head_bytes = 14;
void append_head(Text& to, const Head& head);
void append_record(Text& to, const Record& record);

// A frame with a record that is not valid is refused as a whole. Errors: version_mismatch,
// malformed_message.
Result<Frame> read_frame(ByteSpan bytes);

}  // namespace peer_cdn::signal::bus
