// Work that one cooperative launch does phase after phase, the whole grid waiting in between: what a step launches is a
// few of these, not a kernel for every node.
#pragma once
#include <cstddef>
#include <optional>
#include <vector>

#include "cuda/launch.h"
#include "cuda/sliding/choice.h"

namespace dartsmith::cuda {

// What a phase does, of either direction.
enum class Phase { kSeparable, kCombine, kPool, kPooledMoments, kRelu, kCopy, kDropout };

// As the kernel takes it: which phases, and where each finds its arguments. As large as a launch may be.
struct Chain {
  static constexpr int kPhases = 48;
  static constexpr int kArgumentBytes = 32000;
  struct Link {
    Phase phase;
    int place;
  };
  int count = 0;
  Link links[kPhases];
  alignas(16) unsigned char arguments[kArgumentBytes];
};

using ChainKernel = KernelOf<Chain>;
// The kernels of the two directions (chain_forward.cu, chain_backward.cu).
ChainKernel forward_chain_kernel(Precision precision, Layout layout);
ChainKernel backward_chain_kernel(Precision precision, Layout layout);

// A phase to do behind those that were appended before.
struct PhaseCall {
  Phase phase;
  bool backward;
  Precision precision;
  Work work;
  std::vector<unsigned char> arguments;
  std::optional<Layout> layout = std::nullopt;  // of every tensor that it touches; absent where it finds out itself
};

// Phases that wait to be started together.
class PendingChain {
 public:
  PendingChain(bool backward, Precision precision) : backward_(backward), precision_(precision) {}
  // Whether the phase may join those so far.
  bool takes(const PhaseCall& call) const;
  void add(const PhaseCall& call);
  void start(CudaStream& stream) const;

 private:
  bool backward_;
  Precision precision_;
  std::optional<Layout> layout_;
  Work work_{0, 0};
  int used_ = 0;  // of the arguments
  Chain chain_;
};

// Leaves the phase waiting in the stream; it starts with those behind it once one does not fit or anything else is
// queued. Throws Error for one that fits nowhere.
void append(CudaStream& stream, const PhaseCall& call);

// A group's arguments without the members that are not there.
template <typename Member>
std::vector<unsigned char> packed(const Group<Member>& group) {
  const auto* first = reinterpret_cast<const unsigned char*>(&group);
  const auto* end = reinterpret_cast<const unsigned char*>(group.members + group.count);
  return {first, end};
}

// Starts a pass over memory: beside sliding warps by a kernel of its own, which leaves a multiprocessor room for more
// threads than the chain's, else as a phase.
template <typename Member>
void start_pass(CudaStream& stream, KernelOf<Group<Member>> kernel, const Group<Member>& group, Phase phase,
                bool backward, Precision precision) {
  if (sliding::chosen()) {
    launch(stream, kernel, {group.tasks}, group);
  } else {
    append(stream, {phase, backward, precision, {group.tasks}, packed(group)});
  }
}

}  // namespace dartsmith::cuda
