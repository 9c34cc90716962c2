// Inputs and outputs of a node as they are declared and as /object_info shows them.
#pragma once
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"

namespace easel {

// Where the choices of a COMBO come from when they are files: a model folder ("checkpoints") or "input"/"output".
struct FileSource {
  std::string folder;
  std::string kind;                // "" every file the folder takes; "image", "latent": only those of that kind
  std::vector<std::string> extra;  // choices that are no files ("pixel_space"), after the files
  bool upload = false;             // LoadImage's way: any existing file of the folder will do, also "name [output]"
};

struct Input {
  std::string name;
  std::string type;  // "INT", "IMAGE", "COMBO", "*", "IMAGE,FLOAT"
  OrderedJson options =
      OrderedJson::object();         // as /object_info shows them: default, min, max, step, multiline, tooltip, …
  std::vector<std::string> choices;  // COMBO
  FileSource source;                 // COMBO filled from files; folder empty otherwise
  bool optional = false;             // set from the signature (std::optional<T>)
  bool lazy = false;
  bool raw_link = false;
};

struct Output {
  std::string type;
  std::string name;  // as shown; the type where none is given
  bool is_list = false;
  std::string tooltip;
};

// Options; a null is left out of /object_info.
struct IntOptions {
  Json value, min, max, step, control_after_generate;
  std::string tooltip;
  Json extra = Json::object();  // further keys, as they are
};
struct FloatOptions {
  Json value, min, max, step, round;
  std::string tooltip;
  Json extra = Json::object();
};
struct TextOptions {
  Json value, multiline, dynamic_prompts, placeholder;
  std::string tooltip;
  Json extra = Json::object();
};
struct ChoiceOptions {
  Json value;
  std::string tooltip;
  Json extra = Json::object();
};

Input integer(std::string name, const IntOptions& options = {});
Input real(std::string name, const FloatOptions& options = {});
Input text(std::string name, const TextOptions& options = {});
Input boolean(std::string name, const ChoiceOptions& options = {});
Input choice(std::string name, std::vector<std::string> choices, const ChoiceOptions& options = {});
Input files(std::string name, FileSource source, const ChoiceOptions& options = {});
Input socket(std::string name, std::string type, const ChoiceOptions& options = {});

}  // namespace easel
