import { describeFailing } from '../kernels/failing_cases.ts';

describeFailing('simt', 15);
