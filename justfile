# Run these as `./dev RECIPE`: it installs what they need first.
set shell := ["sh", "-eu", "-c"]

# A fleet on one machine is made of network namespaces and containers, which are root's.
# Through sudo nothing is written into the tree, or it would belong to root as well.
root := if `id -u` == "0" { "" } else {
    "sudo env PATH=\"$PATH\" ${CI+CI=\"$CI\"} PYTHONDONTWRITEBYTECODE=1"
}

# lists the recipes
[private]
default:
    @just --list --unsorted

# narrates a whole fleet on this machine: three devices, a deploy, a power cut
demo:
    {{ root }} python -m edge.lab.demo

# everything that CI runs: style, types, arrows, unit tests and laws, the real parts
test: _format lint types arch unit _sim integration (chaos "40") image-smoke

# before each commit: format, lint, types, arrows, quick tests; offline, < 1 min
check: _format lint types arch quick

# writes every file the way `check` wants it
fmt:
    ruff format .
    ruff check --fix-only --quiet .

[private]
_format:
    ruff format --check .

# style and common errors, rule by rule in pyproject.toml
lint:
    ruff check .

# mypy, strict on the four packages
types:
    mypy

# who may import whom (.importlinter)
arch:
    lint-imports

# one file per module, and a glance at each law
quick *ARGS:
    pytest -n 2 --hypothesis-profile=quick --ignore=tests/adversary \
        --ignore=tests/integration --ignore=tests/bench --ignore=tests/chaos \
        --ignore=tests/sim --ignore=tests/firmware {{ ARGS }} tests

# one file per module, the laws in full, and a share of the adversary's attempts
unit *ARGS:
    pytest -n 2 --ignore=tests/integration --ignore=tests/bench \
        --ignore=tests/chaos --ignore=tests/firmware {{ ARGS }} tests

# Real Mosquitto, Podman and namespaces, as root; two files at once, as most is waiting.
integration *ARGS:
    {{ root }} pytest -p no:cacheprovider -n 2 --dist loadfile {{ ARGS }} \
        tests/integration

# fleets in virtual time on fresh seeds: three minutes of them, at least 300
sim *ARGS:
    python -m tests.sim.campaign general --seeds 300 --seconds 180 {{ ARGS }}

# Every law on fresh seeds, about three minutes of them; one that breaks names its seed.
[private]
_sim:
    python -m tests.sim.campaign general --seeds 120
    python -m tests.sim.campaign strict --seeds 180
    python -m tests.sim.campaign rollouts --seeds 30

# `strict` replicas on very bad days of six virtual minutes: `just sim-strict 10000`
sim-strict SEEDS="300" *ARGS:
    python -m tests.sim.campaign strict --seeds {{ SEEDS }} {{ ARGS }}

# a thousand devices in ten waves, a hub that forgets: `just sim-rollouts 1000`
sim-rollouts SEEDS="100" *ARGS:
    python -m tests.sim.campaign rollouts --seeds {{ SEEDS }} {{ ARGS }}

# an hour of 20 % loss, 50 to 250 ms and a busy processor: no false deaths
sim-quiet SEEDS="10" *ARGS:
    python -m tests.sim.campaign quiet --seeds {{ SEEDS }} {{ ARGS }}

# an image from recipe to running device, in QEMU, as root: what CI has time for
image-smoke *ARGS:
    {{ root }} pytest -p no:cacheprovider -s -x -m "not long" {{ ARGS }} tests/firmware

# two devices from one image: power cuts, no hub, damaged disks, idle minutes
image-test *ARGS:
    {{ root }} pytest -p no:cacheprovider -s -x {{ ARGS }} tests/firmware

# the arm64 image, built and booted by emulation: by hand, about 20 minutes
image-test-arm64 *ARGS: _emulation
    {{ root }} env TUTTI_RECIPE=debian-arm64 pytest -p no:cacheprovider -s -x \
        -m "not long and not work" {{ ARGS }} tests/firmware

# what systemd does at its start where it is running
[private]
_emulation:
    test -e /proc/sys/fs/binfmt_misc/qemu-aarch64 || {{ root }} sh -ec \
        'mountpoint -q /proc/sys/fs/binfmt_misc || \
        mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc; \
        /usr/lib/systemd/systemd-binfmt'

# 100,000 forged, replayed and mutated messages against the real code
adversary *ARGS:
    TUTTI_MUTATIONS=100000 pytest {{ ARGS }} tests/adversary

# a storm of faults on real parts, as root: `just chaos 600`, `just chaos 600 SEED`
chaos SECONDS="600" SEED="0":
    {{ root }} env TUTTI_CHAOS_SECONDS={{ SECONDS }} TUTTI_CHAOS_SEED={{ SEED }} \
        pytest -p no:cacheprovider -s tests/chaos

# a strict replica loses its device, round after round, as root: `just rounds 200`
rounds ROUNDS="200" SEED="0":
    {{ root }} env TUTTI_ROUNDS={{ ROUNDS }} TUTTI_ROUNDS_SEED={{ SEED }} \
        pytest -p no:cacheprovider -s tests/chaos/test_rounds.py

# one figure of docs/benchmarks.md, measured on this machine; no NAME lists them
bench NAME="" *ARGS:
    {{ root }} python -m tests.bench {{ NAME }} {{ ARGS }}

# edgectl lab: `just lab up --nodes 3`
lab *ARGS:
    {{ root }} edgectl lab {{ ARGS }}

# pins the newest versions that pyproject.toml allows: `just lock --upgrade`
lock *ARGS: (_compile "requirements.lock" "--all-extras" ARGS)
    # A device gets the same versions, and nothing that only operators or hubs need.
    just _compile firmware-images/common/requirements.lock "--extra node" \
        --constraints requirements.lock

[private]
_compile FILE EXTRAS *ARGS:
    uv pip compile pyproject.toml --output-file {{ FILE }} {{ EXTRAS }} \
        --universal --python-version 3.11 --generate-hashes \
        --no-annotate --no-header --no-emit-index-url --no-emit-find-links \
        --quiet {{ ARGS }}
