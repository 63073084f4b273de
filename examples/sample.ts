// Samples text from a language model that `dartsmith train` has trained: npx tsx examples/sample.ts runs/words
import { openLanguageModel } from 'dartsmith';

const [run = 'runs/words', count = '60'] = process.argv.slice(2);
const model = await openLanguageModel(run);

for await (const word of model.sample({ count: Number(count), temperature: 0.8, seed: 1 })) {
  process.stdout.write(word === '<eos>' ? '\n' : `${word} `);
}
process.stdout.write('\n');
model.dispose();
