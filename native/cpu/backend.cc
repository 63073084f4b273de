#include "cpu/backend.h"

#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <vector>

#include "cpu/allocator.h"
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

class CpuBackend final : public Backend {
 public:
  CpuBackend(int threads, const InstructionSet& set, size_t memory_limit)
      : set_(set), pool_(threads), allocator_(memory_limit) {
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

  void* allocate(size_t bytes) override { return allocator_.allocate(bytes); }
  void release(void* memory) noexcept override { allocator_.release(memory); }
  void initialise(void* device, const void* host, size_t bytes) override {
    if (host != nullptr) return copy(device, host, bytes);
    const size_t given_back = Allocator::give_back(device, bytes);
    clear(static_cast<char*>(device) + given_back, bytes - given_back);
  }
  void upload(void* device, const void* host, size_t bytes) override { copy(device, host, bytes); }
  void download(void* host, const void* device, size_t bytes) override { copy(host, device, bytes); }
  void copy(void* target, const void* source, size_t bytes) override {
    if (bytes > 0) std::memcpy(target, source, bytes);
  }
  void clear(void* device, size_t bytes) override {
    if (bytes > 0) std::memset(device, 0, bytes);
  }

 private:
  int first_tuning() const { return set_.kernels->streams ? 0 : kStreamedTunings; }

  const InstructionSet set_;
  ThreadPool pool_;
  std::vector<std::unique_ptr<ThreadPool>> alone_;  // by thread: a pool that is that thread and no other
  Allocator allocator_;
};

}  // namespace

std::vector<std::string> instruction_sets() {
  std::vector<std::string> names;
  for (const InstructionSet& set : built()) {
    if (set.runs_here) names.emplace_back(set.name);
  }
  return names;
}

std::shared_ptr<Backend> open_backend(int threads, const std::string& instruction_set, size_t memory_limit) {
  for (const InstructionSet& set : built()) {
    if (!set.runs_here || (!instruction_set.empty() && instruction_set != set.name)) continue;
    return std::make_shared<CpuBackend>(threads, set, memory_limit);
  }
  if (instruction_set.empty()) {
    fail("cpu", "the addon was built for another processor, whose instructions this one lacks: npm rebuild dartsmith");
  }
  fail("cpu", "this addon on this machine does not run instruction set '", instruction_set, "'");
}

}  // namespace dartsmith::cpu
