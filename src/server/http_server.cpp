#include "server/http_server.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <map>

#include "base/error.h"
#include "base/log.h"
#include "server/http_session.h"
#include "server/tls.h"

namespace easel::server {
namespace {

namespace net = boost::asio;
using net::ip::tcp;
using namespace std::chrono_literals;

constexpr auto kNoThrow = net::as_tuple(net::use_awaitable);
constexpr auto kTokenCheck = 1s;

// As many sockets as descriptors allow when files, the database and workers have got theirs.
size_t raise_descriptor_limit(size_t wanted) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  if (limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
  }
  const size_t spare = std::clamp<size_t>(limit.rlim_cur / 4, 32, 512);
  return std::min<size_t>(wanted, limit.rlim_cur > spare ? limit.rlim_cur - spare : 1);
}

// Whom a connection counts for: an IPv4 address, or the /64 that one IPv6 customer has.
std::string counted_as(const net::ip::address& address) {
  if (address.is_v4()) return address.to_string();
  const auto v6 = address.to_v6();
  if (v6.is_v4_mapped()) return net::ip::make_address_v4(net::ip::v4_mapped, v6).to_string();
  const auto bytes = v6.to_bytes();
  return {bytes.begin(), bytes.begin() + 8};
}

// A word of farewell that costs nothing: no coroutine, no waiting.
void turn_away(tcp::socket& socket, std::string_view status) {
  const std::string text =
      fmt::format("HTTP/1.1 {}\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status);
  boost::system::error_code ignored;
  socket.non_blocking(true, ignored);
  socket.write_some(net::buffer(text), ignored);
  socket.shutdown(tcp::socket::shutdown_send, ignored);
}

}  // namespace

struct HttpServer::Impl {
  Impl(HttpOptions options, const Router& router, Hub& hub) : loop(std::move(options), router, hub) {}
  ~Impl() {
    if (spare_descriptor >= 0) close(spare_descriptor);
  }

  net::awaitable<void> accept(tcp::acceptor& acceptor);
  net::awaitable<void> out_of_descriptors(tcp::acceptor& acceptor);
  net::awaitable<void> serve(tcp::socket socket, std::string address);
  net::awaitable<void> watch_tokens();

  std::unique_ptr<net::ssl::context> tls;
  size_t max_connections = 0, connections = 0;
  std::map<std::string, size_t> by_address;
  int spare_descriptor = -1;  // given up for a moment to tell a client that there are no more
  std::function<void()> signal_handler;
  Loop loop;
  std::vector<tcp::acceptor> acceptors;
  net::signal_set signals{loop.io};
};

// ---- connections -------------------------------------------------------------------------------------------------

net::awaitable<void> HttpServer::Impl::accept(tcp::acceptor& acceptor) {
  const SocketLimits& limits = loop.options.limits;
  for (;;) {
    auto [error, socket] = co_await acceptor.async_accept(kNoThrow);
    if (loop.stopping || error == net::error::operation_aborted) co_return;
    if (error == net::error::no_descriptors || error == boost::system::errc::too_many_files_open_in_system) {
      co_await out_of_descriptors(acceptor);
      continue;
    }
    boost::system::error_code ignored;
    const auto peer = socket.is_open() ? socket.remote_endpoint(ignored).address() : net::ip::address();
    if (error || ignored) continue;  // the peer left already
    const std::string address = counted_as(peer);
    const bool counted = limits.per_address > 0 && (limits.loopback_too || !peer.is_loopback());
    if (connections >= max_connections) {
      turn_away(socket, "503 Service Unavailable");
    } else if (const auto found = by_address.find(address);
               counted && found != by_address.end() && found->second >= limits.per_address) {
      turn_away(socket, "429 Too Many Requests");
    } else {
      socket.set_option(tcp::no_delay(true), ignored);
      net::co_spawn(loop.io, serve(std::move(socket), address), net::detached);
    }
  }
}

// Those who are connected go on; one who waits at the door is told, and the others wait a moment.
net::awaitable<void> HttpServer::Impl::out_of_descriptors(tcp::acceptor& acceptor) {
  if (spare_descriptor >= 0) {
    close(spare_descriptor);
    boost::system::error_code error;
    acceptor.non_blocking(true, error);
    tcp::socket socket(loop.io);
    acceptor.accept(socket, error);
    if (!error) turn_away(socket, "503 Service Unavailable");
    socket.close(error);
    spare_descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC);
  }
  net::steady_timer pause(loop.io, 100ms);
  co_await pause.async_wait(kNoThrow);
}

net::awaitable<void> HttpServer::Impl::serve(tcp::socket socket, std::string address) {
  struct Counted {
    Impl& impl;
    std::string address;
    Counted(Impl& impl, std::string from) : impl(impl), address(std::move(from)) {
      ++impl.connections;
      ++impl.by_address[address];
    }
    ~Counted() {
      --impl.connections;
      if (--impl.by_address[address] == 0) impl.by_address.erase(address);
    }
  } counted(*this, std::move(address));
  co_await serve_connection(Connection(std::move(socket), tls.get()), loop);
}

net::awaitable<void> HttpServer::Impl::watch_tokens() {
  Auth& auth = *loop.options.auth;
  for (net::steady_timer pause(loop.io); !loop.stopping;) {
    pause.expires_after(kTokenCheck);
    co_await pause.async_wait(kNoThrow);
    loop.reads.submit([this, &auth] {
      if (auth.reload()) loop.hub.close_unless([&auth](const Caller& caller) { return auth.still_valid(caller); });
    });
  }
}

// ---- the class ---------------------------------------------------------------------------------------------------

HttpServer::HttpServer(HttpOptions options, const Router& router, Hub& hub)
    : impl_(std::make_unique<Impl>(std::move(options), router, hub)) {}
HttpServer::~HttpServer() = default;

void HttpServer::listen() {
  HttpOptions& options = impl_->loop.options;
  impl_->max_connections = raise_descriptor_limit(options.limits.connections);
  impl_->spare_descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (options.tls_key_file.empty() != options.tls_certificate.empty())
    fail("HttpServer: --tls-keyfile and --tls-certfile go together; only one was given");
  if (!options.tls_key_file.empty()) impl_->tls = make_tls(options.tls_key_file, options.tls_certificate);
  options.wall.loopback_only = true;
  uint16_t port = options.port;
  for (const std::string& address : options.addresses) {
    try {
      tcp::resolver resolver(impl_->loop.io);
      const tcp::endpoint endpoint = resolver.resolve(address, std::to_string(port))->endpoint();
      tcp::acceptor acceptor(impl_->loop.io, endpoint.protocol());
      acceptor.set_option(tcp::acceptor::reuse_address(true));
      if (endpoint.address().is_v6()) acceptor.set_option(net::ip::v6_only(true));
      acceptor.bind(endpoint);
      acceptor.listen(4096);
      port = acceptor.local_endpoint().port();  // with port 0 all addresses share the first one's
      if (!endpoint.address().is_loopback()) options.wall.loopback_only = false;
      impl_->acceptors.push_back(std::move(acceptor));
    } catch (const boost::system::system_error& error) {
      fail("HttpServer: cannot listen on {} port {}: {}; perhaps another server runs there (choose another --port)",
           address, port, error.code().message());
    }
  }
}

uint16_t HttpServer::port() const { return impl_->acceptors.front().local_endpoint().port(); }

bool HttpServer::loopback_only() const { return impl_->loop.options.wall.loopback_only; }

void HttpServer::on_signal(std::function<void()> handler) {
  impl_->signals.add(SIGINT);
  impl_->signals.add(SIGTERM);
  impl_->signal_handler = std::move(handler);
  struct Wait {
    static void next(Impl& impl) {
      impl.signals.async_wait([&impl](const boost::system::error_code& error, int) {
        if (error) return;
        impl.signal_handler();
        next(impl);
      });
    }
  };
  Wait::next(*impl_);
}

void HttpServer::run() {
  net::io_context& io = impl_->loop.io;
  for (tcp::acceptor& acceptor : impl_->acceptors) net::co_spawn(io, impl_->accept(acceptor), net::detached);
  if (impl_->loop.options.auth) net::co_spawn(io, impl_->watch_tokens(), net::detached);
  io.run();
}

void HttpServer::stop() {
  const auto wait_then_stop = [](Impl& impl) -> net::awaitable<void> {
    Loop& loop = impl.loop;
    loop.stopping = true;
    boost::system::error_code ignored;
    for (tcp::acceptor& acceptor : impl.acceptors) acceptor.close(ignored);
    for (int tenths = 0; loop.answering > 0 && tenths < 10; ++tenths) {
      net::steady_timer pause(loop.io, 100ms);
      co_await pause.async_wait(kNoThrow);
    }
    loop.io.stop();
  };
  net::co_spawn(impl_->loop.io, wait_then_stop(*impl_), net::detached);
}

}  // namespace easel::server
