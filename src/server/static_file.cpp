#include "server/static_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <map>

#include "base/error.h"
#include "folders/resolve.h"

namespace easel::server {
namespace {

std::string http_date(time_t time) {
  struct tm parts;
  gmtime_r(&time, &parts);
  char text[40];
  return {text, strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

std::optional<time_t> parse_http_date(std::string_view text) {
  struct tm parts {};
  const std::string copy(text);
  const char* end = strptime(copy.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (!end || *end) return std::nullopt;
  return timegm(&parts);
}

bool lists_tag(std::string_view header, std::string_view tag) {
  return header == "*" || header.find(tag) != std::string_view::npos;
}

struct Range {
  uint64_t first, last;  // both included
};

// "bytes=a-b", "bytes=a-", "bytes=-n". Nothing: no range that we serve (several, another unit), so the whole is sent.
// first > last: not satisfiable.
std::optional<Range> parse_range(std::string_view header, uint64_t size) {
  if (!header.starts_with("bytes=") || header.find(',') != std::string_view::npos) return std::nullopt;
  header.remove_prefix(6);
  const size_t dash = header.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto number = [](std::string_view digits) -> std::optional<uint64_t> {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    return value;
  };
  const std::string_view left = header.substr(0, dash), right = header.substr(dash + 1);
  if (left.empty()) {
    const auto suffix = number(right);
    if (!suffix) return std::nullopt;
    if (*suffix == 0 || size == 0) return Range{1, 0};
    return Range{size - std::min(*suffix, size), size - 1};
  }
  const auto first = number(left);
  const auto last = right.empty() ? std::optional<uint64_t>(UINT64_MAX) : number(right);
  if (!first || !last || *last < *first) return std::nullopt;
  if (*first >= size) return Range{1, 0};
  return Range{*first, std::min(*last, size - 1)};
}

}  // namespace

std::string mime_type(std::string_view name) {
  static const std::map<std::string, std::string, std::less<>> kTypes{{"html", "text/html; charset=utf-8"},
                                                                      {"htm", "text/html; charset=utf-8"},
                                                                      {"js", "application/javascript"},
                                                                      {"mjs", "application/javascript"},
                                                                      {"css", "text/css; charset=utf-8"},
                                                                      {"json", "application/json"},
                                                                      {"map", "application/json"},
                                                                      {"md", "text/markdown; charset=utf-8"},
                                                                      {"txt", "text/plain; charset=utf-8"},
                                                                      {"csv", "text/csv; charset=utf-8"},
                                                                      {"xml", "application/xml"},
                                                                      {"png", "image/png"},
                                                                      {"jpg", "image/jpeg"},
                                                                      {"jpeg", "image/jpeg"},
                                                                      {"webp", "image/webp"},
                                                                      {"gif", "image/gif"},
                                                                      {"svg", "image/svg+xml"},
                                                                      {"ico", "image/x-icon"},
                                                                      {"bmp", "image/bmp"},
                                                                      {"avif", "image/avif"},
                                                                      {"tif", "image/tiff"},
                                                                      {"tiff", "image/tiff"},
                                                                      {"mp4", "video/mp4"},
                                                                      {"webm", "video/webm"},
                                                                      {"mov", "video/quicktime"},
                                                                      {"mkv", "video/x-matroska"},
                                                                      {"mp3", "audio/mpeg"},
                                                                      {"wav", "audio/x-wav"},
                                                                      {"flac", "audio/flac"},
                                                                      {"ogg", "audio/ogg"},
                                                                      {"opus", "audio/ogg"},
                                                                      {"m4a", "audio/mp4"},
                                                                      {"woff", "font/woff"},
                                                                      {"woff2", "font/woff2"},
                                                                      {"ttf", "font/ttf"},
                                                                      {"otf", "font/otf"},
                                                                      {"wasm", "application/wasm"},
                                                                      {"pdf", "application/pdf"},
                                                                      {"zip", "application/zip"},
                                                                      {"glb", "model/gltf-binary"},
                                                                      {"gltf", "model/gltf+json"}};
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return "application/octet-stream";
  std::string ending(name.substr(dot + 1));
  std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return std::tolower(c); });
  const auto found = kTypes.find(ending);
  return found == kTypes.end() ? "application/octet-stream" : found->second;
}

Response file_response(const Request& request, const std::filesystem::path& path) {
  const int opened = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
  if (opened < 0) throw HttpError(404, "404: Not Found");
  std::shared_ptr<const int> fd(new int(opened), [](const int* owned) { close(*owned), delete owned; });
  struct stat facts;
  if (fstat(opened, &facts) != 0 || !S_ISREG(facts.st_mode)) throw HttpError(404, "404: Not Found");
  const auto size = static_cast<uint64_t>(facts.st_size);
  const std::string tag =
      fmt::format("\"{:x}-{:x}\"", facts.st_mtim.tv_sec * 1'000'000'000 + facts.st_mtim.tv_nsec, size);

  Response response;
  response.type = mime_type(path.filename().string());
  response.set("ETag", tag);
  response.set("Last-Modified", http_date(facts.st_mtim.tv_sec));
  response.set("Accept-Ranges", "bytes");

  const std::string_view none_match = request.header("If-None-Match");
  const auto since = parse_http_date(request.header("If-Modified-Since"));
  if (none_match.empty() ? since && facts.st_mtim.tv_sec <= *since : lists_tag(none_match, tag)) {
    response.status = 304;
    return response;
  }
  response.file = FileSlice{fd, 0, size};
  const std::string_view if_range = request.header("If-Range");
  const bool same = if_range.empty() || if_range == tag || parse_http_date(if_range) == facts.st_mtim.tv_sec;
  if (const auto range = parse_range(request.header("Range"), size); range && same) {
    if (range->first > range->last) {
      response.status = 416;
      response.file.reset();
      response.set("Content-Range", fmt::format("bytes */{}", size));
      return response;
    }
    response.status = 206;
    response.file->offset = range->first, response.file->length = range->last - range->first + 1;
    response.set("Content-Range", fmt::format("bytes {}-{}/{}", range->first, range->last, size));
  }
  return response;
}

Response static_response(const Request& request, const std::filesystem::path& root, std::string_view relative) {
  const auto found = folders::resolve(root, "", relative.empty() ? "index.html" : relative, folders::Want::kFile);
  if (found) return file_response(request, found.path);
  const auto index = folders::resolve(root, relative, "index.html", folders::Want::kFile);
  if (!index) throw HttpError(404, "404: Not Found");
  return file_response(request, index.path);
}

std::string header_quoted(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '_' : c;
  }
  return quoted + '"';
}

}  // namespace easel::server
