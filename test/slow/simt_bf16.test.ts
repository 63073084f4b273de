import { describeRoundedCases } from '../kernels/rounded_cases.ts';

describeRoundedCases('bf16', { orders: [1, 2, 3, 4] });
