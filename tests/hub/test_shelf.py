from edge import envelope
from hub.shelf import Kept, Shelf, fitting
from tests.support import builders
from tests.support.builders import Device, signed
from tests.support.fleets import shelf_of


def kept(stream: str, size: int) -> Kept:
    """An envelope of so many bytes."""
    body = b'"' + b"x" * (size - 2) + b'"'
    return Kept(stream=stream, counter=(1,), digest=stream, envelope=body)


def test_the_newest_of_a_stream_replaces_the_one_before() -> None:
    """A tombstone shares the stream of its deployment."""
    shelf = shelf_of(signed(builders.deployment()), signed(builders.tombstone()))
    assert shelf.get("deployment/web").counter == (2,)


def test_trust_is_kept_from_the_first_to_the_last() -> None:
    """A device that was away follows the chain."""
    shelf = shelf_of(*(signed(builders.trusted(n)) for n in (1, 2, 3)))
    assert [each.counter for each in shelf.trust_since(1)] == [(2,), (3,)]
    assert [each.counter for each in shelf.newest_trust(2)] == [(2,), (3,)]


def test_secrets_are_found_by_their_recipient() -> None:
    """Publishing to one device does not look at everyone's secrets."""
    n1, n2 = Device("n1"), Device("n2")
    secrets = (builders.secret("web/a", n1), builders.secret("web/b", n2))
    shelf = shelf_of(*(signed(each) for each in secrets))
    assert shelf.sealed[n1.id] == {f"secret/web/a/{n1.id}"}


def test_a_page_holds_what_fits_and_says_where_to_go_on() -> None:
    """A fleet's documents do not fit into one answer."""
    shelf = Shelf(newest={f"s/{n}": kept(f"s/{n}", 400_000) for n in range(5)})
    first, after = shelf.page("s/", "")
    second, _ = shelf.page("s/", after)
    assert [each.stream for each in first] == ["s/0", "s/1"]
    assert after == "s/1"
    assert second[0].stream == "s/2"
    assert shelf.page("s/", "s/3") == ((shelf.newest["s/4"],), "")
    assert shelf.page("nothing/", "") == ((), "")


def test_what_fits_is_a_bundle_every_reader_takes() -> None:
    """One byte too many and a device could not read any of it."""
    many = [kept(f"s/{n}", 100_000) for n in range(30)]
    found = fitting(iter(many), reserved=50_000, count=1)
    assert 0 < len(found) < len(many)
    assert len(envelope.unbundle(envelope.bundle(k.envelope for k in found))) > 0


def test_a_bundle_holds_a_bounded_number_of_documents() -> None:
    """Small documents meet the other limit."""
    many = [kept(f"s/{n}", 10) for n in range(600)]
    assert len(fitting(iter(many), count=1)) == envelope.BUNDLE_COUNT_MAX - 1


def test_the_way_back_is_an_older_version_of_a_deployment() -> None:
    """Where there is one, and it was kept."""
    back = signed(builders.deployment())
    newest = signed(builders.deployment(version=2, fallback=1))
    shelf = shelf_of(back, newest)
    found = shelf.way_back(shelf.newest["deployment/web"])
    assert found is not None
    assert (found.stream, found.counter) == ("deployment/web", (1,))
    assert found.envelope == back
    alone = shelf_of(newest)
    assert alone.way_back(alone.newest["deployment/web"]) is None
    without = shelf_of(back)
    assert without.way_back(without.newest["deployment/web"]) is None
