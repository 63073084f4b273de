#!/bin/sh
# The protocol tables of RESULTS.md: DARTS, FairDARTS and DARTS-PT with five seeds, in sizes that take minutes on two cores. Such searches are
# far smaller than the published ones, so that the tables tell whether the protocol works, not which method is best.
#   bench/protocol.sh DATA [OUT] [SEEDS]     DATA holds cifar-10-batches-bin and nasbench201/nasbench201.csv
# Interrupted, the same command goes on.
set -eu
data=$1
out=${2:-runs/protocol}
seeds=${3:-5}
cifar="--dataset cifar10 --data-dir $data/cifar-10-batches-bin"
dartsmith="node $(dirname "$0")/../dist/cli/bin.cjs"

# A part of CIFAR-10: searches on 300 images, trainings from scratch on 2,000, scored on 2,000 test images.
$dartsmith protocol --seeds "$seeds" $cifar --limit 300 --batch-size 16 --epochs 5 --init-channels 4 --layers 4 \
  --by projection --select-preset quick \
  --arm fairdarts='--method fairdarts --arch-learning-rate 0.1' \
  --then 'train --limit 2000 --batch-size 32 --epochs 5 --init-channels 8 --layers 4 --no-auxiliary --learning-rate 0.05' \
  --out "$out/cifar10" --markdown

# NAS-Bench-201: searches on 1,000 images, cells looked up; picked by accuracies after 12 epochs on images to validate on.
$dartsmith protocol --seeds "$seeds" $cifar --space nasbench201 --limit 1000 --batch-size 32 --epochs 5 --init-channels 8 --layers 3 \
  --by projection --select-preset quick \
  --arm fairdarts='--method fairdarts --parse-method darts --arch-learning-rate 0.006' \
  --pick-best-by validation --benchmark "$data/nasbench201/nasbench201.csv" --out "$out/nasbench201" --markdown
