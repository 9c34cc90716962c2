#include "media/video.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <random>

#include "base/error.h"
#include "folders/scratch.h"
#include "media/codecs.h"
#include "media/files.h"
#include "media/metadata.h"

namespace easel::media {
namespace {

using testing::HasSubstr;

MemoryFile film(VideoOptions options, int frames, double sound_seconds = 0) {
  MemoryFile file;
  VideoWriter writer(file.sink(), options);
  for (int i = 0; i < frames; ++i) writer.add(moving(options.width, options.height, i));
  if (sound_seconds > 0) {
    std::vector<float> samples(static_cast<size_t>(options.sound_rate * sound_seconds) *
                               static_cast<size_t>(options.sound_channels));
    for (size_t i = 0; i < samples.size(); ++i) samples[i] = 0.5f * std::sin(static_cast<float>(i) * 0.05f);
    writer.add_sound(samples);
  }
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

struct Kind {
  VideoCodec codec;
  const char *container, *name;
};

class Films : public testing::TestWithParam<Kind> {};

TEST_P(Films, ReadBackAsWritten) {
  const Kind kind = GetParam();
  const VideoOptions options{
      .width = 96, .height = 80, .fps = frame_rate(12.5), .codec = kind.codec, .crf = 12, .metadata = kProvenance};
  const MemoryFile file = film(options, 7);
  VideoReader reader(file.source());
  const VideoInfo& info = reader.info();
  EXPECT_EQ(info.width, 96);
  EXPECT_EQ(info.height, 80);
  EXPECT_NEAR(info.fps.value(), 12.5, 0.01);
  EXPECT_EQ(info.frames, 7);
  EXPECT_NEAR(info.seconds, 7 / 12.5, 0.1);
  EXPECT_THAT(info.container, HasSubstr(kind.container));
  EXPECT_EQ(info.codec, kind.name);
  EXPECT_FALSE(info.sound);
  EXPECT_EQ(tag_of(info.metadata, "prompt"), kProvenance[0].second);
  EXPECT_EQ(tag_of(info.metadata, "workflow"), kProvenance[1].second);
  EXPECT_EQ(tag_of(media_metadata(file.source()), "prompt"), kProvenance[0].second);
  for (int i = 0; i < 7; ++i) {
    const auto frame = reader.next();
    ASSERT_TRUE(frame) << i;
    EXPECT_LT(mean_difference(*frame, moving(96, 80, i)), 4) << i;
  }
  EXPECT_FALSE(reader.next());
  EXPECT_FALSE(reader.next());
}

TEST_P(Films, HoldSound) {
  VideoOptions options{.width = 64, .height = 64, .fps = {10, 1}, .codec = GetParam().codec};
  options.sound_rate = 48000;
  options.sound_channels = 2;
  const MemoryFile file = film(options, 10, 1.0);
  VideoReader reader(file.source());
  ASSERT_TRUE(reader.info().sound);
  EXPECT_EQ(reader.info().sound->rate, 48000);
  EXPECT_EQ(reader.info().sound->channels, 2);
  const Sound sound = read_sound(file.source(), true);
  EXPECT_EQ(sound.channels, 2);
  EXPECT_NEAR(static_cast<double>(sound.length()), 48000, 3000);
}

INSTANTIATE_TEST_SUITE_P(Video, Films,
                         testing::Values(Kind{VideoCodec::kH264, "mp4", "h264"}, Kind{VideoCodec::kVp9, "webm", "vp9"},
                                         Kind{VideoCodec::kAv1, "webm", "libdav1d"}),
                         [](const auto& kind) { return std::string(kind.param.name); });

TEST(VideoWriter, TakesOddSizesAndAlpha) {
  const auto size_of = [](VideoCodec codec, int width, int height) {
    const MemoryFile file = film({.width = width, .height = height, .codec = codec}, 2);
    VideoReader reader(file.source());
    const auto frame = reader.next();
    return std::pair(frame->width, frame->height);
  };
  EXPECT_EQ(size_of(VideoCodec::kH264, 97, 81), std::pair(96, 80));
  EXPECT_EQ(size_of(VideoCodec::kVp9, 97, 81), std::pair(97, 81));
  EXPECT_EQ(size_of(VideoCodec::kH264, 2, 2), std::pair(2, 2));
  MemoryFile file;
  VideoWriter writer(file.sink(), {.width = 33, .height = 20, .crf = 10});
  writer.add(moving(33, 20, 0, 4));
  writer.finish();
  const Picture frame = *VideoReader(file.source()).next();
  EXPECT_EQ(frame.width, 32);
  EXPECT_NEAR(frame.pixels[0], 60, 8);
}

TEST(VideoWriter, RefusesWhatItCannotWrite) {
  MemoryFile file;
  const auto begin = [&](VideoOptions options) { return reason([&] { VideoWriter(file.sink(), options); }); };
  EXPECT_THAT(begin({.width = 0, .height = 10}), HasSubstr("0 × 10 pixels"));
  EXPECT_THAT(begin({.width = 1, .height = 10}), HasSubstr("2 to 16384"));
  EXPECT_THAT(begin({.width = 20'000, .height = 10}), HasSubstr("20000 × 10"));
  EXPECT_THAT(begin({.width = 64, .height = 64, .fps = {0, 1}}), HasSubstr("0/1 frames a second"));
  EXPECT_THAT(begin({.width = 64, .height = 64, .crf = 52}), HasSubstr("crf of 52"));
  EXPECT_THAT(begin({.width = 64, .height = 64, .crf = std::nan("")}), HasSubstr("crf"));
  EXPECT_THAT(begin({.width = 64, .height = 64, .sound_rate = 44100, .sound_channels = 0}), HasSubstr("0 channels"));
  EXPECT_THAT(begin({.width = 64, .height = 64, .metadata = {{"prompt", "\xff"}}}), HasSubstr("'prompt' is no text"));
  VideoWriter writer(file.sink(), {.width = 64, .height = 64});
  EXPECT_THAT(reason([&] { writer.add(moving(64, 62, 0)); }), HasSubstr("64 × 62 pixels of 3 channels; 64 × 64"));
  EXPECT_THAT(reason([&] { writer.add(moving(64, 64, 0, 1)); }), HasSubstr("1 channels"));
  EXPECT_THAT(reason([&] { writer.add_sound({}); }), HasSubstr("without"));
  EXPECT_THAT(reason([&] { writer.finish(); }), HasSubstr("without a frame"));
  EXPECT_THROW(frame_rate(0), Error);
  EXPECT_THROW(frame_rate(std::nan("")), Error);
  EXPECT_THROW(frame_rate(1e9), Error);
  EXPECT_EQ(frame_rate(23.976).num, 2997);
  EXPECT_EQ(frame_rate(23.976).den, 125);
}

TEST(VideoWriter, GivesOnWhatTheSinkThrows) {
  uint64_t room = 5'000;
  const auto full = [&](uint64_t at, std::span<const std::byte> part) {
    if (at + part.size() > room) fail("disk full: at {}", at);
  };
  EXPECT_THAT(reason([&] {
                VideoWriter writer(full, {.width = 256, .height = 256, .crf = 1});
                for (int i = 0; i < 60; ++i) writer.add(moving(256, 256, i));
                writer.finish();
              }),
              HasSubstr("disk full"));
}

TEST(VideoReader, RefusesWhatIsNoFilm) {
  const auto open = [](std::string_view bytes) {
    return reason([&] {
      VideoReader reader(memory_source(bytes));
      while (reader.next()) {
      }
    });
  };
  EXPECT_THAT(open(""), HasSubstr("cannot be opened"));
  EXPECT_THAT(open("no film at all, but some text"), HasSubstr("perhaps it is no film"));
  EXPECT_THAT(open("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/etc/passwd\n"), HasSubstr("cannot be opened"));
  EXPECT_THAT(open("ffconcat version 1.0\nfile /etc/passwd\n"), HasSubstr("cannot be opened"));
  EXPECT_THAT(open(encode_png(moving(20, 20, 0))), HasSubstr("cannot be opened"));
  MemoryFile sound;
  SoundWriter writer(sound.sink(), {});
  writer.add(std::vector<float>(2000));
  writer.finish();
  EXPECT_THAT(open(sound.bytes), HasSubstr("has no pictures"));

  const Scratch scratch;
  const auto pipe = scratch.path() / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THROW(open_source(pipe), Error);
  EXPECT_THROW(open_source(scratch.path()), Error);
  EXPECT_THROW(open_source(scratch.path() / "absent"), Error);
  const std::string bytes = film({.width = 64, .height = 48}, 3).bytes;
  EXPECT_EQ(VideoReader(open_source(scratch.write("film.bin", bytes))).info().width, 64);
}

// Telephones film lying and say in the track's matrix how to turn it.
TEST(VideoReader, TurnsFramesUpright) {
  const MemoryFile file = film({.width = 64, .height = 48}, 2);
  const Picture lying = *VideoReader(file.source()).next();
  struct Turn {
    int32_t a, b, c, d;
    int orientation;
  };
  for (const Turn turn : {Turn{0, 1, -1, 0, 6}, {-1, 0, 0, -1, 3}, {0, -1, 1, 0, 8}}) {
    std::string bytes = file.bytes;
    const size_t matrix = bytes.rfind("tkhd") + 4 + 40;
    const int32_t entries[] = {turn.a, turn.b, 0, turn.c, turn.d};
    for (size_t i = 0; i < 5; ++i) {
      const uint32_t entry = __builtin_bswap32(static_cast<uint32_t>(entries[i]) << 16);
      std::memcpy(bytes.data() + matrix + 4 * i, &entry, 4);
    }
    VideoReader reader(memory_source(bytes));
    const Picture wanted = upright(lying, turn.orientation), frame = *reader.next();
    EXPECT_EQ(std::pair(reader.info().width, reader.info().height), std::pair(wanted.width, wanted.height));
    EXPECT_EQ(std::pair(frame.width, frame.height), std::pair(wanted.width, wanted.height));
    EXPECT_EQ(frame.pixels, wanted.pixels) << turn.orientation;
  }
}

TEST(VideoReader, SurvivesTruncationAndDamage) {
  std::mt19937 random(3);
  for (const VideoCodec codec : {VideoCodec::kH264, VideoCodec::kVp9}) {
    const std::string whole = film({.width = 64, .height = 48, .codec = codec, .metadata = kProvenance}, 6).bytes;
    const auto frames_of = [](std::string_view bytes) {
      int frames = 0;
      reason([&] {
        VideoReader reader(memory_source(bytes));
        while (const auto frame = reader.next()) frames += frame->pixels.size() == 64 * 48 * 3;
      });
      return frames;
    };
    EXPECT_EQ(frames_of(whole), 6);
    EXPECT_EQ(frames_of(whole.substr(0, whole.size() / 8)), 0);
    for (size_t length = 0; length < whole.size(); length += whole.size() / 40 + 1) {
      EXPECT_LE(frames_of(std::string_view(whole).substr(0, length)), 6);
    }
    for (int round = 0; round < 150; ++round) {
      std::string bytes = whole;
      for (int edit = random() % 8; edit >= 0; --edit) bytes[random() % bytes.size()] = static_cast<char>(random());
      frames_of(bytes);
    }
  }
}

TEST(CopyStreams, KeepsPacketsAndReplacesTags) {
  VideoOptions options{.width = 64, .height = 48, .fps = {25, 1}, .metadata = {{"title", "old"}, {"prompt", "old"}}};
  options.sound_rate = 44100;
  options.sound_channels = 1;
  const MemoryFile from = film(options, 25, 1.0);
  MemoryFile to;
  copy_streams(from.source(), to.sink(), VideoKind::kMp4, kProvenance);
  VideoReader before(from.source()), after(to.source());
  EXPECT_EQ(tag_of(after.info().metadata, "prompt"), kProvenance[0].second);
  EXPECT_EQ(tag_of(after.info().metadata, "title"), "old");
  ASSERT_TRUE(after.info().sound);
  EXPECT_NEAR(after.info().fps.value(), 25, 0.01);
  for (int i = 0; i < 25; ++i) EXPECT_EQ(before.next()->pixels, after.next()->pixels) << i;
  EXPECT_FALSE(after.next());
  EXPECT_EQ(read_sound(from.source()).samples, read_sound(to.source()).samples);
  MemoryFile webm;
  EXPECT_THROW(copy_streams(from.source(), webm.sink(), VideoKind::kWebm, {}), Error);  // H.264 is not for WebM
}

}  // namespace
}  // namespace easel::media
