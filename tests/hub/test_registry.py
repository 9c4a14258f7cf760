from hub import registry
from hub.registry import CERTIFICATES_MAX, INSTANCES_MAX, Issued
from tests.support import builders
from tests.support.builders import DAY, NOW, Device, enrolled, ledger_of, signed

N1, N2 = Device("n1"), Device("n2")


def issued(serial: int = 1, subject: str = "n1", **changes: object) -> Issued:
    """A certificate of 90 days, issued now."""
    fields: dict[str, object] = {
        "serial": serial,
        "subject": subject,
        "key": N1.tls.public,
        "issued_at": NOW,
        "not_after": NOW + 90 * DAY,
        "pem": b"pem",
    }
    return Issued(**{**fields, **changes})


def test_a_fresh_certificate_is_handed_out_again() -> None:
    """A device that lost its file, or asks in a loop, makes no second one."""
    one = issued()
    assert registry.reusable([one], N1.tls.public, NOW + 44 * DAY) == one


def test_in_the_second_half_of_its_life_it_is_made_anew() -> None:
    """Devices ask at two thirds; their clock may be wrong."""
    assert registry.reusable([issued()], N1.tls.public, NOW + 46 * DAY) is None


def test_another_key_needs_another_certificate() -> None:
    """A device rotated its TLS key."""
    assert registry.reusable([issued()], N2.tls.public, NOW) is None


def test_a_subject_holds_only_so_many_at_a_time() -> None:
    """A stolen device cannot make the revocation list grow without end."""
    many = [issued(n) for n in range(CERTIFICATES_MAX)]
    assert registry.is_full(many, NOW)
    assert not registry.is_full(many[1:], NOW)
    assert not registry.is_full(many, NOW + 91 * DAY)


def test_the_list_names_what_revoked_devices_still_hold() -> None:
    """Certificates that ended need no naming."""
    gone = builders.revocation(devices=(N1.id,))
    ledger = ledger_of((*enrolled(N1, N2), signed(gone)))
    old = issued(2, not_after=NOW - DAY)
    certificates = {"n1": [issued(1), old], "n2": [issued(3, "n2")]}
    assert registry.revoked_serials(certificates, ledger, NOW) == {1}
    assert registry.revoked_names(ledger) == ("n1",)


def test_a_dashboard_is_no_device() -> None:
    """Its name lies outside the devices' alphabet."""
    assert not registry.is_revoked("view.wall", ledger_of(enrolled(N1)))


def test_a_copied_key_raises_an_alarm() -> None:
    """Two machines report as one: one is always overtaken."""
    newest = builders.report(N1, seq=9)
    clone = builders.report(N1, seq=3, instance="i-2")
    told = registry.alarm(clone, newest, ["i-1"])
    assert told is not None
    assert "n1 reports from two machines: 1.3 came after 1.9" in told


def test_a_late_copy_of_an_old_report_is_harmless() -> None:
    """A broker restored from its own disk shows what it had."""
    newest = builders.report(N1, seq=9, boot=2, instance="i-2")
    late = builders.report(N1, seq=3, instance="i-1")
    assert registry.alarm(late, newest, ["i-1", "i-2"]) is None


def test_so_many_starts_of_a_daemon_are_remembered() -> None:
    """The oldest is forgotten; a known one is not remembered twice."""
    seen: tuple[str, ...] = ()
    for number in range(INSTANCES_MAX + 2):
        seen = registry.remembered(seen, f"i-{number}")
    assert (len(seen), seen[0]) == (INSTANCES_MAX, "i-2")
    assert registry.remembered(seen, "i-5") == seen


def test_vouchers_are_shown_with_their_uses() -> None:
    """An operator sees how many devices a token let in."""
    gone = builders.revocation(vouchers=("v1",))
    ledger = ledger_of((*enrolled(N1, N2), signed(gone)))
    (row,) = registry.vouchers(ledger)
    assert (row["id"], row["used"], row["uses"], row["revoked"]) == ("v1", 2, 100, True)
