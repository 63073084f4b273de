#!/usr/bin/env bash
# gpu:check on a machine with nvcc, cmake and a C++ compiler, but neither Node nor a network. `npm run gpu:pack` puts it in a
# folder at the root of the working tree, which is then copied. Options go to the check (--help tells them), results to $OUT,
# else to the root. All that is made lies in build-gpu/ there. With DARTSMITH_ADDON=PATH that addon is taken as it is. `run.sh lease`
# is gpu:lease.
set -euo pipefail
pack=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tree=$(dirname "$pack")
build=$tree/build-gpu
export OUT=${OUT:-$tree}
mkdir -p "$build" "$OUT"

say() { echo "gpu-pack: $*" >&2; }

unpack_node() {
  if command -v xz > /dev/null; then
    xz --decompress --stdout "$pack/node.xz" > "$build/node.part"
  else
    python3 -c 'import lzma, shutil, sys; shutil.copyfileobj(lzma.open(sys.argv[1]), open(sys.argv[2], "wb"))' \
      "$pack/node.xz" "$build/node.part"
  fi
  chmod +x "$build/node.part"
  mv "$build/node.part" "$build/node"
}

node=node
if [[ -f $pack/node.xz ]]; then
  node=$build/node
  if [[ ! -x $node || $pack/node.xz -nt $node ]]; then
    say "unpacking node"
    unpack_node
  fi
fi
"$node" --version > /dev/null || { say "node does not run here"; exit 1; }

# What fails is shown in full, the rest is kept beside the results.
logged() {
  local log=$OUT/$1
  shift
  if ! "$@" > "$log" 2>&1; then
    tail -n 60 "$log" >&2
    say "failed: $*"
    exit 1
  fi
}

build_addon() {
  local cuda=ON targets=(dartsmith) options=()
  case " $* " in
    *" --backend simt "* | *" --backend=simt "*) cuda=OFF targets+=(simt) options+=(-DDARTSMITH_SIMT=ON) ;;
    *" --backend cpu "* | *" --backend=cpu "*) cuda=OFF ;;
  esac
  if ! command -v make > /dev/null && command -v ninja > /dev/null; then options+=(-G Ninja); fi
  for folder in "${CUDA_HOME:-}" /usr/local/cuda; do
    if ! command -v nvcc > /dev/null && [[ -x $folder/bin/nvcc ]]; then export PATH=$PATH:$folder/bin; fi
  done
  say "building the addon with cmake and $(nproc) jobs"
  logged configure.log cmake -S "$tree" -B "$build/addon" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_JS_INC="$pack/include" -DDARTSMITH_CUDA="$cuda" ${options[@]+"${options[@]}"}
  logged build.log cmake --build "$build/addon" --parallel "$(nproc)" --target "${targets[@]}"
  export DARTSMITH_ADDON=$build/addon/dartsmith.node
}

if [[ -z ${DARTSMITH_ADDON:-} ]]; then build_addon "$@"; fi
DARTSMITH_COMMIT=$(cat "$pack/commit")
export DARTSMITH_COMMIT
command=check
if [[ ${1:-} == lease ]]; then
  command=lease
  shift
fi
exec "$node" "$pack/js/bench/gpu/$command.js" "$@"
