#include <algorithm>

#include "base/error.h"
#include "media/libav.h"
#include "media/sound.h"

namespace easel::media {
namespace {

int sound_of(const libav::Input& input, bool last) {
  const int stream = input.first(AVMEDIA_TYPE_AUDIO, last);
  if (stream < 0) fail("read_sound: '{}' has no sound", input.name());
  return stream;
}

}  // namespace

struct SoundReader::State {
  State(SeekableSource source, bool last)
      : input("read_sound", std::move(source)), decoder(input, sound_of(input, last), 1) {
    info.rate = decoder.codec().sample_rate;
    info.channels = decoder.codec().ch_layout.nb_channels;
    info.seconds = input.seconds();
    info.container = input->iformat->name;
    info.codec = decoder.codec().codec->name;
    info.metadata = input.metadata();
    if (info.channels < 1 || info.channels > kMaxSoundChannels || info.rate < 1) {
      fail("read_sound: '{}' has {} channels at {} Hz; 1 to {} channels are taken", input.name(), info.channels,
           info.rate, kMaxSoundChannels);
    }
  }

  // Planar float32 of the frame, by libswresample: 16-bit samples are divided by 2^15, 32-bit ones by 2^31.
  Sound converted() {
    AVFrame* frame = &decoder.frame();
    if (frame->sample_rate != info.rate || frame->ch_layout.nb_channels != info.channels) {
      fail("read_sound: '{}' changes from {} channels at {} Hz to {} at {}", input.name(), info.channels, info.rate,
           frame->ch_layout.nb_channels, frame->sample_rate);
    }
    if (!resampler || format != frame->format) {
      format = frame->format;
      SwrContext* made = nullptr;
      int result = swr_alloc_set_opts2(&made, &frame->ch_layout, AV_SAMPLE_FMT_FLTP, info.rate, &frame->ch_layout,
                                       static_cast<AVSampleFormat>(format), info.rate, 0, nullptr);
      resampler.reset(made);
      if (result >= 0) result = swr_init(made);
      if (result < 0) fail("read_sound: '{}': {}", input.name(), libav::reason(result));
    }
    const auto length = static_cast<size_t>(frame->nb_samples);
    Sound sound{.rate = info.rate, .channels = info.channels};
    sound.samples.resize(length * static_cast<size_t>(info.channels));
    uint8_t* planes[kMaxSoundChannels];
    for (size_t c = 0; c < static_cast<size_t>(info.channels); ++c)
      planes[c] = reinterpret_cast<uint8_t*>(sound.samples.data() + c * length);
    const int came = swr_convert(resampler.get(), planes, frame->nb_samples,
                                 const_cast<const uint8_t**>(frame->extended_data), frame->nb_samples);
    if (came != frame->nb_samples) fail("read_sound: '{}': {} samples of {} came", input.name(), came, length);
    return sound;
  }

  libav::Input input;
  libav::Decoder decoder;
  int format = -1;  // of the samples that the resampler expects
  libav::Resampler resampler;
  SoundInfo info;
};

SoundReader::SoundReader(SeekableSource source, bool last) : state_(std::make_unique<State>(std::move(source), last)) {}
SoundReader::~SoundReader() = default;

const SoundInfo& SoundReader::info() const { return state_->info; }

std::optional<Sound> SoundReader::next() {
  while (state_->decoder.next()) {
    if (state_->decoder.frame().nb_samples > 0) return state_->converted();
  }
  return std::nullopt;
}

Sound read_sound(SeekableSource source, bool last, int64_t most) {
  SoundReader reader(std::move(source), last);
  const auto channels = static_cast<size_t>(reader.info().channels);
  std::vector<std::vector<float>> rows(channels);
  while (const auto block = reader.next()) {
    const size_t length = block->samples.size() / channels;
    if (static_cast<int64_t>((rows[0].size() + length) * channels) > most) {
      fail("read_sound: more than {} samples in {} channels; cut the file into parts", most, channels);
    }
    for (size_t c = 0; c < channels; ++c) {
      const float* from = block->samples.data() + c * length;
      rows[c].insert(rows[c].end(), from, from + length);
    }
  }
  Sound sound{.rate = reader.info().rate, .channels = reader.info().channels};
  if (rows[0].empty()) fail("read_sound: nothing of the sound can be decoded; perhaps the file was cut short");
  sound.samples.reserve(rows[0].size() * channels);
  for (std::vector<float>& row : rows) {
    sound.samples.insert(sound.samples.end(), row.begin(), row.end());
    std::vector<float>().swap(row);
  }
  return sound;
}

}  // namespace easel::media
