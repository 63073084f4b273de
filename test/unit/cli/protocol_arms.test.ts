// The arms of a protocol as a user types them.
import { describe, expect, it } from 'vitest';
import { type MainArm, parseArm, parseDeciders } from '../../../src/cli/protocol_arms.ts';
import { ArgumentError } from '../../../src/errors.ts';
import { methods } from '../../../src/methods/registry.ts';

const main: MainArm = {
  ...{ name: 'darts', method: 'darts', preset: 'quick', space: 'nasbench201' },
  settings: { epochs: 3, unrolled: true, archLearningRate: 0.01 },
};
const armOf = (text: string) => parseArm(text, main, methods);

describe('--arm', () => {
  it('is the main search with other options', () => {
    expect(armOf('noisy=--noise-darts --max-step 5 --epochs 4')).toEqual({
      ...{ ...main, name: 'noisy' },
      settings: { ...main.settings, noiseDarts: true, maxStep: 5, epochs: 4 },
    });
    expect(armOf('same=')).toEqual({ ...main, name: 'same' });
  });

  it('has of the main search what another method knows', () => {
    expect(armOf('fair=--method fairdarts --parse-method=darts')).toEqual({
      ...{ name: 'fair', method: 'fairdarts', preset: 'quick', space: 'nasbench201' },
      settings: { epochs: 3, archLearningRate: 0.01, parseMethod: 'darts' },
    });
    expect(armOf('cd=--method cdarts --preset cdarts --space cdarts')).toMatchObject({
      ...{ method: 'cdarts', preset: 'cdarts', space: 'cdarts' },
      settings: { epochs: 3 },
    });
  });

  it('selects from the supernets of the main search, or of another', () => {
    expect(armOf('pt=--by projection --proj-intv 2 --preset quick')).toEqual({
      ...{ name: 'pt', of: 'darts', by: 'projection', preset: 'quick', settings: { projIntv: 2 } },
    });
    expect(armOf('mag=--of fair --by magnitude')).toEqual({ name: 'mag', of: 'fair', by: 'magnitude', settings: {} });
  });

  it.each([
    ['fair', "NAME=OPTIONS, such as fair='--method fairdarts'"],
    ['=--epochs 3', 'NAME=OPTIONS'],
    ['a=--method fairdart', 'Did you mean fairdarts'],
    ['a=--epoch 3', "in --arm a: unknown option '--epoch'"],
    ['a=--epochs 0', 'in --arm a: expected an integer of at least 1'],
    ['a=--by projectio', 'Did you mean projection'],
    ['a=--by', 'in --arm a: option'],
    ['a=words', 'in --arm a: too many arguments'],
    ['a=--space nowhere', 'in --arm a: expected'],
    ['a=--preset none', 'in --arm a: expected'],
  ])('refuses %s', (text, message) => {
    expect(() => armOf(text)).toThrow(ArgumentError);
    expect(() => armOf(text)).toThrow(message);
  });
});

describe('--by', () => {
  it('names what decides', () => {
    expect(parseDeciders('projection, magnitude', methods)).toEqual(['projection', 'magnitude']);
    expect(() => parseDeciders('magnitud', methods)).toThrow('Did you mean magnitude');
    expect(() => parseDeciders('projection,projection', methods)).toThrow('names one twice');
    expect(() => parseDeciders('', methods)).toThrow(ArgumentError);
  });
});
