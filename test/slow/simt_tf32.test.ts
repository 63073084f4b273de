import { describeRoundedCases } from '../kernels/rounded_cases.ts';

describeRoundedCases('tf32', { orders: [1, 2, 3, 4] });
