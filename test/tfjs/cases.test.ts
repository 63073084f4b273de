// On the platform that most have. The plain one, which takes longer, is tried in test/slow.
import { describeCases } from './table.ts';

describeCases('wasm');
