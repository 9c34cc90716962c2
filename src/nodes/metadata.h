// What an output file says about how it was made, and where input files lie.
#pragma once
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "folders/folders.h"
#include "graph/context.h"
#include "graph/run.h"

namespace easel {

// "prompt" and every key of extra_pnginfo ("workflow"), each as ASCII JSON text (reference/api.md §6).
std::vector<std::pair<std::string, std::string>> provenance(const Context& context);

// One file as the page wants it: {"filename", "subfolder", "type"}.
OrderedJson file_item(const std::string& filename, const std::string& subfolder, const std::string& type);

// The file that a name of an upload input stands for: "x.png", "sub/x.png", "x.png [output]". Throws Error.
std::filesystem::path input_file(const std::string& who, const Folders& folders, const std::string& name);

// IS_CHANGED of nodes that read such a file: the SHA-256 of its content, in hex.
Json file_fingerprint(const std::string& who, const Folders& folders, const Argument& name);

}  // namespace easel
