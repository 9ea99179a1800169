#include "signal/bus.hpp"

#include <cstring>
#include <optional>
#include <utility>

#include "base/limits.hpp"
#include "signal/json.hpp"

namespace peer_cdn::signal::bus {
namespace {

// --- Writing -------------------------------------------------------------------------------------

template <class T>
void put(Text& to, T number) {
  char bytes[sizeof(T)];
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    bytes[i] = static_cast<char>(static_cast<std::uint64_t>(number) >> (8 * i));
  }
  to += std::string_view(bytes, sizeof(T));
}
void put(Text& to, bool flag) {
  put(to, static_cast<std::uint8_t>(flag));
}
void put(Text& to, PeerId peer) {
  put(to, peer.value);
}
void put(Text& to, const Root& root) {
  to += as_text(root.bytes);
}
void put(Text& to, const std::string& text) {
  put(to, static_cast<std::uint16_t>(text.size()));
  to += text;
}
void put(Text& to, const Place& place) {
  for (const Salted& salted : {place.network, place.label}) {
    put(to, salted.today);
    put(to, salted.before);
  }
}
void put(Text& to, const Wanted& wanted) {
  put(to, wanted.root);
  put(to, wanted.count);
}
void put(Text& to, const Holder& holder) {
  put(to, holder.peer);
  put(to, holder.browser);
}
template <class T>
void put(Text& to, const std::vector<T>& list) {
  put(to, static_cast<std::uint16_t>(list.size()));
  for (const T& each : list) put(to, each);
}
void put(Text& to, const Found& found) {
  put(to, found.root);
  put(to, found.known);
  put(to, found.holders);
}
template <class... Ts>
void put_all(Text& to, const Ts&... fields) {
  (put(to, fields), ...);
}

void write(Text& to, const Changes& it) {
  put_all(to, it.site, it.add, it.remove);
}
void write(Text& to, const Seek& it) {
  put_all(to, it.site, it.peer, it.browser, it.paired);
}
void write(Text&, const Bye&) {}
void write(Text&, const Start&) {}
void write(Text& to, const All& it) {
  put_all(to, it.first, it.last, it.site, it.marks);
}
void write(Text& to, const Look& it) {
  put_all(to, it.number, it.second, it.site, it.asker, it.browser, it.place, it.known);
  put(to, static_cast<std::uint16_t>(it.wanted.size()));
  for (const Wanted& wanted : it.wanted) put(to, wanted);
}
void write(Text& to, const Seen& it) {
  put_all(to, it.number, it.second, it.asker);
  put(to, static_cast<std::uint16_t>(it.found.size()));
  for (const Found& found : it.found) put(to, found);
}
// The text that the client would get, so that JSON of the bus is read by the parser of clients'.
void write(Text& to, const Pass& it) {
  put(to, it.signal.peer);
  append_text(to, it.from, it.signal);
}
void write(Text& to, const Part& it) {
  put_all(to, it.from, it.to, it.declined);
}
void write(Text& to, const Again& it) {
  put_all(to, it.from, it.to, it.browser);
}

// --- Reading -------------------------------------------------------------------------------------

// Takes fields off a record. What is beyond a limit makes it as bad as what ends too early.
class Reader {
 public:
  explicit Reader(ByteSpan bytes) : frame_(bytes) {}

  bool done() const { return ok_ && frame_.ok() && frame_.remaining() == 0; }

  void get(bool& flag) {
    const auto byte = frame_.number<std::uint8_t>();
    if (byte > 1) ok_ = false;
    flag = byte == 1;
  }
  void get(std::uint8_t& number) { number = frame_.number<std::uint8_t>(); }
  void get(std::uint32_t& number) { number = frame_.number<std::uint32_t>(); }
  void get(PeerId& peer) {
    get(peer.value);
    if (peer.value == 0) ok_ = false;
  }
  void get(Place& place) {
    for (Salted* const salted : {&place.network, &place.label}) {
      get(salted->today);
      get(salted->before);
    }
  }
  void get(Root& root) { root = frame_.digest(); }
  void get(Wanted& wanted) {
    get(wanted.root);
    get(wanted.count);
  }
  void get(Holder& holder) {
    get(holder.peer);
    browser(holder.browser);
  }
  void get(Found& found) {
    get(found.root);
    get(found.known);
    list(found.holders, limits::introductions_per_root);
  }
  void site(std::string& text) { take_text(text, limits::site_bytes); }
  void browser(std::string& text) {
    take_text(text, browser_digits);
    if (!is_browser(text)) ok_ = false;
  }
  template <class T>
  void list(std::vector<T>& items, std::size_t most) {
    const std::size_t count = frame_.number<std::uint16_t>();
    if (count > most) ok_ = false;
    for (std::size_t i = 0; i < count && ok_ && frame_.ok(); ++i) get(items.emplace_back());
  }
  std::string_view rest() { return as_text(frame_.take(frame_.remaining())); }

 private:
  void take_text(std::string& text, std::size_t most) {
    const std::size_t count = frame_.number<std::uint16_t>();
    if (count > most) ok_ = false;
    if (ok_) text = as_text(frame_.take(count));
  }

  FrameReader frame_;
  bool ok_ = true;
};

void read(Reader& from, Changes& it) {
  from.site(it.site);
  from.list(it.add, limits::marks_per_record);
  from.list(it.remove, limits::marks_per_record);
}
void read(Reader& from, Seek& it) {
  from.site(it.site);
  from.get(it.peer);
  from.browser(it.browser);
  from.list(it.paired, limits::pairs_per_page);
}
void read(Reader&, Bye&) {}
void read(Reader&, Start&) {}
void read(Reader& from, All& it) {
  from.get(it.first);
  from.get(it.last);
  from.site(it.site);
  from.list(it.marks, limits::marks_per_record);
}
void read(Reader& from, Look& it) {
  from.get(it.number);
  from.get(it.second);
  from.site(it.site);
  from.get(it.asker);
  from.browser(it.browser);
  from.get(it.place);
  from.list(it.known, limits::introductions_per_peer);
  from.list(it.wanted, limits::roots_per_message);
}
void read(Reader& from, Seen& it) {
  from.get(it.number);
  from.get(it.second);
  from.get(it.asker);
  from.list(it.found, limits::roots_per_message);
}
void read(Reader& from, Part& it) {
  from.get(it.from);
  from.get(it.to);
  from.get(it.declined);
}
void read(Reader& from, Again& it) {
  from.get(it.from);
  from.get(it.to);
  from.browser(it.browser);
}

template <class T>
std::optional<Record> record_of(ByteSpan bytes) {
  Reader from(bytes);
  T it;
  read(from, it);
  if (!from.done()) return std::nullopt;
  return it;
}
template <>
std::optional<Record> record_of<Pass>(ByteSpan bytes) {
  Reader from(bytes);
  PeerId to;
  from.get(to);
  const std::string_view text = from.rest();
  if (!from.done() || !is_utf8(text)) return std::nullopt;
  auto said = parse_text(text, limits::passed_bytes);
  if (!said) return std::nullopt;
  auto* const signal = std::get_if<Relayed>(&said.value());
  if (!signal || signal->peer.value == 0) return std::nullopt;
  Pass pass{signal->peer, std::move(*signal)};
  pass.signal.peer = to;
  return pass;
}

template <std::size_t I = 0>
std::optional<Record> record_of(std::size_t kind, ByteSpan bytes) {
  if constexpr (I == std::variant_size_v<Record>) {
    return std::nullopt;
  } else {
    if (kind == I) return record_of<std::variant_alternative_t<I, Record>>(bytes);
    return record_of<I + 1>(kind, bytes);
  }
}

}  // namespace

void append_head(Text& to, const Head& head) {
  put_all(to, static_cast<std::uint8_t>(limits::bus_version), head.to_all, head.from, head.number);
}

// Its kind, the length of what follows, and that.
void append_record(Text& to, const Record& record) {
  put(to, static_cast<std::uint8_t>(record.index()));
  const std::size_t at = to.size();
  put(to, std::uint32_t{0});
  const std::size_t begin = to.size();
  std::visit([&to](const auto& it) { write(to, it); }, record);
  Text length;
  put(length, static_cast<std::uint32_t>(to.size() - begin));
  std::memcpy(to.begin() + at, length.begin(), length.size());
}

Result<Frame> read_frame(ByteSpan bytes) {
  FrameReader from(bytes);
  const auto version = from.number<std::uint8_t>();
  if (from.ok() && version != limits::bus_version) return Error::version_mismatch;
  const auto to_all = from.number<std::uint8_t>();
  Frame frame;
  frame.head = {from.number<std::uint64_t>(), from.number<std::uint32_t>(), to_all == 1};
  // No coordinator has the name 0.
  if (!from.ok() || to_all > 1 || frame.head.from == 0 || bytes.size() > limits::bus_frame_bytes)
    return Error::malformed_message;
  while (from.remaining() > 0) {
    const auto kind = from.number<std::uint8_t>();
    const auto length = from.number<std::uint32_t>();
    const ByteSpan body = from.take(length);
    if (!from.ok()) return Error::malformed_message;
    auto record = record_of(kind, body);
    if (!record) return Error::malformed_message;
    frame.records.push_back(std::move(*record));
  }
  return frame;
}

}  // namespace peer_cdn::signal::bus
