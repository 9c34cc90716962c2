// Which files a run has published, written down before each appears. The server looks there when a run ended without
// getting into the history: its files are taken back, and the next attempt publishes them anew. So no picture is there
// twice, and none that no history entry names.
#pragma once
#include <filesystem>
#include <functional>
#include <string_view>

namespace easel::folders {

// Where in `folder` the run of this prompt notes what it publishes.
std::filesystem::path journal_of(const std::filesystem::path& folder, std::string_view prompt_id);

// From now on every lasting file that this process publishes is noted in `journal` first; an empty path ends that. The
// journal is made with its first entry. For the whole process: whatever runs may publish.
void note_publications(const std::filesystem::path& journal);

// Notes that the open file `fd` is about to be called `name` (absolute), if notes are taken. Throws Error where the
// note cannot be kept. Used by OutputFile.
void note_publication(int fd, const std::filesystem::path& name);

// Removes what `journal` names and is still the same file, without what `kept` says yes to, then the journal. Returns
// how many were removed; 0 where there is no such journal.
size_t take_back(const std::filesystem::path& journal,
                 const std::function<bool(const std::filesystem::path&)>& kept = {});

}  // namespace easel::folders
