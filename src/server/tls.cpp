#include "server/tls.h"

#include <openssl/ssl.h>

#include "base/error.h"

namespace easel::server {

namespace ssl = boost::asio::ssl;

std::unique_ptr<ssl::context> make_tls(const std::string& key_file, const std::string& certificate_file) {
  auto context = std::make_unique<ssl::context>(ssl::context::tls_server);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_options(context->native_handle(), SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // A closed connection without the polite end of TLS is an end too: every length is told by HTTP.
  SSL_CTX_set_options(context->native_handle(), SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context->native_handle(), SSL_MODE_RELEASE_BUFFERS);  // an idle connection keeps no 32 KB
  boost::system::error_code error;
  context->use_certificate_chain_file(certificate_file, error);
  if (error) fail("--tls-certfile: '{}': {}; a PEM file was wanted", certificate_file, error.message());
  context->use_private_key_file(key_file, ssl::context::pem, error);
  if (error)
    fail("--tls-keyfile: '{}': {}; the PEM file of the certificate's key was wanted", key_file, error.message());
  return context;
}

}  // namespace easel::server
