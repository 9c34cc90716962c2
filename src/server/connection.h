// A client's connection, in the clear or over TLS, as one type for Beast: the choice is made once, when it is accepted.
// Only the files of the event loop include this.
#pragma once
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/role.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <boost/beast/websocket/teardown.hpp>
#include <memory>
#include <optional>

namespace easel::server {

class Connection {
 public:
  using Tcp = boost::beast::tcp_stream;
  using Tls = boost::asio::ssl::stream<Tcp&>;
  using executor_type = Tcp::executor_type;

  explicit Connection(Tcp::socket_type socket, boost::asio::ssl::context* tls = nullptr)
      : inner_(std::make_unique<Inner>(std::move(socket), tls)) {}

  executor_type get_executor() { return inner_->tcp.get_executor(); }
  Tcp& tcp() { return inner_->tcp; }
  Tls* tls() { return inner_->tls ? &*inner_->tls : nullptr; }
  Tcp::socket_type& socket() { return inner_->tcp.socket(); }

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    if (inner_->tls) return inner_->tls->async_read_some(buffers, std::forward<Token>(token));
    return inner_->tcp.async_read_some(buffers, std::forward<Token>(token));
  }
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    if (inner_->tls) return inner_->tls->async_write_some(buffers, std::forward<Token>(token));
    return inner_->tcp.async_write_some(buffers, std::forward<Token>(token));
  }

 private:
  struct Inner {  // stays where it is: the TLS half refers to the other
    Inner(Tcp::socket_type socket, boost::asio::ssl::context* context) : tcp(std::move(socket)) {
      if (context) tls.emplace(tcp, *context);
    }
    Tcp tcp;
    std::optional<Tls> tls;
  };
  std::unique_ptr<Inner> inner_;
};

// What Beast's WebSocket asks of a stream that it does not know.
inline void beast_close_socket(Connection& connection) { connection.tcp().close(); }

inline void teardown(boost::beast::role_type role, Connection& connection, boost::system::error_code& error) {
  boost::beast::websocket::teardown(role, connection.socket(), error);
}

template <class Handler>
void async_teardown(boost::beast::role_type role, Connection& connection, Handler&& handler) {
  using boost::beast::websocket::async_teardown;
  if (Connection::Tls* tls = connection.tls())
    async_teardown(role, *tls, std::forward<Handler>(handler));
  else
    async_teardown(role, connection.socket(), std::forward<Handler>(handler));
}

}  // namespace easel::server
