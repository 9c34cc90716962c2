#include "media/sound_encoder.h"

#include <algorithm>

#include "base/error.h"
#include "media/sound.h"

namespace easel::media::libav {
namespace {

constexpr int kMaxRate = 768'000, kBlock = 1 << 14;  // samples of a channel given to the resampler at once
constexpr int kFreeFrame = 4096;                     // for encoders that take any length

int rate_for(const AVCodec& codec, int wanted) {
  if (!codec.supported_samplerates) return wanted;
  int above = 0, highest = 0;
  for (const int* rate = codec.supported_samplerates; *rate; ++rate) {
    highest = std::max(highest, *rate);
    if (*rate >= wanted && (!above || *rate < above)) above = *rate;
  }
  return above ? above : highest;
}

void check_channels(const Output& output, const AVCodec& codec, int channels) {
  int most = kMaxSoundChannels;
  if (codec.ch_layouts) {
    most = 0;
    for (const AVChannelLayout* layout = codec.ch_layouts; layout->nb_channels; ++layout)
      most = std::max(most, layout->nb_channels);
  }
  if (channels < 1 || channels > most)
    fail("{}: {} channels of sound; {} holds 1 to {}", output.who(), channels, codec.name, most);
}

}  // namespace

SoundEncoder::SoundEncoder(Output& output, const char* encoder, int rate, int channels, int64_t bitrate)
    : output_(output), channels_(channels) {
  if (rate < 1 || rate > kMaxRate) fail("{}: sound of {} Hz; 1 to {} are taken", output.who(), rate, kMaxRate);
  const auto prepare = [&](AVCodecContext& codec, const AVCodec& known) {
    check_channels(output, known, channels);
    codec.sample_rate = rate_for(known, rate);
    codec.sample_fmt = known.sample_fmts[0];
    codec.time_base = {1, codec.sample_rate};
    av_channel_layout_default(&codec.ch_layout, channels);
    codec.bit_rate = bitrate;
    if (!bitrate && known.id == AV_CODEC_ID_MP3) codec.flags |= AV_CODEC_FLAG_QSCALE;  // with global_quality 0: V0
  };
  Options options;
  codec_ = open_encoder(output, encoder, prepare, options);
  stream_ = output.add_stream(*codec_);
  SwrContext* resampler = nullptr;
  const int made = swr_alloc_set_opts2(&resampler, &codec_->ch_layout, codec_->sample_fmt, codec_->sample_rate,
                                       &codec_->ch_layout, AV_SAMPLE_FMT_FLTP, rate, 0, nullptr);
  resampler_.reset(resampler);
  output_.check(made < 0 ? made : swr_init(resampler), "the resampler");
  queue_.reset(av_audio_fifo_alloc(codec_->sample_fmt, channels, kFreeFrame));
  if (!queue_) throw std::bad_alloc();
}

void SoundEncoder::add(std::span<const float> samples) {
  const size_t length = samples.size() / static_cast<size_t>(channels_);
  if (length * static_cast<size_t>(channels_) != samples.size())
    fail("{}: {} samples for {} channels", output_.who(), samples.size(), channels_);
  for (size_t at = 0; at < length; at += kBlock) {
    const uint8_t* planes[kMaxSoundChannels];
    for (size_t c = 0; c < static_cast<size_t>(channels_); ++c)
      planes[c] = reinterpret_cast<const uint8_t*>(samples.data() + c * length + at);
    push(planes, static_cast<int>(std::min<size_t>(kBlock, length - at)));
  }
}

void SoundEncoder::finish() {
  push(nullptr, 0);
  drain(1);
  output_.encode(codec_.get(), stream_, nullptr);
}

Frame SoundEncoder::frame_of(int length) {
  Frame frame = make_frame();
  frame->nb_samples = length;
  frame->format = codec_->sample_fmt;
  frame->sample_rate = codec_->sample_rate;
  output_.check(av_channel_layout_copy(&frame->ch_layout, &codec_->ch_layout), "the channels");
  output_.check(av_frame_get_buffer(frame.get(), 0), "no memory for sound");
  return frame;
}

// Through the resampler into the queue; without planes: what the resampler still holds.
void SoundEncoder::push(const uint8_t* const* planes, int length) {
  const int most = swr_get_out_samples(resampler_.get(), length);
  if (most > 0) {
    const Frame frame = frame_of(most);
    const int came =
        swr_convert(resampler_.get(), frame->extended_data, most, const_cast<const uint8_t**>(planes), length);
    output_.check(came, "resampling");
    output_.check(av_audio_fifo_write(queue_.get(), reinterpret_cast<void**>(frame->extended_data), came), "queueing");
  }
  drain(codec_->frame_size ? codec_->frame_size : kFreeFrame);
}

// Frames of the encoder's length while the queue has at least so many samples.
void SoundEncoder::drain(int least) {
  const int wanted = codec_->frame_size ? codec_->frame_size : kFreeFrame;
  while (av_audio_fifo_size(queue_.get()) >= least) {
    const Frame frame = frame_of(std::min(wanted, av_audio_fifo_size(queue_.get())));
    output_.check(av_audio_fifo_read(queue_.get(), reinterpret_cast<void**>(frame->extended_data), frame->nb_samples),
                  "queueing");
    frame->pts = written_;
    written_ += frame->nb_samples;
    output_.encode(codec_.get(), stream_, frame.get());
  }
}

}  // namespace easel::media::libav
