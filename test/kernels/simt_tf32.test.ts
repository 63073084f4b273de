import { describeRoundedCases } from './rounded_cases.ts';

describeRoundedCases('tf32');
