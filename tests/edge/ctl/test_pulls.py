"""What devices have to fetch, layer by layer, and whether they have room."""

from edge.ctl import pulls
from edge.model import MIB, PlatformImage
from edge.names import NodeName, Slot
from tests.support import builders as a
from tests.support.drafts import ground, next_version, planned, stays, version, view

AMD, ARM = ("sha256:" + letter * 64 for letter in "ab")
NEW_AMD, NEW_ARM = ("sha256:" + letter * 64 for letter in "cd")
SIZES = {
    AMD: {"base": 30 * MIB, "app-1": 5 * MIB},
    ARM: {"base-arm": 25 * MIB, "app-1-arm": 5 * MIB},
    NEW_AMD: {"base": 30 * MIB, "app-2": 6 * MIB},
    NEW_ARM: {"base-arm-2": 26 * MIB, "app-2-arm": 6 * MIB},
}
OTHER = "sha256:" + "9" * 64


def image(amd, arm, **changes):
    """Return an image of two architectures."""
    platforms = tuple(
        PlatformImage(architecture=name, manifest=digest, image_id=a.IMAGE_ID)
        for name, digest in (("amd64", amd), ("arm64", arm))
    )
    return a.image(platforms=platforms, **changes)


OLD = a.workload("web", image=image(AMD, ARM), replicas=3)
NEW = a.workload("web", image=image(NEW_AMD, NEW_ARM, digest=OTHER), replicas=3)
NODES = (view("n1"), view("n2", architecture="arm64"), view("n3"))
GROUND = ground(version(1, OLD), next_version(NEW), *NODES)


def fetched(plan):
    """Return device → MiB to fetch."""
    return {
        each.node: None if each.pull is None else each.pull // MIB
        for each in plan.changes
    }


def test_layers_of_the_old_image_are_there():
    """Each device by its architecture."""
    plan = pulls.priced(stays(GROUND, 3), GROUND, SIZES)
    assert fetched(plan) == {"n1": 6, "n2": 32, "n3": 6}
    (said,) = plan.pulls
    assert said == (
        "44 MiB on 3 devices, at most 32 MiB on one;"
        " the images of version 1 stay as the way back"
    )


def test_only_what_matters_is_asked_for():
    """Four manifests, whatever the number of devices."""
    asked = pulls.images(stays(GROUND, 3), GROUND)
    assert {digest for _, digest in asked} == set(SIZES)
    assert {reference for reference, _ in asked} == {OLD.image.reference}


def test_a_replica_that_is_new_on_a_device_fetches_all():
    """Nothing of it is there."""
    plan = planned(GROUND, {"web/web.1": "n1"}, {"web/web.1": "n3"})
    assert fetched(pulls.priced(plan, GROUND, SIZES)) == {"n1": 36}


def test_a_layer_counts_once_on_a_device():
    """Two replicas share it."""
    places = {"web/web.1": "n1", "web/web.2": "n1"}
    plan = pulls.priced(planned(GROUND, places, places), GROUND, SIZES)
    assert [each.pull for each in plan.changes] == [6 * MIB, 0]


def test_the_same_image_is_there():
    """Another variable fetches nothing, and no registry is asked."""
    after = next_version(a.workload("web", image=OLD.image, env={"A": "1"}))
    found = ground(version(1, OLD), after, *NODES)
    plan = stays(found, 1)
    assert pulls.images(plan, found) == ()
    assert fetched(pulls.priced(plan, found, {})) == {"n1": 0}
    assert pulls.priced(plan, found, {}).pulls == ()


def test_what_stays_or_goes_fetches_nothing():
    """And asks for nothing."""
    found = ground(version(1, OLD), version(2, OLD), *NODES)
    plan = planned(found, {"web/web.1": "n1"}, {"web/web.1": "n1", "web/web.2": "n2"})
    assert pulls.images(plan, found) == ()
    assert set(fetched(pulls.priced(plan, found, {})).values()) == {None}


def test_a_slot_that_went_back_has_the_layers_of_what_it_runs():
    """Not those of the version that failed there."""
    bad = a.workload("web", image=image(OTHER, OTHER, digest=OTHER), replicas=3)
    runs = {Slot("web/web.1"): OLD}
    found = ground(version(2, bad), next_version(NEW), *NODES, runs=runs)
    assert fetched(pulls.priced(stays(found, 1), found, SIZES)) == {"n1": 6}


def test_an_old_image_nobody_knows_any_more_counts_as_not_there():
    """Rather too much than too little."""
    sizes = {NEW_AMD: SIZES[NEW_AMD], AMD: None}
    plan = pulls.priced(stays(GROUND, 1), GROUND, sizes)
    assert fetched(plan) == {"n1": 36}


def test_what_no_registry_says_is_unknown():
    """Not nothing."""
    plan = pulls.priced(stays(GROUND, 1), GROUND, {NEW_AMD: None})
    assert fetched(plan) == {"n1": None}
    assert plan.pulls == ("unknown for web: no registry said how large it is",)


def test_a_device_that_never_said_what_it_is_is_unknown():
    """Which of the two images it would take nobody knows."""
    found = ground(version(1, OLD), next_version(NEW), view("n1", architecture=""))
    plan = stays(found, 1)
    assert pulls.images(plan, found) == ()
    assert fetched(pulls.priced(plan, found, SIZES)) == {"n1": None}


def test_an_image_of_one_architecture_is_that_one():
    """Whoever the device is."""
    single = a.image(platforms=OLD.image.platforms[:1], digest=OTHER)
    after = next_version(a.workload("web", image=single))
    found = ground(version(1), after, view("n1", architecture=""))
    assert fetched(pulls.priced(stays(found, 1), found, SIZES)) == {"n1": 35}


def test_too_little_disk_is_said():
    """Unpacked, it takes about three times as much; what was not said is not judged."""
    disks = {NodeName("n1"): 70 * MIB, NodeName("n2"): 900 * MIB}
    found = ground(version(1, OLD), next_version(NEW), *NODES, disks=disks)
    plan = pulls.priced(stays(found, 3), found, SIZES)
    (said,) = plan.shortages
    assert said == (
        "n1 has 70 MiB of disk free and needs about 82 MiB"
        " (an estimate: unpacked, and a reserve)"
    )


def test_a_thousand_devices_ask_for_as_little_as_one():
    """One question for each image and architecture."""
    many = tuple(view(f"n{number}") for number in range(1, 1001))
    found = ground(version(1, OLD), next_version(NEW), *many)
    plan = stays(found, 1000)
    assert len(pulls.images(plan, found)) == 2
    assert pulls.priced(plan, found, SIZES).pulls[0].startswith("6000 MiB on 1000")
