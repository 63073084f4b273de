import { ArgumentError } from '../errors.ts';

/** Why some layer cannot take the size that images have where it stands. */
export class LayerSizeError extends ArgumentError {
  constructor(message: string) {
    super(message);
    // What a program branches on.
    this.name = 'ArgumentError';
  }
}
