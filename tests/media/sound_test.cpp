#include "media/sound.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/error.h"
#include "media/files.h"
#include "media/metadata.h"

namespace easel::media {
namespace {

using testing::HasSubstr;

// A tone for each channel, channel after channel.
std::vector<float> tones(int rate, int channels, double seconds) {
  const auto length = static_cast<size_t>(rate * seconds);
  std::vector<float> samples;
  for (int c = 0; c < channels; ++c) {
    for (size_t i = 0; i < length; ++i)
      samples.push_back(0.4f * std::sin(static_cast<float>(i) * 6.2832f * 220 * static_cast<float>(c + 1) /
                                        static_cast<float>(rate)));
  }
  return samples;
}

MemoryFile file_of(const SoundOptions& options, std::span<const float> samples) {
  MemoryFile file;
  SoundWriter writer(file.sink(), options);
  writer.add(samples);
  writer.finish();
  return file;
}

std::string reason(const std::function<void()>& act) {
  try {
    act();
    return "done";
  } catch (const Error& error) {
    return error.what();
  }
}

// The share of the power at a frequency, of a channel's samples.
double share_at(std::span<const float> samples, double frequency, int rate) {
  double real = 0, imaginary = 0, power = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    const double angle = 2 * M_PI * frequency * static_cast<double>(i) / rate;
    real += samples[i] * std::cos(angle);
    imaginary += samples[i] * std::sin(angle);
    power += samples[i] * samples[i];
  }
  return 2 * (real * real + imaginary * imaginary) / (power * static_cast<double>(samples.size()));
}

TEST(Sound, FlacKeepsSixteenBits) {
  const std::vector<float> samples = tones(44100, 2, 0.5);
  const MemoryFile file = file_of({.metadata = kProvenance}, samples);
  EXPECT_TRUE(file.bytes.starts_with("fLaC"));
  SoundReader reader(file.source());
  EXPECT_EQ(reader.info().container, "flac");
  EXPECT_EQ(reader.info().codec, "flac");
  EXPECT_NEAR(reader.info().seconds, 0.5, 0.01);
  EXPECT_EQ(tag_of(reader.info().metadata, "prompt"), kProvenance[0].second);
  EXPECT_EQ(tag_of(reader.info().metadata, "workflow"), kProvenance[1].second);
  const Sound sound = read_sound(file.source());
  EXPECT_EQ(sound.rate, 44100);
  EXPECT_EQ(sound.channels, 2);
  ASSERT_EQ(sound.samples.size(), samples.size());
  for (size_t i = 0; i < samples.size(); ++i) ASSERT_NEAR(sound.samples[i], samples[i], 1.0 / 32000) << i;
}

TEST(Sound, FlacTakesAnyBlocks) {
  const std::vector<float> samples = tones(22050, 1, 0.3);
  MemoryFile file;
  SoundWriter writer(file.sink(), {.rate = 22050, .channels = 1});
  for (size_t at = 0, size = 1; at < samples.size(); at += size, size = size * 7 % 1009 + 1) {
    writer.add(std::span(samples).subspan(at, std::min(size, samples.size() - at)));
    writer.add({});
  }
  writer.finish();
  EXPECT_EQ(read_sound(file.source()).samples,
            read_sound(file_of({.rate = 22050, .channels = 1}, samples).source()).samples);
  EXPECT_EQ(read_sound(file.source()).length(), static_cast<int64_t>(samples.size()));
}

TEST(Sound, Mp3AndOpusKeepTheTones) {
  for (const SoundKind kind : {SoundKind::kMp3, SoundKind::kOpus}) {
    for (const int64_t bitrate : {int64_t{0}, int64_t{128'000}}) {
      const MemoryFile file =
          file_of({.kind = kind, .rate = 48000, .bitrate = bitrate, .metadata = kProvenance}, tones(48000, 2, 1));
      EXPECT_EQ(tag_of(media_metadata(file.source()), "prompt"), kProvenance[0].second);
      EXPECT_EQ(tag_of(media_metadata(file.source()), "workflow"), kProvenance[1].second);
      const Sound sound = read_sound(file.source());
      EXPECT_EQ(sound.rate, 48000);
      ASSERT_EQ(sound.channels, 2);
      EXPECT_NEAR(static_cast<double>(sound.length()), 48000, 3000);
      const auto length = static_cast<size_t>(sound.length());
      EXPECT_GT(share_at(std::span(sound.samples).first(length), 220, 48000), 0.95);
      EXPECT_GT(share_at(std::span(sound.samples).subspan(length), 440, 48000), 0.95);
    }
  }
}

TEST(Sound, OpusIsResampledToARateItKnows) {
  for (const auto& [given, wanted] : {std::pair(44100, 48000), {8000, 8000}, {11025, 12000}, {96000, 48000}}) {
    const MemoryFile file = file_of({.kind = SoundKind::kOpus, .rate = given, .channels = 1}, tones(given, 1, 1));
    const Sound sound = read_sound(file.source());
    EXPECT_EQ(sound.rate, 48000);  // Opus decodes to 48 kHz, whatever it was made from
    EXPECT_NEAR(static_cast<double>(sound.length()) / sound.rate, 1, 0.1) << wanted;
    EXPECT_GT(share_at(sound.samples, 220, sound.rate), 0.95);
  }
}

TEST(Sound, ReadsWav) {
  // 16-bit mono: 0, 0.5, -1
  const std::string wav(
      "RIFF\x2a\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\6\0\0\0\0\0\0\x40\0\x80", 50);
  const Sound sound = read_sound(memory_source(wav));
  EXPECT_EQ(sound.rate, 8000);
  EXPECT_EQ(sound.samples, (std::vector<float>{0, 0.5f, -1}));
}

TEST(Sound, RefusesWhatItCannotDo) {
  MemoryFile file;
  const auto begin = [&](SoundOptions options) { return reason([&] { SoundWriter(file.sink(), options); }); };
  EXPECT_THAT(begin({.rate = 0}), HasSubstr("0 Hz"));
  EXPECT_THAT(begin({.channels = 0}), HasSubstr("0 channels"));
  EXPECT_THAT(begin({.channels = 9}), HasSubstr("1 to 8"));
  EXPECT_THAT(begin({.kind = SoundKind::kMp3, .channels = 6}), HasSubstr("1 to 2"));
  SoundWriter writer(file.sink(), {});
  EXPECT_THAT(reason([&] { writer.add(std::vector<float>(3)); }), HasSubstr("3 samples for 2 channels"));
  EXPECT_THAT(reason([&] { read_sound(memory_source("no sound")); }), HasSubstr("cannot be opened"));
  const MemoryFile whole = file_of({}, tones(44100, 2, 0.2));
  EXPECT_THAT(reason([&] { read_sound(whole.source(), false, 1000); }), HasSubstr("more than 1000 samples"));
}

TEST(Sound, SurvivesTruncationAndDamage) {
  std::mt19937 random(4);
  for (const SoundKind kind : {SoundKind::kFlac, SoundKind::kMp3, SoundKind::kOpus}) {
    const std::string whole =
        file_of({.kind = kind, .rate = 48000, .metadata = kProvenance}, tones(48000, 2, 0.3)).bytes;
    for (size_t length = 0; length < whole.size(); length += whole.size() / 40 + 1)
      reason([&] { read_sound(memory_source(std::string_view(whole).substr(0, length))); });
    for (int round = 0; round < 150; ++round) {
      std::string bytes = whole;
      for (int edit = random() % 8; edit >= 0; --edit) bytes[random() % bytes.size()] = static_cast<char>(random());
      reason([&] { read_sound(memory_source(bytes)); });
    }
  }
}

TEST(Sound, AnEmptyOneIsAFileWithoutSamples) {
  const MemoryFile file = file_of({}, {});
  EXPECT_THAT(reason([&] { read_sound(file.source()); }), HasSubstr("nothing of the sound"));
}

}  // namespace
}  // namespace easel::media
