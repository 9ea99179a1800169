// A visitor's service worker: the real Engine, with a page of peers and the origin under it, and a
// host that keeps no bytes. What sw/exchange.js and sw/body.js do for it is done here.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "file.hpp"
#include "http/engine.hpp"
#include "origin.hpp"
#include "swarm/output.hpp"

namespace peer_cdn::sim {

class World;
class Visitor;
class Worker;

// One fetch() of the page.
class Request {
 public:
  Request(Worker& worker, const File& file);

  // All of this is called inside a step of the visitor.
  void start();
  void handle_pending(bool warm);
  void handle_delivered(const swarm::Deliver& output);
  void handle_end(const swarm::End& output);
  void handle_company();
  void handle_held(PieceRange pieces);

  bool done() const { return ended_at.has_value(); }
  Duration took() const { return *ended_at - opened; }

  const File& file;
  const Instant opened;
  std::optional<Instant> ended_at;
  std::optional<Instant> first_byte;
  std::uint64_t passed = 0;
  bool fell_through = false;

 private:
  // Each calls in, and performs what comes out. What is over by then is told nothing.
  template <class F>
  void in_chain(F event);
  template <class F>
  void in_body(BodyId body, F event);
  // In the body that is open now.
  template <class F>
  void after(Duration wait, F event);
  void drain_chain();
  void drain_body();
  void watch();
  void start(std::uint32_t plugin);
  void open_body(PluginKind opener);
  void close_body();
  void fail();
  void perform(const Body::Read& read);
  void perform(const Body::OpenPeers& open);
  void perform(const Body::Grant& grant);
  void perform(const Body::Fetch& fetch);
  void perform(const Body::Accept& accept);
  void perform(const Body::Store& store);
  void perform(const Body::Close& close);
  void perform(const Body::Enqueue& enqueue);
  void perform(const Body::Done&);
  void perform(const Body::Fail&) { fail(); }
  void perform(const Body::Drop&) {}
  // The origin of this world answers all that it is asked.
  void perform(const Body::Pass&) { fail(); }
  void fetch_now(const Body::Fetch& fetch);
  void note_peers(bool in_vain);
  void tell(bool done);
  void say_alive(JobId job);
  void fall_through();
  void end();

  Worker& worker_;
  World& world_;
  Visitor& visitor_;
  ExchangeId exchange_;
  Body* body_ = nullptr;
  BodyId body_id_;
  PluginKind opener_ = PluginKind::network;
  bool hedged_ = false;         // the network's plugin has joined the delegate's body
  std::optional<JobId> peers_;  // what the page is asked for
  ReaderId reader_;             // there
  bool warm_ = false;           // it has an open pair, and brought nothing yet
  Instant asked_{}, told_{};
  std::map<JobId, StreamId> fetches_;
  std::optional<Instant> chain_woken_at_, body_woken_at_;
};

class Worker {
 public:
  // `files` are listed. `disabled`: by the site's switch, so that nothing is ours.
  Worker(World& world, Visitor& visitor, const std::vector<const File*>& files,
         bool disabled = false);
  // Inside of a step.
  Request& fetch(const File& file);
  void handle_company(const Root& root);
  void handle_held(const Root& root, PieceRange pieces);

  Engine engine;
  std::vector<std::unique_ptr<Request>> requests;

 private:
  friend class Request;
  World& world_;
  Visitor& visitor_;
};

}  // namespace peer_cdn::sim
