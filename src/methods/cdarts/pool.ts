// The evaluation network as the authors of CDARTS (arXiv:2006.10724) rebuild it for each decision, with the weights of candidates that ran
// before from a pool.
import type { Device } from '../../backend/device.ts';
import type { Parameters } from '../../backend/parameters.ts';
import type { Genotype } from '../../genotype/genotype.ts';
import { defaultGroup } from '../../graph/graph.ts';
import type { ChosenCandidate, CyclicNetworks } from '../../network/cyclic.ts';
import { isOf } from './cycle.ts';

/** What a pool is made of. */
export interface PoolOptions {
  readonly networks: CyclicNetworks;
  /** Of both networks. */
  readonly parameters: Parameters;
  readonly seed: number;
  /** Whether weights behind an identity are carried as well: the published copying stops there. */
  readonly copyPastSkips: boolean;
}

/** Weights of all candidates of the evaluation network. */
export class CandidatePool implements Disposable {
  readonly parameters: Parameters;
  readonly #device: Device;
  readonly #options: PoolOptions;

  private constructor(device: Device, parameters: Parameters, options: PoolOptions) {
    this.#device = device;
    this.parameters = parameters;
    this.#options = options;
  }

  /** One that holds the weights that the candidates have now. */
  static async of(device: Device, options: PoolOptions): Promise<CandidatePool> {
    const { networks, seed, parameters } = options;
    const pool = await device.createParameters(networks.candidates, { seed });
    await device.execute([{ kind: 'copy', parameters, target: pool }]);
    return new CandidatePool(device, pool, options);
  }

  /** Puts what `before` chose back, draws all of E anew by the number of the decision, and takes what `next` chooses. */
  async renew(before: Genotype | null, next: Genotype, decision: number): Promise<void> {
    const { networks, parameters, seed } = this.#options;
    const pool = this.parameters;
    using drawn = await this.#device.createParameters(networks.candidates, {
      // Still a safe integer where the run's seed is the largest.
      seed: (seed + decision) % Number.MAX_SAFE_INTEGER,
    });
    // Shared modules are named as the search network's.
    const names = drawn.names().filter((name) => isOf('evaluation', name));
    await this.#device.execute([
      { kind: 'copy', parameters, target: pool, tensors: before === null ? [] : this.#carried(before) },
      { kind: 'copy', parameters: drawn, target: parameters, tensors: names },
      { kind: 'copy', parameters: pool, target: parameters, tensors: this.#carried(next) },
    ]);
  }

  /** Names of weights that go to the pool and come from it. */
  #carried(decision: Genotype): string[] {
    const groups = new Set(this.#copied(this.#options.networks.choices(decision)).map(({ group }) => group));
    const { places } = this.parameters.map;
    return [...places].flatMap(([name, { spec }]) => (groups.has(spec.group ?? defaultGroup) ? [name] : []));
  }

  #copied(choices: readonly ChosenCandidate[]): readonly ChosenCandidate[] {
    if (this.#options.copyPastSkips) return choices;
    return choices.filter(
      ({ cells, node }, index) =>
        !choices.slice(0, index).some((other) => other.cells === cells && other.node === node && other.isIdentity),
    );
  }

  [Symbol.dispose](): void {
    this.parameters.dispose();
  }
}
