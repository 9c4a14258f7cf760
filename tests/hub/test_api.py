import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge import documents, envelope
from edge.bucket import Rate
from edge.documents import Session
from edge.errors import StoreError
from hub import api
from hub.api import Api, Word
from hub.desk import Desk
from hub.records import Batch
from tests.support import asgi, builders, desks
from tests.support.asgi import Answer
from tests.support.builders import OPERATOR, Device, signed
from tests.support.desks import CODE

N1, N2 = Device("n1"), Device("n2")
FLOOD = Rate(burst=20, per_second=0)
PRIVATE = (
    "/v1/nodes",
    "/v1/replicas",
    "/v1/deployments",
    "/v1/deployments/web",
    "/v1/deployments/web/revisions",
    "/v1/deployments/web/revisions/1",
    "/v1/rollouts/web",
    "/v1/documents",
    "/v1/vouchers",
    "/v1/events",
    "/v1/counters",
)


class Client:
    """An operator in front of a hub."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        word = Word(url="https://hub:8443", broker="mqtts://hub", version="9")
        self.api = Api(desk, word, flood=FLOOD)
        self.token = ""

    async def get(self, path: str, **headers: str) -> Answer:
        if self.token:
            headers = {"Authorization": f"Bearer {self.token}", **headers}
        return await asgi.ask(self.api.app, "GET", path, **headers)

    async def post(self, path: str, body: bytes, **headers: str) -> Answer:
        return await asgi.ask(self.api.app, "POST", path, body, **headers)

    async def hand_in(self, *envelopes: bytes, **headers: str) -> Answer:
        return await self.post("/v1/documents", envelope.bundle(envelopes), **headers)

    async def open_session(self) -> None:
        nonce = (await self.get("/v1/challenge")).json["nonce"]
        me = self.desk.identity.key.public
        answer = Session(fleet=builders.FLEET, nonce=nonce, hub=me)
        found = await self.post("/v1/sessions", documents.sign(answer, OPERATOR))
        self.token = found.json["token"]


@pytest.fixture
async def fresh(tmp_path: Path) -> AsyncIterator[Client]:
    """A hub that belongs to nobody."""
    desks.make(tmp_path)
    async with desks.open_desk(tmp_path) as desk:
        yield Client(desk)


@pytest.fixture
async def client(fresh: Client) -> Client:
    """An operator of a hub with n1 and n2, logged in."""
    await desks.founded(fresh.desk, N1, N2)
    await fresh.open_session()
    return fresh


def problem(answer: Answer) -> tuple[int, str]:
    """(status, reason) of a refusal."""
    return answer.status, answer.json["error"]["reason"]


async def test_a_hub_says_who_it_is_to_anybody(fresh: Client) -> None:
    """Before and after it was adopted."""
    before = (await fresh.get("/v1/hub")).json
    assert (before["adopted"], before["fleet"]) == (False, "")
    assert before["key"] == fresh.desk.identity.key.public
    assert before["ca"].startswith("-----BEGIN CERTIFICATE")
    await desks.founded(fresh.desk)
    after = (await fresh.get("/v1/hub")).json
    assert (after["adopted"], after["fleet"]) == (True, "shop")
    assert (after["url"], after["broker"]) == ("https://hub:8443", "mqtts://hub")


async def test_the_code_adopts_over_https(fresh: Client) -> None:
    """In a header of its own."""
    trust = signed(desks.trust_for(fresh.desk.identity))
    assert (await fresh.hand_in(trust)).status == 403
    assert (await fresh.hand_in(trust, Tutti_Adoption=CODE)).status == 200


async def test_trust_is_everybodys(client: Client) -> None:
    """A device begins with it."""
    everything = await asgi.ask(client.api.app, "GET", "/v1/trust")
    assert len(envelope.unbundle(everything.body)) == 1
    newer = await client.get("/v1/trust?since=1")
    assert envelope.unbundle(newer.body) == ()


@pytest.mark.parametrize("path", PRIVATE)
async def test_reading_needs_a_session(client: Client, path: str) -> None:
    """No token, another's token, the token in another scheme."""
    for headers in (
        {},
        {"Authorization": "Bearer x"},
        {"Authorization": f"Basic {client.token}"},
    ):
        answer = await asgi.ask(client.api.app, "GET", path, **headers)
        assert problem(answer) == (401, "no-session")


async def test_a_session_is_an_operators(client: Client) -> None:
    """A stranger's signature opens none, and it is counted."""
    nonce = (await client.get("/v1/challenge")).json["nonce"]
    me = client.desk.identity.key.public
    answer = Session(fleet=builders.FLEET, nonce=nonce, hub=me)
    forged = documents.sign(answer, builders.STRANGER)
    assert problem(await client.post("/v1/sessions", forged)) == (403, "not-authorised")
    assert client.desk.backlog.counters["message: not-authorised"] == 1


async def test_a_bundle_is_answered_document_by_document(client: Client) -> None:
    """Up to the first refusal, whose status is the answer's."""
    forged = signed(builders.deployment("x"), builders.STRANGER)
    answer = await client.hand_in(signed(builders.deployment()), forged)
    assert answer.status == 403
    assert [each["result"] for each in answer.json["results"]] == [
        "accepted",
        "refused",
    ]


async def test_a_member_is_answered_with_its_certificate(client: Client) -> None:
    """Again, if it asks again."""
    first = await client.hand_in(signed(builders.member(Device("n3"))))
    again = await client.hand_in(signed(builders.member(Device("n3"))))
    (accepted,), (known,) = first.json["results"], again.json["results"]
    assert (accepted["result"], known["result"]) == ("accepted", "known")
    assert accepted["certificate"] == known["certificate"] != ""


async def test_nodes_are_listed_page_by_page(client: Client) -> None:
    """By name; the last page leads nowhere."""
    first = (await client.get("/v1/nodes?limit=1")).json
    second = (await client.get(f"/v1/nodes?limit=1&after={first['next']}")).json
    assert [first["nodes"][0]["name"], second["nodes"][0]["name"]] == ["n1", "n2"]
    assert (first["next"], second["next"]) == ("n1", "")


async def deploy(client: Client) -> None:
    """Web, on n1."""
    desks.report(client.desk, N1)
    assert (await client.hand_in(signed(builders.deployment()))).status == 200


async def test_replicas_and_deployments_are_shown(client: Client) -> None:
    """What `edgectl ps` and `edgectl deploy` print."""
    await deploy(client)
    rows = (await client.get("/v1/replicas?deployment=web")).json["replicas"]
    assert [(row["replica"], row["node"], row["state"]) for row in rows] == [
        ("web.1", "n1", "waiting")
    ]
    assert (await client.get("/v1/replicas?deployment=other")).json == {"replicas": []}
    status = (await client.get("/v1/deployments/web")).json
    assert status["expected"] == [{"slot": "web/web.1", "node": "n1", "term": 1}]
    lines = (await client.get("/v1/deployments")).json["deployments"]
    assert [(each["name"], each["healthy"]) for each in lines] == [("web", 0)]


@pytest.mark.parametrize("name", ["nothing", "%2e%2e", "A"])
async def test_what_never_was_is_not_found(client: Client, name: str) -> None:
    """Nor what could not have a name."""
    answer = await client.get(f"/v1/deployments/{name}")
    assert problem(answer) == (404, "not-found")


async def test_what_did_not_change_is_not_sent_again(client: Client) -> None:
    """A poll costs a few bytes."""
    first = await client.get("/v1/nodes")
    again = await client.get("/v1/nodes", If_None_Match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    desks.report(client.desk, N1)
    changed = await client.get("/v1/nodes", If_None_Match=first.headers["etag"])
    assert changed.status == 200


async def test_a_long_poll_ends_with_the_change(client: Client) -> None:
    """As soon as a device reports."""
    await deploy(client)
    first = await client.get("/v1/deployments/web")
    tag = first.headers["etag"]
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(
            client.get("/v1/deployments/web?wait=30", If_None_Match=tag)
        )
        await asyncio.sleep(0.01)
        running = builders.status("web/web.1")
        desks.report(client.desk, N1, 2, replicas=(running,))
    assert asked.result().json["replicas"][0]["healthy"]


def names(answer: Answer) -> list[str]:
    """The names in a bundle of documents that have one."""
    opened = (builders.opened(each)[0] for each in envelope.unbundle(answer.body))
    return [str(getattr(each, "name", "")) for each in opened]


async def test_documents_are_served_by_prefix(client: Client) -> None:
    """For whoever judges them itself."""
    found = await client.get("/v1/documents?prefix=member/")
    assert set(names(found)) == {"n1", "n2"}
    assert "tutti-next" not in found.headers


async def test_a_long_list_of_documents_has_pages(client: Client) -> None:
    """Each of them a bundle."""
    big = {"env": {f"k{n}": "x" * 4096 for n in range(40)}}
    for number in range(6):
        name = f"d{number}"
        work = builders.workload(name, **big)
        await client.hand_in(signed(builders.deployment(name, workloads=(work,))))
    seen: list[str] = []
    after = ""
    while True:
        page = await client.get(f"/v1/documents?prefix=deployment/&after={after}")
        seen += names(page)
        after = page.headers.get("tutti-next", "")
        if not after:
            break
    assert seen == [f"d{number}" for number in range(6)]


async def test_events_are_followed_by_number(client: Client) -> None:
    """The newest first time, what comes after it from then on."""
    await client.desk.flush()
    events = (await client.get("/v1/events?limit=3")).json["events"]
    assert len(events) == 3
    last = events[-1]["id"]
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(client.get(f"/v1/events?after={last}&wait=30"))
        await asyncio.sleep(0.01)
        client.desk.tell("kind", "subject", "text")
        await client.desk.flush()
    assert [each["text"] for each in asked.result().json["events"]] == ["text"]


async def test_vouchers_and_counters_are_shown(client: Client) -> None:
    """For `edgectl doctor`."""
    assert (await client.get("/v1/vouchers")).json["vouchers"][0]["used"] == 2
    await client.hand_in(signed(builders.deployment(), builders.STRANGER))
    counters = (await client.get("/v1/counters")).json["counters"]
    assert counters == {"deployment: not-authorised": 1}


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/v1/nodes?limit=x", "malformed"),
        ("/v1/nodes?limit=-1", "malformed"),
        ("/v1/trust?since=99999999999999999999", "malformed"),
        ("/v1/events?after=%D9%A3", "malformed"),
        ("/v1/events?wait=nan", "malformed"),
        ("/v1/nothing", "not-found"),
        ("/", "not-found"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(
    client: Client, path: str, reason: str
) -> None:
    """By name, like everything."""
    status, said = problem(await client.get(path))
    assert said == reason
    assert status in {400, 404}


async def test_too_large_a_body_is_not_read(client: Client) -> None:
    """Not to its end."""
    answer = await client.post("/v1/documents", b" " * (envelope.BUNDLE_MAX + 1))
    assert problem(answer) == (413, "too-large")
    answer = await client.post("/v1/sessions", b" " * (api.SESSION_MAX + 1))
    assert problem(answer) == (413, "too-large")


async def test_a_flood_of_forgeries_is_stopped_at_its_address(client: Client) -> None:
    """Others, and what is accepted, go on."""
    forged = signed(builders.member(N1), builders.STRANGER)
    statuses = set()
    while (answer := await client.hand_in(forged)).status != 429:
        statuses.add(answer.status)
    assert statuses == {403}
    assert problem(answer) == (429, "too-many")
    body = envelope.bundle([signed(builders.deployment())])
    other = await asgi.ask(
        client.api.app, "POST", "/v1/documents", body, address="10.0.0.2"
    )
    assert other.status == 200


async def test_a_full_disk_is_told(client: Client) -> None:
    """Nothing was changed; trying again may help."""
    store = client.desk.archive._store  # noqa: SLF001 - the disk is what fails

    def full(batch: Batch) -> None:
        raise StoreError(f"cannot write {len(batch.documents)}: the disk is full")

    store.commit = full  # type: ignore[method-assign]
    answer = await client.hand_in(signed(builders.deployment()))
    assert problem(answer) == (503, "not-stored")


async def test_the_description_is_served(fresh: Client) -> None:
    """To machines, without a session."""
    assert (await fresh.get("/openapi.json")).json["openapi"] == "3.1.0"


async def test_a_rollout_is_followed_like_a_deployment(client: Client) -> None:
    """404 for what is not there."""
    await client.hand_in(signed(builders.deployment()))
    answer = await client.get("/v1/rollouts/web")
    assert (answer.status, answer.json["phase"]) == (200, "idle")
    again = await client.get("/v1/rollouts/web", If_None_Match=answer.headers["etag"])
    assert again.status == 304
    for name in ("other", "NOT-A-NAME"):
        assert problem(await client.get(f"/v1/rollouts/{name}")) == (404, "not-found")


async def test_versions_are_listed_and_served_as_they_were_signed(
    client: Client,
) -> None:
    """For whoever undoes a change."""
    first = signed(builders.deployment())
    await client.hand_in(first, signed(builders.deployment(version=2)))
    listed = await client.get("/v1/deployments/web/revisions")
    assert [each["version"] for each in listed.json] == [1, 2]
    assert (await client.get("/v1/deployments/web/revisions/1")).body == first
    odd = ("x", "3", "1234567890123456x", "1" * 5_000)
    for path in ("other/revisions", *(f"web/revisions/{each}" for each in odd)):
        answer = await client.get(f"/v1/deployments/{path}")
        assert problem(answer) == (404, "not-found")
