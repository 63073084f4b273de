// Searches an architecture on MNIST, in a minute or two: npx tsx examples/search.ts [IMAGES [EPOCHS]]
import { formatGenotype, search } from 'dartsmith';

const [images = 2000, epochs = 3] = process.argv.slice(2).map(Number);
const run = search({ dataset: 'mnist', limit: images, settings: { epochs }, seed: 1 });

for await (const event of run) {
  if (event.type !== 'epoch') continue;
  const accuracy = (100 * event.validationAccuracy).toFixed(1);
  console.log(`epoch ${event.epoch + 1} of ${epochs}: ${accuracy} % of validation images right`);
}

const { genotype } = await run.result;
console.log(formatGenotype(genotype));
