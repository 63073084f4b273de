// What CDARTS retrains against PyTorch where there is no PyTorch. The other instruction sets and backends: test/slow.
import { describeRetrainedGoldens } from './cdarts_retrained_cases.ts';

describeRetrainedGoldens('cpu');
