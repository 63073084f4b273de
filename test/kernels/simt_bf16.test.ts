import { describeRoundedCases } from './rounded_cases.ts';

describeRoundedCases('bf16');
