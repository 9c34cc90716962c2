#include "media/picture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <random>

#include "base/error.h"
#include "base/json.h"
#include "folders/scratch.h"

namespace easel::media {
namespace {

using testing::HasSubstr;

std::filesystem::path sample(const std::string& name) {
  const char* source = std::getenv("EASEL_SOURCE_DIR");
  return std::filesystem::path(source ? source : ".") / "tests/media/data" / name;
}

std::string read_all(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string hex(const std::vector<uint8_t>& bytes) {
  std::string out;
  for (const uint8_t byte : bytes) out += fmt::format("{:02x}", byte);
  return out;
}

std::string verdict(std::string_view bytes) {
  try {
    decode_frames(bytes);
    return "ok";
  } catch (const Error& error) {
    return error.what();
  }
}

Picture gradient(int channels, int width = 20, int height = 12) {
  Picture picture{.width = width, .height = height, .channels = channels};
  for (int i = 0; i < width * height * channels; ++i) picture.pixels.push_back(static_cast<uint8_t>(i * 7 + i / 50));
  return picture;
}

TEST(Decode, ReadsWhatPilReads) {
  const Json expected = Json::parse(read_all(sample("expected.json")));
  EXPECT_GT(expected.size(), 30u);
  for (const auto& [name, wanted] : expected.items()) {
    SCOPED_TRACE(name);
    const Picture picture = decode_file(sample(name));
    EXPECT_EQ(picture.width, wanted["size"][0]);
    EXPECT_EQ(picture.height, wanted["size"][1]);
    EXPECT_EQ(picture.channels, wanted["channels"]);
    EXPECT_EQ(hex(picture.pixels), wanted["pixels"].get<std::string>());
    EXPECT_EQ(picture.wide, wanted.value("wide", std::vector<uint16_t>()));
  }
}

TEST(Decode, KeepsText) {
  const TextChunks wanted = {{"prompt", R"({"1": "\u72d0"})"},
                             {"packed",
                              [] {
                                std::string text;
                                for (int i = 0; i < 100; ++i) text += "long ";
                                return text;
                              }()},
                             {"unicode", "狐 ü"},
                             {"latin", "é"}};
  EXPECT_EQ(decode_file(sample("text.png")).text, wanted);
}

TEST(EncodePng, KeepsEveryPixelOfEveryKind) {
  std::mt19937 random(6);
  for (int round = 0; round < 200; ++round) {
    Picture picture = gradient(1 + round % 4, 1 + static_cast<int>(random() % 40), 1 + static_cast<int>(random() % 20));
    if (round % 3 == 0) {
      for (uint8_t& byte : picture.pixels) byte = static_cast<uint8_t>(random());
    }
    const Picture again = decode(encode_png(picture, round % 10, {{"prompt", "{}"}}));
    ASSERT_EQ(again.pixels, picture.pixels) << round;
    ASSERT_EQ(again.channels, picture.channels);
    ASSERT_EQ(again.text, (TextChunks{{"prompt", "{}"}}));
  }
  EXPECT_THROW(encode_png(gradient(3), 10), Error);
  EXPECT_THROW(encode_png(gradient(3), -1), Error);
}

TEST(Decode, GivesEveryFrame) {
  const auto frames = decode_frames(read_all(sample("animated.webp")));
  ASSERT_EQ(frames.size(), 3u);
  EXPECT_EQ(frames[2].pixels[0], 180);
  EXPECT_EQ(frames[2].pixels[2], 100);
  EXPECT_EQ(decode_frames(read_all(sample("rgb.png"))).size(), 1u);
}

TEST(Probe, TellsKindAndSize) {
  const auto png = probe(read_all(sample("rgb.png"))), jpeg = probe(read_all(sample("turn6.jpg"))),
             webp = probe(read_all(sample("alpha.webp")));
  ASSERT_TRUE(png && jpeg && webp);
  EXPECT_EQ(png->format, Format::kPng);
  EXPECT_EQ(png->width, 7);
  EXPECT_EQ(jpeg->format, Format::kJpeg);
  EXPECT_EQ(jpeg->height, 20);  // before it is turned
  EXPECT_EQ(webp->format, Format::kWebp);
  EXPECT_FALSE(probe("GIF89a"));
  EXPECT_FALSE(probe(""));
  EXPECT_FALSE(probe("\xff\xd8\xff"));
}

TEST(Decode, SaysWhatItDoesNotRead) {
  EXPECT_THAT(verdict("GIF89a......"), HasSubstr("GIF pictures are not read"));
  EXPECT_THAT(verdict("BM.........."), HasSubstr("BMP"));
  EXPECT_THAT(verdict("<svg xmlns='x'>"), HasSubstr("SVG"));
  EXPECT_THAT(verdict("hello"), HasSubstr("no PNG, JPEG or WebP"));
  EXPECT_THAT(verdict(""), HasSubstr("no PNG, JPEG or WebP"));
  EXPECT_THROW(decode_file("/dev/zero"), Error);
  EXPECT_THROW(decode_file("/nonexistent"), Error);
}

// A PNG header that claims so many pixels, with its checksum (computed by a libpng writer would need the pixels).
TEST(Decode, RefusesBombsBeforeAllocating) {
  std::string png = read_all(sample("rgb.png"));
  const auto crc32 = [](std::string_view bytes) {
    uint32_t crc = ~0u;
    for (const char c : bytes) {
      crc ^= static_cast<unsigned char>(c);
      for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
  };
  const auto put = [&](size_t at, uint32_t value) {
    for (int i = 0; i < 4; ++i) png[at + static_cast<size_t>(i)] = static_cast<char>(value >> (24 - 8 * i));
  };
  put(16, 65500);
  put(20, 65500);
  put(29, crc32(std::string_view(png).substr(12, 17)));
  EXPECT_THAT(verdict(png), HasSubstr("65500 × 65500 pixels, at most 178956970"));
  put(16, 0x7fffffff);
  put(29, crc32(std::string_view(png).substr(12, 17)));
  EXPECT_THAT(verdict(png), HasSubstr("decode: "));
}

// libpng would clear 1.6 GB for it first.
TEST(Decode, RefusesAChunkLongerThanTheFile) {
  std::string png = read_all(sample("text.png"));
  png[png.find("tEXt") - 4] = '\x60';
  EXPECT_THAT(verdict(png), HasSubstr("ends within a chunk"));
}

TEST(Decode, RefusesEveryTruncation) {
  for (const char* name :
       {"rgb.png", "text.png", "rgb.jpg", "progressive.jpg", "alpha.webp", "lossy.webp", "animated.webp"}) {
    const std::string whole = read_all(sample(name));
    ASSERT_EQ(verdict(whole), "ok");
    for (size_t length = 0; length + 2 < whole.size(); ++length) {
      EXPECT_NE(verdict(std::string_view(whole).substr(0, length)), "ok")
          << name << " at " << length << " of " << whole.size();
    }
  }
}

TEST(Decode, SurvivesMutations) {
  std::mt19937 random(3);
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(sample(""))) {
    if (entry.path().extension() != ".json") files.push_back(read_all(entry.path()));
  }
  size_t refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = files[random() % files.size()];
    for (int edit = random() % 4; edit >= 0; --edit) {
      const size_t at = random() % bytes.size();
      if (random() % 8 == 0)
        bytes.resize(at + 1);
      else
        bytes[at] = static_cast<char>(random());
    }
    const auto info = probe(bytes);
    if (info && int64_t{info->width} * info->height > 100'000) continue;  // allowed, but slow
    refused += verdict(bytes) != "ok";
  }
  EXPECT_GT(refused, 5'000u);
}

TEST(Encode, PngKeepsEverything) {
  for (int channels = 1; channels <= 4; ++channels) {
    const TextChunks text = {{"prompt", "{\"a\": \"\\u00e9\"}"}, {"latin", "é"}, {"other", "狐"}};
    const Picture picture = gradient(channels), again = decode(encode_png(picture, channels, text));
    EXPECT_EQ(again.channels, channels);
    EXPECT_EQ(again.pixels, picture.pixels);
    EXPECT_EQ(again.text, text);
  }
  EXPECT_THAT(encode_png(gradient(3), 4, {{"prompt", "{}"}}), HasSubstr(std::string("tEXtprompt\0{}", 13)));
  EXPECT_THROW(encode_png(gradient(3), 4, {{"", "x"}}), Error);
  EXPECT_THROW(encode_png(gradient(3), 4, {{std::string(80, 'k'), "x"}}), Error);
  EXPECT_THROW(encode_png({.width = 3, .height = 3, .channels = 3}), Error);
}

TEST(Encode, WebpAndJpegComeBack) {
  for (int channels : {3, 4}) {
    const Picture picture = gradient(channels), again = decode(encode_webp(picture, 75, true));
    EXPECT_EQ(again.channels, channels);
    EXPECT_EQ(again.pixels, picture.pixels);
  }
  Picture flat{.width = 16, .height = 16, .channels = 4, .pixels = std::vector<uint8_t>(16 * 16 * 4, 120)};
  for (const Picture& again : {decode(encode_jpeg(flat, 90)), decode(encode_webp(flat, 90))}) {
    EXPECT_EQ(again.width, 16);
    EXPECT_NEAR(again.pixels[5], 120, 3);
  }
  EXPECT_EQ(decode(encode_jpeg(gradient(1))).channels, 1);
  EXPECT_EQ(decode(encode_jpeg(gradient(2))).channels, 3);
  EXPECT_EQ(decode(encode_webp(gradient(1))).channels, 3);
  EXPECT_THROW(encode_webp(gradient(1, 17'000, 1)), Error);
}

TEST(FitWithin, KeepsTheShape) {
  const Picture wide = fit_within(gradient(3, 200, 100), 50), tall = fit_within(gradient(1, 3, 300), 30),
                large = fit_within(gradient(4, 8, 8), 32);
  EXPECT_EQ(wide.width, 50);
  EXPECT_EQ(wide.height, 25);
  EXPECT_EQ(tall.width, 1);
  EXPECT_EQ(tall.height, 30);
  EXPECT_EQ(large.pixels.size(), 32u * 32 * 4);
  const Picture flat{.width = 9, .height = 5, .channels = 3, .pixels = std::vector<uint8_t>(9 * 5 * 3, 77)};
  EXPECT_EQ(fit_within(flat, 4).pixels, std::vector<uint8_t>(4 * 2 * 3, 77));
  const Picture steps{.width = 4, .height = 1, .channels = 1, .pixels = {0, 100, 200, 40}};
  EXPECT_EQ(fit_within(steps, 2).pixels, (std::vector<uint8_t>{71, 117}));  // as PIL's resize((2, 1), BILINEAR)
}

TEST(MergeAlpha, TakesColourAndTextOfOneAlphaOfTheOther) {
  const Picture original = decode_file(sample("text.png")), mask = decode_file(sample("rgba.png"));
  const Picture merged = decode(merge_alpha(original, mask));
  ASSERT_EQ(merged.channels, 4);
  EXPECT_EQ(merged.text, original.text);
  for (size_t i = 0; i < 35; ++i) {
    EXPECT_EQ(merged.pixels[i * 4 + 1], original.pixels[i * 3 + 1]);
    EXPECT_EQ(merged.pixels[i * 4 + 3], mask.pixels[i * 4 + 3]);
  }
  EXPECT_THROW(merge_alpha(original, gradient(4)), Error);
}

}  // namespace
}  // namespace easel::media
