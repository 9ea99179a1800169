// One request's way through the plugins of its route: who is asked when, whose answer counts, and
// whose put() runs. Plugins are told apart by their place in the route, from 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <variant>

#include "base/list.hpp"
#include "base/time.hpp"

namespace peer_cdn {

enum class Strategy : std::uint8_t { ordered, fastest };
enum class PluginKind : std::uint8_t { user, cache, delegate, network };

// What a plugin's get() gave.
enum class Answer : std::uint8_t {
  null,
  response,
  stored_response,  // from the plugin's own store: it is not put back there
};

class Chain {
 public:
  struct Start {
    std::uint32_t plugin;
    bool operator==(const Start&) const = default;
  };
  // The plugin lost: its get() is of no use any more.
  struct Abort {
    std::uint32_t plugin;
    bool operator==(const Abort&) const = default;
  };
  // This plugin's answer goes to the page. Comes once, before the puts.
  struct Respond {
    std::uint32_t plugin;
    bool operator==(const Respond&) const = default;
  };
  struct Put {
    std::uint32_t plugin;
    bool operator==(const Put&) const = default;
  };
  // A site's plugin has not answered for limits::plugin_wait: it counts as null.
  struct GiveUp {
    std::uint32_t plugin;
    bool operator==(const GiveUp&) const = default;
  };
  // All null: the request goes to the network untouched.
  struct FallThrough {
    bool operator==(const FallThrough&) const = default;
  };
  using Output = std::variant<Start, Abort, Respond, Put, GiveUp, FallThrough>;

  explicit Chain(Strategy strategy) : strategy_(strategy) {}
  // Before it starts. At most limits::plugins_per_route: whoever adds the route refuses more.
  void add(PluginKind kind) { plugins_.push_back({kind, State::idle, {}}); }

  void start(Instant now);
  // This one once more, after all were null.
  void start_again(std::uint32_t plugin, Instant now);
  // Each started plugin answers once; one that fails has given null. What comes later, from a
  // loser, is ignored.
  void handle_answer(std::uint32_t plugin, Answer answer, Instant now);
  // A delegate knows somebody who has it: an answer will come. Hedged by a network plugin of ours
  // that follows directly, `wait` after the delegate was started; of several waits, after the
  // shortest. Plugins of users are never started early.
  void handle_pending(std::uint32_t plugin, Duration wait, Instant now);
  void handle_timeout(Instant now);

  std::optional<Output> poll_output();
  Deadline next_timeout() const;
  // Whether the network may help out peers in the body of a delegate.
  bool is_hedged() const;
  // It is asked, and its answer counts.
  bool is_running(std::uint32_t plugin) const;
  // Responded or fallen through.
  bool done() const { return done_; }

 private:
  enum class State : std::uint8_t { idle, running, over };
  struct Plugin {
    PluginKind kind;
    State state;
    Instant started;
  };

  void start_next(Instant now);
  void respond(std::uint32_t plugin, Answer answer);
  // A plugin gave nothing: wait for another one, start the next one, or give up.
  void go_on(Instant now);
  void abort_running();
  // None of a plugin of ours, which has its time in its own part (http/part.hpp).
  Deadline gives_up_at(std::uint32_t plugin) const;

  Strategy strategy_;
  List<Plugin> plugins_;
  std::uint32_t next_ = 0;  // the first plugin that was not started
  Deadline hedge_at_;
  List<Output> outputs_;
  std::size_t polled_ = 0;  // of outputs_, how many were taken
  bool done_ = false;
};

}  // namespace peer_cdn
