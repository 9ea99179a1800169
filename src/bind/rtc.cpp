// The connections of a page: RTCPeerConnections and their two channels, which exist only on a
// page's main thread. The engine says which there are to be (src/bind/peer.cpp), perhaps from
// another thread; it owns the channels, and this module never looks into them.
//
// A pair has the negotiated, ordered, reliable channels `control` (id 0) and `data` (id 1). The
// host (web/connections.js) calls what may throw, because C++ cannot catch here: it makes and
// closes connections and their channels, and passes on what the browser says of them. Descriptions
// and candidates stay JavaScript's values: nothing here reads them.
#include <emscripten/bind.h>
#include <emscripten/val.h>

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/limits.hpp"
#include "base/list.hpp"
#include "bind/border.hpp"

namespace peer_cdn::bind::rtc {
namespace {

using emscripten::val;

struct Connection {
  std::uint32_t id = 0;  // the engine's number of the pair, never used again
  val connection = val::null();
  bool offered = false;
  bool described = false;             // the remote description is in place
  std::vector<val> early_candidates;  // remote candidates that came before the description
};

// One page has one engine, so these belong to the module.
std::optional<val> host;
std::optional<val> configuration;
OwnedList<Connection> connections;

// A callback that comes after the connection's end finds nothing.
Connection* find(std::uint32_t id) {
  for (Connection& each : connections) {
    if (each.id == id) return &each;
  }
  return nullptr;
}

// A JavaScript function that calls the bound function `name` with this id before its own argument.
val callback(const char* name, std::uint32_t id) {
  return val::module_property(name).call<val>("bind", val::undefined(), id);
}

// Drops every reference, because Chromium counts closed connections until they are collected.
void close(std::uint32_t id) {
  const Connection* found = find(id);
  if (!found) return;
  val connection = found->connection;
  connections.erase(*found);
  connection.set("onicecandidate", val::null());
  connection.set("onconnectionstatechange", val::null());
  host->call<void>("disconnect", connection);
}

void tell(std::uint32_t id, PathState state) {
  host->call<void>("path", id, static_cast<unsigned>(state));
}

// Gives a promise whatever the connection does: what a blocker has left of it may throw, or give
// nothing.
val ask(const Connection& connection, const char* method, const val& argument) {
  return host->call<val>("ask", connection.connection, val(method), argument);
}

void watch(const val& promise, const char* name, std::uint32_t id) {
  promise.call<val>("then", callback(name, id), callback("rtcRefused", id));
}

void set_local(const Connection& connection) {
  watch(ask(connection, "setLocalDescription", val::undefined()), "rtcLocal", connection.id);
}

// If the browser refuses a candidate the pair has one path less, and goes on.
void give(const Connection& connection, const val& candidate) {
  ask(connection, "addIceCandidate", candidate)
      .call<val>("catch", callback("rtcIgnore", connection.id));
}

bool is_in(const Connection& connection, const char* signaling_state) {
  return connection.connection["signalingState"] == val(signaling_state);
}

// --- Callbacks -----------------------------------------------------------------------------------

void on_candidate(std::uint32_t id, val event) {
  if (!find(id)) return;
  if (const val candidate = event["candidate"]; !candidate.isNull()) {
    host->call<void>("localCandidate", id, candidate);
  }
}

void on_state(std::uint32_t id, val) {
  const Connection* connection = find(id);
  if (!connection) return;
  const val state = connection->connection["connectionState"];
  if (state == val("failed")) return tell(id, PathState::failed);
  if (state == val("disconnected")) return tell(id, PathState::lost);
  if (state == val("connected")) tell(id, PathState::found);
}

void on_refused(std::uint32_t id, val) {
  if (find(id)) tell(id, PathState::refused);
}

void on_local(std::uint32_t id, val) {
  const Connection* connection = find(id);
  if (!connection) return;
  const val local = connection->connection["localDescription"];
  if (local.isNull() || local.isUndefined()) return tell(id, PathState::refused);
  host->call<void>("localDescription", id, local);
}

void on_remote(std::uint32_t id, val) {
  Connection* connection = find(id);
  if (!connection) return;
  connection->described = true;
  const bool answering = is_in(*connection, "have-remote-offer");
  const std::vector<val> early = std::exchange(connection->early_candidates, {});
  if (answering) set_local(*connection);
  for (const val& candidate : early) give(*connection, candidate);
}

void on_ignore(std::uint32_t, val) {}

// --- What the host calls -------------------------------------------------------------------------

void start(val the_host, val the_configuration) {
  host = std::move(the_host);
  configuration = std::move(the_configuration);
}

void stop() {
  while (!connections.empty()) close(connections[connections.size() - 1].id);
}

// The host gets the channels in this task, the only one in which they can be transferred.
void create(std::uint32_t id, bool offer) {
  val connection = host->call<val>("connect", *configuration);
  if (connection.isNull()) return tell(id, PathState::refused);
  connection.set("onicecandidate", callback("rtcCandidate", id));
  connection.set("onconnectionstatechange", callback("rtcState", id));
  connections.add(new Connection{id, std::move(connection), offer, false, {}});
  host->call<void>("channels", id);
  if (const Connection* there = find(id); there && offer) set_local(*there);
}

void describe(std::uint32_t id, bool offer, val description) {
  const Connection* connection = find(id);
  if (!connection) return;
  // If two offers cross, the side that offered first goes on with its own, and the other drops its
  // own.
  const bool offering = is_in(*connection, "have-local-offer");
  if (offer ? offering && connection->offered : !offering) return;
  watch(ask(*connection, "setRemoteDescription", description), "rtcRemote", id);
}

// A candidate that comes before the description waits for it.
void candidate(std::uint32_t id, val candidate) {
  Connection* connection = find(id);
  if (!connection) return;
  if (connection->described) return give(*connection, candidate);
  if (connection->early_candidates.size() < limits::candidates_waiting) {
    connection->early_candidates.push_back(std::move(candidate));
  }
}

// Makes a new offer with new ICE on the same connection, whose channels live on. Either side may.
// If both do at once, the offer of the side that offered first counts.
void restart(std::uint32_t id) {
  const Connection* connection = find(id);
  if (!connection) return;
  connection->connection.call<void>("restartIce");
  set_local(*connection);
}

EMSCRIPTEN_BINDINGS(rtc) {
  emscripten::function("start", &start);
  emscripten::function("stop", &stop);
  emscripten::function("create", &create);
  emscripten::function("describe", &describe);
  emscripten::function("candidate", &candidate);
  emscripten::function("restart", &restart);
  emscripten::function("close", &close);
  emscripten::function("rtcCandidate", &on_candidate);
  emscripten::function("rtcState", &on_state);
  emscripten::function("rtcRefused", &on_refused);
  emscripten::function("rtcLocal", &on_local);
  emscripten::function("rtcRemote", &on_remote);
  emscripten::function("rtcIgnore", &on_ignore);
}

}  // namespace
}  // namespace peer_cdn::bind::rtc
