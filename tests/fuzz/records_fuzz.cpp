// What the store finds on its disk: records whose texts are damaged, and a database file with wrong bytes in it.
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/error.h"
#include "base/log.h"
#include "server/routes/job_json.h"
#include "server/run_report.h"
#include "store/store.h"

namespace fs = std::filesystem;
using namespace easel;

namespace {

struct Folder {
  fs::path path = (fs::is_directory("/dev/shm") ? fs::path("/dev/shm") : fs::temp_directory_path()) /
                  ("easel_records_" + std::to_string(getpid()));
  Folder() { empty(); }
  ~Folder() { fs::remove_all(path); }
  void empty() const {
    fs::remove_all(path);
    fs::create_directories(path);
  }
};

void read_all(store::Store& store) {
  server::Hub hub(100);
  const auto report = [&](const store::Job& job) {
    server::RunReport made(job, hub);
    made.place();
    made.failed("why");
    server::queue_item(job);
  };
  const store::Queue queue = store.queue();
  for (const auto& job : queue.pending) report(job);
  for (const auto& entry : store.history({}, {})) server::history_item(entry), report(entry.job);
  store.jobs({});
}

void damaged_texts(std::string_view text, const Folder& folder) {
  std::vector<std::string> fields;
  for (size_t at = 0; at <= text.size() && fields.size() < 8;) {
    const size_t end = std::min(text.find('\0', at), text.size());
    fields.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  fields.resize(8);
  const auto store = store::open_sqlite(folder.path / "texts.db");
  store->clear_history();
  store->clear_pending();
  for (const char* id : {"ran", "waits"})
    store->accept(
        {.prompt_id = id, .prompt = fields[0], .extra_data = fields[1], .outputs = fields[2], .owner = fields[6]});
  if (const auto job = store->take())
    store->finish(job->prompt_id, job->attempt, {.outputs = fields[3], .status = fields[4], .meta = fields[5]});
  read_all(*store);
}

const std::string& sound_database() {
  static const std::string bytes = [] {
    const Folder folder;
    const fs::path file = folder.path / "easel.db";
    {
      const auto store = store::open_sqlite(file);
      for (const char* id : {"a", "b", "c"})
        store->accept(
            {.prompt_id = id, .prompt = R"({"1": {}})", .extra_data = R"({"client_id": "me"})", .outputs = "[]"});
      if (const auto job = store->take()) store->finish(job->prompt_id, job->attempt, {});
    }
    std::ifstream in(file, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }();
  return bytes;
}

// Four bytes each: three say where, the fourth what.
void damaged_file(std::string_view patches, const Folder& folder) {
  std::string bytes = sound_database();
  for (; patches.size() >= 4; patches.remove_prefix(4)) {
    uint32_t where = 0;
    std::memcpy(&where, patches.data(), 3);
    bytes[where % bytes.size()] = patches[3];
  }
  if (!patches.empty()) bytes.resize(bytes.size() * (static_cast<unsigned char>(patches[0]) + 1) / 256);
  folder.empty();
  std::ofstream(folder.path / "easel.db", std::ios::binary) << bytes;
  const auto store = store::open_sqlite(folder.path / "easel.db");
  read_all(*store);
  store->accept({.prompt_id = "new", .prompt = "{}", .extra_data = "{}", .outputs = "[]"});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  spdlog::set_level(spdlog::level::off);
  static const Folder texts, file;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    data[0] % 2 ? damaged_texts(rest, texts) : damaged_file(rest, file);
  } catch (const Error&) {  // told; nothing more may happen
  }
  return 0;
}
