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
test: _format lint types arch unit integration

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
        --ignore=tests/integration --ignore=tests/bench {{ ARGS }} tests

# one file per module, the laws in full, and a share of the adversary's attempts
unit *ARGS:
    pytest -n 2 --ignore=tests/integration --ignore=tests/bench {{ ARGS }} tests

# tests against real Mosquitto, Podman and network namespaces, as root
integration *ARGS:
    {{ root }} pytest -p no:cacheprovider {{ ARGS }} tests/integration

# 100,000 forged, replayed and mutated messages against the real code
adversary *ARGS:
    TUTTI_MUTATIONS=100000 pytest {{ ARGS }} tests/adversary

# one figure of docs/benchmarks.md, measured on this machine; no NAME lists them
bench NAME="" *ARGS:
    {{ root }} python -m tests.bench {{ NAME }} {{ ARGS }}

# edgectl lab: `just lab up --nodes 3`
lab *ARGS:
    {{ root }} edgectl lab {{ ARGS }}

# pins the newest versions that pyproject.toml allows: `just lock --upgrade`
lock *ARGS:
    uv pip compile pyproject.toml --output-file requirements.lock \
        --all-extras --universal --python-version 3.11 --generate-hashes \
        --no-annotate --no-header --no-emit-index-url --no-emit-find-links \
        --quiet {{ ARGS }}
