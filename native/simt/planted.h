// Kernels with known bugs, to show that the stand-in finds them.
#pragma once
#include <string>
#include <vector>

namespace dartsmith::simt {

// Runs a kernel that reverses some numbers through shared memory, with the bug of that name, one of kBugs. Gives what
// the kernel wrote. Throws Error where the stand-in noticed.
std::vector<float> run_planted(const std::string& bug, int device);

}  // namespace dartsmith::simt
