/** What is freed together, the last first. Stands in for DisposableStack, which Node 20 has not. */
export class Resources implements Disposable {
  #held: Disposable[] = [];

  /** Takes charge of a resource. */
  use<T extends Disposable>(resource: T): T {
    this.#held.push(resource);
    return resource;
  }

  /** Passes everything on to a new owner, so that this one frees nothing more. */
  move(): Resources {
    const owner = new Resources();
    [owner.#held, this.#held] = [this.#held, []];
    return owner;
  }

  [Symbol.dispose](): void {
    for (const resource of this.#held.splice(0).reverse()) resource[Symbol.dispose]();
  }
}
