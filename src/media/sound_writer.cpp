#include "base/error.h"
#include "media/sound.h"
#include "media/sound_encoder.h"

namespace easel::media {
namespace {

struct Row {
  const char *container, *encoder;
};
Row row_of(SoundKind kind) {
  switch (kind) {
    case SoundKind::kMp3:
      return {"mp3", "libmp3lame"};
    case SoundKind::kOpus:
      return {"ogg", "libopus"};
    default:
      return {"flac", "flac"};
  }
}

}  // namespace

struct SoundWriter::State {
  State(SeekableSink out, const SoundOptions& options)
      : output("write_sound", std::move(out), row_of(options.kind).container, options.metadata),
        encoder(output, row_of(options.kind).encoder, options.rate, options.channels,
                options.kind == SoundKind::kFlac ? 0 : options.bitrate) {
    libav::Options none;
    output.begin(none);
  }
  libav::Output output;
  libav::SoundEncoder encoder;
};

SoundWriter::SoundWriter(SeekableSink out, const SoundOptions& options)
    : state_(std::make_unique<State>(std::move(out), options)) {}
SoundWriter::~SoundWriter() = default;

void SoundWriter::add(std::span<const float> samples) { state_->encoder.add(samples); }

void SoundWriter::finish() {
  state_->encoder.finish();
  state_->output.end();
}

}  // namespace easel::media
