#include "server/http_server.h"

#include <netinet/tcp.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <chrono>

#include "base/error.h"
#include "base/log.h"
#include "server/origin.h"
#include "server/pool.h"
#include "server/request_body.h"
#include "server/uuid.h"
#include "server/web_socket.h"

namespace easel::server {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using net::ip::tcp;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kNoThrow = net::as_tuple(net::use_awaitable);
constexpr auto kHeaderTime = 10s, kIdleTime = 75s, kChunkTime = 60s;
constexpr size_t kHeaderBytes = 32 * 1024, kMaxHeaders = 100, kChunk = 256 * 1024;
constexpr uint64_t kBytesPerSecond = 1024;  // the slowest sender that is waited for, after kHeaderTime

using Parser = http::request_parser<http::buffer_body>;

// Runs `work` on the pool and comes back to the loop with its result; nothing when the pool is full or the work threw.
template <class Work>
auto on_pool(Pool& pool, Work work) -> net::awaitable<std::optional<decltype(work())>> {
  using Result = std::optional<decltype(work())>;
  auto executor = co_await net::this_coro::executor;
  co_return co_await net::async_initiate<const net::use_awaitable_t<>, void(Result)>(
      [&pool, executor](auto handler, Work work) {
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        const auto answer = [shared, executor](Result result) {
          net::post(executor, [shared, result = std::move(result)]() mutable { (*shared)(std::move(result)); });
        };
        const bool taken = pool.submit([answer, work = std::move(work)]() mutable {
          Result result;
          try {
            result = work();
          } catch (const std::exception& error) {
            log::error("HttpServer: {}", error.what());
          }
          answer(std::move(result));
        });
        if (!taken) answer(std::nullopt);
      },
      net::use_awaitable, std::move(work));
}

Request to_request(const Parser& parser) {
  Request request;
  const auto& message = parser.get();
  request.method = std::string(message.method_string());
  if (request.method == "HEAD") request.method = "GET";
  std::string_view target(message.target().data(), message.target().size());
  const size_t question = std::min(target.find('?'), target.size());
  request.path = target.substr(0, question);
  if (question < target.size()) request.query = target.substr(question + 1);
  for (const auto& field : message) {
    const auto name = field.name_string(), value = field.value();
    request.headers.emplace_back(std::string(name.data(), name.size()), std::string(value.data(), value.size()));
  }
  return request;
}

Response refusal(int status, const std::string& text) {
  return text_response(status, fmt::format("{}: {}", status, text));
}

Response busy() {
  Response response = refusal(503, "Service Unavailable");
  response.set("Retry-After", "1");
  return response;
}

void raise_descriptor_limit() {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
}

}  // namespace

struct HttpServer::Impl {
  Impl(HttpOptions options, const Router& router, Hub& hub) : options(std::move(options)), router(router), hub(hub) {}

  net::awaitable<void> accept(tcp::acceptor& acceptor);
  net::awaitable<void> serve(tcp::socket socket);
  net::awaitable<bool> answer_one(beast::tcp_stream& stream, beast::flat_buffer& buffer, Parser& parser);
  net::awaitable<std::optional<Response>> read_body(beast::tcp_stream& stream, beast::flat_buffer& buffer,
                                                    Parser& parser, RequestBody& body);
  net::awaitable<Response> respond(Request& request, RequestBody& body);
  net::awaitable<Response> delivered(std::function<void(std::function<void(Response)>)> later, const Request& request);
  net::awaitable<bool> send(beast::tcp_stream& stream, const Parser& parser, Response response, bool keep_alive);
  net::awaitable<bool> send_file(beast::tcp_stream& stream, FileSlice file);
  net::awaitable<void> drain(beast::tcp_stream& stream);
  std::optional<Response> refuse(const Request& request, const Parser& parser, bool upgrade) const;

  const HttpOptions options;
  const Router& router;
  Hub& hub;

  net::io_context io{1};
  std::vector<tcp::acceptor> acceptors;
  net::signal_set signals{io};
  std::function<void()> signal_handler;
  bool loopback_only = true, stopping = false;
  size_t connections = 0, answering = 0;

  // Reads and writes apart: a disk that takes ten seconds for an fsync does not hold up a look at the queue. Declared
  // last: the pools end before the loop they answer to.
  Pool reads{4, 1024}, writes{4, 1024};
};

// ---- connections -------------------------------------------------------------------------------------------------

net::awaitable<void> HttpServer::Impl::accept(tcp::acceptor& acceptor) {
  for (;;) {
    auto [error, socket] = co_await acceptor.async_accept(kNoThrow);
    if (stopping || error == net::error::operation_aborted) co_return;
    if (error) {  // out of descriptors, or the peer left already: those who are connected go on
      net::steady_timer pause(io, 100ms);
      co_await pause.async_wait(kNoThrow);
      continue;
    }
    if (connections >= options.max_connections) {
      static constexpr std::string_view kFull =
          "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\n"
          "Connection: close\r\n\r\n";
      boost::system::error_code ignored;
      socket.non_blocking(true, ignored);
      socket.write_some(net::buffer(kFull), ignored);
      continue;
    }
    boost::system::error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    net::co_spawn(io, serve(std::move(socket)), net::detached);
  }
}

net::awaitable<void> HttpServer::Impl::serve(tcp::socket socket) {
  struct Count {
    size_t& count;
    explicit Count(size_t& count) : count(count) { ++count; }
    ~Count() { --count; }
  } counted(connections);
  beast::tcp_stream stream(std::move(socket));
  beast::flat_buffer buffer(kHeaderBytes + kChunk);
  for (bool first = true; !stopping; first = false) {
    if (buffer.size() == 0) {  // between requests a client may stay silent for longer than within one
      stream.expires_after(first ? kHeaderTime : kIdleTime);
      const auto [error, size] = co_await stream.async_read_some(buffer.prepare(4096), kNoThrow);
      if (error) break;
      buffer.commit(size);
    }
    Parser parser;
    parser.header_limit(kHeaderBytes);
    parser.body_limit(boost::none);  // ours is told with a 413
    stream.expires_after(kHeaderTime);
    const auto [error, size] = co_await http::async_read_header(stream, buffer, parser, kNoThrow);
    if (error) {
      if (error == beast::error::timeout || error == http::error::end_of_stream ||
          error == http::error::partial_message)
        break;
      if (error.category() == http::make_error_code(http::error::bad_method).category())
        co_await send(stream, parser, refusal(error == http::error::header_limit ? 431 : 400, "Bad Request"), false);
      break;
    }
    const bool upgrade = beast::websocket::is_upgrade(parser.get());
    if (upgrade && (parser.get().target().starts_with("/ws") || parser.get().target().starts_with("/api/ws"))) {
      const Request request = to_request(parser);
      if (request.path != "/ws" && request.path != "/api/ws") break;
      if (auto refused = refuse(request, parser, true)) {
        co_await send(stream, parser, std::move(*refused), false);
        break;
      }
      std::string sid = request.argument("clientId").value_or("");
      if (sid.empty()) sid = make_uuid(false);
      http::request<http::empty_body> handshake(http::request_header<>(parser.get().base()));
      if (sid.size() <= 256) co_await serve_web_socket(std::move(stream), std::move(handshake), std::move(sid), hub);
      co_return;
    }
    if (!co_await answer_one(stream, buffer, parser)) break;
  }
  boost::system::error_code ignored;
  stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
}

// ---- one request -------------------------------------------------------------------------------------------------

// What is answered before a body is read or a route asked.
std::optional<Response> HttpServer::Impl::refuse(const Request& request, const Parser& parser, bool upgrade) const {
  if (request.headers.size() > kMaxHeaders) return refusal(431, "Request Header Fields Too Large");
  const auto length = parser.content_length();
  if (length && *length > options.max_body) return refusal(413, "Request Entity Too Large");
  if (!request.header("Content-Encoding").empty() && request.header("Content-Encoding") != "identity")
    return refusal(415, "Unsupported Media Type");
  if (options.middleware.cors_origin) {
    if (request.method == "OPTIONS") return empty_response();
    return std::nullopt;
  }
  if (!origin_allowed(request, loopback_only, upgrade)) return empty_response(403);
  if (request.method == "OPTIONS") return empty_response();
  return std::nullopt;
}

// True when the connection can take another request.
net::awaitable<bool> HttpServer::Impl::answer_one(beast::tcp_stream& stream, beast::flat_buffer& buffer,
                                                  Parser& parser) {
  ++answering;
  struct Done {
    size_t& count;
    ~Done() { --count; }
  } done{answering};
  Request request = to_request(parser);
  RequestBody body;
  bool keep_alive = parser.keep_alive();
  std::optional<Response> response = refuse(request, parser, false);
  if (!response && !parser.is_done()) response = co_await read_body(stream, buffer, parser, body);
  const bool unread = !parser.is_done();
  if (unread) keep_alive = false;
  if (response) {
    finish_response(request, *response, options.middleware);
  } else {
    response = co_await respond(request, body);
  }
  keep_alive = co_await send(stream, parser, std::move(*response), keep_alive && !stopping) && keep_alive && !stopping;
  if (unread) co_await drain(stream);
  co_return keep_alive;
}

// A response when the body is refused; nothing when it is complete.
net::awaitable<std::optional<Response>> HttpServer::Impl::read_body(beast::tcp_stream& stream,
                                                                    beast::flat_buffer& buffer, Parser& parser,
                                                                    RequestBody& body) {
  if (beast::iequals(parser.get()[http::field::expect], "100-continue")) {
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    const auto [error, size] = co_await net::async_write(stream, net::buffer(kContinue), kNoThrow);
    if (error) co_return empty_response(400);
  }
  const auto start = Clock::now();
  std::vector<char> chunk(64 * 1024);
  while (!parser.is_done()) {
    parser.get().body().data = chunk.data();
    parser.get().body().size = chunk.size();
    stream.expires_at(start + kHeaderTime + std::chrono::seconds(body.size() / kBytesPerSecond));
    auto [error, size] = co_await http::async_read_some(stream, buffer, parser, kNoThrow);
    if (error == http::error::need_buffer) error = {};
    if (error == beast::error::timeout) co_return refusal(408, "Request Timeout");
    if (error) co_return refusal(400, "Bad Request");
    const std::string_view got(chunk.data(), chunk.size() - parser.get().body().size);
    if (body.size() + got.size() > options.max_body) co_return refusal(413, "Request Entity Too Large");
    if (!body.needs_file(got.size())) {
      body.append(got);
    } else if (!co_await on_pool(writes, [&body, got] { return body.append(got), true; })) {
      co_return busy();
    }
  }
  co_return std::nullopt;
}

net::awaitable<Response> HttpServer::Impl::respond(Request& request, RequestBody& body) {
  Pool& pool = request.method == "GET" ? reads : writes;
  auto response = co_await on_pool(pool, [this, &request, &body] {
    request.body = body.view();
    Response made = router.handle(request);
    if (!made.later) finish_response(request, made, options.middleware);
    return made;
  });
  if (!response) co_return busy();
  if (response->later) co_return co_await delivered(std::move(response->later), request);
  co_return std::move(*response);
}

// What a response that said "later" turns into.
net::awaitable<Response> HttpServer::Impl::delivered(std::function<void(std::function<void(Response)>)> later,
                                                     const Request& request) {
  co_return co_await net::async_initiate<const net::use_awaitable_t<>, void(Response)>(
      [this, &request](auto handler, auto later) {
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        later([this, &request, shared](Response made) {
          finish_response(request, made, options.middleware);
          net::post(io, [shared, made = std::move(made)]() mutable { (*shared)(std::move(made)); });
        });
      },
      net::use_awaitable, std::move(later));
}

net::awaitable<bool> HttpServer::Impl::send(beast::tcp_stream& stream, const Parser& parser, Response response,
                                            bool keep_alive) {
  http::response_header<> header;
  header.version(11);
  header.result(static_cast<unsigned>(response.status));
  header.set(http::field::server, "easel");
  const bool bodiless = response.status == 204 || response.status == 304;
  const uint64_t length = response.file ? response.file->length : response.text().size();
  if (!bodiless) {
    header.set(http::field::content_type, response.type);
    header.set(http::field::content_length, std::to_string(length));
  }
  for (const auto& [name, value] : response.headers) header.set(name, value);
  header.set(http::field::connection, keep_alive ? "keep-alive" : "close");
  const bool with_body = !bodiless && length > 0 && parser.get().method() != http::verb::head;

  stream.expires_after(kChunkTime);
  const bool whole = with_body && !response.file && length <= kChunk;  // header and body in one write
  if (whole) {
    http::response<http::span_body<const char>> message(std::move(header));
    message.body() = {response.text().data(), response.text().size()};
    http::response_serializer<http::span_body<const char>> serializer(message);
    const auto [error, size] = co_await http::async_write(stream, serializer, kNoThrow);
    co_return !error;
  }
  http::response<http::empty_body> message(std::move(header));
  http::response_serializer<http::empty_body> serializer(message);
  const auto [error, size] = co_await http::async_write_header(stream, serializer, kNoThrow);
  if (error || !with_body) co_return !error;
  if (response.file) co_return co_await send_file(stream, *response.file);
  for (std::string_view rest = response.text(); !rest.empty();) {
    stream.expires_after(kChunkTime);
    const auto [failed, sent] = co_await net::async_write(stream, net::buffer(rest.substr(0, kChunk)), kNoThrow);
    if (failed) co_return false;
    rest.remove_prefix(sent);
  }
  co_return true;
}

net::awaitable<bool> HttpServer::Impl::send_file(beast::tcp_stream& stream, FileSlice file) {
  std::vector<char> chunk(std::min<uint64_t>(file.length, kChunk));
  while (file.length > 0) {
    const auto got = co_await on_pool(reads, [&] {
      return pread(*file.fd, chunk.data(), std::min<uint64_t>(chunk.size(), file.length),
                   static_cast<off_t>(file.offset));
    });
    if (!got || *got <= 0) co_return false;  // shrank under us: the length that was promised cannot be kept
    stream.expires_after(kChunkTime);
    const auto [error, sent] = co_await net::async_write(stream, net::buffer(chunk.data(), *got), kNoThrow);
    if (error) co_return false;
    file.offset += sent, file.length -= sent;
  }
  co_return true;
}

// Reads on after an early refusal, so that the client gets to the answer before it finds the connection gone.
net::awaitable<void> HttpServer::Impl::drain(beast::tcp_stream& stream) {
  boost::system::error_code ignored;
  stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
  std::vector<char> chunk(kChunk);
  stream.expires_after(kHeaderTime);
  for (uint64_t total = 0; total < 4 * options.max_body;) {
    const auto [error, size] = co_await stream.async_read_some(net::buffer(chunk), kNoThrow);
    if (error) co_return;
    total += size;
  }
}

// ---- the class ---------------------------------------------------------------------------------------------------

HttpServer::HttpServer(HttpOptions options, const Router& router, Hub& hub)
    : impl_(std::make_unique<Impl>(std::move(options), router, hub)) {}
HttpServer::~HttpServer() = default;

void HttpServer::listen() {
  raise_descriptor_limit();
  uint16_t port = impl_->options.port;
  for (const std::string& address : impl_->options.addresses) {
    try {
      tcp::resolver resolver(impl_->io);
      const tcp::endpoint endpoint = resolver.resolve(address, std::to_string(port))->endpoint();
      tcp::acceptor acceptor(impl_->io, endpoint.protocol());
      acceptor.set_option(tcp::acceptor::reuse_address(true));
      if (endpoint.address().is_v6()) acceptor.set_option(net::ip::v6_only(true));
      acceptor.bind(endpoint);
      acceptor.listen(1024);
      port = acceptor.local_endpoint().port();  // with port 0 all addresses share the first one's
      impl_->loopback_only = impl_->loopback_only && endpoint.address().is_loopback();
      impl_->acceptors.push_back(std::move(acceptor));
    } catch (const boost::system::system_error& error) {
      fail("HttpServer: cannot listen on {} port {}: {}; perhaps another server runs there (choose another --port)",
           address, port, error.code().message());
    }
  }
}

uint16_t HttpServer::port() const { return impl_->acceptors.front().local_endpoint().port(); }

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
  for (tcp::acceptor& acceptor : impl_->acceptors) net::co_spawn(impl_->io, impl_->accept(acceptor), net::detached);
  impl_->io.run();
}

void HttpServer::stop() {
  const auto wait_then_stop = [](Impl& impl) -> net::awaitable<void> {
    impl.stopping = true;
    boost::system::error_code ignored;
    for (tcp::acceptor& acceptor : impl.acceptors) acceptor.close(ignored);
    for (int tenths = 0; impl.answering > 0 && tenths < 10; ++tenths) {
      net::steady_timer pause(impl.io, 100ms);
      co_await pause.async_wait(kNoThrow);
    }
    impl.io.stop();
  };
  net::co_spawn(impl_->io, wait_then_stop(*impl_), net::detached);
}

}  // namespace easel::server
