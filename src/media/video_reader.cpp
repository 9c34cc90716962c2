extern "C" {
#include <libavutil/display.h>
}

#include <algorithm>
#include <cmath>
#include <cstring>
#include <thread>

#include "base/error.h"
#include "media/codecs.h"
#include "media/libav.h"
#include "media/video.h"

namespace easel::media {
namespace {

// The EXIF orientation that turns frames as the stream's display matrix asks, to the nearest quarter.
int orientation_of(const AVStream& stream) {
  const auto* matrix =
      reinterpret_cast<const int32_t*>(av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, nullptr));
  const double turn = matrix ? av_display_rotation_get(matrix) : 0;  // counterclockwise
  if (!std::isfinite(turn)) return 1;
  constexpr int kByQuarter[] = {1, 8, 3, 6};
  return kByQuarter[((std::lround(turn / 90) % 4) + 4) % 4];
}

int pictures_of(const libav::Input& input) {
  const int stream = input.best(AVMEDIA_TYPE_VIDEO);
  if (stream < 0) fail("read_video: '{}' has no pictures", input.name());
  const AVCodecParameters& from = *input->streams[stream]->codecpar;
  check_size("film", from.width, from.height, 3);
  return stream;
}

int threads() { return static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 8u)); }

}  // namespace

struct VideoReader::State {
  explicit State(SeekableSource source)
      : input("read_video", std::move(source)), stream(pictures_of(input)), decoder(input, stream, threads()) {
    const AVStream& from = *input->streams[stream];
    orientation = orientation_of(from);
    describe(from);
    // Nothing but the pictures is to be taken apart.
    for (unsigned i = 0; i < input->nb_streams; ++i) {
      if (static_cast<int>(i) != stream) input->streams[i]->discard = AVDISCARD_ALL;
    }
  }

  void describe(const AVStream& from) {
    info.width = orientation > 4 ? from.codecpar->height : from.codecpar->width;
    info.height = orientation > 4 ? from.codecpar->width : from.codecpar->height;
    const AVRational rate = from.avg_frame_rate.num > 0 ? from.avg_frame_rate : from.r_frame_rate;
    if (rate.num > 0 && rate.den > 0) info.fps = {rate.num, rate.den};
    info.seconds = input.seconds();
    info.frames = from.nb_frames > 0 ? from.nb_frames : std::llround(info.seconds * info.fps.value());
    info.container = input->iformat->name;
    info.codec = decoder.codec().codec->name;
    info.metadata = input.metadata();
    const int sound = input.first(AVMEDIA_TYPE_AUDIO, true);
    if (sound < 0) return;
    const AVCodecParameters& heard = *input->streams[sound]->codecpar;
    info.sound = SoundInfo{.rate = heard.sample_rate,
                           .channels = heard.ch_layout.nb_channels,
                           .seconds = info.seconds,
                           .container = info.container,
                           .codec = avcodec_get_name(heard.codec_id)};
  }

  Picture converted() {
    AVFrame* frame = &decoder.frame();
    check_size("film", frame->width, frame->height, 3);
    const int width = orientation > 4 ? info.height : info.width, height = orientation > 4 ? info.width : info.height;
    scaler.reset(sws_getCachedContext(scaler.release(), frame->width, frame->height,
                                      static_cast<AVPixelFormat>(frame->format), width, height, AV_PIX_FMT_RGB24,
                                      SWS_BILINEAR, nullptr, nullptr, nullptr));
    if (!scaler) fail("read_video: '{}': frames of a kind that cannot be converted", input.name());
    // The colours the film declares; BT.601 where it says nothing, as libav has it.
    const int* colours =
        sws_getCoefficients(frame->colorspace == AVCOL_SPC_UNSPECIFIED ? SWS_CS_DEFAULT : frame->colorspace);
    sws_setColorspaceDetails(scaler.get(), colours, frame->color_range == AVCOL_RANGE_JPEG,
                             sws_getCoefficients(SWS_CS_DEFAULT), 1, 0, 1 << 16, 1 << 16);
    const libav::Frame rgb = libav::make_picture(AV_PIX_FMT_RGB24, width, height);
    if (sws_scale(scaler.get(), frame->data, frame->linesize, 0, frame->height, rgb->data, rgb->linesize) != height)
      fail("read_video: '{}': a frame cannot be converted", input.name());
    Picture picture{.width = width, .height = height, .channels = 3};
    const size_t row = static_cast<size_t>(width) * 3;
    picture.pixels.resize(row * static_cast<size_t>(height));
    for (int y = 0; y < height; ++y)
      std::memcpy(picture.pixels.data() + static_cast<size_t>(y) * row, rgb->data[0] + ptrdiff_t{y} * rgb->linesize[0],
                  row);
    return upright(std::move(picture), orientation);
  }

  libav::Input input;
  int stream, orientation = 1;
  bool any = false;  // frames so far
  libav::Decoder decoder;
  libav::Scaler scaler;
  VideoInfo info;
};

VideoReader::VideoReader(SeekableSource source) : state_(std::make_unique<State>(std::move(source))) {}
VideoReader::~VideoReader() = default;

const VideoInfo& VideoReader::info() const { return state_->info; }

std::optional<Picture> VideoReader::next() {
  State& state = *state_;
  if (!state.decoder.next()) {
    if (!state.any)
      fail("read_video: '{}' has no frame that can be decoded; perhaps it was cut short", state.input.name());
    return std::nullopt;
  }
  state.any = true;
  return state.converted();
}

}  // namespace easel::media
