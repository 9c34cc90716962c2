#include "tensor/host_memory.h"

#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>

#include <mutex>
#include <unordered_map>

#include "tensor/aten.h"

namespace easel {

namespace {

constexpr std::size_t kLarge = std::size_t{1} << 20, kHugePage = std::size_t{2} << 20, kPage = std::size_t{64} << 10;

std::size_t rounded(std::size_t size) {
  const std::size_t step = size >= 16 * kLarge ? kHugePage : kPage;
  return (size + step - 1) / step * step;
}

void* map_pages(std::size_t size) {  // null if there are none
  void* block = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (block == MAP_FAILED) return nullptr;
#ifdef MADV_HUGEPAGE
  madvise(block, size, MADV_HUGEPAGE);  // a wish: it may be switched off
#endif
  return block;
}

class RecyclingAllocator final : public c10::Allocator {
 public:
  explicit RecyclingAllocator(std::size_t keep) : keep_(keep) {}

  c10::DataPtr allocate(std::size_t size) override {
    if (size < kLarge) return c10::GetDefaultCPUAllocator()->allocate(size);
    void* block = take(rounded(size));
    if (!block) return c10::GetDefaultCPUAllocator()->allocate(size);  // fails with the message that callers know
    return {block, block, &give_back, c10::Device(c10::DeviceType::CPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }

  void copy_data(void* to, const void* from, std::size_t size) const override { default_copy_data(to, from, size); }

  std::size_t empty() {
    const std::lock_guard lock(mutex_);
    const std::size_t before = kept_;
    drop_until(0);
    return before;
  }

 private:
  struct Block {
    void* data;
    std::size_t size;
  };

  void* take(std::size_t size) {
    {
      const std::lock_guard lock(mutex_);
      auto best = free_.end();
      for (auto it = free_.begin(); it != free_.end(); ++it) {
        if (it->size >= size && it->size <= size + size / 4 && (best == free_.end() || it->size <= best->size))
          best = it;
      }
      if (best != free_.end()) {
        void* block = best->data;
        kept_ -= best->size;
        used_[block] = best->size;
        free_.erase(best);
        return block;
      }
    }
    void* block = map_pages(size);
    if (!block && empty() > 0) block = map_pages(size);
    if (!block) return nullptr;
    const std::lock_guard lock(mutex_);
    used_[block] = size;
    return block;
  }

  static void give_back(void* block);

  bool keep(void* block) {
    const std::lock_guard lock(mutex_);
    const auto found = used_.find(block);
    if (found == used_.end()) return false;
    free_.push_back({block, found->second});
    kept_ += found->second;
    used_.erase(found);
    drop_until(keep_);
    return true;
  }

  void drop_until(std::size_t limit) {  // the longest unused first
    while (kept_ > limit) {
      munmap(free_.front().data, free_.front().size);
      kept_ -= free_.front().size;
      free_.erase(free_.begin());
    }
  }

  const std::size_t keep_;
  std::mutex mutex_;  // guards the rest
  std::unordered_map<void*, std::size_t> used_;
  std::vector<Block> free_;  // in the order they came back
  std::size_t kept_ = 0;
};

RecyclingAllocator* installed = nullptr;  // never destroyed: tensors in static storage outlive everything

void RecyclingAllocator::give_back(void* block) {
  if (block && !installed->keep(block)) c10::GetDefaultCPUAllocator()->raw_deleter()(block);
}

}  // namespace

void recycle_host_memory(std::size_t keep) {
  if (installed) return;
  installed = new RecyclingAllocator(keep);
  c10::SetCPUAllocator(installed, 1);
}

std::size_t empty_host_memory() { return installed ? installed->empty() : 0; }

}  // namespace easel
