"""Everything is in its one obvious place, and no file outgrew it."""

import ast
import configparser
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("edge", "hub", "netmesh", "node")

# DESIGN's picture, then what tools and readers expect at the top.
TOP_LEVEL = {
    *PACKAGES,
    "firmware-images",
    "tests",
    "docs",
    "pyproject.toml",
    "requirements.lock",
    "justfile",
    "dev",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "STYLE.md",
}

LONGEST_FUNCTION = 60  # lines, docstring not counted: what fits on one screen
LONGEST_MODULE = 500  # lines: past that, a second subject has moved in

LAYOUT = tomllib.loads((ROOT / "tests/layout.toml").read_text())

# Spelled in halves, or this file would be the first to name one.
HOSTS = tuple(
    left + right
    for left, right in (
        ("pypi", ".org"),
        ("python", "hosted.org"),
        ("deb.deb", "ian.org"),
        ("security.deb", "ian.org"),
        ("registry.npm", "js.org"),
    )
)
MACHINE_PATHS = tuple("/work/" + name for name in ("main", "shared", "notes"))


def committed() -> list[Path]:
    """Every file git knows; a root that does not own the clone may ask too."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    paths = (ROOT / name for name in listed.split("\0") if name)
    return sorted(path for path in paths if path.is_file())


FILES = committed()
SOURCES = [path for path in FILES if path.suffix == ".py"]


def dotted(path: Path) -> str:
    """The name Python imports this file by."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def own_modules() -> list[str]:
    """Modules of the four packages that hold code; migrations are data."""
    return [
        dotted(path)
        for path in SOURCES
        if path.relative_to(ROOT).parts[0] in PACKAGES
        and "migrations" not in path.parts
        and (path.name != "__init__.py" or has_code(path))
    ]


def has_code(path: Path) -> bool:
    """Whether a package's __init__ does more than introduce it."""
    body = ast.parse(path.read_text()).body
    return any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in body)


def nearest(module: str, names: set[str]) -> str:
    """The module itself or the innermost package around it among the names, or ""."""
    while module and module not in names:
        module = module.rpartition(".")[0]
    return module


def pure_modules() -> set[str]:
    """The pure modules that import-linter watches."""
    config = configparser.ConfigParser()
    config.read(ROOT / ".importlinter")
    return set(config["importlinter:contract:pure"]["source_modules"].split())


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function's name and its length in lines without the docstring."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            told = ast.get_docstring(node) is not None
            spoken = (first.end_lineno or 0) - first.lineno + 1 if told else 0
            yield node.name, (node.end_lineno or 0) - node.lineno + 1 - spoken


def imports(path: Path) -> set[str | None]:
    """Every name that a file imports, or imports from."""
    return {
        name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (getattr(node, "module", None), *(a.name for a in node.names))
    }


def homes_of_tests(module: str) -> list[Path]:
    """Where a module's own tests may be: beside its name, or its package's."""
    package, *inner = module.split(".")
    folder = ROOT / "tests" / package
    return [
        folder.joinpath(*inner[:-1], f"test_{inner[-1]}.py"),
        *(folder / f"test_{'_'.join(inner[: i + 1])}.py" for i in range(len(inner))),
    ]


def test_nothing_new_lies_at_the_top() -> None:
    """A newcomer sees the picture of DESIGN.md, not a pile."""
    top = {path.relative_to(ROOT).parts[0] for path in FILES}
    assert {name for name in top if not name.startswith(".")} <= TOP_LEVEL


def test_every_module_is_tested_by_a_file_of_its_name() -> None:
    """Whoever changes a module knows which test to open.

    Write the first home that is missing here, or name the test that uses the module
    under [covered_by] in tests/layout.toml.
    """
    covered = set(LAYOUT["covered_by"])
    alone = [module for module in own_modules() if not nearest(module, covered)]
    missing = {
        module: str(homes_of_tests(module)[0].relative_to(ROOT))
        for module in alone
        if not any(path.is_file() for path in homes_of_tests(module))
    }
    assert missing == {}


def test_every_module_is_either_pure_or_a_shell() -> None:
    """A new module says which it is before import-linter can hold it to it.

    List it as pure in .importlinter, or as a shell, with a reason, in
    tests/layout.toml.
    """
    pure, shells = pure_modules(), set(LAYOUT["shells"])
    unclear = [m for m in own_modules() if nearest(m, pure) == nearest(m, shells)]
    assert unclear == []


@pytest.mark.parametrize("section", ["shells", "covered_by"])
def test_the_layout_names_only_what_exists(section: str) -> None:
    """An entry must not outlive its module."""
    known = set(own_modules())
    packages = {name.rpartition(".")[0] for name in known}
    assert set(LAYOUT[section]) <= known | packages | set(PACKAGES)


def test_every_covering_test_exists() -> None:
    """A module is not excused by a test that is gone."""
    assert [t for t in LAYOUT["covered_by"].values() if not (ROOT / t).exists()] == []


def test_no_module_outgrew_its_subject() -> None:
    """A second subject in a file is a second file."""
    lengths = {dotted(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert {m: lines for m, lines in lengths.items() if lines > LONGEST_MODULE} == {}


def test_every_function_fits_on_a_screen() -> None:
    """A function that cannot be seen at once cannot be judged at once."""
    found = [(dotted(path), *f) for path in SOURCES for f in functions(path)]
    assert [each for each in found if each[-1] > LONGEST_FUNCTION] == []


def test_nothing_is_patched() -> None:
    """A test that replaces a part by name tests the name."""
    patched = {"mock", "unittest.mock"}
    assert [dotted(path) for path in SOURCES if imports(path) & patched] == []


@pytest.mark.parametrize("needle", [*HOSTS, *MACHINE_PATHS])
def test_no_file_names_a_registry_or_this_machine(needle: str) -> None:
    """Whoever clones this uses the registry, mirror and folder they trust."""
    holders = [path for path in FILES if needle.encode() in path.read_bytes()]
    assert holders == []


def test_every_file_of_the_lock_is_pinned_by_its_hash() -> None:
    """What was reviewed is what gets installed."""
    entries = (ROOT / "requirements.lock").read_text().replace("\\\n", " ").split("\n")
    loose = [line for line in entries if line and "--hash=sha256:" not in line]
    assert loose == []
