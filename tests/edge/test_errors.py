"""The tree of errors: whose fault, and whether trying again helps."""

import inspect

import pytest

from edge import errors

ALL = [each for _, each in inspect.getmembers(errors, inspect.isclass)]


@pytest.mark.parametrize("error", ALL)
def test_every_error_of_ours_has_one_root(error):
    """A daemon's loop can tell our errors from a bug."""
    assert issubclass(error, errors.EdgeError)


@pytest.mark.parametrize("error", ALL)
def test_the_tree_in_the_docstring_is_true(error):
    """Whoever reads the module's first lines has seen them all."""
    assert f" {error.__name__} " in f"{errors.__doc__} ".replace("\n", " ")


def test_a_manifest_error_says_where():
    """File and line first, as editors and terminals understand them."""
    error = errors.ManifestError(
        "is no size", path="workload.web", file="a.toml", line=3
    )
    assert str(error) == "a.toml:3: workload.web: is no size"


def test_a_manifest_error_leaves_out_what_is_unknown():
    """No empty colons."""
    assert str(errors.ManifestError("is empty", file="a.toml")) == "a.toml: is empty"
    assert str(errors.ManifestError("is empty")) == "is empty"


def test_a_refusal_carries_its_counted_name():
    """The sentence is for people, the reason for counters."""
    error = errors.TrustError("expired", "cannot use the key")
    assert (error.reason, str(error)) == ("expired", "cannot use the key")


def test_a_refused_request_carries_the_status():
    """Exit codes follow from the status, not from the sentence."""
    error = errors.RequestError(409, "conflict", "cannot deploy")
    assert (error.status, error.reason, str(error)) == (
        409,
        "conflict",
        "cannot deploy",
    )


def test_a_temporary_error_says_how_long_to_wait():
    """Seconds; one by default."""
    assert errors.Unreachable("cannot reach it").retry_after == 1.0
    assert errors.RuntimeFailure("cannot pull", retry_after=9.0).retry_after == 9.0


@pytest.mark.parametrize(
    "kind", [errors.WireError, errors.TrustError, errors.StoreError]
)
def test_what_trying_again_cannot_mend_is_not_temporary(kind):
    """A retry loop catches `TemporaryError` alone."""
    assert not issubclass(kind, errors.TemporaryError)
