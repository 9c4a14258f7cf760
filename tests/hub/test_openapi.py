import json
from pathlib import Path

import pytest
from starlette.routing import Route

from hub import openapi
from hub.api import Api, Word
from tests.support import desks

SECRET = {"401"}


@pytest.fixture
async def routes(tmp_path: Path) -> set[tuple[str, str]]:
    """(path, verb) of every route there is."""
    desks.make(tmp_path)
    async with desks.open_desk(tmp_path) as desk:
        api = Api(desk, Word(url="", broker="", version="1"))
        return {
            (route.path, verb.lower())
            for route in api.app.routes
            if isinstance(route, Route)
            for verb in (route.methods or set()) - {"HEAD"}
        }


def described() -> set[tuple[str, str]]:
    """(path, verb) of everything that is written down."""
    return {(path, verb) for path, verbs in openapi.PATHS.items() for verb in verbs}


async def test_every_route_is_described_and_every_description_is_a_route(
    routes: set[tuple[str, str]],
) -> None:
    """Neither may go on without the other."""
    assert routes == described()


def test_every_reference_leads_somewhere() -> None:
    """A generator of clients would stumble."""
    whole = openapi.describe("1")
    text = json.dumps(whole)
    names = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names <= set(whole["components"]["schemas"])


@pytest.mark.parametrize("path", ["/v1/nodes", "/v1/replicas", "/v1/counters"])
def test_what_needs_a_session_says_so(path: str) -> None:
    """And what answer comes without one."""
    described_as = openapi.PATHS[path]["get"]
    assert described_as["security"] == [{"session": []}]
    assert set(described_as["responses"]) >= SECRET


def test_the_protocol_page_lists_every_path() -> None:
    """For people."""
    page = (Path(__file__).parents[2] / "docs/protocol.md").read_text()
    for path, _ in described():
        assert path.replace("{", "<").replace("}", ">") in page, path
