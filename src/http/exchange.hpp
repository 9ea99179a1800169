// One routed request, from the first plugin that is asked to the last byte.
//
//   chain   which plugin is asked, and whose answer the page gets (http/chain.hpp)
//   get     a plugin of ours that is asked: by the chain, by a site's middleware, or to give a
//           put() what was stored
//   part    one body, with what it has asked of others (http/part.hpp)
//
// A get has its result when the first byte of its part is there. A get of the network while the
// delegate's part waits for its first byte joins that part: the origin begins, and peers take over.
#pragma once

#include <cstdint>
#include <optional>

#include "base/limits.hpp"
#include "http/chain.hpp"
#include "http/head.hpp"
#include "http/part.hpp"

namespace peer_cdn {

// A plugin of a route, with what DelegatePlugin was given.
struct Plugin {
  PluginKind kind = PluginKind::user;
  Duration timeout{};  // until the first byte; none: as long as it takes
  double patience = limits::patience;
};

class Exchange {
 public:
  Exchange(Commons& commons, Strategy strategy, const List<Plugin>& plugins, Asked asked);
  Exchange(const Exchange&) = delete;

  // The manifest is as new as it gets: the listed resource, or none if the origin is to answer for
  // itself, and the chain begins. The exchange stays with the manifest that it began with.
  // `checks`: as in Asked.
  void start(Resource* resource, std::optional<ByteRange> part, bool is_listed, bool checks,
             Instant now);
  // There is no body in the answer.
  void answer_empty(Resource& resource, std::uint32_t status);
  // It is not ours after all.
  void fall_through();

  // A site's middleware, or Through, gave something. `made`: the part whose response it is, or 0.
  // False: another one was sooner, and nobody will read it.
  bool handle_answer(std::uint32_t plugin, bool has_response, BodyId made, Instant now);
  // A site's middleware calls get() of a plugin of ours. 0: it comes too late.
  GetId handle_get(const Plugin& what, Instant now);

  // A page said hello.
  void handle_hello(Instant now) { go_on(now, true); }
  void handle_timeout(Instant now);
  Deadline next_timeout() const;

  const Asked& asked() const { return asked_; }
  bool is_over() const { return is_over_; }
  ResponseHead head() const {
    return response_head(*asked_.resource, asked_.part ? 206 : status_, asked_.part);
  }
  // What follows from what its parts were told, and lets go of those that are over. To be called
  // after each event. True if that was all.
  bool settle(Instant now);

 private:
  struct Get {
    GetId id{};                // 0: the chain's own
    std::uint32_t plugin = 0;  // of the chain, or whose put() it is for
    Plugin what{};
    bool is_put = false;
    BodyId body{};          // once there is one
    Deadline page_until{};  // it waits for a hello
  };

  Part* find(BodyId body);
  // For its bytes, with what others wait for before them.
  Wish wish() const { return commons_.add_before(asked_.wish()); }
  bool lost(PluginKind kind) const { return (aborted_ >> static_cast<unsigned>(kind) & 1) != 0; }
  // The first of this kind in the route; their number if there is none.
  std::uint32_t plugin_of(PluginKind kind) const;
  // What the chain decided.
  void run_chain(Instant now);
  void perform(const Chain::Start& start, Instant now);
  void perform(const Chain::Abort& abort, Instant now);
  void perform(const Chain::Respond& respond, Instant now);
  void perform(const Chain::Put& put, Instant now);
  void perform(const Chain::GiveUp& give_up, Instant now);
  void perform(const Chain::FallThrough& none, Instant now);
  // What a part's outcome means for the others. True if it was new.
  bool follow(Part& part, Instant now);
  void settle(const Part& part, Instant now);
  void settle(const Get& get, const Part* part, Instant now);
  void begin(Get get, Instant now);
  void open_part(Get get, bool has_page, Instant now);
  // Gets that wait for a page: one said hello, or it is late.
  void go_on(Instant now, bool has_hello);
  // The body that the page gets is over.
  void await_puts(Instant now);
  void begin_puts(Instant now);

  Commons& commons_;
  List<Plugin> plugins_;
  Strategy strategy_;
  Chain chain_;
  Asked asked_;
  unsigned aborted_ = 0;  // kinds of plugins that lost
  bool is_answered_ = false;
  bool is_over_ = false;
  bool has_lost_origin_ = false;
  bool is_listed_ = false;
  bool is_last_ = false;  // all were null: the store is asked once more, and then nobody
  std::uint32_t status_ = 200;
  BodyId answer_{};       // the part whose response the page gets
  List<BodyId> answers_;  // by plugin, the part whose response it gave
  List<Get> gets_;
  OwnedList<Part> parts_;
  List<std::uint32_t> puts_;  // plugins that are to get what was stored
  Deadline puts_until_;
};

}  // namespace peer_cdn
