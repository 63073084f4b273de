// What the device does at best, measured: the yardstick of benchmarks.
#pragma once
#include "engine/kernel.h"

namespace dartsmith::cuda {

Peak measure_peak(Stream& stream);

}  // namespace dartsmith::cuda
