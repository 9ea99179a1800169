// The life of a connection, as callbacks of the browser. A callback carries an id of ours, so that
// it finds nothing if it comes after the connection's end.
#include "bind/rtc.hpp"

#include <emscripten/bind.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/limits.hpp"
#include "bind/convert.hpp"

namespace peer_cdn::bind::rtc {
namespace {

using emscripten::val;

struct Connection {
  std::uint32_t id = 0;
  PeerId peer;
  val connection = val::null();
  val control = val::null();
  val data = val::null();
  bool offered = false;
  bool open = false;
  bool described = false;             // the remote description is in place
  std::vector<val> early_candidates;  // remote candidates that came before the description
  std::vector<val> early_frames;      // frames on `control` that came before `data` was open
};

// One page has one engine, so these belong to the module.
std::optional<val> host;
std::optional<val> configuration;
std::vector<Connection> connections;
std::uint32_t issued = 0;
std::optional<val> scratch;  // the message on its way out

Connection* find(PeerId peer) {
  const auto at = std::find_if(connections.begin(), connections.end(),
                               [&](const Connection& c) { return c.peer == peer; });
  return at == connections.end() ? nullptr : &*at;
}

Connection* find_id(std::uint32_t id) {
  const auto at = std::find_if(connections.begin(), connections.end(),
                               [&](const Connection& c) { return c.id == id; });
  return at == connections.end() ? nullptr : &*at;
}

// A JavaScript function that calls the bound function `name` with this id before its own argument.
val callback(const char* name, std::uint32_t id) {
  return val::module_property(name).call<val>("bind", val::undefined(), id);
}

// Drops every reference, because Chromium counts closed connections until they are collected.
void drop(PeerId peer) {
  const auto at = std::find_if(connections.begin(), connections.end(),
                               [&](const Connection& c) { return c.peer == peer; });
  if (at == connections.end()) return;
  Connection gone = std::move(*at);
  connections.erase(at);
  for (const char* name : {"onicecandidate", "onconnectionstatechange"}) {
    gone.connection.set(name, val::null());
  }
  for (const char* name : {"onopen", "onclose", "onerror", "onmessage", "onbufferedamountlow"}) {
    gone.control.set(name, val::null());
    gone.data.set(name, val::null());
  }
  host->call<void>("disconnect", gone.connection);
}

void fail(PeerId peer) {
  if (!find(peer)) return;
  drop(peer);
  page::pair_closed(peer);
}

val channel(const Connection& connection, const char* label, int stream) {
  val options = val::object();
  options.set("negotiated", true);
  options.set("ordered", true);
  options.set("id", stream);
  val made = connection.connection.call<val>("createDataChannel", val(label), options);
  made.set("binaryType", val("arraybuffer"));
  made.set("onopen", callback("rtcOpen", connection.id));
  made.set("onclose", callback("rtcClose", connection.id));
  made.set("onerror", callback("rtcClose", connection.id));
  return made;
}

void watch(const val& promise, const char* name, std::uint32_t id) {
  promise.call<val>("then", callback(name, id), callback("rtcRefused", id));
}

void set_local(const Connection& connection) {
  watch(connection.connection.call<val>("setLocalDescription"), "rtcLocal", connection.id);
}

// If the browser refuses a candidate the pair has one path less, and goes on.
void give(const Connection& connection, const val& candidate) {
  connection.connection.call<val>("addIceCandidate", candidate)
      .call<val>("catch", callback("rtcIgnore", connection.id));
}

std::uint64_t unsent(const val& channel) {
  return static_cast<std::uint64_t>(channel["bufferedAmount"].as<double>());
}

bool is_offering(const Connection& connection) {
  return connection.connection["signalingState"] == val("have-local-offer");
}

bool is_open(const val& channel) {
  return channel["readyState"] == val("open");
}

// --- Callbacks -----------------------------------------------------------------------------------
void on_candidate(std::uint32_t id, val event) {
  const Connection* connection = find_id(id);
  if (!connection) return;
  const val candidate = event["candidate"];
  if (candidate.isNull()) return;
  signal::Candidate told;
  told.candidate = candidate["candidate"].as<std::string>();
  if (const val mid = candidate["sdpMid"]; mid.isString()) told.sdp_mid = mid.as<std::string>();
  if (const val line = candidate["sdpMLineIndex"]; line.isNumber()) {
    told.sdp_m_line_index = line.as<std::uint32_t>();
  }
  page::local_candidate(connection->peer, std::move(told));
}

void on_state(std::uint32_t id, val) {
  Connection* connection = find_id(id);
  if (!connection) return;
  const val state = connection->connection["connectionState"];
  const bool failed = state == val("failed");
  if (!connection->open) {
    if (failed) fail(connection->peer);
  } else if (failed || state == val("disconnected")) {
    page::pair_lost(connection->peer);
  } else if (state == val("connected")) {
    page::pair_found(connection->peer);
  }
}

void on_open(std::uint32_t id, val) {
  Connection* connection = find_id(id);
  if (!connection || connection->open) return;
  if (!is_open(connection->control) || !is_open(connection->data)) return;
  connection->open = true;
  const PeerId peer = connection->peer;
  const std::vector<val> early = std::move(connection->early_frames);
  page::pair_open(peer);
  for (const val& frame : early) {
    if (!find_id(id)) return;
    page::control_message(peer, front_of(frame, limits::message_bytes + 1));
  }
}

void on_close(std::uint32_t id, val) {
  if (const Connection* connection = find_id(id)) fail(connection->peer);
}

// The browser did not take a description. An open pair goes on with the one before.
void on_refused(std::uint32_t id, val) {
  const Connection* connection = find_id(id);
  if (connection && !connection->open) fail(connection->peer);
}

void on_control(std::uint32_t id, val event) {
  Connection* connection = find_id(id);
  if (!connection) return;
  if (connection->open) {
    return page::control_message(connection->peer,
                                 front_of(event["data"], limits::message_bytes + 1));
  }
  if (connection->early_frames.size() >= limits::frames_early) return fail(connection->peer);
  connection->early_frames.push_back(event["data"]);
}

void on_data(std::uint32_t id, val event) {
  const Connection* connection = find_id(id);
  if (!connection) return;
  // No peer can have been asked for a block before the pair was open.
  if (!connection->open) return fail(connection->peer);
  page::data_message(connection->peer, event["data"]);
}

void on_low(std::uint32_t id, val) {
  const Connection* connection = find_id(id);
  if (!connection || !connection->open) return;
  page::buffered(connection->peer, unsent(connection->data));
}

void on_local(std::uint32_t id, val) {
  const Connection* connection = find_id(id);
  if (!connection) return;
  const val local = connection->connection["localDescription"];
  if (local.isNull()) return fail(connection->peer);
  page::local_description(connection->peer,
                          {local["type"] == val("offer"), local["sdp"].as<std::string>()});
}

void on_remote(std::uint32_t id, val) {
  Connection* connection = find_id(id);
  if (!connection) return;
  connection->described = true;
  const bool answering = connection->connection["signalingState"] == val("have-remote-offer");
  const std::vector<val> early = std::move(connection->early_candidates);
  if (answering) set_local(*connection);
  for (const val& candidate : early) give(*connection, candidate);
}

void on_ignore(std::uint32_t, val) {}

}  // namespace

void start(val the_host, val the_configuration) {
  stop();
  host = std::move(the_host);
  configuration = std::move(the_configuration);
}

void stop() {
  while (!connections.empty()) drop(connections.back().peer);
}

void create(PeerId peer, bool offer) {
  drop(peer);
  Connection made;
  made.connection = host->call<val>("connect", *configuration);
  if (made.connection.isNull()) return page::pair_closed(peer);
  made.id = ++issued;
  made.peer = peer;
  made.offered = offer;
  made.connection.set("onicecandidate", callback("rtcCandidate", made.id));
  made.connection.set("onconnectionstatechange", callback("rtcState", made.id));
  made.control = channel(made, "control", 0);
  made.data = channel(made, "data", 1);
  made.control.set("onmessage", callback("rtcControl", made.id));
  made.data.set("onmessage", callback("rtcData", made.id));
  made.data.set("onbufferedamountlow", callback("rtcLow", made.id));
  made.data.set("bufferedAmountLowThreshold", static_cast<double>(limits::buffered_low));
  if (offer) set_local(made);
  connections.push_back(std::move(made));
}

void describe(PeerId peer, const signal::Description& description) {
  const Connection* connection = find(peer);
  if (!connection) return;
  // If two offers cross, the side that offered first goes on with its own, and the other drops its
  // own.
  const bool offering = is_offering(*connection);
  if (description.offer ? offering && connection->offered : !offering) return;
  val object = val::object();
  object.set("type", val(description.offer ? "offer" : "answer"));
  object.set("sdp", description.sdp);
  watch(connection->connection.call<val>("setRemoteDescription", object), "rtcRemote",
        connection->id);
}

void restart(PeerId peer) {
  const Connection* connection = find(peer);
  if (!connection) return;
  connection->connection.call<void>("restartIce");
  set_local(*connection);
}

void add_candidate(PeerId peer, const signal::Candidate& candidate) {
  Connection* connection = find(peer);
  if (!connection) return;
  val object = val::object();
  object.set("candidate", candidate.candidate);
  object.set("sdpMid", candidate.sdp_mid);
  object.set("sdpMLineIndex", candidate.sdp_m_line_index);
  if (connection->described) return give(*connection, object);
  if (connection->early_candidates.size() < limits::candidates_waiting) {
    connection->early_candidates.push_back(std::move(object));
  }
}

void send_control(PeerId peer, ByteSpan frame) {
  const Connection* connection = find(peer);
  if (!connection || !connection->open) return;
  if (unsent(connection->control) > limits::control_buffered_max ||
      !host->call<bool>("send", connection->control, array_of(frame))) {
    fail(peer);
  }
}

void send_block(PeerId peer, ByteSpan header, const val& payload) {
  const Connection* connection = find(peer);
  if (!connection || !connection->open) return;
  const auto front = static_cast<std::uint32_t>(header.size());
  const auto bytes = payload["byteLength"].as<std::uint32_t>();
  // send() copies, so one buffer serves all messages. With a buffer for each, collecting them took
  // a tenth of all the time.
  if (!scratch) scratch = val::global("Uint8Array").new_(limits::message_bytes);
  scratch->call<void>("set", val(emscripten::typed_memory_view(header.size(), header.data())));
  scratch->call<void>("set", payload, front);
  const val message = scratch->call<val>("subarray", 0, front + bytes);
  if (!host->call<bool>("send", connection->data, message)) return fail(peer);
  const std::uint64_t left = unsent(connection->data);
  // More is sent while half is left, because SCTP does not speed up on a channel that runs dry.
  val data = connection->data;
  data.set("bufferedAmountLowThreshold",
           std::max<double>(limits::buffered_low, static_cast<double>(left) / 2));
  page::block_sent(peer, left);
}

void close(PeerId peer) {
  drop(peer);
}

std::uint32_t open_pairs() {
  return static_cast<std::uint32_t>(std::count_if(connections.begin(), connections.end(),
                                                  [](const Connection& c) { return c.open; }));
}

EMSCRIPTEN_BINDINGS(rtc) {
  emscripten::function("rtcCandidate", &on_candidate);
  emscripten::function("rtcState", &on_state);
  emscripten::function("rtcOpen", &on_open);
  emscripten::function("rtcClose", &on_close);
  emscripten::function("rtcRefused", &on_refused);
  emscripten::function("rtcControl", &on_control);
  emscripten::function("rtcData", &on_data);
  emscripten::function("rtcLow", &on_low);
  emscripten::function("rtcLocal", &on_local);
  emscripten::function("rtcRemote", &on_remote);
  emscripten::function("rtcIgnore", &on_ignore);
}

}  // namespace peer_cdn::bind::rtc
