from hub.lineage import KEPT, Lineage, spared_by
from tests.support import builders
from tests.support.builders import signed


def lineage(*documents: object) -> Lineage:
    """What is kept after these were accepted."""
    made = Lineage()
    for each in documents:
        made.put(each, builders.digest(each), signed(each))
    return made


def test_every_version_is_kept_as_it_was_signed() -> None:
    """To look back, and to undo."""
    one, two = builders.deployment(), builders.deployment(version=2)
    made = lineage(one, two)
    assert [each.document for each in made.revisions("web")] == [one, two]
    found = made.revision("web", 1)
    assert found is not None
    assert (found.envelope, found.digest) == (signed(one), builders.digest(one))
    assert made.deployment("web", 1) == one
    assert made.revision("web", 3) is None


def test_the_oldest_ones_go() -> None:
    """But for the one that the newest goes back to."""
    first = builders.deployment()
    many = [builders.deployment(version=n, fallback=1) for n in range(2, KEPT + 3)]
    kept = [each.document.version for each in lineage(first, *many).revisions("web")]
    assert kept == [1, *range(3, KEPT + 3)]


def test_an_end_is_a_version_and_no_deployment() -> None:
    """Nothing goes back to it."""
    made = lineage(builders.deployment(), builders.tombstone())
    assert len(list(made.revisions("web"))) == 2
    assert made.deployment("web", 2) is None
    assert spared_by(builders.tombstone()) == 0
