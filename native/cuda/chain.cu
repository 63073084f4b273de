#include <cstring>

#include "cuda/chain.h"

namespace dartsmith::cuda {
namespace {

constexpr int kMostArgumentBytes = 32764;  // of a launch, since CUDA 12.1
static_assert(sizeof(Chain) <= kMostArgumentBytes);

}  // namespace

bool PendingChain::takes(const PhaseCall& call) const {
  return call.backward == backward_ && call.precision == precision_ &&
         (!call.layout || !layout_ || *call.layout == *layout_) && chain_.count < Chain::kPhases &&
         used_ + static_cast<int>(call.arguments.size()) <= Chain::kArgumentBytes;
}

void PendingChain::add(const PhaseCall& call) {
  check_tasks(call.work);
  if (call.layout) layout_ = call.layout;
  const auto bytes = static_cast<int>(call.arguments.size());
  chain_.links[chain_.count++] = {call.phase, used_};
  std::memcpy(chain_.arguments + used_, call.arguments.data(), bytes);
  used_ += static_cast<int>(round_up(bytes, 16));
  work_.tasks = larger(work_.tasks, call.work.tasks);
  work_.shared_bytes = std::max(work_.shared_bytes, call.work.shared_bytes);
}

void PendingChain::start(CudaStream& stream) const {
  // Phases that find out by themselves run as well in the kernel that does not.
  const Layout vectors = precision_ == Precision::kBf16 ? Layout::kHalves : Layout::kFloats;
  const Layout layout = layout_.value_or(vectors);
#ifdef DARTSMITH_SIMT
  simt::count_parts(chain_.count);
#endif
  launch_cooperative(stream, (backward_ ? backward_chain_kernel : forward_chain_kernel)(precision_, layout), work_,
                     chain_);
}

void append(CudaStream& stream, const PhaseCall& call) {
  if (call.work.tasks <= 0) return;
  std::vector<PendingChain>& pending = stream.pending();
  if (!pending.empty() && !pending[0].takes(call)) stream.start_pending();
  if (pending.empty()) pending.emplace_back(call.backward, call.precision);
  if (!pending[0].takes(call)) fail("cuda", "expected fewer nodes in a step of the graph");
  pending[0].add(call);
}

}  // namespace dartsmith::cuda
