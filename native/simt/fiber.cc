#include "simt/fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <mutex>
#include <new>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif
#if !defined(__x86_64__) && !defined(__aarch64__)
#error "the CUDA stand-in knows how to switch stacks on x86-64 and 64-bit Arm only"
#endif

// Saves what the calling convention lets a function keep in registers, exchanges the stack pointers, and restores.
extern "C" void dartsmith_simt_switch(void** save, void* restore);
// Where a fresh stack's first switch returns to: calls the entry with its argument.
extern "C" void dartsmith_simt_begin();

#if defined(__x86_64__)
asm(R"(
.text
.type dartsmith_simt_switch, @function
.hidden dartsmith_simt_switch
.globl dartsmith_simt_switch
dartsmith_simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size dartsmith_simt_switch, .-dartsmith_simt_switch
.type dartsmith_simt_begin, @function
.hidden dartsmith_simt_begin
.globl dartsmith_simt_begin
dartsmith_simt_begin:
  movq %r13, %rdi
  callq *%r12
  ud2
.size dartsmith_simt_begin, .-dartsmith_simt_begin
)");
#else
asm(R"(
.text
.type dartsmith_simt_switch, %function
.hidden dartsmith_simt_switch
.globl dartsmith_simt_switch
dartsmith_simt_switch:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size dartsmith_simt_switch, .-dartsmith_simt_switch
.type dartsmith_simt_begin, %function
.hidden dartsmith_simt_begin
.globl dartsmith_simt_begin
dartsmith_simt_begin:
  mov x0, x20
  blr x19
  brk #1
.size dartsmith_simt_begin, .-dartsmith_simt_begin
)");
#endif

namespace dartsmith::simt {
namespace {

// Sanitizers give every variable a surrounding.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr size_t kStackBytes = size_t{512} << 10;
#else
constexpr size_t kStackBytes = size_t{128} << 10;
#endif

#if defined(__SANITIZE_ADDRESS__)
// The stack that was switched away from last; finish_switch tells where the first one lies.
thread_local Context* left = nullptr;

void arrived(Context& here) {
  __sanitizer_finish_switch_fiber(here.fake_stack, left == nullptr ? nullptr : &left->stack_bottom,
                                  left == nullptr ? nullptr : &left->stack_bytes);
}
#endif

size_t page_bytes() {
  return static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

// Stacks of fibers that are gone, for fibers of whatever thread comes next: every device has a thread of its own, and
// where devices are many, mapping fresh stacks takes longer than what runs on them.
class StackPool {
 public:
  // Begins with a page that nobody may touch: a stack that overflows ends there.
  void* take() {
    {
      std::lock_guard lock(mutex_);
      if (!stacks_.empty()) {
        void* stack = stacks_.back();
        stacks_.pop_back();
        return stack;
      }
    }
    const size_t page = page_bytes();
    void* stack =
        mmap(nullptr, kStackBytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED) throw std::bad_alloc();
    mprotect(stack, page, PROT_NONE);
    return stack;
  }

  void give(void* stack) {
    {
      std::lock_guard lock(mutex_);
      if (stacks_.size() < kMostKept) return stacks_.push_back(stack);
    }
    munmap(stack, kStackBytes + page_bytes());
  }

 private:
  static constexpr size_t kMostKept = 8192;
  std::mutex mutex_;
  std::vector<void*> stacks_;
};

StackPool& stack_pool() {
  static auto* pool = new StackPool;  // never destroyed: threads may end after the statics
  return *pool;
}

}  // namespace

void switch_context(Context& from, Context& to, [[maybe_unused]] bool finished) {
#if defined(__SANITIZE_ADDRESS__)
  left = &from;
  __sanitizer_start_switch_fiber(finished ? nullptr : &from.fake_stack, to.stack_bottom, to.stack_bytes);
#endif
#if defined(__SANITIZE_THREAD__)
  if (from.thread_state == nullptr) from.thread_state = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(to.thread_state, 0);
#endif
  dartsmith_simt_switch(&from.stack_pointer, to.stack_pointer);
#if defined(__SANITIZE_ADDRESS__)
  arrived(from);
#endif
}

void fiber_started() {
#if defined(__SANITIZE_ADDRESS__)
  Context fresh;
  arrived(fresh);
#endif
}

Fiber::Fiber() {
  memory_ = stack_pool().take();
  context.stack_bottom = static_cast<char*>(memory_) + page_bytes();
  context.stack_bytes = kStackBytes;
#if defined(__SANITIZE_THREAD__)
  context.thread_state = __tsan_create_fiber(0);
#endif
}

Fiber::~Fiber() {
#if defined(__SANITIZE_ADDRESS__)
  // What comes to lie there next must not meet the marks of frames that are gone.
  __asan_unpoison_memory_region(context.stack_bottom, kStackBytes);
#endif
#if defined(__SANITIZE_THREAD__)
  __tsan_destroy_fiber(context.thread_state);
#endif
  stack_pool().give(memory_);
}

void Fiber::prepare(void (*entry)(void*), void* argument) {
  auto* top = reinterpret_cast<uint64_t*>(static_cast<char*>(const_cast<void*>(context.stack_bottom)) + kStackBytes);
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(context.stack_bottom, kStackBytes);
#endif
#if defined(__x86_64__)
  // r15 r14 r13 r12 rbx rbp, the address to return to, and room that leaves the stack aligned as after a call.
  uint64_t* at = top - 9;
  at[0] = at[1] = at[4] = at[5] = 0;
  at[2] = reinterpret_cast<uint64_t>(argument);
  at[3] = reinterpret_cast<uint64_t>(entry);
  at[6] = reinterpret_cast<uint64_t>(&dartsmith_simt_begin);
  at[7] = at[8] = 0;
#else
  uint64_t* at = top - 20;
  for (int i = 0; i < 20; ++i) at[i] = 0;
  at[0] = reinterpret_cast<uint64_t>(entry);
  at[1] = reinterpret_cast<uint64_t>(argument);
  at[11] = reinterpret_cast<uint64_t>(&dartsmith_simt_begin);
#endif
  context.stack_pointer = at;
}

}  // namespace dartsmith::simt
