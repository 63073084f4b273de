#include "cpu/backend.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <vector>

#include "cpu/find_tuning.h"
#include "cpu/kernel_table.h"
#include "cpu/thread_pool.h"
#include "engine/error.h"

namespace dartsmith::cpu {

// One table a build of the kernel files; native/sources.json lists the builds, of which this addon may hold some only.
namespace baseline {
extern const KernelTable kernel_table;
}
namespace avx2 {
extern const KernelTable kernel_table;
}
namespace avx512 {
extern const KernelTable kernel_table;
}
namespace neon {
extern const KernelTable kernel_table;
}

namespace {

struct InstructionSet {
  const char* name;
  const KernelTable* kernels;
  bool runs_here;
};

#if defined(__x86_64__)
bool runs_avx2() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
bool runs_avx512() {
  return runs_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
}
#endif

// Best first.
std::vector<InstructionSet> built() {
  std::vector<InstructionSet> sets;
#if defined(DARTSMITH_WITH_AVX512)
  sets.push_back({"avx512", &avx512::kernel_table, runs_avx512()});
#endif
#if defined(DARTSMITH_WITH_AVX2)
  sets.push_back({"avx2", &avx2::kernel_table, runs_avx2()});
#endif
#if defined(DARTSMITH_WITH_NEON)
  sets.push_back({"neon", &neon::kernel_table, true});
#endif
#if defined(DARTSMITH_WITH_BASELINE)
  sets.push_back({"baseline", &baseline::kernel_table, true});
#endif
  return sets;
}

constexpr size_t kHugePage = size_t{2} << 20;

class CpuBackend final : public Backend {
 public:
  CpuBackend(int threads, const InstructionSet& set) : set_(set), pool_(threads) {
    for (int thread = 0; thread < threads; ++thread) alone_.push_back(std::make_unique<ThreadPool>(1));
    tune(0);
  }

  std::string description() const override {
    const int threads = pool_.threads();
    return std::string("cpu (") + set_.name + ", " + std::to_string(threads) +
           (threads == 1 ? " thread)" : " threads)");
  }
  Stream& stream() override { return pool_; }
  const OpKernels& kernels(Op op) const override {
    static const OpKernels none;
    const OpKernels* kernels = set_.kernels->ops[static_cast<int>(op)];
    return kernels == nullptr ? none : *kernels;
  }
  bool computes_in(Precision precision) const override { return precision != Precision::kTf32; }
  const Sweeps& sweeps() const override { return *set_.kernels->sweeps; }

  int slice_workers() const override { return pool_.threads(); }
  void run_slices(int64_t count, const SliceBody& body) override {
    std::mutex mutex;
    std::exception_ptr failure;
    const auto run = [&](int64_t slice, int worker) {
      try {
        body(slice, worker, *alone_[worker]);
      } catch (...) {
        std::lock_guard lock(mutex);
        failure = std::current_exception();
      }
    };
    pool_.run(
        count,
        [](const void* context, int64_t slice, int worker) {
          (*static_cast<const decltype(run)*>(context))(slice, worker);
        },
        &run);
    if (failure) std::rethrow_exception(failure);
  }

  std::vector<std::string> tunings() const override {
    std::vector<std::string> names;
    for (int i = first_tuning(); i < kTuningCount; ++i) names.emplace_back(kTunings[i].name);
    return names;
  }
  void tune(size_t tuning) override {
    pool_.tune(kTunings[first_tuning() + static_cast<int>(tuning)]);
    for (const auto& alone : alone_) alone->tune(pool_.tuning());
  }
  int find_tuning(const std::atomic<bool>& cancelled) override {
    const int found = cpu::find_tuning(pool_, kernels(Op::kSeparable), first_tuning(), cancelled);
    tune(found < 0 ? 0 : static_cast<size_t>(found - first_tuning()));
    return found < 0 ? found : found - first_tuning();
  }

  void* allocate(size_t bytes) override {
    const size_t alignment = bytes >= kHugePage ? kHugePage : 64;
    const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    void* memory = rounded < bytes ? nullptr : std::aligned_alloc(alignment, rounded);
    if (memory == nullptr) {
      throw OutOfMemory("cannot allocate " + std::to_string(bytes >> 20) + " MiB", 0);
    }
#if defined(MADV_HUGEPAGE)
    if (alignment == kHugePage) madvise(memory, rounded, MADV_HUGEPAGE);  // only a hint: fewer page faults
#endif
    return memory;
  }
  void release(void* memory) noexcept override {
    std::free(memory);
  }
  void initialise(void* device, const void* host, size_t bytes) override {
    if (host != nullptr) return copy(device, host, bytes);
    const size_t given_back = give_back(device, bytes);
    clear(static_cast<char*>(device) + given_back, bytes - given_back);
  }
  void upload(void* device, const void* host, size_t bytes) override {
    copy(device, host, bytes);
  }
  void download(void* host, const void* device, size_t bytes) override {
    copy(host, device, bytes);
  }
  void copy(void* target, const void* source, size_t bytes) override {
    if (bytes > 0) std::memcpy(target, source, bytes);
  }
  void clear(void* device, size_t bytes) override {
    if (bytes > 0) std::memset(device, 0, bytes);
  }

 private:
  int first_tuning() const {
    return set_.kernels->streams ? 0 : kStreamedTunings;
  }

  // Has the system take whole pages from the beginning of large memory, which are zeros when they are touched again:
  // what nobody ever touches, such as the momentum of a descent without one, then takes no room. Gives the bytes that
  // it took.
  static size_t give_back(void* memory, size_t bytes) {
#if defined(MADV_DONTNEED) && defined(__linux__)
    static const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t whole = bytes / page * page;
    if (bytes >= kHugePage && madvise(memory, whole, MADV_DONTNEED) == 0) return whole;
#endif
    return 0;
  }

  const InstructionSet set_;
  ThreadPool pool_;
  std::vector<std::unique_ptr<ThreadPool>> alone_;  // by thread: a pool that is that thread and no other
};

}  // namespace

std::vector<std::string> instruction_sets() {
  std::vector<std::string> names;
  for (const InstructionSet& set : built()) {
    if (set.runs_here) names.emplace_back(set.name);
  }
  return names;
}

std::shared_ptr<Backend> open_backend(int threads, const std::string& instruction_set) {
  for (const InstructionSet& set : built()) {
    if (!set.runs_here || (!instruction_set.empty() && instruction_set != set.name)) continue;
    return std::make_shared<CpuBackend>(threads, set);
  }
  if (instruction_set.empty()) {
    fail("cpu", "the addon was built for another processor, whose instructions this one lacks: npm rebuild dartsmith");
  }
  fail("cpu", "this addon on this machine does not run instruction set '", instruction_set, "'");
}

}  // namespace dartsmith::cpu
