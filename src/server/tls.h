// --tls-keyfile and --tls-certfile. Only the files of the event loop include this.
#pragma once
#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>

namespace easel::server {

// TLS 1.2 or newer. Throws Error naming the file that is wrong.
std::unique_ptr<boost::asio::ssl::context> make_tls(const std::string& key_file, const std::string& certificate_file);

}  // namespace easel::server
