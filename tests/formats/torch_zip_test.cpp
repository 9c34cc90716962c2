// Zip files that lie: all made from one that torch.save wrote, by changing its central directory and its end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"
#include "formats/support.h"
#include "formats/torch_file.h"

namespace easel {
namespace {

using testing::HasSubstr;
using namespace std::string_literals;

std::string verdict(const std::string& bytes) {
  try {
    parse_torch_file(std::as_bytes(std::span(bytes)), "a.pt");
    return "ok";
  } catch (const Error& error) {
    return error.what();
  }
}

class LyingZip : public testing::Test {
 protected:
  // The entry of the central directory that names this file.
  size_t entry(const std::string& name) const {
    const size_t at = bytes.rfind(name);
    EXPECT_NE(at, bytes.npos);
    EXPECT_EQ(bytes.substr(at - 46, 4), "PK\1\2");
    return at - 46;
  }
  template <class T>
  void put(size_t at, T value) {
    ASSERT_LE(at + sizeof value, bytes.size());
    std::memcpy(bytes.data() + at, &value, sizeof value);
  }

  std::string bytes = read_all(sample("embedding.pt"));
  // Fields of an entry of the central directory.
  static constexpr size_t kMethod = 10, kPacked = 20, kSize = 24, kOffset = 42;
};

TEST_F(LyingZip, IsReadAsItIs) { EXPECT_EQ(verdict(bytes), "ok"); }

TEST_F(LyingZip, OfPackedEntriesIsRefused) {
  for (const uint16_t method : {8, 12, 93, 0xffff}) {
    put(entry("embedding/data/0") + kMethod, method);
    EXPECT_THAT(verdict(bytes), HasSubstr("'data/0' is compressed; torch.save stores")) << method;
  }
}

TEST_F(LyingZip, OfSizesIsRefused) {
  for (const char* name : {"embedding/data/0", "embedding/data.pkl"}) {
    for (const uint32_t size : {0u, 1u, 0x7fffffffu, 0xfffffffeu, 0xffffffffu}) {
      for (const size_t field : {kPacked, kSize}) {
        const std::string before = bytes;
        put(entry(name) + field, size);
        EXPECT_THAT(verdict(bytes), HasSubstr("load_pickle: 'a.pt'")) << name << size;
        put(entry(name) + kPacked, size);
        put(entry(name) + kSize, size);
        EXPECT_THAT(verdict(bytes), HasSubstr("load_pickle: 'a.pt'")) << name << size;
        bytes = before;
      }
    }
  }
}

TEST_F(LyingZip, OfPlacesIsRefused) {
  for (const uint32_t offset : {1u, 300u, 0x7fffffffu, 0xffffffffu}) {
    put(entry("embedding/data/0") + kOffset, offset);
    EXPECT_THAT(verdict(bytes), HasSubstr("load_pickle: 'a.pt'")) << offset;
  }
}

TEST_F(LyingZip, OfCountsIsRefused) {
  const size_t end64 = bytes.rfind("PK\6\6"), end = bytes.rfind("PK\5\6");
  ASSERT_NE(end64, bytes.npos);
  for (const uint64_t count : {uint64_t{8}, uint64_t{1} << 20, uint64_t{1} << 60, UINT64_MAX}) {
    for (const uint64_t size : {uint64_t{0x1dd}, uint64_t{1} << 60, UINT64_MAX}) {
      const std::string before = bytes;
      put(end64 + 24, count);
      put(end64 + 32, count);
      put(end64 + 40, size);
      put(end + 8, uint16_t{0xffff});
      put(end + 10, uint16_t{0xffff});
      put(end + 12, uint32_t{0xffffffff});
      EXPECT_THAT(verdict(bytes), HasSubstr("is no whole zip file")) << count << ' ' << size;
      bytes = before;
    }
  }
}

// A name is a key and nothing else: no file is made of it.
TEST_F(LyingZip, OfNamesThatClimbWritesNothing) {
  for (const std::string& root : {"/../../ab/"s, "../../../a"s, "/tmp/xxxx/"s, "embed\\..ng"s, "embed\0ding"s}) {
    std::string climbing = bytes;
    for (size_t at = 0; (at = climbing.find("embedding/", at)) != climbing.npos; ++at) climbing.replace(at, 10, root);
    verdict(climbing);
    EXPECT_FALSE(std::filesystem::exists("/tmp/xxxx")) << root;
  }
  std::string climbing = bytes;
  for (size_t at = 0; (at = climbing.find("embedding/", at)) != climbing.npos; ++at)
    climbing.replace(at, 10, "/../../ab/");
  EXPECT_EQ(verdict(climbing), "ok");
}

}  // namespace
}  // namespace easel
