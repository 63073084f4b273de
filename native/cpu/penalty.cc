#include "cpu/penalty.h"

#include "engine/penalty.h"

namespace dartsmith::cpu::DARTSMITH_ISA {

void penalty(Stream&, const PenaltyCall& call) {
  double sum = 0;
  for (int64_t r = 0; r < call.row_count; ++r) sum += PenaltyRow(call, call.rows[r]).apply();
  *call.result = call.settings->share * sum;
}

}  // namespace dartsmith::cpu::DARTSMITH_ISA
