// Blocks of a kernel that one multiprocessor holds, by NVIDIA's own calculator, which needs no GPU. Reads a kernel a
// line: major minor threads shared block_shared registers static_shared dynamic_shared barriers block_size; prints the
// number of blocks and what limits it.
#include <cuda_occupancy.h>

#include <cstdio>
#include <string>

namespace {

std::string limits(unsigned factors) {
  std::string text;
  const auto add = [&](unsigned factor, const char* name) {
    if ((factors & factor) == 0) return;
    text += text.empty() ? name : std::string("+") + name;
  };
  add(OCC_LIMIT_WARPS, "threads");
  add(OCC_LIMIT_REGISTERS, "registers");
  add(OCC_LIMIT_SHARED_MEMORY, "shared");
  add(OCC_LIMIT_BLOCKS, "blocks");
  add(OCC_LIMIT_BARRIERS, "barriers");
  return text.empty() ? "none" : text;
}

}  // namespace

int main() {
  int major, minor, threads, registers, barriers, block;
  size_t shared, block_shared, static_shared, dynamic_shared;
  while (std::scanf("%d %d %d %zu %zu %d %zu %zu %d %d", &major, &minor, &threads, &shared, &block_shared, &registers,
                    &static_shared, &dynamic_shared, &barriers, &block) == 10) {
    cudaOccDeviceProp device;
    device.computeMajor = major;
    device.computeMinor = minor;
    device.maxThreadsPerBlock = 1024;
    device.maxThreadsPerMultiprocessor = threads;
    device.regsPerBlock = 65536;
    device.regsPerMultiprocessor = 65536;
    device.warpSize = 32;
    device.sharedMemPerBlock = 48 << 10;
    device.sharedMemPerMultiprocessor = shared;
    device.numSms = 1;
    device.sharedMemPerBlockOptin = block_shared;
    device.reservedSharedMemPerBlock = 1 << 10;
    cudaOccFuncAttributes kernel;
    kernel.maxThreadsPerBlock = block;
    kernel.numRegs = registers;
    kernel.sharedSizeBytes = static_shared;
    kernel.partitionedGCConfig = PARTITIONED_GC_OFF;
    kernel.shmemLimitConfig = FUNC_SHMEM_LIMIT_OPTIN;
    kernel.maxDynamicSharedSizeBytes = dynamic_shared;
    kernel.numBlockBarriers = barriers;
    const cudaOccDeviceState state;
    cudaOccResult result;
    const cudaOccError error =
        cudaOccMaxActiveBlocksPerMultiprocessor(&result, &device, &kernel, &state, block, dynamic_shared);
    if (error != CUDA_OCC_SUCCESS) {
      std::printf("0 error_%d\n", static_cast<int>(error));
    } else {
      std::printf("%d %s\n", result.activeBlocksPerMultiprocessor, limits(result.limitingFactors).c_str());
    }
  }
}
