// jpeglib.h wants cstdio before it, jerror.h wants jpeglib.h.
// clang-format off
#include <cstdio>
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <csetjmp>
#include <cstdlib>
#include <tuple>

#include "base/error.h"
#include "media/codecs.h"

namespace easel::media {
namespace {

constexpr int kMaxScans = 200;        // of a progressive file; honest ones have about ten
constexpr unsigned kMaxExif = 65533;  // what a marker can hold

// As in png_file.cpp: libjpeg's errors jump, so its calls stand in lambdas without destructors.
struct Errors : jpeg_error_mgr {
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX] = "";
};

[[noreturn]] void on_error(j_common_ptr jpeg) {
  auto* errors = static_cast<Errors*>(jpeg->err);
  errors->format_message(jpeg, errors->message);
  std::longjmp(errors->jump, 1);
}

// A file that ends too early is only a warning to libjpeg, which then fills up with grey.
void on_message(j_common_ptr jpeg, int level) {
  if (level < 0 && jpeg->err->msg_code == JWRN_JPEG_EOF) on_error(jpeg);
}

void on_progress(j_common_ptr jpeg) {
  if (jpeg->is_decompressor && reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number > kMaxScans) {
    jpeg->err->msg_code = JERR_BAD_PROGRESSION;
    on_error(jpeg);
  }
}

void prepare(Errors& errors) {
  jpeg_std_error(&errors);
  errors.error_exit = on_error;
  errors.emit_message = on_message;
}

template <class Calls>
bool guarded(Errors& errors, const Calls& calls) {
  if (setjmp(errors.jump)) return false;
  calls();
  return true;
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {
    prepare(errors_);
    jpeg_.err = &errors_;
    must([this] { jpeg_create_decompress(&jpeg_); });
    progress_.progress_monitor = on_progress;
    jpeg_.progress = &progress_;
  }
  ~Reader() { jpeg_destroy_decompress(&jpeg_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  std::pair<int, int> read_header() {
    must([this] {
      jpeg_mem_src(&jpeg_, reinterpret_cast<const unsigned char*>(bytes_.data()), bytes_.size());
      jpeg_save_markers(&jpeg_, JPEG_APP0 + 1, kMaxExif);
      jpeg_read_header(&jpeg_, TRUE);
    });
    return {static_cast<int>(jpeg_.image_width), static_cast<int>(jpeg_.image_height)};
  }

  Picture read() {
    Picture picture;
    std::tie(picture.width, picture.height) = read_header();
    check_size("JPEG", picture.width, picture.height, 4);
    const int turn = orientation();  // jpeg_finish_decompress forgets the markers
    const bool grey = jpeg_.jpeg_color_space == JCS_GRAYSCALE;
    const bool cmyk = jpeg_.jpeg_color_space == JCS_CMYK || jpeg_.jpeg_color_space == JCS_YCCK;
    must([this, grey, cmyk] {
      jpeg_.out_color_space = grey ? JCS_GRAYSCALE : cmyk ? JCS_CMYK : JCS_RGB;
      jpeg_start_decompress(&jpeg_);
    });
    picture.channels = jpeg_.output_components;
    const size_t row = static_cast<size_t>(picture.width) * static_cast<size_t>(picture.channels);
    picture.pixels.resize(row * static_cast<size_t>(picture.height));
    uint8_t* first = picture.pixels.data();
    must([this, first, row] {
      while (jpeg_.output_scanline < jpeg_.output_height) {
        JSAMPROW line = first + jpeg_.output_scanline * row;
        jpeg_read_scanlines(&jpeg_, &line, 1);
      }
      jpeg_finish_decompress(&jpeg_);
    });
    if (cmyk) cmyk_to_rgb(picture);
    return upright(std::move(picture), turn);
  }

 private:
  template <class Calls>
  void must(const Calls& calls) {
    if (!guarded(errors_, calls)) fail("decode: the JPEG is damaged or cut short ({})", errors_.message);
  }

  // Adobe's programs write CMYK inverted, and everyone reads it so.
  static void cmyk_to_rgb(Picture& picture) {
    uint8_t* out = picture.pixels.data();
    const uint8_t* in = out;
    for (size_t i = picture.pixels.size() / 4; i > 0; --i, in += 4) {
      const int black = in[3];
      for (int c = 0; c < 3; ++c) *out++ = static_cast<uint8_t>((in[c] * black + 127) / 255);
    }
    picture.channels = 3;
    picture.pixels.resize(picture.pixels.size() / 4 * 3);
  }

  int orientation() const {
    for (jpeg_saved_marker_ptr marker = jpeg_.marker_list; marker; marker = marker->next) {
      const std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
      if (marker->marker == JPEG_APP0 + 1 && data.starts_with("Exif")) return exif_orientation(data);
    }
    return 1;
  }

  std::string_view bytes_;
  Errors errors_{};
  jpeg_progress_mgr progress_{};
  jpeg_decompress_struct jpeg_{};
};

class Writer {
 public:
  Writer() {
    prepare(errors_);
    jpeg_.err = &errors_;
    if (!guarded(errors_, [this] { jpeg_create_compress(&jpeg_); })) fail("encode_jpeg: {}", errors_.message);
  }
  ~Writer() {
    jpeg_destroy_compress(&jpeg_);
    std::free(buffer_);
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // 1 or 3 channels.
  std::string write(const Picture& picture, int quality) {
    const size_t row = static_cast<size_t>(picture.width) * static_cast<size_t>(picture.channels);
    const bool done = guarded(errors_, [&] {
      jpeg_mem_dest(&jpeg_, &buffer_, &size_);
      jpeg_.image_width = static_cast<JDIMENSION>(picture.width);
      jpeg_.image_height = static_cast<JDIMENSION>(picture.height);
      jpeg_.input_components = picture.channels;
      jpeg_.in_color_space = picture.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
      jpeg_set_defaults(&jpeg_);
      jpeg_set_quality(&jpeg_, quality, TRUE);
      jpeg_start_compress(&jpeg_, TRUE);
      while (jpeg_.next_scanline < jpeg_.image_height) {
        JSAMPROW line = const_cast<JSAMPROW>(picture.pixels.data() + jpeg_.next_scanline * row);
        jpeg_write_scanlines(&jpeg_, &line, 1);
      }
      jpeg_finish_compress(&jpeg_);
    });
    if (!done) fail("encode_jpeg: {}", errors_.message);
    return {reinterpret_cast<const char*>(buffer_), size_};
  }

 private:
  Errors errors_{};
  jpeg_compress_struct jpeg_{};
  unsigned char* buffer_ = nullptr;
  unsigned long size_ = 0;
};

}  // namespace

Picture decode_jpeg(std::string_view bytes) { return Reader(bytes).read(); }

std::optional<std::pair<int, int>> jpeg_size(std::string_view bytes) try {
  return Reader(bytes).read_header();
} catch (const Error&) {
  return std::nullopt;
}

std::string encode_jpeg(const Picture& picture, int quality) {
  const bool grey = picture.channels <= 2;
  if (grey && picture.channels == 1) return Writer().write(picture, quality);
  return Writer().write(picture.channels == 3 ? picture : to_rgb(picture), quality);
}

}  // namespace easel::media
