#include "server/http_session.h"

#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <chrono>

#include "base/error.h"
#include "base/log.h"
#include "server/request_body.h"
#include "server/request_head.h"
#include "server/routes/login_page.h"
#include "server/uuid.h"
#include "server/web_socket.h"

namespace easel::server {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kNoThrow = net::as_tuple(net::use_awaitable);
constexpr size_t kChunk = 256 * 1024, kMaxSid = 256;

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

Response busy() {
  Response response = refusal(503, "Service Unavailable");
  response.set("Retry-After", "1");
  return response;
}

std::string_view without_api(std::string_view path) {
  if (path.starts_with("/api/")) path.remove_prefix(4);
  return path;
}

bool is_health(std::string_view path) {
  path = without_api(path);
  return path == "/healthz" || path == "/health";
}

// What a page without a token may ask, and Kubernetes, which has none.
bool needs_no_token(std::string_view path) {
  for (const char* open : {"/login", "/readyz", "/ready", "/startupz"})
    if (path == open) return true;
  return false;
}

class Session {
 public:
  Session(Connection connection, Loop& loop)
      : stream_(std::move(connection)), loop_(loop), buffer_(limits().header_bytes + kChunk) {}

  net::awaitable<void> run();

 private:
  const SocketLimits& limits() const { return loop_.options.limits; }
  beast::tcp_stream& tcp() { return stream_.tcp(); }

  net::awaitable<bool> shake_hands();
  net::awaitable<bool> wait_for_request(bool first);
  net::awaitable<void> upgrade();
  net::awaitable<bool> answer_one();
  std::optional<Response> refuse(Request& request, bool upgrade);
  net::awaitable<std::optional<Response>> read_body(RequestBody& body);
  net::awaitable<Response> respond(Request& request, RequestBody& body);
  net::awaitable<Response> delivered(std::function<void(std::function<void(Response)>)> later);
  net::awaitable<bool> send(Response response, bool keep_alive);
  net::awaitable<bool> send_file(FileSlice file);
  net::awaitable<void> drain();
  net::awaitable<void> hang_up();

  Connection stream_;
  Loop& loop_;
  beast::flat_buffer buffer_;
  std::optional<HeadParser> parser_;  // of the request at hand
  bool is_web_socket_ = false;
};

// ---- the connection ----------------------------------------------------------------------------------------------

net::awaitable<void> Session::run() {
  if (!co_await shake_hands()) co_return;
  for (bool first = true; !loop_.stopping && !is_web_socket_; first = false) {
    if (!co_await wait_for_request(first)) break;
    parser_.emplace();
    bound(*parser_, limits());
    tcp().expires_after(limits().header);
    const auto [error, size] = co_await http::async_read_header(stream_, buffer_, *parser_, kNoThrow);
    if (error) {
      const bool gone = error == beast::error::timeout || error == http::error::end_of_stream ||
                        error == http::error::partial_message;
      if (gone || error.category() != http::make_error_code(http::error::bad_method).category()) break;
      co_await send(refusal(error == http::error::header_limit ? 431 : 400, "Bad Request"), false);
      break;
    }
    const std::string_view path = without_api({parser_->get().target().data(), parser_->get().target().size()});
    const bool to_socket = path == "/ws" || path.starts_with("/ws?");
    if (to_socket && beast::websocket::is_upgrade(parser_->get())) {
      co_await upgrade();
      break;
    }
    if (!co_await answer_one()) break;
  }
  if (!is_web_socket_) co_await hang_up();
}

net::awaitable<bool> Session::shake_hands() {
  if (!stream_.tls()) co_return true;
  tcp().expires_after(limits().header);
  const auto [error] = co_await stream_.tls()->async_handshake(net::ssl::stream_base::server, kNoThrow);
  co_return !error;
}

// Between requests a client may stay silent for longer than within one.
net::awaitable<bool> Session::wait_for_request(bool first) {
  if (buffer_.size() > 0) co_return true;
  tcp().expires_after(first ? limits().header : limits().idle);
  const auto [error, size] = co_await stream_.async_read_some(buffer_.prepare(4096), kNoThrow);
  buffer_.commit(size);
  co_return !error;
}

net::awaitable<void> Session::upgrade() {
  Request request = to_request(*parser_);
  auto refused = refuse(request, true);
  if (!refused && buffer_.size() > 0) refused = refusal(400, "Bad Request");  // speaks before it was answered
  std::string sid = request.argument("clientId").value_or("");
  if (sid.size() > kMaxSid) refused = refusal(400, "clientId is too long");
  if (refused) {
    finish_response(request, *refused, loop_.options.middleware);
    co_await send(std::move(*refused), false);
    co_return;
  }
  if (sid.empty()) sid = make_uuid(false);
  WebSocketRequest wanted{http::request<http::empty_body>(http::request_header<>(parser_->get().base())),
                          std::move(sid), std::move(request.caller)};
  parser_.reset();
  buffer_ = beast::flat_buffer(0);
  is_web_socket_ = true;
  co_await serve_web_socket(std::move(stream_), std::move(wanted), loop_.hub, limits());
}

net::awaitable<void> Session::hang_up() {
  if (stream_.tls()) {
    tcp().expires_after(1s);
    co_await stream_.tls()->async_shutdown(kNoThrow);
  }
  boost::system::error_code ignored;
  stream_.socket().shutdown(net::ip::tcp::socket::shutdown_send, ignored);
}

// ---- one request -------------------------------------------------------------------------------------------------

// What is answered before a body is read or a route asked; otherwise the request learns whose it is.
std::optional<Response> Session::refuse(Request& request, bool upgrade) {
  const HttpOptions& options = loop_.options;
  if (auto refused = refuse_head(*parser_, options.max_body, limits())) return refused;
  if (is_health(request.path) && request.method == "GET") {
    const bool healthy = !options.healthy || options.healthy();
    return json_text(healthy ? R"({"status": "ok"})" : R"({"status": "unhealthy"})", healthy ? 200 : 503);
  }
  if (!origin_allowed(request, options.wall, upgrade)) return empty_response(403);
  if (request.method == "OPTIONS") return empty_response();
  if (!options.auth) return std::nullopt;
  if (auto caller = options.auth->caller(request)) {
    request.caller = std::move(*caller);
  } else if (!needs_no_token(request.path)) {
    return log_in_first(request);
  }
  return std::nullopt;
}

// True when the connection can take another request.
net::awaitable<bool> Session::answer_one() {
  ++loop_.answering;
  struct Done {
    size_t& count;
    ~Done() { --count; }
  } done{loop_.answering};
  Request request = to_request(*parser_);
  RequestBody body(loop_.options.body_folder);
  bool keep_alive = parser_->keep_alive();
  std::optional<Response> response = refuse(request, false);
  if (!response && !parser_->is_done()) response = co_await read_body(body);
  const bool unread = !parser_->is_done();
  // What cannot be read on is not guessed at: the next request may begin anywhere.
  if (unread || (response && response->status == 400)) keep_alive = false;
  if (response) {
    finish_response(request, *response, loop_.options.middleware);
  } else {
    response = co_await respond(request, body);
  }
  keep_alive = keep_alive && !loop_.stopping;
  keep_alive = co_await send(std::move(*response), keep_alive) && keep_alive;
  if (unread) co_await drain();
  co_return keep_alive;
}

// A response when the body is refused; nothing when it is complete.
net::awaitable<std::optional<Response>> Session::read_body(RequestBody& body) {
  if (beast::iequals(parser_->get()[http::field::expect], "100-continue")) {
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    const auto [error, size] = co_await net::async_write(stream_, net::buffer(kContinue), kNoThrow);
    if (error) co_return empty_response(400);
  }
  const auto start = Clock::now();
  std::vector<char> chunk(64 * 1024);
  while (!parser_->is_done()) {
    parser_->get().body().data = chunk.data();
    parser_->get().body().size = chunk.size();
    tcp().expires_at(start + limits().header + std::chrono::seconds(body.size() / limits().bytes_per_second));
    auto [error, size] = co_await http::async_read_some(stream_, buffer_, *parser_, kNoThrow);
    if (error == http::error::need_buffer) error = {};
    if (error) co_return refusal(400, "Bad Request");  // one who was too slow is cut off already
    const std::string_view got(chunk.data(), chunk.size() - parser_->get().body().size);
    if (body.size() + got.size() > loop_.options.max_body) co_return refusal(413, "Request Entity Too Large");
    if (!body.needs_file(got.size())) {
      body.append(got);
    } else if (!co_await on_pool(loop_.writes, [&body, got] { return body.append(got), true; })) {
      co_return busy();
    }
  }
  co_return std::nullopt;
}

net::awaitable<Response> Session::respond(Request& request, RequestBody& body) {
  Pool& pool = request.method == "GET" ? loop_.reads : loop_.writes;
  const Middleware& middleware = loop_.options.middleware;
  auto response = co_await on_pool(pool, [this, &request, &body, &middleware] {
    request.body = body.view();
    Response made = loop_.router.handle(request);
    if (!made.later) finish_response(request, made, middleware);
    return made;
  });
  if (!response) co_return busy();
  if (!response->later) co_return std::move(*response);
  Response answer = co_await delivered(std::move(response->later));
  finish_response(request, answer, middleware);
  co_return answer;
}

// What a response that said "later" turns into.
net::awaitable<Response> Session::delivered(std::function<void(std::function<void(Response)>)> later) {
  co_return co_await net::async_initiate<const net::use_awaitable_t<>, void(Response)>(
      [this](auto handler, auto later) {
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        const uint64_t id = ++loop_.last_waiting;
        loop_.waiting.emplace(id, [shared](Response made) { (*shared)(std::move(made)); });
        later([gate = loop_.gate, id](Response made) { gate->deliver(id, std::move(made)); });
      },
      net::use_awaitable, std::move(later));
}

net::awaitable<bool> Session::send(Response response, bool keep_alive) {
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
  const bool with_body = !bodiless && length > 0 && parser_->get().method() != http::verb::head;

  tcp().expires_after(limits().write);
  const bool whole = with_body && !response.file && length <= kChunk;  // header and body in one write
  if (whole) {
    http::response<http::span_body<const char>> message(std::move(header));
    message.body() = {response.text().data(), response.text().size()};
    http::response_serializer<http::span_body<const char>> serializer(message);
    const auto [error, size] = co_await http::async_write(stream_, serializer, kNoThrow);
    co_return !error;
  }
  http::response<http::empty_body> message(std::move(header));
  http::response_serializer<http::empty_body> serializer(message);
  const auto [error, size] = co_await http::async_write_header(stream_, serializer, kNoThrow);
  if (error || !with_body) co_return !error;
  if (response.file) co_return co_await send_file(*response.file);
  for (std::string_view rest = response.text(); !rest.empty();) {
    tcp().expires_after(limits().write);
    const auto [failed, sent] = co_await net::async_write(stream_, net::buffer(rest.substr(0, kChunk)), kNoThrow);
    if (failed) co_return false;
    rest.remove_prefix(sent);
  }
  co_return true;
}

net::awaitable<bool> Session::send_file(FileSlice file) {
  std::vector<char> chunk(std::min<uint64_t>(file.length, kChunk));
  while (file.length > 0) {
    const auto got = co_await on_pool(loop_.reads, [&] {
      return pread(*file.fd, chunk.data(), std::min<uint64_t>(chunk.size(), file.length),
                   static_cast<off_t>(file.offset));
    });
    if (!got || *got <= 0) co_return false;  // shrank under us: the length that was promised cannot be kept
    tcp().expires_after(limits().write);
    const auto [error, sent] = co_await net::async_write(stream_, net::buffer(chunk.data(), *got), kNoThrow);
    if (error) co_return false;
    file.offset += sent, file.length -= sent;
  }
  co_return true;
}

// Reads on after an early refusal, so that the client gets to the answer before it finds the connection gone.
net::awaitable<void> Session::drain() {
  boost::system::error_code ignored;
  if (!stream_.tls()) stream_.socket().shutdown(net::ip::tcp::socket::shutdown_send, ignored);
  std::vector<char> chunk(kChunk);
  tcp().expires_after(limits().header);
  for (uint64_t total = 0; total < 4 * loop_.options.max_body;) {
    const auto [error, size] = co_await stream_.async_read_some(net::buffer(chunk), kNoThrow);
    if (error) co_return;
    total += size;
  }
}

}  // namespace

void Loop::Gate::deliver(uint64_t id, Response response) {
  std::lock_guard lock(mutex_);
  if (!loop_) return;
  net::post(loop_->io, [loop = loop_, id, response = std::move(response)]() mutable {
    if (auto waiting = loop->waiting.extract(id)) waiting.mapped()(std::move(response));
  });
}

net::awaitable<void> serve_connection(Connection connection, Loop& loop) {
  auto session = std::make_unique<Session>(std::move(connection), loop);
  co_await session->run();
}

}  // namespace easel::server
