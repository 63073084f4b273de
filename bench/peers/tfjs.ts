// stub
import type { NetworkSize } from '../gpu/sizes.ts';
export interface TfjsPeer {
  readonly name: string;
  time(order: string): Promise<number>;
  close(): void;
}
export async function openTfjsPeer(_size: NetworkSize): Promise<TfjsPeer> {
  throw new Error('no @tensorflow/tfjs-node-gpu');
}
