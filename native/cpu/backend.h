// The CPU as a backend: host memory, a thread pool, and the kernels of the best instruction set that the machine has.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "engine/backend.h"

namespace dartsmith::cpu {

// Instruction sets that were built and that this machine runs, best first.
std::vector<std::string> instruction_sets();

// `threads` 0 takes one per core; an empty `instruction_set` the best. Throws Error for one the machine lacks.
std::shared_ptr<Backend> open_backend(int threads, const std::string& instruction_set);

}  // namespace dartsmith::cpu
