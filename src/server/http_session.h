// One connection: reads requests within bounds, hands them to the router on a pool, sends what comes back; turns /ws
// into a WebSocket. Only http_server.cpp includes this: it sees Beast.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <map>
#include <memory>
#include <mutex>

#include "server/connection.h"
#include "server/http_server.h"
#include "server/pool.h"

namespace easel::server {

// What all connections share. Used on the loop's thread.
struct Loop {
  Loop(HttpOptions options, const Router& router, Hub& hub)
      : options(std::move(options)), router(router), hub(hub), gate(std::make_shared<Gate>(this)) {}
  ~Loop() { gate->close(); }

  HttpOptions options;
  const Router& router;
  Hub& hub;
  boost::asio::io_context io{1};
  bool stopping = false;
  size_t answering = 0;

  // Those who wait for an answer that comes later, on whatever thread; it may find the loop gone.
  class Gate {
   public:
    explicit Gate(Loop* loop) : loop_(loop) {}
    void deliver(uint64_t id, Response response);
    void close() {
      std::lock_guard lock(mutex_);
      loop_ = nullptr;
    }

   private:
    std::mutex mutex_;
    Loop* loop_;  // guarded by mutex_
  };
  const std::shared_ptr<Gate> gate;
  std::map<uint64_t, std::function<void(Response)>> waiting;
  uint64_t last_waiting = 0;

  // Reads and writes apart: a disk that takes ten seconds for an fsync does not hold up a look at the queue. Declared
  // last: the pools end before the loop they answer to.
  Pool reads{4, 1024}, writes{4, 1024};
};

// Until the client leaves, misbehaves or is too slow. `loop` outlives it.
boost::asio::awaitable<void> serve_connection(Connection connection, Loop& loop);

}  // namespace easel::server
