#include "base/queue.hpp"

#include <doctest/doctest.h>

namespace peer_cdn {
namespace {

TEST_CASE("a queue gives what came first first, also when it is filled while it is drained") {
  Queue<int> queue;
  CHECK_FALSE(queue.poll());
  queue.push(1);
  queue.push(2);
  CHECK(queue.poll() == 1);
  queue.push(3);
  CHECK(queue.poll() == 2);
  CHECK_FALSE(queue.empty());
  CHECK(queue.poll() == 3);
  CHECK(queue.empty());
  CHECK_FALSE(queue.poll());
  queue.push(4);
  CHECK(queue.poll() == 4);
}

}  // namespace
}  // namespace peer_cdn
