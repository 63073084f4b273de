import { describeCases } from '../tfjs/table.ts';

describeCases('cpu');
