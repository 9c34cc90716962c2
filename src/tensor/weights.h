// Weights: the named tensors of a model, walked as a path walks folders. `w / "img_mod"` goes down, `w["weight"]`
// takes. Taking copies nothing: a Weight is a name and a place in a memory-mapped file; it turns into a tensor of the
// wanted dtype when a layer first asks, and everyone who shares the model shares that tensor. Patches (LoRA and kin,
// merges) are laid over by name, giving another Weights that shares all the tensors it does not change.
#pragma once
#include <atomic>
#include <mutex>
#include <set>
#include <type_traits>
#include <typeindex>

#include "formats/tensor_file.h"
#include "tensor/aten.h"

namespace easel {

at::ScalarType torch_dtype(Dtype dtype);
// A tensor over the file's own bytes (a copy where they are not aligned); it keeps the file open. Never write to it.
Tensor view_of(const TensorFilePtr& file, const TensorSpan& span);

// A difference of low rank (LoRA): up down, float32, made when first needed.
struct LowRank {
  int64_t rank = 0, out = 0, in = 0;                   // in: inputs times the kernel's pixels
  std::function<std::pair<Tensor, Tensor>()> factors;  // up [out, rank], the scale in it; down [rank, in]
};

// float32 weight in, float32 weight out (the same shape, or a wider one where a patch widens the model).
struct Patch {
  template <class F, class = std::enable_if_t<std::is_invocable_r_v<Tensor, F, const Tensor&>>>
  Patch(F f, std::optional<LowRank> low_rank = {}) : apply(std::move(f)), low_rank(std::move(low_rank)) {}
  Tensor operator()(const Tensor& weight) const { return apply(weight); }

  std::function<Tensor(const Tensor& weight)> apply;
  std::optional<LowRank> low_rank;  // set where the patch adds no more than this
};
using Patches =
    std::map<std::string, std::vector<Patch>>;  // by name in the model, e.g. "diffusion_model.time_embed.0.weight"

// One weight. Cheap to copy. Thread-safe.
class Weight {
 public:
  const std::string& name() const;
  at::IntArrayRef sizes() const;  // as in the file
  int64_t size(int64_t dim) const;
  int64_t dim() const { return static_cast<int64_t>(sizes().size()); }
  at::ScalarType file_dtype() const;

  // The weight on x's device and in x's dtype, converted on first use and then kept.
  Tensor like(const Tensor& x) const { return as(x.scalar_type(), x.device()); }
  Tensor as(at::ScalarType dtype, at::Device device = at::kCPU) const;

  // Made anew, patches applied, no copy kept: in `dtype`, or in the dtype it rests in (the file's, as a rule).
  Tensor once(at::ScalarType dtype) const { return at_rest().to(dtype); }
  Tensor at_rest() const;
  // Some of its rows as they rest, ids [N] -> [N, ...], without touching the others.
  Tensor rows(const Tensor& ids) const;

  // What `make` turns the weight (on x's device, in x's dtype) into, packed for a matrix unit, say. Made on first use
  // and then kept in place of the plain tensor.
  template <class T>
  const T& packed(const Tensor& x, const std::function<T(const Tensor&)>& make) const {
    auto pack = [&]() -> std::shared_ptr<const void> {
      return std::make_shared<const T>(make(once(x.scalar_type()).to(x.device())));
    };
    return *static_cast<const T*>(packed_as(typeid(T), x, pack).get());
  }

  // Whether layers may round it to 8 bits (Weights::in_int8): matrices only, narrow ones left out.
  bool in_int8() const;

  // Where all patches are of low rank, layers leave the weight as it is, which costs no byte of it, and add
  // up (down x) to what it gives: the weight without them, and the factors of all, up [out, r] and down [r, in...].
  bool has_low_rank_patches() const;
  Weight unpatched() const;
  std::pair<Tensor, Tensor> low_rank_factors() const;
  // Made of the weight or its patches for x's device and dtype on first use, then kept.
  template <class T>
  const T& kept(const Tensor& x, const std::function<T()>& make) const {
    auto make_shared = [&]() -> std::shared_ptr<const void> { return std::make_shared<const T>(make()); };
    return *static_cast<const T*>(packed_as(typeid(T), x, make_shared).get());
  }

  struct Slot;
  explicit Weight(std::shared_ptr<Slot> slot) : slot_(std::move(slot)) {}

 private:
  std::shared_ptr<const void> packed_as(std::type_index type, const Tensor& x,
                                        const std::function<std::shared_ptr<const void>()>& make) const;
  std::shared_ptr<Slot> slot_;
};

class Weights {
 public:
  using Rename = std::function<std::optional<std::string>(const std::string& file_name)>;

  Weights() = default;
  // Every tensor of `file` for which `rename` gives the model's own name; `rename` is the prefix cut off, by default.
  // `held`: round to this dtype first (ComfyUI keeps text encoders in float16 whatever the file has).
  Weights(TensorFilePtr file, const Rename& rename, std::optional<at::ScalarType> held = std::nullopt);
  Weights(TensorFilePtr file, const std::string& prefix, std::optional<at::ScalarType> held = std::nullopt);
  // The same where a tensor of the file holds several weights, or one turned over.
  struct Part {
    std::string name;              // in the model
    int64_t index = 0, count = 1;  // which of how many equal parts along the first dimension
    bool transposed = false;
  };
  using Split = std::function<std::vector<Part>(const std::string& file_name)>;
  static Weights split(const TensorFilePtr& file, const Split& parts, std::optional<at::ScalarType> held = {});
  // Tensors in memory; `origin` stands in messages where a file's name would.
  Weights(const std::map<std::string, Tensor>& tensors, std::string origin);

  // The weights of both, whole; those of `more` where a name is in both. Neither may stand below its root.
  Weights joined(const Weights& more) const;

  Weights operator/(const std::string& name) const;
  Weights operator/(int64_t index) const { return *this / std::to_string(index); }

  // The weight called `name` below this point; fails with its full name and its nearest neighbours if there is none.
  Weight operator[](const std::string& name) const;
  std::optional<Weight> find(const std::string& name) const;
  bool has(const std::string& name) const;         // exactly this weight
  bool any(const std::string& prefix = "") const;  // some weight whose name starts with prefix + "."; "" = any at all
  int64_t count() const;                           // children numbered 0, 1, … directly below this point

  std::vector<std::string> names() const;   // of the weights below this point, relative to it, sorted
  std::vector<std::string> unused() const;  // those that no one has taken yet through this object or a child of it
  const std::string& origin() const;        // the file's name, for messages

  // How many bytes were read of these weights so far to be converted, patched or packed, in all that share them
  // (patched() does). It stands still while everything wanted is there.
  uint64_t bytes_moved() const;

  // The same weights, nothing of them made yet, for layers that may round them to 8 bits (kernels/int8.h). Left exact
  // are those of less than 64 inputs or outputs, as the first and the last of a network have.
  Weights in_int8() const;

  // The same weights with patches laid over, not yet used by anyone.
  Weights patched(const Patches& patches) const;
  // Lets go of every converted or packed copy (they come back when asked for).
  void release() const;

 private:
  struct Table;
  std::string full(const std::string& name) const { return prefix_ + name; }
  std::shared_ptr<const Table> table_;
  std::shared_ptr<std::set<std::string>> used_;
  std::string prefix_;  // ends in "." unless empty
};

}  // namespace easel
