#include <webp/decode.h>
#include <webp/demux.h>
#include <webp/encode.h>

#include <memory>

#include "base/error.h"
#include "media/codecs.h"

namespace easel::media {
namespace {

constexpr int kMaxFrames = 10'000;

const uint8_t* data_of(std::string_view bytes) { return reinterpret_cast<const uint8_t*>(bytes.data()); }

[[noreturn]] void fail_damaged() { fail("decode: the WebP is damaged or cut short"); }

WebPBitstreamFeatures features_of(std::string_view bytes) {
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(data_of(bytes), bytes.size(), &features) != VP8_STATUS_OK) fail_damaged();
  return features;
}

Picture decode_still(std::string_view bytes, const WebPBitstreamFeatures& features) {
  Picture picture{.width = features.width, .height = features.height, .channels = features.has_alpha ? 4 : 3};
  const int row = picture.width * picture.channels;
  picture.pixels.resize(static_cast<size_t>(row) * static_cast<size_t>(picture.height));
  const auto decode = features.has_alpha ? WebPDecodeRGBAInto : WebPDecodeRGBInto;
  if (!decode(data_of(bytes), bytes.size(), picture.pixels.data(), picture.pixels.size(), row)) fail_damaged();
  return picture;
}

std::vector<Picture> decode_animation(std::string_view bytes, bool has_alpha, int most) {
  const WebPData data{data_of(bytes), bytes.size()};
  WebPAnimDecoderOptions options;
  WebPAnimDecoderOptionsInit(&options);
  const std::unique_ptr<WebPAnimDecoder, decltype(&WebPAnimDecoderDelete)> decoder(WebPAnimDecoderNew(&data, &options),
                                                                                   WebPAnimDecoderDelete);
  WebPAnimInfo info;
  if (!decoder || !WebPAnimDecoderGetInfo(decoder.get(), &info)) fail_damaged();
  const int64_t frames = std::min<int64_t>(info.frame_count, most);
  check_size("WebP", info.canvas_width, info.canvas_height, 4);
  if (frames > kMaxFrames || frames * info.canvas_width * info.canvas_height * 4 > kMaxDecodedBytes) {
    fail("decode: a WebP of {} frames of {} × {} pixels is more than {} bytes", frames, info.canvas_width,
         info.canvas_height, kMaxDecodedBytes);
  }
  std::vector<Picture> out;
  while (static_cast<int64_t>(out.size()) < frames && WebPAnimDecoderHasMoreFrames(decoder.get())) {
    uint8_t* pixels = nullptr;
    int time = 0;
    if (!WebPAnimDecoderGetNext(decoder.get(), &pixels, &time)) fail_damaged();
    Picture frame{
        .width = static_cast<int>(info.canvas_width), .height = static_cast<int>(info.canvas_height), .channels = 4};
    frame.pixels.assign(pixels, pixels + size_t{info.canvas_width} * info.canvas_height * 4);
    out.push_back(has_alpha ? std::move(frame) : to_rgb(frame));
  }
  if (out.empty()) fail_damaged();
  return out;
}

std::vector<Picture> decode_frames_up_to(std::string_view bytes, int most) {
  const WebPBitstreamFeatures features = features_of(bytes);
  check_size("WebP", features.width, features.height, 4);
  std::vector<Picture> frames;
  if (features.has_animation)
    frames = decode_animation(bytes, features.has_alpha, most);
  else
    frames.push_back(decode_still(bytes, features));
  const int orientation = exif_orientation(webp_exif(bytes));
  for (Picture& frame : frames) frame = upright(std::move(frame), orientation);
  return frames;
}

}  // namespace

std::string webp_exif(std::string_view bytes) {
  const WebPData data{data_of(bytes), bytes.size()};
  const std::unique_ptr<WebPDemuxer, decltype(&WebPDemuxDelete)> demuxer(WebPDemux(&data), WebPDemuxDelete);
  WebPChunkIterator chunk;
  if (!demuxer || !WebPDemuxGetChunk(demuxer.get(), "EXIF", 1, &chunk)) return "";
  std::string exif(reinterpret_cast<const char*>(chunk.chunk.bytes), chunk.chunk.size);
  WebPDemuxReleaseChunkIterator(&chunk);
  return exif;
}

Picture decode_webp(std::string_view bytes) { return std::move(decode_frames_up_to(bytes, 1).front()); }
std::vector<Picture> decode_webp_frames(std::string_view bytes) { return decode_frames_up_to(bytes, kMaxFrames + 1); }

std::optional<std::pair<int, int>> webp_size(std::string_view bytes) {
  int width = 0, height = 0;
  if (!WebPGetInfo(data_of(bytes), bytes.size(), &width, &height)) return std::nullopt;
  return std::pair(width, height);
}

std::string encode_webp(const Picture& given, int quality, bool lossless) {
  const Picture picture = given.has_alpha() ? to_rgba(given) : to_rgb(given);
  WebPConfig config;
  WebPPicture webp;
  WebPMemoryWriter writer;
  if (!WebPConfigInit(&config) || !WebPPictureInit(&webp)) fail("encode_webp: libwebp cannot start");
  WebPMemoryWriterInit(&writer);
  config.quality = static_cast<float>(quality);
  config.lossless = webp.use_argb = lossless;
  config.exact = lossless;  // colours below full transparency too
  webp.width = picture.width;
  webp.height = picture.height;
  webp.writer = WebPMemoryWrite;
  webp.custom_ptr = &writer;
  const auto import = picture.has_alpha() ? WebPPictureImportRGBA : WebPPictureImportRGB;
  const bool done =
      import(&webp, picture.pixels.data(), picture.width * picture.channels) && WebPEncode(&config, &webp);
  const std::string out = done ? std::string(reinterpret_cast<const char*>(writer.mem), writer.size) : "";
  const int error = webp.error_code;
  WebPPictureFree(&webp);
  WebPMemoryWriterClear(&writer);
  if (!done)
    fail("encode_webp: libwebp refuses {} × {} pixels (error {}); at most 16383 a side are possible", picture.width,
         picture.height, error);
  return out;
}

}  // namespace easel::media
