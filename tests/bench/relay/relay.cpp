// A UDP relay that delays and drops datagrams, for kernels without netem.
//
//   browser A          front of A   front of B          browser B
//   10.0.0.1:5000 <---> :7001  . . . . :7002  <---> 10.0.0.1:6000
//
// Each real address has a front: a socket that stands for it. Whoever wants to reach A is told A's
// front, and so sends there. What comes to A's front from B goes on to A *from B's front* (made
// now, if B was never announced), so that A answers there, and the way back is the same. Both sides
// only ever see fronts.
//
// Commands on stdin, one a line; those with an answer on stdout have it in brackets:
//   add <ip> <port>   a front for this address [its port]
//   delay <us>        one way, for what comes from now on
//   loss <ppm>        seeded: `relay <seed>`
//   cut | heal        the fronts that there are now pass nothing | pass again; later ones pass
//   stats             [JSON on one line]
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Instant = Clock::time_point;
using std::chrono::microseconds;

// What is on its way at most, over all pairs: 80 ms of 100 MB/s. What comes beyond is dropped, and
// counted as overflow.
constexpr std::size_t queue_datagrams = 8192;
// Browsers keep DTLS and SCTP below 1,280.
constexpr std::size_t datagram_bytes = 1536;
// Taken from one socket before the next has its turn, and sent in one call.
constexpr std::size_t batch = 64;
constexpr std::size_t fronts_max = 4096;
constexpr int socket_buffer_bytes = 4 << 20;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

struct Front {
  int socket = -1;
  sockaddr_in real{};  // what it stands for
  bool cut = false;
};

struct Datagram {
  Instant due;
  std::size_t from = 0;  // the front that sends it
  sockaddr_in to{};
  std::size_t length = 0;  // 0: dropped
  std::array<char, datagram_bytes> bytes;
};

struct Stats {
  std::uint64_t received = 0;  // datagrams
  std::uint64_t sent = 0;
  std::uint64_t sent_bytes = 0;
  std::uint64_t lost = 0;      // by `loss`
  std::uint64_t cut = 0;       // by `cut`
  std::uint64_t overflow = 0;  // the queue was full
  std::uint64_t refused = 0;   // by the kernel: the receiver is gone
};

class Relay {
 public:
  explicit Relay(std::uint64_t seed);
  void run();

 private:
  std::size_t front_of(const sockaddr_in& real);
  void receive(std::size_t at);
  void accept(Datagram& datagram, std::size_t at, const sockaddr_in& source);
  void drain(std::size_t at);
  void send_due(Instant now);
  void set_timer();
  void read_commands();
  void obey(const std::string& line);
  void tell_stats() const;
  bool is_lost();
  Datagram& slot(std::size_t index) { return queue_[index % queue_datagrams]; }

  int epoll_ = -1;
  int timer_ = -1;
  bool over_ = false;  // stdin was closed
  std::string input_;
  std::vector<Front> fronts_;
  std::unordered_map<std::uint64_t, std::size_t> by_address_;
  // A ring: [first_, last_) wait. All have the same delay, so they are due in order (after `delay`
  // was made shorter, some wait for those before them).
  std::vector<Datagram> queue_;
  std::size_t first_ = 0;
  std::size_t last_ = 0;
  microseconds delay_{0};
  std::uint32_t loss_ppm_ = 0;
  std::uint64_t random_;
  Stats stats_;
};

std::uint64_t key_of(const sockaddr_in& address) {
  return (std::uint64_t{address.sin_addr.s_addr} << 16) | address.sin_port;
}

// epoll's data is the front's index, or one of these.
constexpr std::uint64_t is_stdin = ~std::uint64_t{0};
constexpr std::uint64_t is_timer = is_stdin - 1;

void watch(int epoll, int descriptor, std::uint64_t data) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = data;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) != 0) die("epoll_ctl");
}

Relay::Relay(std::uint64_t seed) : queue_(queue_datagrams), random_(seed) {
  epoll_ = epoll_create1(0);
  timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  if (epoll_ < 0 || timer_ < 0) die("epoll, timerfd");
  watch(epoll_, STDIN_FILENO, is_stdin);
  watch(epoll_, timer_, is_timer);
}

void Relay::run() {
  std::array<epoll_event, 64> events;
  while (!over_) {
    const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
    if (count < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < count; ++i) {
      const std::uint64_t data = events[static_cast<std::size_t>(i)].data.u64;
      if (data == is_stdin) {
        read_commands();
      } else if (data == is_timer) {
        std::uint64_t ticks = 0;
        if (read(timer_, &ticks, sizeof ticks) < 0 && errno != EAGAIN) die("timerfd");
      } else {
        receive(static_cast<std::size_t>(data));
      }
    }
    send_due(Clock::now());
    set_timer();
  }
}

// On the address's own interface, so that a browser that bound to it reaches us from it.
std::size_t Relay::front_of(const sockaddr_in& real) {
  const auto known = by_address_.find(key_of(real));
  if (known != by_address_.end()) return known->second;
  if (fronts_.size() >= fronts_max) die("too many addresses");
  Front front;
  front.real = real;
  front.socket = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  for (const int option : {SO_RCVBUF, SO_SNDBUF}) {
    setsockopt(front.socket, SOL_SOCKET, option, &socket_buffer_bytes, sizeof socket_buffer_bytes);
  }
  sockaddr_in own = real;
  own.sin_port = 0;
  if (bind(front.socket, reinterpret_cast<sockaddr*>(&own), sizeof own) != 0) die("bind");
  watch(epoll_, front.socket, fronts_.size());
  by_address_[key_of(real)] = fronts_.size();
  fronts_.push_back(front);
  return fronts_.size() - 1;
}

// Straight into the ring: what is dropped stays there as a hole until its time.
void Relay::receive(std::size_t at) {
  const std::size_t room = queue_datagrams - (last_ - first_);
  if (room == 0) return drain(at);
  const std::size_t most = std::min({batch, room, queue_datagrams - last_ % queue_datagrams});
  std::array<mmsghdr, batch> messages{};
  std::array<iovec, batch> parts;
  std::array<sockaddr_in, batch> sources;
  for (std::size_t i = 0; i < most; ++i) {
    parts[i] = {slot(last_ + i).bytes.data(), datagram_bytes};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
    messages[i].msg_hdr.msg_name = &sources[i];
    messages[i].msg_hdr.msg_namelen = sizeof sources[i];
  }
  const int count = recvmmsg(fronts_[at].socket, messages.data(), static_cast<unsigned>(most),
                             MSG_DONTWAIT, nullptr);
  const Instant due = Clock::now() + delay_;
  for (int i = 0; i < count; ++i) {
    const auto index = static_cast<std::size_t>(i);
    Datagram& datagram = slot(last_++);
    datagram.due = due;
    datagram.length = messages[index].msg_len;
    accept(datagram, at, sources[index]);
  }
}

void Relay::accept(Datagram& datagram, std::size_t at, const sockaddr_in& source) {
  ++stats_.received;
  datagram.from = front_of(source);
  datagram.to = fronts_[at].real;
  if (fronts_[at].cut || fronts_[datagram.from].cut) {
    ++stats_.cut;
    datagram.length = 0;
  } else if (is_lost()) {
    ++stats_.lost;
    datagram.length = 0;
  }
}

void Relay::drain(std::size_t at) {
  std::array<char, datagram_bytes> ignored;
  for (std::size_t i = 0; i < batch; ++i) {
    if (recv(fronts_[at].socket, ignored.data(), ignored.size(), MSG_DONTWAIT) < 0) return;
    ++stats_.received;
    ++stats_.overflow;
  }
}

// Neighbours in the queue that leave by the same socket leave in one call.
void Relay::send_due(Instant now) {
  std::array<mmsghdr, batch> messages;
  std::array<iovec, batch> parts;
  while (first_ < last_ && slot(first_).due <= now) {
    const std::size_t from = slot(first_).from;
    std::size_t count = 0;
    while (first_ < last_ && count < batch && slot(first_).due <= now) {
      Datagram& next = slot(first_);
      if (next.length > 0 && next.from != from) break;
      ++first_;
      if (next.length == 0) continue;
      parts[count] = {next.bytes.data(), next.length};
      messages[count] = {};
      messages[count].msg_hdr.msg_iov = &parts[count];
      messages[count].msg_hdr.msg_iovlen = 1;
      messages[count].msg_hdr.msg_name = &next.to;
      messages[count].msg_hdr.msg_namelen = sizeof next.to;
      ++count;
      stats_.sent_bytes += next.length;
    }
    for (std::size_t done = 0; done < count;) {
      const int sent = sendmmsg(fronts_[from].socket, &messages[done],
                                static_cast<unsigned>(count - done), MSG_DONTWAIT);
      // An error is of the first one only: what its receiver's last one met, or no room.
      if (sent <= 0) ++stats_.refused;
      if (sent > 0) stats_.sent += static_cast<std::uint64_t>(sent);
      done += static_cast<std::size_t>(std::max(sent, 1));
    }
  }
}

void Relay::set_timer() {
  itimerspec when{};
  if (first_ < last_) {
    const auto since = slot(first_).due.time_since_epoch();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
    when.it_value.tv_sec = seconds.count();
    when.it_value.tv_nsec = std::chrono::nanoseconds(since - seconds).count();
  }
  if (timerfd_settime(timer_, TFD_TIMER_ABSTIME, &when, nullptr) != 0) die("timerfd_settime");
}

// splitmix64
bool Relay::is_lost() {
  if (loss_ppm_ == 0) return false;
  std::uint64_t z = random_ += 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return (z ^ (z >> 31)) % 1'000'000 < loss_ppm_;
}

void Relay::read_commands() {
  std::array<char, 4096> text;
  const ssize_t count = read(STDIN_FILENO, text.data(), text.size());
  if (count <= 0) over_ = true;
  if (count > 0) input_.append(text.data(), static_cast<std::size_t>(count));
  for (std::size_t end; (end = input_.find('\n')) != std::string::npos;) {
    obey(input_.substr(0, end));
    input_.erase(0, end + 1);
  }
}

void Relay::obey(const std::string& line) {
  std::istringstream words(line);
  std::string verb;
  words >> verb;
  if (verb == "add") {
    std::string ip;
    std::uint16_t port = 0;
    words >> ip >> port;
    sockaddr_in real{};
    real.sin_family = AF_INET;
    real.sin_port = htons(port);
    if (inet_pton(AF_INET, ip.c_str(), &real.sin_addr) != 1) die("add: not an IPv4 address");
    sockaddr_in own{};
    socklen_t length = sizeof own;
    getsockname(fronts_[front_of(real)].socket, reinterpret_cast<sockaddr*>(&own), &length);
    std::printf("%u\n", unsigned{ntohs(own.sin_port)});
  } else if (verb == "delay") {
    std::int64_t us = 0;
    words >> us;
    delay_ = microseconds(us);
  } else if (verb == "loss") {
    words >> loss_ppm_;
  } else if (verb == "cut" || verb == "heal") {
    for (Front& front : fronts_) front.cut = verb == "cut";
  } else if (verb == "stats") {
    tell_stats();
  }
  std::fflush(stdout);
}

void Relay::tell_stats() const {
  std::printf("{\"fronts\":%zu,\"received\":%" PRIu64 ",\"sent\":%" PRIu64 ",\"sentBytes\":%" PRIu64
              ",\"lost\":%" PRIu64 ",\"cut\":%" PRIu64 ",\"overflow\":%" PRIu64
              ",\"refused\":%" PRIu64 "}\n",
              fronts_.size(), stats_.received, stats_.sent, stats_.sent_bytes, stats_.lost,
              stats_.cut, stats_.overflow, stats_.refused);
}

}  // namespace

int main(int count, char** arguments) {
  Relay relay(count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 1);
  relay.run();
}
