#include <png.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/utf8.h"
#include "media/codecs.h"

namespace easel::media {
namespace {

constexpr png_alloc_size_t kMaxChunk = 64u << 20;  // of one text or colour profile, unpacked
constexpr size_t kMaxKeyword = 79;
constexpr size_t kMaxAtOnce = size_t{256} << 20;  // bytes of pixels packed in one piece; above, libpng packs row by row

// libpng reports errors by longjmp. So its calls stand in lambdas of plain C: guarded() runs one and says whether it
// came through; nothing with a destructor lives in a frame that a jump leaves.
template <class Calls>
bool guarded(png_structp png, const Calls& calls) {
  if (setjmp(png_jmpbuf(png))) return false;
  calls();
  return true;
}

struct Messages {
  char last[128] = "";
};

void on_error(png_structp png, png_const_charp message) {
  auto* messages = static_cast<Messages*>(png_get_error_ptr(png));
  std::strncpy(messages->last, message, sizeof messages->last - 1);
  png_longjmp(png, 1);
}
void on_warning(png_structp, png_const_charp) {}

struct Source {
  std::string_view rest;
};

void read_bytes(png_structp png, png_bytep out, size_t size) {
  auto* source = static_cast<Source*>(png_get_io_ptr(png));
  if (size > source->rest.size()) png_error(png, "the file ends too early");
  std::memcpy(out, source->rest.data(), size);
  source->rest.remove_prefix(size);
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) : source_{bytes} {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &messages_, on_error, on_warning);
    info_ = png_ ? png_create_info_struct(png_) : nullptr;
    if (!info_) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      fail("decode_png: libpng cannot start");
    }
  }
  ~Reader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  Picture read() {
    must([this] {
      png_set_read_fn(png_, &source_, read_bytes);
      png_set_chunk_malloc_max(png_, kMaxChunk);
      png_set_user_limits(png_, 1 << 24, 1 << 24);  // the pixel count is checked below
      png_read_info(png_, info_);
    });
    Picture picture;
    picture.width = static_cast<int>(png_get_image_width(png_, info_));
    picture.height = static_cast<int>(png_get_image_height(png_, info_));
    check_size("PNG", picture.width, picture.height, 8);
    const bool wide = png_get_bit_depth(png_, info_) == 16 && png_get_color_type(png_, info_) == PNG_COLOR_TYPE_GRAY;
    must([this, wide] { choose_pixels(wide); });
    picture.channels = png_get_channels(png_, info_);
    read_pixels(picture, wide);
    must([this] { png_read_end(png_, info_); });
    read_text(picture.text);
    return upright(std::move(picture), orientation());
  }

 private:
  template <class Calls>
  void must(const Calls& calls) {
    if (!guarded(png_, calls)) fail("decode: the PNG is damaged or cut short ({})", messages_.last);
  }

  // 8 bits a channel; palettes become colours; 16-bit grey stays, in this machine's byte order.
  void choose_pixels(bool wide) {
    if (png_get_color_type(png_, info_) == PNG_COLOR_TYPE_PALETTE) {
      png_set_palette_to_rgb(png_);
      if (png_get_valid(png_, info_, PNG_INFO_tRNS)) png_set_tRNS_to_alpha(png_);
    } else {
      png_set_expand_gray_1_2_4_to_8(png_);
    }
    wide ? png_set_swap(png_) : png_set_strip_16(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
  }

  void read_pixels(Picture& picture, bool wide) {
    const size_t row = png_get_rowbytes(png_, info_), height = static_cast<size_t>(picture.height);
    const size_t wanted = static_cast<size_t>(picture.width) * static_cast<size_t>(picture.channels) * (wide ? 2 : 1);
    if (row != wanted) fail("decode: the PNG has rows of {} bytes where {} are wanted", row, wanted);
    png_bytep first;
    if (wide) {
      picture.wide.resize(row / 2 * height);
      first = reinterpret_cast<png_bytep>(picture.wide.data());
    } else {
      picture.pixels.resize(row * height);
      first = picture.pixels.data();
    }
    std::vector<png_bytep> rows(height);
    for (size_t y = 0; y < height; ++y) rows[y] = first + y * row;
    png_bytepp table = rows.data();
    must([this, table] { png_read_image(png_, table); });
    picture.pixels.reserve(picture.wide.size());
    for (const uint16_t value : picture.wide) picture.pixels.push_back(static_cast<uint8_t>(value >> 8));
  }

  void read_text(TextChunks& out) {
    png_textp texts = nullptr;
    const int count = png_get_text(png_, info_, &texts, nullptr);
    for (int i = 0; i < count; ++i) {
      const bool utf8 = texts[i].compression >= PNG_ITXT_COMPRESSION_NONE;
      std::string text(texts[i].text, utf8 ? texts[i].itxt_length : texts[i].text_length);
      if (!utf8) text = from_latin1(text);
      if (is_utf8(text)) out.emplace_back(from_latin1(texts[i].key), std::move(text));
    }
  }

  int orientation() const {
    png_uint_32 size = 0;
    png_bytep exif = nullptr;
    if (!png_get_eXIf_1(png_, info_, &size, &exif)) return 1;
    return exif_orientation({reinterpret_cast<const char*>(exif), size});
  }

  Messages messages_;
  Source source_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

// UTF-8 as latin-1; nothing if a character does not fit.
std::optional<std::string> to_latin1(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80) {
      out += text[i];
    } else if ((byte == 0xC2 || byte == 0xC3) && i + 1 < text.size()) {
      out += static_cast<char>((byte & 3) << 6 | (static_cast<unsigned char>(text[++i]) & 0x3F));
    } else {
      return std::nullopt;
    }
  }
  return out;
}

class Writer {
 public:
  Writer() {
    png_ = png_create_write_struct(PNG_LIBPNG_VER_STRING, &messages_, on_error, on_warning);
    info_ = png_ ? png_create_info_struct(png_) : nullptr;
    if (!info_) {
      png_destroy_write_struct(&png_, nullptr);
      fail("encode_png: libpng cannot start");
    }
  }
  ~Writer() { png_destroy_write_struct(&png_, &info_); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  std::string write(const Picture& picture, int level, const TextChunks& chunks) {
    static constexpr int kTypes[] = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB,
                                     PNG_COLOR_TYPE_RGBA};
    std::vector<std::string> keys, values;  // what the png_text below point into
    std::vector<png_text> texts = text_of(chunks, keys, values);
    const bool huge = picture.pixels.size() > kMaxAtOnce;
    std::vector<png_bytep> rows = huge ? rows_of(picture) : std::vector<png_bytep>();
    const bool done = guarded(png_, [&] {
      png_set_write_fn(png_, &out_, append, [](png_structp) {});
      png_set_compression_level(png_, level);
      png_set_IHDR(png_, info_, static_cast<png_uint_32>(picture.width), static_cast<png_uint_32>(picture.height), 8,
                   kTypes[picture.channels - 1], PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                   PNG_FILTER_TYPE_DEFAULT);
      png_set_text(png_, info_, texts.data(), static_cast<int>(texts.size()));
      png_write_info(png_, info_);
      if (!huge) return;
      png_write_image(png_, rows.data());
      png_write_end(png_, nullptr);
    });
    if (!done) fail("encode_png: {}", messages_.last);
    if (!huge) out_ += png_chunk("IDAT", pack_png_pixels(picture, level)) + png_chunk("IEND", "");
    return std::move(out_);
  }

 private:
  static void append(png_structp png, png_bytep bytes, size_t size) {
    bool done = false;
    try {
      static_cast<std::string*>(png_get_io_ptr(png))->append(reinterpret_cast<const char*>(bytes), size);
      done = true;
    } catch (const std::exception&) {  // must not cross libpng
    }
    if (!done) png_error(png, "no memory for the file");
  }

  static std::vector<png_bytep> rows_of(const Picture& picture) {
    const size_t row = static_cast<size_t>(picture.width) * static_cast<size_t>(picture.channels);
    std::vector<png_bytep> rows(static_cast<size_t>(picture.height));
    for (size_t y = 0; y < rows.size(); ++y) rows[y] = const_cast<png_bytep>(picture.pixels.data()) + y * row;
    return rows;
  }

  static std::vector<png_text> text_of(const TextChunks& chunks, std::vector<std::string>& keys,
                                       std::vector<std::string>& values) {
    std::vector<bool> fits;
    for (const auto& [key, value] : chunks) {
      const auto latin_key = to_latin1(key);
      if (!latin_key || latin_key->empty() || latin_key->size() > kMaxKeyword || value.find('\0') != value.npos) {
        fail("encode_png: text chunk '{}' needs a keyword of 1 to {} latin-1 letters and a text without NUL", key,
             kMaxKeyword);
      }
      auto latin = to_latin1(value);
      fits.push_back(latin.has_value());
      keys.push_back(*latin_key);
      values.push_back(latin ? std::move(*latin) : value);
    }
    std::vector<png_text> texts(chunks.size());
    for (size_t i = 0; i < texts.size(); ++i) {
      texts[i].compression = fits[i] ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE;
      texts[i].key = keys[i].data();
      texts[i].text = values[i].data();
      (fits[i] ? texts[i].text_length : texts[i].itxt_length) = values[i].size();
    }
    return texts;
  }

  Messages messages_;
  std::string out_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

}  // namespace

std::string from_latin1(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80) out += static_cast<char>(0xC0 | byte >> 6);
    out += byte >= 0x80 ? static_cast<char>(0x80 | (byte & 0x3F)) : c;
  }
  return out;
}

std::vector<PngChunk> png_chunks(std::string_view bytes) {
  constexpr size_t kSignature = 8, kFrame = 12;  // length, name, checksum
  std::vector<PngChunk> chunks;
  for (size_t at = std::min(kSignature, bytes.size()); chunks.empty() || chunks.back().name != "IEND";) {
    const size_t rest = bytes.size() - at;
    const size_t length = rest < kFrame ? 0 : png_get_uint_32(reinterpret_cast<png_const_bytep>(bytes.data() + at));
    if (rest < kFrame || length > rest - kFrame)
      fail("decode: the PNG is damaged or cut short (it ends within a chunk)");
    chunks.push_back({bytes.substr(at + 4, 4), bytes.substr(at + 8, length)});
    at += kFrame + length;
  }
  return chunks;
}

std::string png_chunk(std::string_view name, std::string_view content) {
  uint8_t number[4];
  png_save_uint_32(number, static_cast<png_uint_32>(content.size()));
  std::string out(reinterpret_cast<const char*>(number), 4);
  out.append(name).append(content);
  png_save_uint_32(
      number, static_cast<png_uint_32>(crc32_z(0, reinterpret_cast<const Bytef*>(out.data()) + 4, out.size() - 4)));
  return out.append(reinterpret_cast<const char*>(number), 4);
}

Picture decode_png(std::string_view bytes) {
  // libpng allocates (and clears) what a chunk claims to hold before it looks for it: so none may claim more than is
  // there.
  png_chunks(bytes);
  return Reader(bytes).read();
}

std::string encode_png(const Picture& picture, int level, const TextChunks& text) {
  const auto wanted =
      static_cast<size_t>(picture.width) * static_cast<size_t>(picture.height) * static_cast<size_t>(picture.channels);
  if (level < 0 || level > 9) fail("encode_png: a compression level of {}; 0 to 9 are possible", level);
  if (picture.width < 1 || picture.height < 1 || picture.channels < 1 || picture.channels > 4 ||
      picture.pixels.size() != wanted) {
    fail("encode_png: {} bytes for {} × {} pixels of {} channels", picture.pixels.size(), picture.width, picture.height,
         picture.channels);
  }
  return Writer().write(picture, level, text);
}

}  // namespace easel::media
