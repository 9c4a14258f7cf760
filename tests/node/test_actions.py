"""An action prints itself: the plan a person reads, and the event that is logged."""

from node.actions import Create, Provide, Pull, Remove, Start, Stop, Wipe
from tests.support.replicas import a_replica, image

ID = "0123456789ab" + "f" * 52


def test_a_pull_names_the_image_as_the_person_wrote_it():
    """The digest is in the documents; the tag is what somebody remembers."""
    pull = Pull(image=image(7), platform=image(7).platforms[0], reason="web.1 needs it")
    assert pull.describe() == "pull r.example/web:7: web.1 needs it"


def test_actions_say_verb_replica_container_and_reason():
    """One line each, the same order."""
    create = Create(replica=a_replica(), container="tutti-x", reason="assigned")
    provide = Provide(replica=a_replica(), container="tutti-x", reason="new values")
    start = Start(
        slot=a_replica().slot, container="tutti-x", version=1, reason="not running"
    )
    assert [each.describe() for each in (create, provide, start)] == [
        "create web.1 (tutti-x): assigned",
        "provide secrets web.1 (tutti-x): new values",
        "start web.1 (tutti-x): not running",
    ]


def test_an_id_is_shortened_as_podman_shows_it():
    """Sixty-four digits help nobody."""
    remove = Remove(slot=a_replica().slot, container=ID, reason="replaced")
    assert remove.describe() == "remove web.1 (0123456789ab): replaced"


def test_a_stop_at_once_is_called_a_kill():
    """The reader must see that no time was given."""
    stop = Stop(slot=a_replica().slot, container=ID, reason="unhealthy")
    kill = Stop(
        slot=a_replica().slot, container=ID, reason="unhealthy", is_immediate=True
    )
    assert stop.describe().startswith("stop web.1")
    assert kill.describe().startswith("kill web.1")


def test_a_wipe_names_the_container_whose_secrets_go():
    """It may be gone already."""
    assert Wipe(container="tutti-x", reason="gone").describe() == (
        "wipe the secrets of tutti-x: gone"
    )
