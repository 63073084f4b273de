import { describeGradients } from '../helpers/reference_gradients.ts';

describeGradients('large');
