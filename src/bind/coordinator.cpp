// The coordinator for Node: text of sockets in, text for sockets out. JSON is parsed here, and
// checked in signal/message.cpp.
#include "signal/coordinator.hpp"

#include <emscripten/bind.h>
#include <emscripten/val.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using emscripten::val;
using nlohmann::json;
using peer_cdn::Error;
using peer_cdn::Instant;
using peer_cdn::instant_from_ms;
using peer_cdn::PeerId;
using peer_cdn::Result;
namespace limits = peer_cdn::limits;
namespace signal = peer_cdn::signal;

// A member of an unexpected type counts as absent (message.hpp, Fields).
template <class T>
void take(const json& object, const char* name, std::optional<T>& field) {
  const auto found = object.find(name);
  if (found == object.end()) return;
  if constexpr (std::is_same_v<T, bool>) {
    if (found->is_boolean()) field = found->get<bool>();
  } else if constexpr (std::is_same_v<T, double>) {
    if (found->is_number()) field = found->get<double>();
  } else {
    if (found->is_string()) field = found->get_ref<const std::string&>();
  }
}

void take_texts(const json& object, const char* name,
                std::optional<std::vector<std::string>>& field) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_array()) return;
  std::vector<std::string> texts;
  for (const json& text : *found) {
    if (!text.is_string()) return;
    texts.push_back(text.get_ref<const std::string&>());
  }
  field = std::move(texts);
}

void take_numbers(const json& object, const char* name, std::optional<std::vector<double>>& field) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_array()) return;
  std::vector<double> numbers;
  for (const json& number : *found) {
    if (!number.is_number()) return;
    numbers.push_back(number.get<double>());
  }
  field = std::move(numbers);
}

Result<signal::Message> parse_text(const std::string& text) {
  if (text.size() > limits::signal_bytes) return Error::message_too_long;
  const json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return Error::malformed_message;
  signal::Fields fields;
  take(object, "type", fields.type);
  take(object, "browser", fields.browser);
  take(object, "code", fields.code);
  take(object, "version", fields.version);
  take(object, "peer", fields.peer);
  take(object, "offer", fields.offer);
  take_texts(object, "add", fields.add);
  take_texts(object, "remove", fields.remove);
  take_texts(object, "roots", fields.roots);
  take_numbers(object, "peers", fields.peers);
  if (const auto found = object.find("description"); found != object.end() && found->is_object()) {
    take(*found, "type", fields.description_type);
    take(*found, "sdp", fields.description_sdp);
  }
  if (const auto found = object.find("candidate"); found != object.end() && found->is_object()) {
    take(*found, "candidate", fields.candidate);
    take(*found, "sdpMid", fields.candidate_mid);
    take(*found, "sdpMLineIndex", fields.candidate_line);
  }
  return signal::parse_message(fields);
}

template <class T>
void put(json& object, const char* name, const std::optional<T>& field) {
  if (field) object[name] = *field;
}

void put(json& object, const char* name, const std::optional<double>& field) {
  if (field) object[name] = static_cast<std::uint32_t>(*field);
}

std::string to_text(const signal::Message& message) {
  const signal::Fields fields = signal::to_fields(message);
  json object = json::object();
  put(object, "type", fields.type);
  put(object, "browser", fields.browser);
  put(object, "code", fields.code);
  put(object, "version", fields.version);
  put(object, "peer", fields.peer);
  put(object, "offer", fields.offer);
  put(object, "add", fields.add);
  put(object, "remove", fields.remove);
  put(object, "roots", fields.roots);
  if (fields.peers) {
    json& peers = object["peers"] = json::array();
    for (const double number : *fields.peers) peers.push_back(static_cast<std::uint32_t>(number));
  }
  if (fields.description_type) {
    put(object["description"], "type", fields.description_type);
    put(object["description"], "sdp", fields.description_sdp);
  }
  if (fields.candidate) {
    put(object["candidate"], "candidate", fields.candidate);
    put(object["candidate"], "sdpMid", fields.candidate_mid);
    put(object["candidate"], "sdpMLineIndex", fields.candidate_line);
  }
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

// The class that src/server/coordinator.js drives. Times are milliseconds of one monotonic clock.
class Coordinator {
 public:
  Coordinator(std::uint32_t seed_high, std::uint32_t seed_low)
      : coordinator_(std::uint64_t{seed_high} << 32 | seed_low) {}

  // The peer's number (> 0), or 0 if there are too many.
  std::uint32_t connect(const std::string& site, double now) {
    const Result<PeerId> peer = coordinator_.handle_connect(site, instant_from_ms(now));
    return peer ? peer->value : 0;
  }
  void disconnect(std::uint32_t peer, double now) {
    coordinator_.handle_disconnect(PeerId{peer}, instant_from_ms(now));
  }
  void message(std::uint32_t peer, const std::string& text, double now) {
    const Result<signal::Message> message = parse_text(text);
    if (message) {
      coordinator_.handle_message(PeerId{peer}, *message, instant_from_ms(now));
    } else {
      coordinator_.handle_malformed(PeerId{peer}, message.error(), instant_from_ms(now));
    }
  }
  void timeout(double now) { coordinator_.handle_timeout(instant_from_ms(now)); }
  // When to call timeout(); -1: not at all.
  double next_timeout() const {
    const auto next = coordinator_.next_timeout();
    return next ? peer_cdn::to_ms(*next) : -1;
  }
  // A flat list with three entries for each output: 'tell', peer, text; 'tellAll', peers, text;
  // 'renumber', from, to; 'close', peer, code.
  val outputs() {
    val list = val::array();
    while (auto output = coordinator_.poll_output()) {
      std::visit([&list](const auto& o) { push(list, o); }, *output);
    }
    return list;
  }
  val stats() const {
    const signal::Coordinator::Stats stats = coordinator_.stats();
    val object = val::object();
    object.set("peers", stats.peers);
    object.set("sites", stats.sites);
    object.set("introductions", static_cast<double>(stats.introductions));
    object.set("relayed", static_cast<double>(stats.relayed));
    object.set("notIntroduced", static_cast<double>(stats.not_introduced));
    object.set("refused", static_cast<double>(stats.refused));
    return object;
  }

 private:
  static void push(val& list, const signal::Tell& tell) {
    list.call<void>("push", val("tell"), tell.peer.value, to_text(tell.message));
  }
  static void push(val& list, const signal::TellAll& tell) {
    val peers = val::array();
    for (const PeerId peer : tell.peers) peers.call<void>("push", peer.value);
    list.call<void>("push", val("tellAll"), peers, to_text(tell.message));
  }
  static void push(val& list, const signal::Renumber& renumber) {
    list.call<void>("push", val("renumber"), renumber.from.value, renumber.to.value);
  }
  static void push(val& list, const signal::Close& close) {
    list.call<void>("push", val("close"), close.peer.value, std::string(code(close.error)));
  }

  signal::Coordinator coordinator_;
};

}  // namespace

EMSCRIPTEN_BINDINGS(peer_cdn_coordinator) {
  emscripten::class_<Coordinator>("Coordinator")
      .constructor<std::uint32_t, std::uint32_t>()
      .function("connect", &Coordinator::connect)
      .function("disconnect", &Coordinator::disconnect)
      .function("message", &Coordinator::message)
      .function("timeout", &Coordinator::timeout)
      .function("nextTimeout", &Coordinator::next_timeout)
      .function("outputs", &Coordinator::outputs)
      .function("stats", &Coordinator::stats);
}
