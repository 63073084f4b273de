// The CUDA kernels in tf32 and bf16, by op: some cases of each under two orders of threads. All cases under all orders: test/slow.
import { describeRoundedCases } from './rounded_cases.ts';

for (const precision of ['tf32', 'bf16'] as const) describeRoundedCases(precision, { most: 4, orders: [1] });
