#include "tensor/weights.h"

#include <fmt/ranges.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <numeric>
#include <sstream>

#include "base/error.h"
#include "base/heartbeat.h"
#include "formats/mapped_file.h"
#include "tensor/rounding.h"

namespace easel {

at::ScalarType torch_dtype(Dtype dtype) {
  switch (dtype) {
    case Dtype::F64:
      return at::kDouble;
    case Dtype::F32:
      return at::kFloat;
    case Dtype::F16:
      return at::kHalf;
    case Dtype::BF16:
      return at::kBFloat16;
    case Dtype::F8_E4M3:
      return at::kFloat8_e4m3fn;
    case Dtype::F8_E5M2:
      return at::kFloat8_e5m2;
    case Dtype::F8_E8M0:
      return at::kFloat8_e8m0fnu;
    case Dtype::I64:
      return at::kLong;
    case Dtype::I32:
      return at::kInt;
    case Dtype::I16:
      return at::kShort;
    case Dtype::I8:
      return at::kChar;
    case Dtype::U64:
      return at::kUInt64;
    case Dtype::U32:
      return at::kUInt32;
    case Dtype::U16:
      return at::kUInt16;
    case Dtype::U8:
      return at::kByte;
    case Dtype::BOOL:
      return at::kBool;
  }
  fail("torch_dtype: {} is no dtype of libtorch", dtype_name(dtype));
}

Tensor view_of(const TensorFilePtr& file, const TensorSpan& span) {
  // libtorch has no const tensors; nothing writes to a weight.
  auto* data = const_cast<std::byte*>(span.bytes.data());
  auto view = at::from_blob(
      data, span.shape, [file](void*) {}, at::dtype(torch_dtype(span.dtype)));
  return span.is_aligned() ? view : view.clone();
}

namespace {

struct Source {
  std::string name;       // in the model
  std::string file_name;  // what messages call it
  std::vector<int64_t> sizes;
  at::ScalarType dtype = at::kFloat;
  std::function<Tensor()> read;
  std::span<const std::byte> mapped;  // its bytes in a mapped file, empty where they are in memory
  std::optional<at::ScalarType> held;
  std::vector<Patch> patches;
  bool in_int8 = false;
  // Bytes read so far; a weight and what patches make of it count together.
  std::shared_ptr<std::atomic<uint64_t>> moved = std::make_shared<std::atomic<uint64_t>>(0);
};

// Where in memory the file at `path` is mapped. Readers of some formats copy; what they copied to must not be let go.
class Mappings {
 public:
  explicit Mappings(const std::filesystem::path& path) {
    struct stat info {};
    if (stat(path.c_str(), &info) != 0) return;
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
      std::istringstream fields(line);
      uintptr_t begin = 0, end = 0;
      char dash = 0;
      std::string permissions, offset, device;
      uint64_t inode = 0;
      fields >> std::hex >> begin >> dash >> end >> permissions >> offset >> device >> std::dec >> inode;
      if (fields && inode == info.st_ino) ranges_.emplace_back(begin, end);
    }
  }

  // The bytes if they lie in the mapped file, else none.
  std::span<const std::byte> only_mapped(std::span<const std::byte> bytes) const {
    const auto begin = reinterpret_cast<uintptr_t>(bytes.data()), end = begin + bytes.size();
    for (auto [from, to] : ranges_) {
      if (from <= begin && end <= to) return bytes;
    }
    return {};
  }

 private:
  std::vector<std::pair<uintptr_t, uintptr_t>> ranges_;
};

}  // namespace

// The one weight that everybody who takes it shares.
struct Weight::Slot : Source {
  explicit Slot(Source source, std::shared_ptr<Slot> bare = {}) : Source(std::move(source)), bare(std::move(bare)) {}

  const std::shared_ptr<Slot> bare;  // the weight without its patches, where all of them are of low rank
  std::mutex mutex;                  // guards what follows
  std::map<std::pair<at::ScalarType, std::string>, Tensor> kept;
  std::map<std::tuple<std::type_index, at::ScalarType, std::string>, std::shared_ptr<const void>> packed;

  Tensor at_rest() const {
    beat();
    auto weight = read();
    *moved += weight.nbytes();
    if (held) weight = weight.to(*held);
    if (patches.empty()) return weight;
    weight = weight.to(at::kFloat);
    for (const auto& patch : patches) weight = patch(weight);
    const auto rest = held.value_or(dtype);
    if (rest == at::kFloat8_e4m3fn || rest == at::kFloat8_e5m2) return round_by_chance(weight, rest, seed_of(name));
    return held ? weight.to(*held) : weight;
  }

  // Once converted, the file's pages need not stay in memory: they come back from the file if someone asks again.
  void let_pages_go() const {
    const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    const auto begin = (reinterpret_cast<uintptr_t>(mapped.data()) + page - 1) / page * page;
    const auto end = (reinterpret_cast<uintptr_t>(mapped.data()) + mapped.size()) / page * page;
    if (end > begin) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
};

const std::string& Weight::name() const { return slot_->name; }
at::IntArrayRef Weight::sizes() const { return slot_->sizes; }
int64_t Weight::size(int64_t dim) const { return slot_->sizes.at(dim < 0 ? dim + slot_->sizes.size() : dim); }
at::ScalarType Weight::file_dtype() const { return slot_->dtype; }
Tensor Weight::at_rest() const { return slot_->at_rest(); }

Tensor Weight::rows(const Tensor& ids) const {
  if (!slot_->patches.empty()) return at_rest().index_select(0, ids);
  const Tensor found = slot_->read().index_select(0, ids);
  return slot_->held ? found.to(*slot_->held) : found;
}

Tensor Weight::as(at::ScalarType dtype, at::Device device) const {
  beat();
  check_mapped_files("weights");
  std::lock_guard lock(slot_->mutex);
  auto& kept = slot_->kept[{dtype, device.str()}];
  if (!kept.defined()) {
    kept = slot_->at_rest().to(device, dtype);
    if (slot_->mapped.data() != kept.const_data_ptr()) slot_->let_pages_go();
  }
  return kept;
}

std::shared_ptr<const void> Weight::packed_as(std::type_index type, const Tensor& x,
                                              const std::function<std::shared_ptr<const void>()>& make) const {
  beat();
  check_mapped_files("weights");
  std::lock_guard lock(slot_->mutex);
  auto& packed = slot_->packed[{type, x.scalar_type(), x.device().str()}];
  if (!packed) {
    packed = make();
    slot_->let_pages_go();
  }
  return packed;
}

bool Weight::in_int8() const { return slot_->in_int8; }

bool Weight::has_low_rank_patches() const { return slot_->bare != nullptr; }

Weight Weight::unpatched() const { return Weight(slot_->bare ? slot_->bare : slot_); }

std::pair<Tensor, Tensor> Weight::low_rank_factors() const {
  std::vector<Tensor> ups, downs;
  auto shape = slot_->sizes;
  for (const auto& patch : slot_->patches) {
    auto [up, down] = patch.low_rank->factors();
    shape[0] = down.size(0);
    ups.push_back(up);
    downs.push_back(down.reshape(shape));
  }
  return {at::cat(ups, 1), at::cat(downs)};
}

namespace {

// Whether layers may add the patches to what they compute instead of changing the weight. Weights that are held in a
// coarse dtype are rounded with their patches, as ComfyUI does.
bool fits_beside(const Source& source) {
  if (source.held || source.sizes.size() < 2) return false;
  int64_t in = 1, rank = 0;
  for (size_t i = 1; i < source.sizes.size(); ++i) in *= source.sizes[i];
  for (const auto& patch : source.patches) {
    if (!patch.low_rank || patch.low_rank->out != source.sizes[0] || patch.low_rank->in != in) return false;
    rank += patch.low_rank->rank;
  }
  return rank > 0 && rank <= std::min(source.sizes[0], in);  // beyond that it is no less work than the weight
}

}  // namespace

struct Weights::Table {
  std::string origin;
  std::string file_prefix;  // for messages about names that are missing
  std::map<std::string, std::shared_ptr<Weight::Slot>> slots;
};

Weights::Weights(TensorFilePtr file, const Rename& rename, std::optional<at::ScalarType> held)
    : used_(std::make_shared<std::set<std::string>>()) {
  auto table = std::make_shared<Table>();
  table->origin = file->path().filename().string();
  const Mappings mappings(file->path());
  for (const auto& [file_name, span] : file->tensors()) {
    auto name = rename(file_name);
    if (!name) continue;
    Source source{.name = *name,
                  .file_name = file_name,
                  .sizes = span.shape,
                  .dtype = torch_dtype(span.dtype),
                  .read = [file, &span = span] { return view_of(file, span); },
                  .mapped = mappings.only_mapped(span.bytes)};
    if (at::isFloatingType(source.dtype)) source.held = held;
    table->slots.emplace(*name, std::make_shared<Weight::Slot>(std::move(source)));
  }
  table_ = table;
}

Weights::Weights(TensorFilePtr file, const std::string& prefix, std::optional<at::ScalarType> held)
    : Weights(
          file,
          [&](const std::string& name) -> std::optional<std::string> {
            if (name.rfind(prefix, 0) != 0) return std::nullopt;
            return name.substr(prefix.size());
          },
          held) {
  auto table = std::make_shared<Table>(*table_);
  table->file_prefix = prefix;
  table_ = table;
}

Weights Weights::split(const TensorFilePtr& file, const Split& parts, std::optional<at::ScalarType> held) {
  auto table = std::make_shared<Table>();
  table->origin = file->path().filename().string();
  for (const auto& [file_name, span] : file->tensors()) {
    for (const auto& part : parts(file_name)) {
      Source source{.name = part.name,
                    .file_name = file_name,
                    .sizes = span.shape,
                    .dtype = torch_dtype(span.dtype),
                    .read = [file, &span = span, part] {
                      auto tensor = view_of(file, span);
                      if (part.count > 1) tensor = tensor.chunk(part.count)[part.index];
                      return part.transposed ? tensor.t().contiguous() : tensor;
                    }};
      if (part.count > 1) {
        if (source.sizes.empty() || source.sizes[0] % part.count != 0) {
          fail("Weights: '{}' of '{}' does not fall into {} equal parts", file_name, table->origin, part.count);
        }
        source.sizes[0] /= part.count;
      }
      if (part.transposed) std::reverse(source.sizes.begin(), source.sizes.end());
      if (at::isFloatingType(source.dtype)) source.held = held;
      table->slots.emplace(part.name, std::make_shared<Weight::Slot>(std::move(source)));
    }
  }
  Weights made;
  made.used_ = std::make_shared<std::set<std::string>>();
  made.table_ = table;
  return made;
}

Weights Weights::joined(const Weights& more) const {
  if (!table_) return more;
  auto both = *this;
  auto table = std::make_shared<Table>(*table_);
  if (more.table_) {
    for (const auto& [name, slot] : more.table_->slots) table->slots[name] = slot;
  }
  both.table_ = table;
  both.used_ = std::make_shared<std::set<std::string>>();
  return both;
}

Weights::Weights(const std::map<std::string, Tensor>& tensors, std::string origin)
    : used_(std::make_shared<std::set<std::string>>()) {
  auto table = std::make_shared<Table>();
  table->origin = std::move(origin);
  for (const auto& [name, tensor] : tensors) {
    Source source{.name = name,
                  .file_name = name,
                  .sizes = tensor.sizes().vec(),
                  .dtype = tensor.scalar_type(),
                  .read = [tensor = tensor] { return tensor; }};
    table->slots.emplace(name, std::make_shared<Weight::Slot>(std::move(source)));
  }
  table_ = table;
}

Weights Weights::operator/(const std::string& name) const {
  auto below = *this;
  below.prefix_ += name + ".";
  return below;
}

namespace {

size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

}  // namespace

Weight Weights::operator[](const std::string& name) const {
  if (auto found = find(name)) return *found;
  const auto wanted = full(name);
  std::vector<std::pair<size_t, std::string>> near;
  if (table_) {
    for (const auto& [other, slot] : table_->slots) near.emplace_back(edit_distance(wanted, other), slot->file_name);
  }
  const size_t shown = std::min<size_t>(3, near.size());
  std::partial_sort(near.begin(), near.begin() + shown, near.end());
  near.resize(shown);
  std::vector<std::string> names;
  for (const auto& [_, other] : near) names.push_back("'" + other + "'");
  fail("Weights: '{}' has no weight '{}{}'; the nearest names in it are {}", origin(),
       table_ ? table_->file_prefix : "", wanted, names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
}

std::optional<Weight> Weights::find(const std::string& name) const {
  if (!table_) return std::nullopt;
  auto found = table_->slots.find(full(name));
  if (found == table_->slots.end()) return std::nullopt;
  used_->insert(found->first);
  return Weight(found->second);
}

bool Weights::has(const std::string& name) const { return table_ && table_->slots.count(full(name)); }

bool Weights::any(const std::string& prefix) const {
  if (!table_) return false;
  const auto start = prefix.empty() ? prefix_ : full(prefix) + ".";
  auto found = table_->slots.lower_bound(start);
  return found != table_->slots.end() && found->first.rfind(start, 0) == 0;
}

int64_t Weights::count() const {
  int64_t n = 0;
  while (any(std::to_string(n))) ++n;
  return n;
}

std::vector<std::string> Weights::names() const {
  std::vector<std::string> names;
  if (!table_) return names;
  for (auto at = table_->slots.lower_bound(prefix_); at != table_->slots.end() && at->first.rfind(prefix_, 0) == 0;
       ++at) {
    names.push_back(at->first.substr(prefix_.size()));
  }
  return names;
}

std::vector<std::string> Weights::unused() const {
  std::vector<std::string> names;
  for (const auto& name : this->names()) {
    if (!used_->count(full(name))) names.push_back(name);
  }
  return names;
}

const std::string& Weights::origin() const {
  static const std::string none = "(no weights)";
  return table_ ? table_->origin : none;
}

Weights Weights::patched(const Patches& patches) const {
  auto fresh = *this;
  fresh.used_ = std::make_shared<std::set<std::string>>();
  if (patches.empty() || !table_) return fresh;
  auto table = std::make_shared<Table>(*table_);
  for (const auto& [name, list] : patches) {
    auto found = table->slots.find(full(name));
    if (found == table->slots.end()) continue;
    Source source = *found->second;
    source.patches.insert(source.patches.end(), list.begin(), list.end());
    auto bare = found->second->patches.empty() ? found->second : found->second->bare;
    if (bare && !fits_beside(source)) bare = nullptr;
    found->second = std::make_shared<Weight::Slot>(std::move(source), std::move(bare));
  }
  fresh.table_ = table;
  return fresh;
}

Weights Weights::in_int8() const {
  constexpr int64_t kNarrow = 64;
  auto fresh = *this;
  if (!table_) return fresh;
  fresh.used_ = std::make_shared<std::set<std::string>>();
  auto table = std::make_shared<Table>(*table_);
  for (auto& [_, slot] : table->slots) {
    const auto& sizes = slot->sizes;
    if (sizes.size() < 2 || sizes[0] < kNarrow || sizes[1] < kNarrow || !at::isFloatingType(slot->dtype)) continue;
    Source source = *slot;
    source.in_int8 = true;
    slot = std::make_shared<Weight::Slot>(std::move(source));
  }
  fresh.table_ = table;
  return fresh;
}

uint64_t Weights::bytes_moved() const {
  uint64_t sum = 0;
  if (!table_) return sum;
  for (const auto& [_, slot] : table_->slots) sum += *slot->moved;
  return sum;
}

void Weights::release() const {
  if (!table_) return;
  for (const auto& [_, owner] : table_->slots) {
    for (auto slot = owner; slot; slot = slot->bare) {
      std::lock_guard lock(slot->mutex);
      slot->kept.clear();
      slot->packed.clear();
    }
  }
}

}  // namespace easel
