// One request of a page: the worker's real Body, with a page of peers and the origin under it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "file.hpp"
#include "http/body.hpp"
#include "http/estimate.hpp"
#include "origin.hpp"
#include "swarm/download.hpp"
#include "swarm/output.hpp"

namespace peer_cdn::sim {

class World;
class Visitor;

class Worker {
 public:
  Worker(World& world, Visitor& visitor, const File& file);

  // All of this is called inside a step of the visitor.
  void start();
  void handle_pending(const swarm::Pending& output);
  void handle_delivered(const swarm::Deliver& output);
  void handle_end(const swarm::End& output);
  void handle_company(const Root& root);
  void handle_held(PieceRange pieces);

  bool done() const { return ended_at.has_value(); }
  Duration took() const { return *ended_at - opened; }

  Instant opened{};
  std::optional<Instant> ended_at;
  std::optional<Instant> first_byte;
  std::uint64_t passed = 0;
  bool fell_through = false;

 private:
  Duration hedge_wait(bool warm) const;
  void open_body(PluginKind opener);
  void drain();
  void watch();
  void perform(const Body::Read& read);
  void perform(const Body::OpenPeers& open);
  void perform(const Body::Grant& grant);
  void perform(const Body::Fetch& fetch);
  void perform(const Body::Accept&) {}
  void perform(const Body::Store& store);
  void perform(const Body::Close& close);
  void perform(const Body::Enqueue& enqueue);
  void perform(const Body::Done&);
  void perform(const Body::Fail& fail);
  void perform(const Body::Drop&) {}
  void fetch_now(const Body::Fetch& fetch);
  void handle_digest(JobId job, PieceIndex piece, bool right);
  void fall_through();
  void end();

  World& world_;
  Visitor& visitor_;
  const File& file_;
  Estimate network_;
  swarm::OriginUse terms_;
  std::optional<Body> body_;
  ReaderId reader_;  // at the page; its job once the body asked for it
  std::optional<JobId> peers_;
  std::map<JobId, StreamId> fetches_;
  std::optional<Instant> woken_at_;
};

}  // namespace peer_cdn::sim
