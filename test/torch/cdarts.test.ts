// CDARTS' search against PyTorch where there is no PyTorch. The other instruction sets and backends: test/slow.
import { describeCdartsGoldens } from './cdarts_cases.ts';

describeCdartsGoldens('cpu');
