"""Images resolved at a real registry, and at one that lies."""

import hashlib
import http.server
import json
import threading
from contextlib import contextmanager

import pytest

from edge import manifest
from edge.ctl import registry as registries
from edge.ctl.registry import Registry
from edge.errors import ManifestError, TemporaryError, WireError
from edge.model import PlatformImage
from tests.support import registries as real


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """Debian's docker-registry with a few images."""
    with real.registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


def resolve(registry, name):
    """Return the image of a name at a registry."""
    reference = manifest.reference(f"{registry}/{name}")
    asked = Registry(name=registry)
    try:
        return asked.resolve(reference)
    finally:
        asked.close()


def test_an_image_of_one_architecture(hub):
    """Its config says which; all three digests are pinned."""
    pushed = hub.image("web", "1", "arm64")
    image = resolve(hub.name, "web:1")
    assert (image.reference, image.tag, image.digest) == (
        f"{hub.name}/web",
        "1",
        pushed.digest,
    )
    (platform,) = image.platforms
    assert platform == PlatformImage(
        architecture="arm64", manifest=pushed.digest, image_id=pushed.image_id
    )


def test_an_index_has_one_image_for_each_architecture(hub):
    """Variants of arm are told apart: they do not run each other's programs."""
    pushed = hub.index("multi", "1", "amd64", "arm64", "arm/v6", "arm/v7")
    image = resolve(hub.name, "multi:1")
    assert image.digest == pushed[""].digest
    assert {each.architecture: each.image_id for each in image.platforms} == {
        name: pushed[name].image_id for name in ("amd64", "arm/v6", "arm/v7", "arm64")
    }


def test_a_digest_is_resolved_as_well(hub):
    """And pins the same image, whatever the tag does."""
    pushed = hub.image("pinned", "1")
    hub.image("pinned", "2")
    image = resolve(hub.name, f"pinned:2@{pushed.digest}")
    assert (image.digest, image.tag) == (pushed.digest, "2")


def test_a_folder_in_the_name_is_part_of_it(hub):
    """team/web is one repository."""
    pushed = hub.image("team/web", "1")
    assert resolve(hub.name, "team/web:1").digest == pushed.digest


@pytest.mark.parametrize("name", ["nope:1", "web:nope", f"web@sha256:{'0' * 64}"])
def test_what_is_not_there_is_said(hub, name):
    """The name as it was written."""
    hub.image("web", "1")
    with pytest.raises(ManifestError, match="the registry has no such image") as caught:
        resolve(hub.name, name)
    assert f"{hub.name}/{name}" in str(caught.value)


def test_nobody_answers(hub):
    """Exit 1, not 5: it is not the hub that is gone."""
    with pytest.raises(TemporaryError, match=r"is it up\?"):
        resolve("127.0.0.1:9", "web:1")
    assert hub


def test_a_registry_elsewhere_is_asked_over_tls(hub):
    """Unless the context says that it may be asked without."""
    port = hub.name.partition(":")[2]
    hub.image("web", "1")
    host = f"localhost.localdomain:{port}"
    reference = manifest.reference(f"{host}/web:1")
    with pytest.raises(TemporaryError):
        Registry(name=host).resolve(reference)


def test_several_are_resolved_at_once(hub):
    """What cannot be found is an answer of its own."""
    hub.image("web", "1")
    names = [f"{hub.name}/web:1", f"{hub.name}/nope:1"]
    asked = registries.Asking(
        [(name, manifest.reference(name)) for name in names], insecure=()
    )
    found = asked.answer()
    assert not isinstance(found[names[0]], ManifestError)
    assert isinstance(found[names[1]], ManifestError)


def test_layers_have_sizes(hub):
    """What a device fetches of one architecture."""
    hub.index("sized", "1", "amd64", "arm64")
    image = resolve(hub.name, "sized:1")
    wanted = [(image.reference, each.manifest) for each in image.platforms]
    found = registries.layers(wanted, insecure=())
    sizes = [sum((found[digest] or {}).values()) for _, digest in wanted]
    assert sizes == [len(b"sized 1-amd64 amd64"), len(b"sized 1-arm64 arm64")]


def test_layers_nobody_tells_of_are_unknown(hub):
    """A plan goes on without; a registry that is silent is asked once."""
    digests = ["sha256:" + digit * 64 for digit in "012"]
    hub.image("web", "1")
    wanted = [("127.0.0.1:9/web", each) for each in digests[:2]]
    wanted.append((f"{hub.name}/web", digests[2]))
    assert registries.layers(wanted, insecure=()) == dict.fromkeys(digests)


class Liar(http.server.BaseHTTPRequestHandler):
    """Answers from a table, asks for a token when told to."""

    protocol_version = "HTTP/1.1"
    answers: dict[str, bytes]
    token: str
    asked: list[str]

    def do_GET(self):
        path = self.path.partition("?")[0]
        self.asked.append(self.path)
        if path == "/token":
            return self.say(200, json.dumps({"token": self.token}).encode())
        given = self.headers.get("Authorization", "")
        if self.token and given != f"Bearer {self.token}":
            realm = f"http://{self.headers['Host']}/token"
            challenge = f'Bearer realm="{realm}",service="s",scope="repository:web"'
            return self.say(401, b"{}", {"WWW-Authenticate": challenge})
        if path in self.answers:
            return self.say(200, self.answers[path])
        return self.say(404, b"{}")

    def say(self, status, body, headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def liar(answers, token=""):
    """Give the name of a registry that answers so, and what it was asked."""
    asked: list[str] = []
    parts = {"answers": answers, "token": token, "asked": asked}
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), type("One", (Liar,), parts)
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


CONFIG = json.dumps({"architecture": "amd64", "os": "linux"}).encode()


def image_of(config=CONFIG, **more):
    """Return a manifest, and what a registry with it answers."""
    digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    body = json.dumps({"config": {"digest": digest}, **more}).encode()
    return body, {
        "/v2/web/manifests/1": body,
        f"/v2/web/blobs/{digest}": config,
    }


def test_a_token_is_fetched_where_the_registry_says():
    """Docker Hub gives one to everybody."""
    body, answers = image_of()
    with liar(answers, token="t0k") as (name, asked):
        image = resolve(name, "web:1")
    assert image.digest == f"sha256:{hashlib.sha256(body).hexdigest()}"
    assert "/token?scope=repository%3Aweb&service=s" in asked


def test_other_bytes_than_asked_for_are_refused():
    """A digest is believed because it was computed here."""
    digest = f"sha256:{'0' * 64}"
    answers = {f"/v2/web/manifests/{digest}": b"{}"}
    with liar(answers) as (name, _), pytest.raises(ManifestError, match="what came"):
        resolve(name, f"web@{digest}")


def test_another_config_than_named_is_refused():
    """The image ID is part of what is signed."""
    _, answers = image_of()
    bent = {path: body.replace(b"amd64", b"arm64") for path, body in answers.items()}
    with liar(bent) as (name, _), pytest.raises(ManifestError, match="has digest"):
        resolve(name, "web:1")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"config":{"digest":"md5:1"}}',
        b"[" * 100_000,
        b'{"manifests":[{"digest":1}]}',
    ],
)
def test_nonsense_is_an_error_of_ours(body):
    """A sentence, whatever a registry sends."""
    answers = {"/v2/web/manifests/1": body}
    with liar(answers) as (name, _), pytest.raises(WireError, match="cannot read"):
        resolve(name, "web:1")


def test_an_index_that_is_an_image_too_is_refused():
    """CVE-2021-41190: two readers would run two things."""
    _, answers = image_of(manifests=[])
    with liar(answers) as (name, _), pytest.raises(ManifestError, match="at once"):
        resolve(name, "web:1")


def test_an_image_for_no_linux_is_refused():
    """An index of Windows images alone."""
    entry = {"digest": "x", "platform": {"architecture": "amd64", "os": "windows"}}
    body = json.dumps({"manifests": [entry]}).encode()
    answers = {"/v2/web/manifests/1": body}
    with liar(answers) as (name, _), pytest.raises(ManifestError, match="of Linux"):
        resolve(name, "web:1")
