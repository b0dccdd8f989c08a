"""References are read only below the configured prefixes."""

import functools
import http.server
import threading

import pytest

from workers.errors import ConfigurationRejected, DeadLettered
from workers.moderation.references import ReferenceReader, ReferenceUnavailable


@pytest.fixture
def store(tmp_path):
    (tmp_path / "allowed").mkdir()
    (tmp_path / "allowed" / "a.ts").write_bytes(b"media")
    (tmp_path / "secret.txt").write_bytes(b"secret")
    return tmp_path


@pytest.fixture
def reader(store):
    return ReferenceReader((f"{store}/allowed/",), limit_bytes=100)


def refusal(reader: ReferenceReader, reference: str) -> str:
    with pytest.raises(DeadLettered) as caught:
        reader.read(reference)
    return caught.value.reason


def test_media_below_a_prefix_is_read(reader, store):
    assert reader.read(f"{store}/allowed/a.ts") == b"media"


def test_a_file_address_is_read_like_its_path(reader, store):
    assert reader.read(f"file://{store}/allowed/a.ts") == b"media"


@pytest.mark.parametrize(
    "escape", ["allowed/../secret.txt", "allowed/%2e%2e/secret.txt", "secret.txt", "allowedx/a"]
)
def test_a_path_that_leaves_the_prefix_is_refused(reader, store, escape):
    assert refusal(reader, f"{store}/{escape}") == "reference-not-allowed"


def test_a_link_that_leaves_the_prefix_is_refused(reader, store):
    (store / "allowed" / "link").symlink_to(store / "secret.txt")
    assert refusal(reader, f"{store}/allowed/link") == "reference-not-allowed"


@pytest.mark.parametrize("address", ["http://169.254.169.254/latest", "s3://x/y", "gopher://x/"])
def test_an_address_that_nobody_configured_is_never_called(reader, address):
    assert refusal(reader, address) == "reference-not-allowed"


def test_a_missing_file_is_a_dead_letter(reader, store):
    assert refusal(reader, f"{store}/allowed/b.ts") == "reference-missing"


def test_media_over_the_limit_is_a_dead_letter(reader, store):
    (store / "allowed" / "big.ts").write_bytes(b"x" * 101)
    assert refusal(reader, f"{store}/allowed/big.ts") == "too-large"


def test_a_prefix_without_its_slash_stops_the_start():
    with pytest.raises(ConfigurationRejected, match="trailing slash"):
        ReferenceReader(("https://cdn.example",), 100)


class Redirecting(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/allowed/away.ts":
            self.send_response(302)
            self.send_header("Location", "/secret.txt")
            self.end_headers()
        elif self.path == "/allowed/broken.ts":
            self.send_error(503)
        else:
            super().do_GET()

    def log_message(self, *args):
        pass


@pytest.fixture
def web(store):
    handler = functools.partial(Redirecting, directory=str(store))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_media_is_read_over_http(web):
    assert ReferenceReader((f"{web}/allowed/",), 100).read(f"{web}/allowed/a.ts") == b"media"


def test_a_redirect_is_not_followed(web):
    reader = ReferenceReader((f"{web}/allowed/",), 100)
    assert refusal(reader, f"{web}/allowed/away.ts") == "reference-missing"


def test_a_server_in_trouble_is_asked_again_later(web):
    with pytest.raises(ReferenceUnavailable):
        ReferenceReader((f"{web}/allowed/",), 100).read(f"{web}/allowed/broken.ts")
