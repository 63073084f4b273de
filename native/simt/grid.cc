#include "simt/grid.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "simt/fiber.h"
#include "simt/guard.h"

namespace dartsmith::simt {

thread_local const ThreadView* current_thread = nullptr;

namespace {

struct Thread;

// A group of threads that wait for one another.
struct Barrier {
  size_t alive = 0;
  std::vector<Thread*> waiting;
};

struct Warp {
  Barrier barrier;
  // Two by turns, so that a lane may write its next value while another still reads.
  std::array<std::array<std::byte, kWarp * kExchangeBytes>, 2> values{};
};

struct Block {
  Barrier barrier;
  std::vector<Warp> warps;
  GuardedMemory shared;
  std::set<std::pair<const std::byte*, size_t>> unwritten;
};

struct LaterCopy {
  void* to;
  const void* from;
  size_t bytes;
};

struct Thread {
  ThreadView view;
  Block* block = nullptr;
  Warp* warp = nullptr;
  unsigned lane = 0;
  unsigned exchanges = 0;
  bool begun = false;
  std::vector<LaterCopy> copies;  // of no batch yet
  std::deque<std::vector<LaterCopy>> batches;
  std::unique_ptr<Fiber> fiber;
};

class Grid;
thread_local Grid* running = nullptr;

class Grid {
 public:
  Grid(const Launch& launch, const Order& order, const std::function<void()>& kernel)
      : launch_(launch), order_(order), kernel_(kernel), random_(order.seed) {}

  void run() {
    const size_t blocks = launch_.grid.count();
    const size_t at_once = launch_.cooperative ? blocks : 1;
    Grid* outer = running;
    running = this;
    for (size_t first = 0; first < blocks && fault_.empty(); first += at_once) run_blocks(pick(first), at_once);
    running = outer;
    current_thread = nullptr;
    if (!fault_.empty()) throw Fault(fault_);
  }

  void wait(Barrier& barrier) {
    Thread& self = *now_;
    barrier.waiting.push_back(&self);
    if (barrier.waiting.size() == barrier.alive) release(barrier);
    leave(false);
  }

  Thread& now() { return *now_; }
  Barrier& whole() { return whole_; }
  bool cooperative() const { return launch_.cooperative; }

  [[noreturn]] void fail(const std::string& what) {
    if (fault_.empty()) fault_ = what;
    leave(true);
    std::abort();  // never: a faulty grid's threads do not go on
  }

 private:
  // Blocks that run one after another do so in the order's sense as well.
  size_t pick(size_t position) const {
    const bool backwards = order_.kind == Order::Kind::kReverse && !launch_.cooperative;
    return backwards ? launch_.grid.count() - 1 - position : position;
  }

  void run_blocks(size_t first, size_t count) {
    const size_t size = launch_.block.count();
    blocks_.resize(count);
    threads_.resize(count * size);
    whole_ = {count * size, {}};
    for (size_t b = 0; b < count; ++b) start_block(b, first + b);
    ready_.clear();
    std::vector<Thread*> all;
    for (Thread& thread : threads_) all.push_back(&thread);
    make_ready(all);
    ended_ = 0;
    while (!ready_.empty() && fault_.empty()) {
      now_ = ready_.back();
      ready_.pop_back();
      current_thread = &now_->view;
      switch_context(main_, now_->fiber->context);
    }
    if (fault_.empty() && ended_ < threads_.size()) {
      fault_ = "a barrier that " + std::to_string(threads_.size() - ended_) + " threads wait at is not reached by all";
    }
    for (Block& block : blocks_) {
      if (fault_.empty() && !block.shared.intact()) fault_ = "a kernel wrote past its shared memory";
      if (fault_.empty()) fault_ = fault_of(block);
    }
  }

  static std::string fault_of(const Block& block) {
    for (const auto& [memory, bytes] : block.unwritten) {
      if (!is_unwritten(memory, bytes)) return "a kernel wrote past a part of its shared memory";
    }
    return "";
  }

  void start_block(size_t slot, size_t index) {
    Block& block = blocks_[slot];
    const size_t size = launch_.block.count();
    block.barrier = {size, {}};
    block.warps.clear();
    block.warps.resize((size + kWarp - 1) / kWarp);
    block.shared.reset(launch_.shared_bytes);
    block.unwritten.clear();
    const auto& [gx, gy, gz] = launch_.grid;
    const auto& [bx, by, bz] = launch_.block;
    for (size_t t = 0; t < size; ++t) {
      Thread& thread = threads_[slot * size + t];
      thread.view = {
          {static_cast<unsigned>(t % bx), static_cast<unsigned>(t / bx % by), static_cast<unsigned>(t / bx / by)},
          {static_cast<unsigned>(index % gx), static_cast<unsigned>(index / gx % gy),
           static_cast<unsigned>(index / gx / gy)},
          launch_.block,
          launch_.grid,
          block.shared.data()};
      thread.block = &block;
      thread.warp = &block.warps[t / kWarp];
      ++thread.warp->barrier.alive;
      thread.lane = static_cast<unsigned>(t % kWarp);
      thread.exchanges = 0;
      thread.begun = false;
      thread.copies.clear();
      thread.batches.clear();
      thread.fiber = take_fiber();
      thread.fiber->prepare([](void*) { running->thread_main(); }, nullptr);
    }
  }

  void thread_main() {
    fiber_started();
    kernel_();
    Thread& self = *now_;
    if (launch_.early && !self.begun) fail("a kernel that starts early does not wait for those before it");
    ++ended_;
    for (Barrier* barrier : {&self.warp->barrier, &self.block->barrier, &whole_}) {
      --barrier->alive;
      if (!barrier->waiting.empty() && barrier->waiting.size() == barrier->alive) release(*barrier);
    }
    leave(true);
  }

  void leave(bool finished) {
    Thread& self = *now_;
    switch_context(self.fiber->context, main_, finished);
  }

  void release(Barrier& barrier) {
    std::vector<Thread*> freed;
    freed.swap(barrier.waiting);
    make_ready(freed);
  }

  // The last of `ready_` goes on next.
  void make_ready(std::vector<Thread*>& threads) {
    switch (order_.kind) {
      case Order::Kind::kForward:
        std::sort(threads.begin(), threads.end(), std::greater<>());
        break;
      case Order::Kind::kReverse:
        std::sort(threads.begin(), threads.end());
        break;
      case Order::Kind::kRandom:
        std::shuffle(threads.begin(), threads.end(), random_);
        break;
    }
    ready_.insert(ready_.end(), threads.begin(), threads.end());
    // Between those that were ready before as well.
    if (order_.kind == Order::Kind::kRandom && launch_.cooperative && ready_.size() > threads.size()) {
      std::swap(ready_.back(), ready_[random_() % ready_.size()]);
    }
  }

  // Stacks are kept from one grid to the next.
  static std::vector<std::unique_ptr<Fiber>>& spare() {
    static thread_local std::vector<std::unique_ptr<Fiber>> fibers;
    return fibers;
  }

  static std::unique_ptr<Fiber> take_fiber() {
    if (spare().empty()) return std::make_unique<Fiber>();
    std::unique_ptr<Fiber> fiber = std::move(spare().back());
    spare().pop_back();
    return fiber;
  }

 public:
  ~Grid() {
    for (Thread& thread : threads_) {
      if (thread.fiber != nullptr) spare().push_back(std::move(thread.fiber));
    }
  }

 private:
  const Launch& launch_;
  const Order& order_;
  const std::function<void()>& kernel_;
  std::mt19937_64 random_;
  std::vector<Block> blocks_;
  std::vector<Thread> threads_;
  Barrier whole_;
  std::vector<Thread*> ready_;
  Thread* now_ = nullptr;
  Context main_;
  size_t ended_ = 0;
  std::string fault_;
};

}  // namespace

void run_grid(const Launch& launch, const Order& order, const std::function<void()>& kernel) {
  Grid(launch, order, kernel).run();
}

void block_barrier() {
  running->wait(running->now().block->barrier);
}

void warp_barrier() {
  running->wait(running->now().warp->barrier);
}

void grid_barrier() {
  if (!running->cooperative()) fault("a barrier over the grid in a launch that is not cooperative");
  running->wait(running->whole());
}

const std::byte* warp_exchange(const void* value, size_t bytes) {
  Thread& self = running->now();
  auto& values = self.warp->values[self.exchanges++ % 2];
  std::memcpy(values.data() + self.lane * kExchangeBytes, value, bytes);
  warp_barrier();
  return values.data();
}

void begin_kernel() {
  running->now().begun = true;
}

void expect_unwritten(const void* memory, size_t bytes) {
  running->now().block->unwritten.emplace(static_cast<const std::byte*>(memory), bytes);
}

void copy_later(void* shared, const void* from, size_t bytes) {
  const auto misaligned = [&](const void* end) { return reinterpret_cast<uintptr_t>(end) % bytes != 0; };
  if (misaligned(shared) || misaligned(from)) fault("a copy to shared memory that is not aligned");
  running->now().copies.push_back({shared, from, bytes});
}

void commit_copies() {
  Thread& self = running->now();
  self.batches.push_back(std::move(self.copies));
  self.copies.clear();
}

void wait_for_copies(size_t under_way) {
  auto& batches = running->now().batches;
  for (; batches.size() > under_way; batches.pop_front()) {
    for (const auto& [to, from, bytes] : batches.front()) std::memcpy(to, from, bytes);
  }
}

void fault(const std::string& what) {
  running->fail(what);
}

}  // namespace dartsmith::simt
