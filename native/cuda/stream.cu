#include "cuda/chain.h"
#include "cuda/choice.h"
#include "cuda/stream.h"

namespace dartsmith::cuda {
namespace {

constexpr int kTickets = 4096;  // more than launches that run at once can have members
constexpr int kSides = 3;       // as many branches at once as kernels have sizes and channels, and the stream's own

}  // namespace

void CudaStream::drop_pending() noexcept {
  pending_.reset();
}

void CudaStream::abandon() noexcept {
  drop_pending();
  queue_ = handle_;
  cudaSetDevice(device_);
  for (const auto& side : sides_) cudaStreamSynchronize(side->handle());
  cudaStreamSynchronize(handle_);
  cudaGetLastError();
}

void CudaStream::start_pending() {
  const std::unique_ptr<PendingChain> started = std::move(pending_);
  if (started != nullptr) started->start(*this);
}

CudaStream::CudaStream(int device) : device_(device) {
  select();
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, device), "reading the device's properties");
  multiprocessors_ = properties.multiProcessorCount;
  cooperative_ = properties.cooperativeLaunch != 0;
  most_shared_bytes_ = static_cast<int>(properties.sharedMemPerBlockOptin);
  check(cudaStreamCreateWithFlags(&handle_, cudaStreamNonBlocking), "making a stream");
  queue_ = handle_;
  check(cudaEventCreateWithFlags(&forked_, cudaEventDisableTiming), "making an event");
  for (int side = 0; side < kSides; ++side) sides_.push_back(std::make_unique<SideStream>());
  // Not when they are asked for first: a stream that is recorded allocates nothing.
  void* memory = nullptr;
  check(cudaMalloc(&memory, kTickets * sizeof(unsigned)), "allocating counters");
  tickets_ = static_cast<unsigned*>(memory);
  check(cudaMemsetAsync(tickets_, 0, kTickets * sizeof(unsigned), handle_), "clearing counters");
}

bool CudaStream::may_branch() {
  static const bool on = chooses_first("DARTSMITH_CUDA_BRANCHES", "on", "off");
  return on;
}

void CudaStream::fork(int branches) {
  check(cudaEventRecord(forked_, handle()), "forking a stream");
  for (int i = 0; i < sides_of(branches); ++i) {
    check(cudaStreamWaitEvent(sides_[i]->handle(), forked_, 0), "forking a stream");
  }
}

// Branches beyond the sides' number share them.
void CudaStream::enter(int branch) {
  start_pending();
  const int side = branch % static_cast<int>(sides_.size() + 1);
  queue_ = side == 0 ? handle_ : sides_[side - 1]->handle();
}

void CudaStream::join(int branches) {
  start_pending();
  queue_ = handle_;
  for (int i = 0; i < sides_of(branches); ++i) {
    check(cudaEventRecord(sides_[i]->reached(), sides_[i]->handle()), "joining streams");
    check(cudaStreamWaitEvent(handle_, sides_[i]->reached(), 0), "joining streams");
  }
}

SideStream::SideStream() {
  check(cudaStreamCreateWithFlags(&handle_, cudaStreamNonBlocking), "making a stream");
  check(cudaEventCreateWithFlags(&reached_, cudaEventDisableTiming), "making an event");
}

SideStream::~SideStream() {
  cudaEventDestroy(reached_);
  cudaStreamDestroy(handle_);
}

unsigned* CudaStream::tickets(int count) {
  if (next_ticket_ + count > kTickets) next_ticket_ = 0;
  unsigned* result = tickets_ + next_ticket_;
  next_ticket_ += count;
  return result;
}

CudaStream::~CudaStream() {
  cudaSetDevice(device_);
  cudaEventDestroy(forked_);
  cudaStreamDestroy(handle_);
  cudaFree(tickets_);
}

}  // namespace dartsmith::cuda
