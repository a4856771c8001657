#!/usr/bin/env bash
# Measures the suite on a GPU, in under eight minutes: bench/gpu.sh [--rehearse] [PART ...]
#
# The parts are: tests answers search encode labels commands. Without names all of them run. Each writes its figures to
# DIR/<part>.json as they come and its output to DIR/gpu.log, where DIR is $OUT or bench/results/gpu; a part that fails
# or takes too long loses nothing of the others. --rehearse runs everything on the CPU with tiny sizes.
# It needs torch, transformers and sentence-transformers, and makes its own checkpoints. PYTHON names the interpreter.
set -u
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
out=${OUT:-bench/results/gpu}
rehearse=()
parts=()
for argument in "$@"; do
    case $argument in
        --rehearse) rehearse=(--rehearse) ;;
        tests | answers | search | encode | labels | commands) parts+=("$argument") ;;
        *)
            echo "error: unknown part '$argument'" >&2
            echo "hint: choose from: tests answers search encode labels commands, and --rehearse" >&2
            exit 2
            ;;
    esac
done
[ ${#parts[@]} -gt 0 ] || parts=(tests answers search encode labels commands)
mkdir -p "$out"
: >"$out/gpu.log"
export PYTHONUNBUFFERED=1
TOTAL=470 # seconds for all parts
mapfile -t tests < <(grep -rl --include='test_*.py' 'mark\.gpu' tests) # other files may need packages that are not there

failed=()
for part in "${parts[@]}"; do
    case $part in
        tests) seconds=80 ;;
        encode | search) seconds=120 ;;
        commands) seconds=130 ;;
        *) seconds=80 ;;
    esac
    left=$((TOTAL - SECONDS))
    [ "$seconds" -le "$left" ] || seconds=$((left > 1 ? left : 1))
    [ ${#rehearse[@]} -eq 0 ] || seconds=300
    command=("$python" "bench/gpu_$part.py" --out "$out" ${rehearse[@]+"${rehearse[@]}"})
    [ "$part" != tests ] || command=("$python" -m pytest -q -m gpu -p no:cacheprovider "${tests[@]}")
    echo "== $part" >>"$out/gpu.log"
    start=$SECONDS
    timeout -k 5 "$seconds" "${command[@]}" >>"$out/gpu.log" 2>&1
    code=$?
    echo "== $part ended with $code after $((SECONDS - start)) s" | tee -a "$out/gpu.log"
    [ $code -eq 0 ] || failed+=("$part")
done
"$python" bench/gpu_summary.py "$out"
if [ ${#failed[@]} -gt 0 ]; then
    echo "failed: ${failed[*]} (see $out/gpu.log)"
    exit 1
fi
