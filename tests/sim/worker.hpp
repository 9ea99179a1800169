// A visitor's service worker: the real Engine, and a host that performs its commands as sw/ does,
// over the page's peer and the origin. It keeps no bytes, only which pieces it has.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "file.hpp"
#include "http/engine.hpp"
#include "origin.hpp"
#include "swarm/output.hpp"

namespace peer_cdn::sim {

class World;
class Visitor;

// One fetch() of the page.
struct Request {
  bool done() const { return ended_at.has_value(); }
  Duration took() const { return *ended_at - opened; }

  const File& file;
  Instant opened;
  std::uint64_t bytes_per_second = 0;  // it reads; 0: all that is there at once
  std::optional<Instant> ended_at{};
  std::optional<Instant> first_byte{};
  std::uint64_t passed = 0;
  bool fell_through = false;  // the origin's own answer is the response, or the rest of it
  bool is_aborted = false;
  BodyId answer{};  // whose response the page reads
};

class Worker {
 public:
  // `files` are listed. `disabled`: by the site's switch, so that nothing is ours.
  Worker(World& world, Visitor& visitor, const std::vector<const File*>& files,
         bool disabled = false);

  // All of this is called inside a step of the visitor.
  Request& fetch(const File& file, std::uint64_t bytes_per_second = 0);
  // The page does not want the rest of its response.
  void abort(Request& request);
  void handle_present(const std::vector<Mark>& add, const std::vector<Mark>& remove);
  void handle_company(const Root& root);
  void handle_stored(const Root& root, PieceRange run);
  void handle_pending(const swarm::Pending& output);
  void handle_delivered(const swarm::Deliver& output);
  void handle_end(const swarm::End& output);

  std::vector<std::unique_ptr<Request>> requests;

 private:
  // A body, and the pieces that it has yet to pass on.
  struct Gathering {
    Request* request;
    std::set<PieceIndex> kept{};
    std::uint64_t passed = 0;
    std::uint64_t unread = 0;
    Instant read_at{};  // the last of them
    bool is_over = false;
  };
  // An answer of the origin. Its pieces [keep, cut) are kept.
  struct Answer {
    const File* file;
    sim::StreamId id;  // at the origin; 0 before it is asked
    PieceIndex keep;
    PieceIndex cut;
    PieceIndex until = 0;
    std::deque<bool> came{};       // pieces from `cut` on, right or not, which wait in the socket
    std::optional<Error> ended{};  // behind these
    std::uint64_t arrived = 0;
    bool is_rated = false;
    std::vector<Request*> pages{};  // that read it as it is
    bool is_closed = false;         // and nobody else reads it
  };
  using Errand = std::pair<BodyId, JobId>;
  struct Run {
    Root root;
    PieceIndex begin, end;
    auto operator<=>(const Run&) const = default;
  };

  // One event in, every command out. An event that comes of a command leaves its own commands to
  // the loop that runs.
  template <class F>
  void tell(F event);
  template <class F>
  void tell_part(BodyId body, F event);
  // The errand of the page's reader, if it is not closed.
  const Errand* errand_of(ReaderId reader) const;
  void wake();

  void perform(const command::Begin&) {}
  void perform(const command::Through& through);
  void perform(const command::Open&) {}
  void perform(const command::Respond& respond);
  void perform(const command::FallThrough& fall);
  void perform(const command::Over& over);
  void perform(const command::Report&) {}
  void perform(const command::KeepManifest&) {}
  void perform(const command::Announce&) {}
  void perform(const command::NeedRecord& need);
  void perform(const command::KeepRecord&) {}
  void perform(const command::NeedList& need);
  void perform(const command::Gather& gather);
  void perform(const command::Take& take);
  void perform(const command::Enqueue& enqueue);
  void perform(const command::Finish& finish);
  void perform(const command::Break& ended);
  void perform(const command::Transfer& transfer);
  void perform(const command::Read& read);
  void perform(const command::DropRun& drop);
  void perform(const command::AskPage& ask);
  void perform(const command::Grant& grant);
  void perform(const command::Close& close);
  void perform(const command::Store& store);
  void perform(const command::OpenStream& open);
  void perform(const command::Accept& accept);
  void perform(const command::PassStream& pass);
  void perform(const command::Spill& spill);
  void perform(const command::LookFor&) {}  // a visitor that leaves says so
  void perform(const command::CloseStream& close);
  void perform(const command::FetchManifest&);
  void perform(const command::ListStore&);
  void perform(const command::DropUnlisted&) {}
  void perform(const command::MakeRoom&) {}
  void perform(const command::Hand& hand);
  void perform(const command::Release& release);
  void perform(const command::WriteNext& write);
  void perform(const command::TellNews&) {}
  void perform(const command::Busy&) {}
  // The route has no middleware of a site's, the page has the stream form and asks for all.
  void perform(const command::Ask&) { never(); }
  void perform(const command::GiveUp&) { never(); }
  void perform(const command::Settle&) { never(); }
  void perform(const command::Put&) { never(); }
  void perform(const command::Check&) { never(); }
  void perform(const command::AnswerEmpty&) { never(); }
  void never();

  void read_run(const command::Read& read, const File& file);
  void say_alive(Errand errand);
  static OriginAnswer head_of(bool whole, std::string_view content_range);
  void ask(const command::OpenStream& open);
  void cut(peer_cdn::StreamId stream);
  void hand_over(peer_cdn::StreamId stream, BodyId body);
  // The origin's own answer, of this plugin or of nobody.
  void pass_through(Request& request, ExchangeId exchange, std::optional<std::uint32_t> plugin);
  // The page takes all that is there.
  void show(BodyId body);
  void handle_read(BodyId body, std::uint32_t bytes);
  void end(Request& request);
  const File& file_of(BodyId body) const { return bodies_.at(body).request->file; }
  double wall() const;

  World& world_;
  Visitor& visitor_;
  Engine engine_;
  bool is_draining_ = false;
  std::optional<Instant> woken_at_;
  std::map<ExchangeId, Request*> exchanges_;
  std::map<BodyId, Gathering> bodies_;
  std::map<Errand, ReaderId> errands_;  // no reader: a run is read
  std::map<peer_cdn::StreamId, Answer> answers_;
  std::set<Run> runs_;  // in the store, or on their way to it
  struct Held {
    command::Store store;
    const File* file;
  };
  std::deque<Held> held_;  // not written yet
};

}  // namespace peer_cdn::sim
