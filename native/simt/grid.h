// Runs a grid of CUDA threads on fibers, in a chosen order of threads.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>

namespace dartsmith::simt {

struct Index3 {
  unsigned x = 0, y = 0, z = 0;
};

struct Size3 {
  unsigned x = 1, y = 1, z = 1;
  size_t count() const { return size_t{x} * y * z; }
};

// Which thread goes on first where several may: results must not depend on it.
struct Order {
  enum class Kind { kForward, kReverse, kRandom } kind = Kind::kForward;
  uint64_t seed = 0;
};

struct Launch {
  Size3 grid, block;
  size_t shared_bytes = 0;
  bool cooperative = false;  // all blocks run at once and may wait for each other
  bool early = false;        // may start before the kernels that it waits for have ended: see begin_kernel
};

// What a faulty kernel did: an overrun, a barrier that not all threads reach.
struct Fault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Shared memory that a block may have when it was asked for, more than GPUs have for the zones between its parts, and
// else.
inline constexpr size_t kSharedBytes = 256 << 10;
inline constexpr size_t kSharedBytesUnasked = 48 << 10;

// Runs `kernel` once a thread. Throws Fault.
void run_grid(const Launch& launch, const Order& order, const std::function<void()>& kernel);

// Of the thread that runs now.
struct ThreadView {
  Index3 thread, block;
  Size3 block_size, grid_size;
  std::byte* shared = nullptr;
};
extern thread_local const ThreadView* current_thread;

// Every thread of a kernel that starts early comes here.
void begin_kernel();
void block_barrier();
void warp_barrier();
void grid_barrier();
// Gives every lane's value of `bytes` to all lanes of the warp; the pointer holds until the next call. Lanes of threads
// that ended hold nothing sensible.
const std::byte* warp_exchange(const void* value, size_t bytes);
inline constexpr size_t kExchangeBytes = 16;  // of one lane at most
inline constexpr unsigned kWarp = 32;
// Bytes of the zone behind each part of a kernel's shared memory; 0 on the device that only counts launches.
int64_t zone_bytes();
// Shared memory that no thread of the block may write.
void expect_unwritten(const void* memory, size_t bytes);
// A copy to shared memory that is done when its thread waits for its batch: for all but the last `under_way` ones.
void copy_later(void* shared, const void* from, size_t bytes);
void commit_copies();
void wait_for_copies(size_t under_way);
// Called by the thread that finds its own fault; does not return.
[[noreturn]] void fault(const std::string& what);

}  // namespace dartsmith::simt
