#include "media/metadata.h"

#include <zlib.h>

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"
#include "media/codecs.h"

namespace easel::media {
namespace {

constexpr size_t kMaxText = 64u << 20;  // of one text, unpacked

// The rest behind the first NUL; `text` keeps what stands before it.
std::string_view split(std::string_view& text) {
  const size_t end = std::min(text.find('\0'), text.size());
  const std::string_view rest = text.substr(std::min(end + 1, text.size()));
  text = text.substr(0, end);
  return rest;
}

std::string inflated(std::string_view packed) {
  std::string out;
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) return out;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  int result = Z_OK;
  while (result == Z_OK && out.size() < kMaxText) {
    constexpr size_t kStep = 1 << 16;
    const size_t done = out.size();
    out.resize(done + kStep);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + done);
    stream.avail_out = kStep;
    result = inflate(&stream, Z_NO_FLUSH);
    out.resize(done + kStep - stream.avail_out);
  }
  inflateEnd(&stream);
  return result == Z_STREAM_END ? out : "";
}

TextChunks png_texts(std::string_view bytes) {
  TextChunks out;
  size_t total = 0;
  for (const PngChunk& chunk : png_chunks(bytes)) {
    std::string_view key = chunk.content;
    std::string_view rest = split(key);
    std::string text;
    if (chunk.name == "tEXt" || chunk.name == "comf") {
      text = from_latin1(rest);
    } else if (chunk.name == "zTXt" && rest.starts_with('\0')) {
      text = from_latin1(inflated(rest.substr(1)));
    } else if (chunk.name == "iTXt" && rest.size() >= 2) {
      const bool packed = rest[0] == 1;
      rest.remove_prefix(2);
      std::string_view language = rest, translated = split(language);
      const std::string_view content = split(translated);
      text = packed ? inflated(content) : std::string(content);
    } else {
      continue;
    }
    total += text.size();
    if (total > kMaxText) fail("picture_metadata: more than {} bytes of text", kMaxText);
    if (is_utf8(text)) out.emplace_back(from_latin1(key), std::move(text));
  }
  return out;
}

// "name:text", as ComfyUI writes them; from the largest tag down, which is their order.
TextChunks webp_texts(std::string_view bytes) {
  ExifTexts texts = exif_texts(webp_exif(bytes));
  std::stable_sort(texts.begin(), texts.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  TextChunks out;
  for (const auto& [tag, text] : texts) {
    const size_t colon = text.find(':');
    if (colon != text.npos && is_utf8(text)) out.emplace_back(text.substr(0, colon), text.substr(colon + 1));
  }
  return out;
}

}  // namespace

TextChunks picture_metadata(std::string_view bytes) {
  const auto info = probe(bytes);
  if (info && info->format == Format::kPng) return png_texts(bytes);
  if (info && info->format == Format::kWebp) return webp_texts(bytes);
  fail("picture_metadata: {} bytes that are no PNG or WebP", bytes.size());
}

}  // namespace easel::media
