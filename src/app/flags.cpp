#include "app/flags.h"

#include <filesystem>

#include "base/error.h"

namespace easel::app {
namespace {

enum class Kind { plain, text, number, integer, optional, list, maybe_list };
enum class Fate {
  server,  // acted on here
  worker,  // handed to the worker
  later,   // accepted with a warning
  moot     // asks for what is so anyway
};

struct Flag {
  const char* name;
  Kind kind;
  Fate fate;
  const char* group;  // of flags that exclude each other; "" for none
  const char* about;
  std::vector<std::string> choices = {};
};

const std::vector<Flag>& table() {
  using enum Kind;
  using enum Fate;
  static const std::vector<Flag> kFlags{
      {"--listen", optional, server, "", "addresses to listen on, with commas; without a value all of them"},
      {"--port", integer, server, "", "port to listen on (8188)"},
      {"--tls-keyfile", text, server, "", "TLS key (PEM), together with --tls-certfile"},
      {"--tls-certfile", text, server, "", "TLS certificate (PEM)"},
      {"--auth-token-file", text, server, "", "who may speak: lines of USER TOKEN [admin]; read again when it changes"},
      {"--allowed-hosts", list, server, "", "names by which browsers may call this server besides localhost"},
      {"--max-connections-per-address", integer, server, "", "open connections of one address (256); 0 for any number"},
      {"--offline", plain, server, "", "a page that calls nobody but this server"},
      {"--enable-cors-header", optional, server, "", "allow pages of this origin (without a value: any)"},
      {"--max-upload-size", number, server, "", "largest request in MB (100)"},
      {"--base-directory", text, server, "",
       "where models/, input/, output/, temp/ and user/ lie (the current folder)"},
      {"--extra-model-paths-config", list, server, "", "YAML files with further model folders"},
      {"--output-directory", text, server, "", "where pictures go"},
      {"--temp-directory", text, server, "", "previews go to temp/ in this folder"},
      {"--input-directory", text, server, "", "where uploads go"},
      {"--user-directory", text, server, "", "where settings, workflows and the queue are kept"},
      {"--auto-launch", plain, later, "", "open the page in a browser"},
      {"--disable-auto-launch", plain, moot, "", "do not open a browser"},
      {"--cuda-device", integer, later, "", "the one CUDA device to use"},
      {"--default-device", integer, later, "", "the CUDA device to prefer"},
      {"--cuda-malloc", plain, later, "cuda-malloc", "CUDA's own allocator"},
      {"--disable-cuda-malloc", plain, later, "cuda-malloc", "not CUDA's own allocator"},
      {"--force-fp32", plain, worker, "precision", "compute in float32"},
      {"--force-fp16", plain, worker, "precision", "compute in float16"},
      {"--fp32-unet", plain, worker, "unet", "diffusion model in float32"},
      {"--fp64-unet", plain, worker, "unet", "diffusion model in float64"},
      {"--bf16-unet", plain, worker, "unet", "diffusion model in bfloat16"},
      {"--fp16-unet", plain, worker, "unet", "diffusion model in float16"},
      {"--fp8_e4m3fn-unet", plain, later, "unet", "keep the diffusion model's weights in fp8 e4m3fn"},
      {"--fp8_e5m2-unet", plain, later, "unet", "keep the diffusion model's weights in fp8 e5m2"},
      {"--fp8_e8m0fnu-unet", plain, later, "unet", "keep the diffusion model's weights in fp8 e8m0fnu"},
      {"--fp16-vae", plain, worker, "vae", "VAE in float16"},
      {"--fp32-vae", plain, worker, "vae", "VAE in float32"},
      {"--bf16-vae", plain, worker, "vae", "VAE in bfloat16"},
      {"--cpu-vae", plain, later, "", "VAE on the CPU"},
      {"--fp8_e4m3fn-text-enc", plain, later, "text-enc", "text encoder's weights in fp8 e4m3fn"},
      {"--fp8_e5m2-text-enc", plain, later, "text-enc", "text encoder's weights in fp8 e5m2"},
      {"--fp16-text-enc", plain, worker, "text-enc", "text encoder in float16"},
      {"--fp32-text-enc", plain, worker, "text-enc", "text encoder in float32"},
      {"--bf16-text-enc", plain, worker, "text-enc", "text encoder in bfloat16"},
      {"--force-channels-last", plain, moot, "", "channels-last memory layout"},
      {"--directml", optional, later, "", "DirectML device"},
      {"--oneapi-device-selector", text, later, "", "oneAPI device"},
      {"--disable-ipex-optimize", plain, later, "", "without IPEX"},
      {"--supports-fp8-compute", plain, later, "", "take the device as capable of fp8"},
      {"--preview-method", text, server, "", "pictures while sampling", {"none", "auto", "latent2rgb", "taesd"}},
      {"--preview-size", integer, server, "", "longest side of previews (512)"},
      {"--cache-classic", plain, moot, "cache", "keep the outputs of the last prompt"},
      {"--cache-lru", integer, worker, "cache", "keep the outputs of N nodes, of several prompts"},
      {"--cache-none", plain, worker, "cache", "keep no outputs; each lives until what it is linked to has run"},
      {"--cache-bytes", number, worker, "", "MB that kept outputs may take (half of the memory)"},
      {"--testing-nodes", plain, worker, "", "nodes for tests of the engine"},
      {"--use-split-cross-attention", plain, later, "attention", "split attention"},
      {"--use-quad-cross-attention", plain, later, "attention", "sub-quadratic attention"},
      {"--use-pytorch-cross-attention", plain, moot, "attention", "libtorch's attention"},
      {"--use-sage-attention", plain, later, "attention", "sage attention"},
      {"--use-flash-attention", plain, later, "attention", "flash attention"},
      {"--disable-xformers", plain, moot, "", "without xformers"},
      {"--force-upcast-attention", plain, later, "upcast", "attention in float32"},
      {"--dont-upcast-attention", plain, later, "upcast", "attention never in float32"},
      {"--gpu-only", plain, later, "memory", "keep everything on the GPU"},
      {"--highvram", plain, later, "memory", "keep models on the GPU"},
      {"--normalvram", plain, moot, "memory", "the usual way"},
      {"--lowvram", plain, later, "memory", "little GPU memory"},
      {"--novram", plain, later, "memory", "hardly any GPU memory"},
      {"--cpu", plain, worker, "memory", "everything on the CPU"},
      {"--cpu-int8", plain, worker, "", "multiply 8-bit integers in diffusion models: faster, approximate"},
      {"--threads", integer, worker, "", "threads for the models (one for each core that this process may use)"},
      {"--reserve-vram", number, later, "", "GB of GPU memory left to others"},
      {"--async-offload", plain, later, "", "offload while computing"},
      {"--force-non-blocking", plain, later, "", "non-blocking copies everywhere"},
      {"--default-hashing-function", text, later, "", "for equal uploads", {"md5", "sha1", "sha256", "sha512"}},
      {"--disable-smart-memory", plain, later, "", "unload models after each prompt"},
      {"--deterministic", plain, later, "", "slower kernels that repeat to the bit"},
      {"--fast",
       maybe_list,
       later,
       "",
       "untested optimisations",
       {"fp16_accumulation", "fp8_matrix_mult", "cublas_ops", "autotune"}},
      {"--mmap-torch-files", plain, moot, "", "map .ckpt files"},
      {"--disable-mmap", plain, later, "", "read model files without mapping them"},
      {"--dont-print-server", plain, server, "", "log warnings and errors only"},
      {"--quick-test-for-ci", plain, server, "", "start, wait for the worker, end"},
      {"--windows-standalone-build", plain, later, "", "conveniences of the Windows package"},
      {"--disable-metadata", plain, worker, "", "save pictures without prompt and workflow"},
      {"--disable-all-custom-nodes", plain, server, "",
       "nothing of custom nodes: no scripts, texts or example workflows"},
      {"--whitelist-custom-nodes", list, server, "", "custom nodes to serve all the same"},
      {"--disable-api-nodes", plain, moot, "", "without nodes that call a paid service"},
      {"--multi-user", plain, server, "", "one folder of settings and workflows for each user"},
      {"--verbose", optional, server, "", "log level", {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}},
      {"--log-stdout", plain, server, "", "log to stdout, not stderr"},
      {"--front-end-version", text, server, "", "page to serve, owner/repo@version; only what is installed"},
      {"--front-end-root", text, server, "", "folder of the page's files"},
      {"--enable-compress-response-body", plain, server, "", "gzip texts"},
      {"--comfy-api-base", text, later, "", "address of the paid service"},
      {"--database-url", text, server, "", "sqlite:///FILE for queue and history (user/easel.db)"},
      {"--stall-timeout", number, worker, "",
       "seconds without progress after which a worker is replaced (300); 0: never"},
      {"--drain-timeout", number, server, "", "seconds that a running prompt may go on after SIGTERM (5)"},
      {"--history-entries", integer, server, "", "prompts kept in the history (10000)"},
      {"--history-megabytes", number, server, "", "size of the history (512)"},
      {"--retain", text, server, "", "age at which files are removed, such as temp=1d,output=30d (never)"},
  };
  return kFlags;
}

void apply_kind(CLI::Option& option, const Flag& flag) {
  switch (flag.kind) {
    case Kind::plain:
      option.expected(0);
      break;
    case Kind::text:
      option.expected(1);
      break;
    case Kind::number:
      option.expected(1)->check(CLI::Number);
      break;
    case Kind::integer:
      option.expected(1)->check(CLI::TypeValidator<int64_t>("INT"));
      break;
    case Kind::optional:
      option.expected(0, 1);
      break;
    case Kind::list:
      option.expected(1, -1);
      break;
    case Kind::maybe_list:
      option.expected(0, -1);
      break;
  }
  if (!flag.choices.empty()) option.check(CLI::IsMember(flag.choices));
}

}  // namespace

void Flags::add_to(CLI::App& command) {
  std::map<std::string, std::vector<CLI::Option*>> groups;
  for (const Flag& flag : table()) {
    Given& given = given_[flag.name];
    CLI::Option* option =
        flag.kind == Kind::plain
            ? command.add_flag(flag.name, flag.about)
            : command.add_option_function<std::vector<std::string>>(
                  flag.name, [&given](const std::vector<std::string>& values) { given.values = values; }, flag.about);
    if (flag.kind != Kind::plain) apply_kind(*option, flag);
    given.option = option;
    if (*flag.group) {
      for (CLI::Option* other : groups[flag.group]) option->excludes(other);
      groups[flag.group].push_back(option);
    }
  }
}

bool Flags::has(const std::string& name) const { return given_.at(name).option->count() > 0; }

std::vector<std::string> Flags::values(const std::string& name) const {
  std::vector<std::string> values = given_.at(name).values;
  std::erase_if(values,
                [](const std::string& value) { return value.empty() || value == "{}"; });  // given without a value
  return values;
}

std::string Flags::value(const std::string& name, const std::string& fallback) const {
  const auto found = values(name);
  return found.empty() ? fallback : found.back();
}

int64_t Flags::integer(const std::string& name, int64_t fallback) const {
  const std::string text = value(name);
  return text.empty() ? fallback : std::stoll(text);
}

double Flags::real(const std::string& name, double fallback) const {
  const std::string text = value(name);
  return text.empty() ? fallback : std::stod(text);
}

std::vector<std::string> Flags::warnings() const {
  std::vector<std::string> lines;
  for (const Flag& flag : table())
    if (flag.fate == Fate::later && has(flag.name))
      lines.push_back(fmt::format("{} is not served yet and has no effect", flag.name));
  return lines;
}

FolderOptions Flags::folders() const {
  const auto path = [&](const char* name) {
    const std::string text = value(name);
    return text.empty() ? std::filesystem::path() : std::filesystem::absolute(text);
  };
  FolderOptions options;
  options.base = has("--base-directory") ? path("--base-directory") : std::filesystem::current_path();
  options.input = path("--input-directory");
  options.output = path("--output-directory");
  options.temp = path("--temp-directory");
  options.user = path("--user-directory");
  for (const std::string& file : values("--extra-model-paths-config"))
    options.extra_model_paths.push_back(std::filesystem::absolute(file));
  return options;
}

std::vector<std::string> Flags::for_worker() const {
  std::vector<std::string> arguments;
  const FolderOptions options = folders();
  const auto add_path = [&](const char* name, const std::filesystem::path& path) {
    if (!path.empty()) arguments.insert(arguments.end(), {name, path.string()});
  };
  add_path("--base-directory", options.base);
  add_path("--input-directory", options.input);
  add_path("--output-directory", options.output);
  add_path("--temp-directory", options.temp);
  add_path("--user-directory", options.user);
  for (const auto& file : options.extra_model_paths) add_path("--extra-model-paths-config", file);
  for (const Flag& flag : table()) {
    if (flag.fate != Fate::worker || !has(flag.name)) continue;
    arguments.push_back(flag.name);
    for (const std::string& value : values(flag.name)) arguments.push_back(value);
  }
  return arguments;
}

}  // namespace easel::app
