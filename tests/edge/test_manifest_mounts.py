"""What is mounted where: no two things in one place, nothing hidden by surprise."""

import pytest

from edge import manifest
from edge.errors import ManifestError
from edge.model import Workload


def workload(fields: str) -> Workload:
    """Return the workload with these lines."""
    text = f'name = "app"\n[workload.app]\nimage = "h:1/app:1"\n{fields}\n'
    return manifest.parse(text).workloads[0].template


def refusal(fields: str) -> ManifestError:
    """Return the error of a workload with these lines."""
    with pytest.raises(ManifestError, match="cannot ") as caught:
        workload(fields)
    return caught.value


def test_secrets_share_a_folder() -> None:
    """Several secrets in one folder are the usual case."""
    files = {"a": "/run/secrets/a", "b": "/run/secrets/b"}
    text = 'secrets = { a = "/run/secrets/a", b = "/run/secrets/b" }'
    assert workload(text).secrets == files


@pytest.mark.parametrize("file", ["/token", "/etc/token", "/run/token", "/proc/1/x"])
def test_a_secret_in_a_system_folder_is_refused(file: str) -> None:
    """Its folder is replaced: the container would lose /etc."""
    error = refusal(f'secrets = {{ token = "{file}" }}')
    assert "its folder is replaced" in error.problem
    assert (error.path, error.line) == ("workload.app.secrets.token", 4)


@pytest.mark.parametrize("file", ["token", "/run/secrets/", "/run/../x/y", ""])
def test_a_secret_needs_a_whole_path(file: str) -> None:
    """Relative to what, nobody could say."""
    assert "whole path" in refusal(f'secrets = {{ token = "{file}" }}').problem


def test_two_secrets_in_one_file_are_refused() -> None:
    """One of them would be lost."""
    error = refusal('secrets = { a = "/run/s/x", b = "/run/s/x" }')
    assert "two secrets" in error.problem


@pytest.mark.parametrize(("a", "b"), [("/s/x", "/s/in/y"), ("/s/in/y", "/s/x")])
def test_folders_of_secrets_are_not_nested(a: str, b: str) -> None:
    """The inner one could not be mounted into a read-only outer one."""
    error = refusal(f'secrets = {{ a = "{a}", b = "{b}" }}')
    assert "use one folder for both" in error.problem


@pytest.mark.parametrize("target", ["/run/secrets", "/run/secrets/more"])
def test_a_volume_is_not_in_a_folder_of_secrets(target: str) -> None:
    """Which of the two is seen would depend on the order."""
    secret = 'secrets = { token = "/run/secrets/token" }'
    assert "is a volume" in refusal(f'volumes = ["v:{target}"]\n{secret}').problem


def test_two_volumes_at_one_place_are_refused() -> None:
    """With the line of the second."""
    error = refusal('volumes = [\n  "a:/data",\n  "b:/data",\n]')
    assert (error.path, error.line) == ("workload.app.volumes[1]", 6)


@pytest.mark.parametrize("target", ["/proc", "/sys/fs", "/dev"])
def test_nothing_is_mounted_over_the_kernels_files(target: str) -> None:
    """The container could not start, on every device."""
    assert "the kernel's own" in refusal(f'volumes = ["v:{target}"]').problem


def test_a_secrets_name_is_a_name() -> None:
    """It is part of a document's name."""
    assert "a name is" in refusal('secrets = { Token = "/run/s/t" }').problem
