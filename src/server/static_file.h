// Files as answers: type by extension, ETag and Last-Modified with 304, Range with 206 and 416.
#pragma once
#include <filesystem>

#include "server/http.h"

namespace easel::server {

// By extension; application/octet-stream where it is unknown.
std::string mime_type(std::string_view name);

// `path` was resolved before. 404 if it is no regular file; never blocks on a FIFO or device.
Response file_response(const Request& request, const std::filesystem::path& path);

// The file `relative` (decoded) under `root`, or 404; a folder gives its index.html.
Response static_response(const Request& request, const std::filesystem::path& root, std::string_view relative);

// `name` fit for Content-Disposition: filename="…".
std::string header_quoted(std::string_view name);

}  // namespace easel::server
