#include <cmath>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "media/libav.h"
#include "media/sound_encoder.h"
#include "media/video.h"

namespace easel::media {
namespace {

constexpr int kMaxSide = 16'384;

struct Row {
  const char *container, *encoder, *sound_encoder;
  AVPixelFormat pixels;
  double crf, most;
};
Row row_of(VideoCodec codec) {
  switch (codec) {
    case VideoCodec::kVp9:
      return {"webm", "libvpx-vp9", "libopus", AV_PIX_FMT_YUV420P, 32, 63};
    case VideoCodec::kAv1:
      return {"webm", "libsvtav1", "libopus", AV_PIX_FMT_YUV420P10LE, 32, 63};
    default:
      return {"mp4", "libx264", "aac", AV_PIX_FMT_YUV420P, 23, 51};
  }
}

libav::Codec open_codec(const libav::Output& output, const VideoOptions& options, int width, int height) {
  const Row row = row_of(options.codec);
  const double crf = options.crf.value_or(row.crf);
  if (!(crf >= 0 && crf <= row.most)) fail("write_video: a crf of {}; {} knows 0 to {}", crf, row.encoder, row.most);
  libav::Options choices;
  // Only x264 knows fractions.
  choices.set("crf", options.codec == VideoCodec::kH264 ? fmt::format("{}", crf) : fmt::format("{}", std::lround(crf)));
  if (options.codec == VideoCodec::kAv1) choices.set("preset", "6");
  if (options.codec == VideoCodec::kVp9) choices.set("row-mt", "1");
  const auto prepare = [&](AVCodecContext& codec, const AVCodec&) {
    codec.width = width;
    codec.height = height;
    codec.pix_fmt = row.pixels;
    codec.bit_rate = 0;
    codec.framerate = {options.fps.num, options.fps.den};
    codec.time_base = {options.fps.den, options.fps.num};
  };
  return libav::open_encoder(output, row.encoder, prepare, choices);
}

}  // namespace

struct VideoWriter::State {
  State(SeekableSink out, const VideoOptions& options)
      : width(options.width),
        height(options.height),
        output("write_video", std::move(out), row_of(options.codec).container, options.metadata) {
    const bool even = options.codec == VideoCodec::kH264;
    const int least = even ? 2 : 1;
    if (width < least || height < least || width > kMaxSide || height > kMaxSide || options.fps.num < 1 ||
        options.fps.den < 1) {
      fail("write_video: {} × {} pixels at {}/{} frames a second; {} to {} pixels a side are possible", width, height,
           options.fps.num, options.fps.den, least, kMaxSide);
    }
    codec = open_codec(output, options, even ? width & ~1 : width, even ? height & ~1 : height);
    stream = output.add_stream(*codec);
    if (options.sound_rate > 0)
      sound.emplace(output, row_of(options.codec).sound_encoder, options.sound_rate, options.sound_channels, 0);
    libav::Options choices;
    if (!options.metadata.empty() && options.codec == VideoCodec::kH264) choices.set("movflags", "use_metadata_tags");
    output.begin(choices);
  }

  void add(const Picture& picture) {
    const AVPixelFormat format = picture.channels == 4 ? AV_PIX_FMT_RGBA : AV_PIX_FMT_RGB24;
    const size_t row = static_cast<size_t>(picture.width) * static_cast<size_t>(picture.channels);
    if (picture.width != width || picture.height != height || picture.channels < 3 ||
        picture.pixels.size() != row * static_cast<size_t>(height)) {
      fail("write_video: a frame of {} × {} pixels of {} channels; {} × {} of RGB are wanted", picture.width,
           picture.height, picture.channels, width, height);
    }
    scaler.reset(sws_getCachedContext(scaler.release(), codec->width, codec->height, format, codec->width,
                                      codec->height, codec->pix_fmt, SWS_BILINEAR, nullptr, nullptr, nullptr));
    if (!scaler) throw std::bad_alloc();
    const libav::Frame rgb = libav::make_picture(format, width, height);
    for (int y = 0; y < height; ++y) {
      std::memcpy(rgb->data[0] + ptrdiff_t{y} * rgb->linesize[0], picture.pixels.data() + static_cast<size_t>(y) * row,
                  row);
    }
    const libav::Frame frame =
        libav::make_picture(codec->pix_fmt, codec->width, codec->height);  // the encoder keeps it
    const int done = sws_scale(scaler.get(), rgb->data, rgb->linesize, 0, codec->height, frame->data, frame->linesize);
    output.check(done, "converting");
    frame->pts = frames++;
    output.encode(codec.get(), stream, frame.get());
  }

  int width, height;
  int64_t frames = 0;
  libav::Output output;
  libav::Codec codec;
  AVStream* stream = nullptr;
  libav::Scaler scaler;
  std::optional<libav::SoundEncoder> sound;
};

VideoWriter::VideoWriter(SeekableSink out, const VideoOptions& options)
    : state_(std::make_unique<State>(std::move(out), options)) {}
VideoWriter::~VideoWriter() = default;

void VideoWriter::add(const Picture& frame) { state_->add(frame); }

void VideoWriter::add_sound(std::span<const float> samples) {
  if (!state_->sound) fail("write_video: sound for a film that was begun without");
  state_->sound->add(samples);
}

void VideoWriter::finish() {
  if (!state_->frames) fail("write_video: a film without a frame");
  state_->output.encode(state_->codec.get(), state_->stream, nullptr);
  if (state_->sound) state_->sound->finish();
  state_->output.end();
}

}  // namespace easel::media
