// Threads of control that switch only when they say so: one a CUDA thread of the stand-in.
#pragma once
#include <cstddef>
#include <memory>

namespace dartsmith::simt {

// What a switch needs to keep: everything else lies on the fiber's own stack.
struct Context {
  void* stack_pointer = nullptr;
  // Where the stack lies, for the address sanitizer.
  const void* stack_bottom = nullptr;
  size_t stack_bytes = 0;
  void* fake_stack = nullptr;
  void* thread_state = nullptr;  // the thread sanitizer's
};

// Leaves `from` and goes on in `to`. `finished` when `from` will never run again.
void switch_context(Context& from, Context& to, bool finished = false);

// A stack that runs one function after another.
class Fiber {
 public:
  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Makes the next switch to `context` call entry(argument), which must end in a last switch away.
  void prepare(void (*entry)(void*), void* argument);

  Context context;

 private:
  void* memory_;
};

// Called first by what a fiber runs.
void fiber_started();

}  // namespace dartsmith::simt
