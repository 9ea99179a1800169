// The members of the coordinator's messages by name (src/README.md, With the coordinator).
#include "bind/convert.hpp"

#include <algorithm>

namespace peer_cdn::bind {
namespace {

using emscripten::val;

void take(const val& from, std::optional<std::string>& to) {
  if (from.isString()) to = from.as<std::string>();
}
void take(const val& from, std::optional<double>& to) {
  if (from.isNumber()) to = from.as<double>();
}
void take(const val& from, std::optional<bool>& to) {
  if (from.isTrue() || from.isFalse()) to = from.isTrue();
}
template <class T>
void take(const val& from, std::optional<std::vector<T>>& to) {
  if (!from.isArray()) return;
  const auto count = from["length"].as<unsigned>();
  std::vector<T> list;
  for (unsigned i = 0; i < count; ++i) {
    std::optional<T> element;
    take(from[i], element);
    if (!element) return;
    list.push_back(std::move(*element));
  }
  to = std::move(list);
}

template <class T>
void put(val& object, const char* name, const std::optional<T>& value) {
  if (value) object.set(name, *value);
}
template <class T>
void put(val& object, const char* name, const std::optional<std::vector<T>>& value) {
  if (value) object.set(name, val::array(*value));
}

bool is_object(const val& value) {
  return !value.isNull() && value.typeOf() == val("object");
}

}  // namespace

signal::Fields fields_of(const val& object) {
  signal::Fields fields;
  if (!is_object(object)) return fields;
  take(object["type"], fields.type);
  take(object["browser"], fields.browser);
  take(object["code"], fields.code);
  take(object["version"], fields.version);
  take(object["peer"], fields.peer);
  take(object["offer"], fields.offer);
  take(object["lean"], fields.lean);
  take(object["add"], fields.add);
  take(object["remove"], fields.remove);
  take(object["roots"], fields.roots);
  take(object["peers"], fields.peers);
  if (const val description = object["description"]; is_object(description)) {
    take(description["type"], fields.description_type);
    take(description["sdp"], fields.description_sdp);
  }
  if (const val candidate = object["candidate"]; is_object(candidate)) {
    take(candidate["candidate"], fields.candidate);
    take(candidate["sdpMid"], fields.candidate_mid);
    take(candidate["sdpMLineIndex"], fields.candidate_line);
  }
  return fields;
}

val object_of(const signal::Fields& fields) {
  val object = val::object();
  put(object, "type", fields.type);
  put(object, "browser", fields.browser);
  put(object, "code", fields.code);
  put(object, "version", fields.version);
  put(object, "peer", fields.peer);
  put(object, "offer", fields.offer);
  put(object, "lean", fields.lean);
  put(object, "add", fields.add);
  put(object, "remove", fields.remove);
  put(object, "roots", fields.roots);
  put(object, "peers", fields.peers);
  if (fields.description_type || fields.description_sdp) {
    val description = val::object();
    put(description, "type", fields.description_type);
    put(description, "sdp", fields.description_sdp);
    object.set("description", description);
  }
  if (fields.candidate) {
    val candidate = val::object();
    put(candidate, "candidate", fields.candidate);
    put(candidate, "sdpMid", fields.candidate_mid);
    put(candidate, "sdpMLineIndex", fields.candidate_line);
    object.set("candidate", candidate);
  }
  return object;
}

Bytes front_of(const val& buffer, std::size_t most) {
  const val length = buffer["byteLength"];
  if (!length.isNumber()) return {};
  const std::size_t count = std::min(most, static_cast<std::size_t>(length.as<double>()));
  return bytes_of(val::global("Uint8Array").new_(buffer, 0, count));
}

Bytes bytes_of(const val& array) {
  return emscripten::convertJSArrayToNumberVector<std::uint8_t>(array);
}

val array_of(ByteSpan bytes) {
  return val::global("Uint8Array").new_(emscripten::typed_memory_view(bytes.size(), bytes.data()));
}

}  // namespace peer_cdn::bind
