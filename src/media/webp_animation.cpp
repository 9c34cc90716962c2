#include <webp/encode.h>
#include <webp/mux.h>

#include "base/error.h"
#include "media/animation.h"
#include "media/codecs.h"

namespace easel::media {
namespace {

constexpr int kMaxSide = 16'383;  // WebP's
constexpr int kMaxFrames = 10'000;

std::string text_of(const WebPData& data) { return {reinterpret_cast<const char*>(data.bytes), data.size}; }

// As ComfyUI numbers them: the prompt at 0x0110, the others downwards from 0x010F.
std::string exif_of(const TextChunks& metadata, bool animated) {
  ExifTexts texts;
  uint16_t next = 0x010F;
  for (const auto& [name, text] : metadata) texts.emplace_back(name == "prompt" ? 0x0110 : next--, name + ":" + text);
  return (animated ? std::string("Exif\0\0", 6) : "") + make_exif(texts);  // as Pillow does
}

std::string with_exif(const WebPData& file, const std::string& exif) {
  const std::unique_ptr<WebPMux, decltype(&WebPMuxDelete)> mux(WebPMuxCreate(&file, 0), WebPMuxDelete);
  const WebPData chunk{reinterpret_cast<const uint8_t*>(exif.data()), exif.size()};
  WebPData assembled;
  WebPDataInit(&assembled);
  const bool done = mux && WebPMuxSetChunk(mux.get(), "EXIF", &chunk, 1) == WEBP_MUX_OK &&
                    WebPMuxAssemble(mux.get(), &assembled) == WEBP_MUX_OK;
  std::string out = done ? text_of(assembled) : "";
  WebPDataClear(&assembled);
  if (!done) fail("write_webp: libwebp cannot put the metadata into the file");
  return out;
}

}  // namespace

int frame_milliseconds(double fps) {
  if (!(fps >= 0.01 && fps <= 1000)) fail("write_animation: {} frames a second; 0.01 to 1000 are possible", fps);
  return static_cast<int>(1000.0 / fps);
}

struct WebpAnimation::State {
  AnimationOptions options;
  WebPConfig config;
  std::unique_ptr<WebPAnimEncoder, decltype(&WebPAnimEncoderDelete)> encoder{nullptr, WebPAnimEncoderDelete};
  int frames = 0;
};

WebpAnimation::WebpAnimation(const AnimationOptions& options, bool lossless, int quality, int effort)
    : state_(std::make_unique<State>()) {
  state_->options = options;
  if (options.width < 1 || options.height < 1 || options.width > kMaxSide || options.height > kMaxSide) {
    fail("write_webp: {} × {} pixels; WebP holds 1 to {} a side", options.width, options.height, kMaxSide);
  }
  if (quality < 0 || quality > 100 || effort < 0 || effort > 6)
    fail("write_webp: quality {}, effort {}; 0 to 100 and 0 to 6 are possible", quality, effort);
  WebPAnimEncoderOptions choices;
  if (!WebPAnimEncoderOptionsInit(&choices) || !WebPConfigInit(&state_->config))
    fail("write_webp: libwebp cannot start");
  choices.kmin = lossless ? 9 : 3;  // Pillow's, whose files ComfyUI writes
  choices.kmax = lossless ? 17 : 5;
  state_->config.lossless = lossless;
  state_->config.quality = static_cast<float>(quality);
  state_->config.method = effort;
  state_->encoder.reset(WebPAnimEncoderNew(options.width, options.height, &choices));
  if (!state_->encoder) fail("write_webp: libwebp cannot start");
}
WebpAnimation::~WebpAnimation() = default;

void WebpAnimation::add(const Picture& frame) {
  const AnimationOptions& options = state_->options;
  if (frame.width != options.width || frame.height != options.height || frame.channels < 3 ||
      frame.pixels.size() != size_t{1} * frame.width * frame.height * frame.channels) {
    fail("write_webp: a frame of {} × {} pixels of {} channels; {} × {} of RGB or RGBA are wanted", frame.width,
         frame.height, frame.channels, options.width, options.height);
  }
  if (state_->frames == kMaxFrames) fail("write_webp: more than {} frames", kMaxFrames);
  WebPPicture picture;
  if (!WebPPictureInit(&picture)) fail("write_webp: libwebp cannot start");
  picture.use_argb = 1;
  picture.width = frame.width;
  picture.height = frame.height;
  const auto import = frame.has_alpha() ? WebPPictureImportRGBA : WebPPictureImportRGB;
  const bool done =
      import(&picture, frame.pixels.data(), frame.width * frame.channels) &&
      WebPAnimEncoderAdd(state_->encoder.get(), &picture, state_->frames * options.milliseconds, &state_->config);
  WebPPictureFree(&picture);
  if (!done) fail("write_webp: {}", WebPAnimEncoderGetError(state_->encoder.get()));
  ++state_->frames;
}

std::string WebpAnimation::finish() {
  const AnimationOptions& options = state_->options;
  if (!state_->frames) fail("write_webp: an animation without a frame");
  WebPData assembled;
  WebPDataInit(&assembled);
  const bool done =
      WebPAnimEncoderAdd(state_->encoder.get(), nullptr, state_->frames * options.milliseconds, nullptr) &&
      WebPAnimEncoderAssemble(state_->encoder.get(), &assembled);
  std::string out;
  if (done && options.metadata.empty()) out = text_of(assembled);
  if (done && !options.metadata.empty()) out = with_exif(assembled, exif_of(options.metadata, state_->frames > 1));
  WebPDataClear(&assembled);
  if (!done) fail("write_webp: {}", WebPAnimEncoderGetError(state_->encoder.get()));
  return out;
}

}  // namespace easel::media
