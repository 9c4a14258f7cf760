"""docs/rollouts.md says nothing that no test holds."""

import re
import tomllib
from pathlib import Path

import pytest

from edge import manifest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/rollouts.md").read_text()
CLAIM = re.compile(r"`\[(?P<file>tests/[\w/]+\.py)::(?P<test>\w+)\]`")
EXAMPLE = re.compile(r"```toml\n(?P<text>.*?)```", re.DOTALL)
WORKLOAD = 'name = "web"\n[workload.web]\nimage = "registry.example:5000/web:2"\n'


@pytest.mark.parametrize(("file", "test"), sorted(set(CLAIM.findall(PAGE))))
def test_each_claim_names_a_test_that_exists(file, test):
    """A test that is renamed or removed takes its claim along."""
    text = (ROOT / file).read_text()
    assert re.search(rf"^(async )?def {test}\(", text, re.MULTILINE), f"{file}: {test}"


@pytest.mark.parametrize("text", EXAMPLE.findall(PAGE))
def test_each_example_is_a_manifest(text):
    """Whole, or the table that it is about."""
    whole = text if "name" in tomllib.loads(text) else f"{WORKLOAD}{text}"
    assert manifest.parse(whole, file="web.toml").rollout is not None


def test_the_page_has_claims_and_examples():
    """If the patterns found nothing, the tests above would hold nothing."""
    assert len(CLAIM.findall(PAGE)) > 50
    assert len(EXAMPLE.findall(PAGE)) == 5
