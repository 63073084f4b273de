// The CPU as a backend: host memory, a thread pool, and the kernels of the best instruction set that the machine has.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "engine/backend.h"

namespace dartsmith::cpu {

// Instruction sets that were built and that this machine runs, best first.
std::vector<std::string> instruction_sets();

// An empty `instruction_set` takes the best; holds at most `memory_limit` bytes, 0 for all. Throws Error for an
// instruction set that the machine lacks.
std::shared_ptr<Backend> open_backend(int threads, const std::string& instruction_set, size_t memory_limit);

}  // namespace dartsmith::cpu
