#!/usr/bin/env bash
# Applies each mistake in this directory to a copy of the tree and demands that the simulation sees it, or the tests
# that the patch names in a line `# seen by: cargo test …`.
#
#   tests/mutants/run.sh [NAME…]     all of them, or those named; exits 1 when one survives or cannot be judged
#
# The copy lies under target/mutants/ and has a target directory of its own, because cargo would take what it builds
# there for the tree's. That directory begins with the dependencies that are built already, and is kept.
# BILLING_SIMULATION_SEEDS bounds the search.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$root/target/mutants
export CARGO_TARGET_DIR=$scratch/build RUST_BACKTRACE=0
export BILLING_SIMULATION_SEEDS=${BILLING_SIMULATION_SEEDS:-3000}
unset BILLING_SIMULATION_SEED

names=("$@")
if [ ${#names[@]} -eq 0 ]; then
    for patch in "$root"/tests/mutants/*.patch; do names+=("$(basename "$patch" .patch)"); done
fi

# A file keeps its time while it keeps its content, so that cargo builds only what a mutant changes.
refresh() {
    mkdir -p "$scratch/tree"
    (cd "$root" && find Cargo.toml Cargo.lock config.toml src tests -type f) | while read -r file; do
        if ! cmp -s "$root/$file" "$scratch/tree/$file"; then
            mkdir -p "$(dirname "$scratch/tree/$file")"
            cp "$root/$file" "$scratch/tree/$file"
        fi
    done
}

begin_with_dependencies() {
    if [ -d "$root/target/debug" ] && [ ! -d "$scratch/build" ]; then
        mkdir -p "$scratch/build/debug"
        cp -a "$root/target/debug/"{deps,build,.fingerprint} "$scratch/build/debug/"
        (cd "$scratch/tree" && cargo clean --quiet --package billing-engine)
    fi
}

simulate() {
    (cd "$scratch/tree" && cargo test --quiet --test simulation the_promises >"$1" 2>&1)
}

# The tests that a patch names, if it does.
others() {
    sed -n 's/^# seen by: cargo test //p' "$root/tests/mutants/$1.patch"
}

survivors=0
verdict() {
    printf '%-26s %-10s %6s  %s\n' "$@"
}

rm -rf "$scratch/tree"
refresh
begin_with_dependencies
verdict mutant verdict seconds 'what was seen'
if ! simulate "$scratch/unchanged.log"; then
    verdict '(none)' FAILS "$SECONDS" "the simulation fails without any mutant, see $scratch/unchanged.log"
    exit 1
fi
verdict '(none)' passes "$SECONDS" ''
for name in "${names[@]}"; do
    refresh
    log=$scratch/$name.log
    begun=$SECONDS
    if ! patch --quiet --directory "$scratch/tree" --strip 1 <"$root/tests/mutants/$name.patch" >"$log"; then
        verdict "$name" UNJUDGED $((SECONDS - begun)) 'it does not apply'
        survivors=$((survivors + 1))
        continue
    fi
    others=$(others "$name")
    if [ -n "$others" ]; then
        # shellcheck disable=SC2086 # several arguments
        if (cd "$scratch/tree" && cargo test --quiet $others >"$log" 2>&1); then
            verdict "$name" SURVIVES $((SECONDS - begun)) ''
            survivors=$((survivors + 1))
        elif seen=$(grep -m1 'panicked at' "$log"); then
            verdict "$name" caught $((SECONDS - begun)) "$(cut -d"'" -f2 <<<"$seen")"
        else
            verdict "$name" UNJUDGED $((SECONDS - begun)) "it does not build, see $log"
            survivors=$((survivors + 1))
        fi
    elif simulate "$log"; then
        verdict "$name" SURVIVES $((SECONDS - begun)) ''
        survivors=$((survivors + 1))
    elif seen=$(grep -A1 -m1 'replay it with' "$log"); then
        seed=$(head -n1 <<<"$seen" | cut -d' ' -f1,2)
        verdict "$name" caught $((SECONDS - begun)) "$seed: $(tail -n1 <<<"$seen" | cut -c1-110)"
    else
        verdict "$name" UNJUDGED $((SECONDS - begun)) "it does not build, see $log"
        survivors=$((survivors + 1))
    fi
done
exit $((survivors > 0))
