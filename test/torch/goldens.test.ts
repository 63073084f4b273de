// Ours against PyTorch where there is no PyTorch. The other backends, and whether the goldens are still PyTorch's: test/slow.
import { describe, expect, it } from 'vitest';
import type { TorchTensor } from '../../bench/peers/tensor_file.ts';
import { type ParameterMap, placeParameters, valueArenas } from '../../src/backend/parameter_map.ts';
import { runReference } from '../../src/reference/interpreter.ts';
import { toTorch } from './exchange.ts';
import {
  derivedNetworks,
  describeGoldens,
  fairSupernet,
  logits,
  nasbench201Network,
  scalar,
  stageSupernet,
  supernet,
} from './golden_cases.ts';
import {
  arch,
  batchSize,
  derived,
  digest,
  distances,
  drawArenas,
  drawBatch,
  fairForms,
  fairRates,
  gradClip,
  nasbench201,
  rates,
  readGolden,
  searched,
  searchSteps,
  stages,
} from './goldens.ts';

describeGoldens('cpu');

describe("PyTorch's goldens and the float64 reference", () => {
  it.each([
    ['supernet', supernet, searched.size] as const,
    ...Object.entries(derivedNetworks).map(([name, { trained }]) => [name, trained, derived.size] as const),
    ...(Object.keys(nasbench201) as (keyof typeof nasbench201)[]).map(
      (name) => [name, nasbench201Network(name), nasbench201[name].size] as const,
    ),
  ])('%s', (name, network, size) => {
    const { inputs, labels } = drawBatch('train', size);
    const map = placeParameters(network.graph);
    const result = runReference(network.graph, {
      ...{ batchSize, labels, training: true },
      parameters: startValues(map),
      inputs: { images: Float64Array.from(inputs.images) },
    });
    const ours = new Map<string, TorchTensor>([
      ['logits', logits(result.outputs[network.logits])],
      ['loss', scalar(result.loss!)],
    ]);
    for (const [parameter, { spec }] of map.places) {
      const [group, values] = spec.role === 'buffer' ? ['buffer', result.buffers] : ['gradient', result.gradients];
      const tensor = toTorch({ shape: spec.shape, data: values.get(parameter)! }, spec.layout);
      ours.set(`${group}.${parameter}`, digest(tensor));
    }
    const found = distances(readGolden(name), ours);
    // Both are float64; what remains is the order of sums, 2^-53 grown by the net's depth.
    for (const group of ['logits', 'loss', 'gradient', 'buffer']) expect(found.get(group), group).toBeLessThan(1e-10);
  });
});

describe("PyTorch's goldens of FairDARTS and the float64 reference", () => {
  it.each(Object.keys(fairForms) as (keyof typeof fairForms)[])('%s', (golden) => {
    const found = distances(readGolden(golden), referenceSearch(golden));
    // Both are float64; five steps take differences of rounding, 1e-14, through rectifiers and norms.
    for (const [group, distance] of found) expect(distance, group).toBeLessThan(1e-9);
  });
});

describe("PyTorch's goldens of StacNAS and the float64 reference", () => {
  it.each(Object.keys(stages) as (keyof typeof stages)[])('the first step of %s', (golden) => {
    const { graph, logits: node } = stageSupernet(golden);
    const { inputs, labels } = drawBatch('train 0', stages[golden].size);
    const map = placeParameters(graph);
    const images = Float64Array.from(inputs.images);
    const start = { batchSize, labels, training: true, parameters: startValues(map), inputs: { images } };
    const result = runReference(graph, start);
    const ours = new Map<string, TorchTensor>([['logits', logits(result.outputs[node])]]);
    for (const [parameter, { spec }] of map.places) {
      if (spec.role === 'buffer') continue;
      const tensor = toTorch({ shape: spec.shape, data: result.gradients.get(parameter)! }, spec.layout);
      ours.set(`gradient.${parameter}`, digest(tensor));
    }
    const found = distances(readGolden(golden), ours);
    // The gradients of weights were clipped and taken back, which costs a digit.
    for (const group of ['logits', 'gradient']) expect(found.get(group), group).toBeLessThan(1e-10);
  });
});

/** Five steps of FairDARTS in float64: passes of the reference, and the rules of the page by hand. */
function referenceSearch(golden: keyof typeof fairForms): Map<string, TorchTensor> {
  const { sepLoss, singleLevel } = fairForms[golden];
  const { auxLossWeight, archLrGamma } = fairRates;
  const map = placeParameters(fairSupernet.graph);
  const parameters = startValues(map);
  const names = (role: string) => [...map.places].flatMap(([name, { spec }]) => (spec.role === role ? [name] : []));
  const moments = new Map([...parameters].map(([name, values]) => [name, [0, 1].map(() => values.map(() => 0))]));
  const tensors = new Map<string, TorchTensor>();
  const figures: Record<string, number[]> = { loss: [], validationLoss: [], zeroOneLoss: [], gradientNorm: [] };

  const pass = (name: string) => {
    const { inputs, labels } = drawBatch(name, searched.size);
    const images = Float64Array.from(inputs.images);
    const result = runReference(fairSupernet.graph, {
      batchSize,
      labels,
      training: true,
      parameters,
      inputs: { images },
    });
    for (const buffer of names('buffer')) parameters.set(buffer, result.buffers.get(buffer)!);
    return result;
  };
  const sigmoid = (alpha: number) => 1 / (1 + Math.exp(-alpha));
  const entries = () => names('alpha').flatMap((name) => [...parameters.get(name)!]);
  const zeroOne = () => {
    const distance = (alpha: number) => sigmoid(alpha) - 0.5;
    const terms = entries().map((alpha) => (sepLoss === 'l2' ? distance(alpha) ** 2 : Math.abs(distance(alpha))));
    return -terms.reduce((sum, term) => sum + term, 0) / 196;
  };
  const slope = (alpha: number) => {
    const m = sigmoid(alpha);
    const outer = sepLoss === 'l2' ? 2 * (m - 0.5) : Math.sign(m - 0.5);
    return (-outer * m * (1 - m)) / 196;
  };
  const alphaGradients = (gradients: ReadonlyMap<string, Float64Array>) =>
    names('alpha').map((name) => {
      const alpha = parameters.get(name)!;
      return [name, gradients.get(name)!.map((value, i) => value + auxLossWeight * slope(alpha[i]))] as const;
    });
  const adam = (gradients: readonly (readonly [string, Float64Array])[], step: number) => {
    for (const [name, values] of gradients) {
      const alpha = parameters.get(name)!;
      const [mean, square] = moments.get(name)!;
      values.forEach((value, i) => {
        const gradient = value + arch.archWeightDecay * alpha[i];
        mean[i] = archLrGamma * mean[i] + (1 - archLrGamma) * gradient;
        square[i] = 0.999 * square[i] + 0.001 * gradient ** 2;
        const root = Math.sqrt(square[i] / (1 - 0.999 ** step)) + 1e-8;
        alpha[i] -= (arch.archLearningRate * (mean[i] / (1 - archLrGamma ** step))) / root;
      });
    }
  };
  const sgd = (gradients: ReadonlyMap<string, Float64Array>) => {
    const squares = names('weight').flatMap((name) => [...gradients.get(name)!].map((value) => value ** 2));
    const norm = Math.sqrt(squares.reduce((sum, value) => sum + value, 0));
    const scale = Math.min(1, gradClip / (norm + 1e-6));
    for (const name of names('weight')) {
      const [weights, [momentum]] = [parameters.get(name)!, moments.get(name)!];
      gradients.get(name)!.forEach((value, i) => {
        momentum[i] = rates.momentum * momentum[i] + scale * value + rates.weightDecay * weights[i];
        weights[i] -= rates.learningRate * momentum[i];
      });
    }
    figures['gradientNorm'].push(norm);
  };

  for (let step = 1; step <= searchSteps; step++) {
    const learned = pass(`${singleLevel ? 'train' : 'validation'} ${step - 1}`);
    const gradients = alphaGradients(learned.gradients);
    if (step === 1) for (const [name, data] of gradients) tensors.set(`gradient.${name}`, { shape: [14, 7], data });
    figures['validationLoss'].push(learned.loss!);
    figures['zeroOneLoss'].push(zeroOne());
    if (!singleLevel) adam(gradients, step);
    const trained = singleLevel ? learned : pass(`train ${step - 1}`);
    figures['loss'].push(trained.loss! + auxLossWeight * zeroOne());
    sgd(trained.gradients);
    if (singleLevel) adam(gradients, step);
  }
  for (const [name, values] of Object.entries(figures)) {
    tensors.set(name, { shape: [searchSteps], data: Float64Array.from(values) });
  }
  for (const [name, { spec }] of map.places) {
    const tensor = toTorch({ shape: spec.shape, data: parameters.get(name)! }, spec.layout);
    tensors.set(`${spec.role}.${name}`, spec.role === 'alpha' ? tensor : digest(tensor));
  }
  return tensors;
}

/** Every parameter as PyTorch's side begins with it. */
function startValues(map: ParameterMap): Map<string, Float64Array> {
  const arenas = drawArenas(map);
  return new Map(
    [...map.places].map(([name, { spec, offset, size }]) => {
      return [name, Float64Array.from(arenas[valueArenas[spec.role]].subarray(offset, offset + size))];
    }),
  );
}
