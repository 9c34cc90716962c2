#include "media/animation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <random>

#include "base/error.h"
#include "media/codecs.h"
#include "media/files.h"
#include "media/metadata.h"

namespace easel::media {
namespace {

using testing::HasSubstr;

std::string webp(int frames, bool lossless = true, int channels = 3) {
  WebpAnimation animation({.width = 33, .height = 17, .milliseconds = frame_milliseconds(6), .metadata = kProvenance},
                          lossless);
  for (int i = 0; i < frames; ++i) animation.add(moving(33, 17, i, channels));
  return animation.finish();
}

std::string apng(int frames, int channels = 3) {
  std::string bytes;
  PngAnimation animation(
      [&](std::span<const std::byte> part) { bytes.append(reinterpret_cast<const char*>(part.data()), part.size()); },
      {.width = 33, .height = 17, .milliseconds = 166, .metadata = kProvenance}, static_cast<uint32_t>(frames));
  for (int i = 0; i < frames; ++i) animation.add(moving(33, 17, i, channels));
  animation.finish();
  return bytes;
}

std::string reason(const std::function<void()>& act) {
  try {
    act();
    return "done";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(WebpAnimation, KeepsEveryPixel) {
  for (const int channels : {3, 4}) {
    const std::string bytes = webp(5, true, channels);
    const auto frames = decode_frames(bytes);
    ASSERT_EQ(frames.size(), 5u);
    for (int i = 0; i < 5; ++i)
      EXPECT_EQ(frames[static_cast<size_t>(i)].pixels, moving(33, 17, i, channels).pixels) << i;
    EXPECT_EQ(picture_metadata(bytes), kProvenance);
  }
}

TEST(WebpAnimation, MayLoseSome) {
  const auto frames = decode_frames(webp(3, false));
  ASSERT_EQ(frames.size(), 3u);
  EXPECT_LT(mean_difference(frames[2], moving(33, 17, 2)), 5);
}

TEST(WebpAnimation, OfOneFrameIsAPicture) {
  const std::string bytes = webp(1);
  EXPECT_EQ(decode(bytes).pixels, moving(33, 17, 0).pixels);
  EXPECT_EQ(bytes.find("ANIM"), bytes.npos);
  EXPECT_EQ(picture_metadata(bytes), kProvenance);
}

TEST(WebpAnimation, NumbersItsTagsAsComfyUi) {
  WebpAnimation animation({.width = 2, .height = 2, .metadata = {{"workflow", "1"}, {"prompt", "2"}, {"other", "3"}}});
  animation.add(moving(2, 2, 0));
  animation.add(moving(2, 2, 1));
  const std::string exif = webp_exif(animation.finish());
  EXPECT_TRUE(exif.starts_with(std::string("Exif\0\0MM", 8)));
  EXPECT_EQ(exif_texts(exif), (ExifTexts{{0x010E, "other:3"}, {0x010F, "workflow:1"}, {0x0110, "prompt:2"}}));
}

TEST(WebpAnimation, RefusesWhatItCannotWrite) {
  EXPECT_THROW(WebpAnimation({.width = 0, .height = 5}), Error);
  EXPECT_THROW(WebpAnimation({.width = 16'384, .height = 5}), Error);
  EXPECT_THROW(WebpAnimation({.width = 5, .height = 5}, true, 101), Error);
  WebpAnimation animation({.width = 33, .height = 17});
  EXPECT_THAT(reason([&] { animation.finish(); }), HasSubstr("without a frame"));
  EXPECT_THAT(reason([&] { animation.add(moving(33, 18, 0)); }), HasSubstr("33 × 18"));
  EXPECT_THROW(frame_milliseconds(0), Error);
  EXPECT_EQ(frame_milliseconds(6), 166);
  EXPECT_EQ(frame_milliseconds(0.01), 100'000);
}

// What a reader of APNG does: every frame's chunks made into a PNG of its own.
std::vector<Picture> frames_of(const std::string& bytes) {
  const auto number = [](uint32_t value) {
    value = __builtin_bswap32(value);
    return std::string(reinterpret_cast<const char*>(&value), 4);
  };
  std::vector<std::string> data;
  uint32_t sequence = 0;
  for (const PngChunk& chunk : png_chunks(bytes)) {
    const bool numbered = chunk.name == "fcTL" || chunk.name == "fdAT";
    if (numbered) {
      EXPECT_EQ(chunk.content.substr(0, 4), number(sequence++));
    }
    if (chunk.name == "fcTL") {
      EXPECT_EQ(chunk.content.substr(4, 8), number(33) + number(17));
      EXPECT_EQ(chunk.content.substr(20, 4), std::string("\0\xa6\x03\xe8", 4));  // 166 / 1000 s
      data.emplace_back();
    }
    if (chunk.name == "IDAT") data.back() += chunk.content;
    if (chunk.name == "fdAT") data.back() += chunk.content.substr(4);
  }
  std::vector<Picture> frames;
  for (const std::string& pixels : data) {
    const Picture first = decode(bytes);
    std::string file =
        encode_png(Picture{.width = 33, .height = 17, .channels = first.channels, .pixels = first.pixels});
    const size_t at = file.find("IDAT") - 4, end = file.find("IEND") - 4;
    uLong crc = crc32(0, reinterpret_cast<const Bytef*>("IDAT"), 4);
    crc = crc32(crc, reinterpret_cast<const Bytef*>(pixels.data()), static_cast<uInt>(pixels.size()));
    file.replace(at, end - at,
                 number(static_cast<uint32_t>(pixels.size())) + "IDAT" + pixels + number(static_cast<uint32_t>(crc)));
    frames.push_back(decode(file));
  }
  return frames;
}

TEST(PngAnimation, KeepsEveryPixel) {
  for (const int channels : {1, 3, 4}) {
    const std::string bytes = apng(4, channels);
    EXPECT_EQ(decode(bytes).pixels, moving(33, 17, 0, channels).pixels);  // who knows no APNG sees the first
    const auto frames = frames_of(bytes);
    ASSERT_EQ(frames.size(), 4u);
    for (int i = 0; i < 4; ++i)
      EXPECT_EQ(frames[static_cast<size_t>(i)].pixels, moving(33, 17, i, channels).pixels) << i;
    EXPECT_EQ(picture_metadata(bytes), kProvenance);
    EXPECT_GT(bytes.find("comfprompt"), bytes.rfind("fdAT"));
  }
}

TEST(PngAnimation, OfOneFrameIsAPicture) {
  const std::string bytes = apng(1);
  EXPECT_EQ(bytes.find("acTL"), bytes.npos);
  EXPECT_EQ(decode(bytes).pixels, moving(33, 17, 0).pixels);
  EXPECT_EQ(picture_metadata(bytes), kProvenance);
}

TEST(PngAnimation, CountsItsFrames) {
  const auto nowhere = [](std::span<const std::byte>) {};
  EXPECT_THROW(PngAnimation(nowhere, {.width = 33, .height = 17}, 0), Error);
  PngAnimation animation(nowhere, {.width = 33, .height = 17}, 2);
  animation.add(moving(33, 17, 0));
  EXPECT_THAT(reason([&] { animation.finish(); }), HasSubstr("1 frames of 2"));
  EXPECT_THAT(reason([&] { animation.add(moving(33, 17, 0, 4)); }), HasSubstr("4 channels"));
  animation.add(moving(33, 17, 1));
  EXPECT_THAT(reason([&] { animation.add(moving(33, 17, 1)); }), HasSubstr("more than the 2"));
}

TEST(PictureMetadata, ReadsWhatOthersWrote) {
  EXPECT_EQ(picture_metadata(encode_png(moving(5, 5, 0), 4, {{"prompt", "{}"}, {"ü", "狐"}})).size(), 2u);
  EXPECT_EQ(picture_metadata(encode_png(moving(5, 5, 0), 4, {{"ü", "狐"}}))[0],
            (std::pair<std::string, std::string>("ü", "狐")));
  EXPECT_TRUE(picture_metadata(encode_webp(moving(5, 5, 0))).empty());
  EXPECT_THROW(picture_metadata("no picture"), Error);
  EXPECT_THROW(picture_metadata(encode_jpeg(moving(5, 5, 0))), Error);
}

TEST(PictureMetadata, SurvivesDamage) {
  std::mt19937 random(5);
  for (const std::string& whole : {webp(2), apng(2)}) {
    for (int round = 0; round < 3000; ++round) {
      std::string bytes = whole.substr(0, round % 2 ? whole.size() : random() % whole.size());
      for (int edit = random() % 6; edit >= 0 && !bytes.empty(); --edit)
        bytes[random() % bytes.size()] = static_cast<char>(random());
      reason([&] { picture_metadata(bytes); });
    }
  }
}

}  // namespace
}  // namespace easel::media
