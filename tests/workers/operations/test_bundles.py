"""`flagpost bundles` lists, checks, publishes and points, and says what is wrong."""

import json

import pytest

from engines.bundle import shipped_bundles
from tests.bundles import write_tiny_bundle
from tests.workers.operations.commands import run
from workers.errors import ConfigurationRejected


@pytest.fixture
def bundle(tmp_path):
    return write_tiny_bundle(tmp_path / "bundle")


@pytest.fixture
def registry(tmp_path):
    return str(tmp_path / "registry")


def listed(registry: str) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = json.loads(
        run("bundles", "list", "--registry", registry, "--json").text
    )
    return rows


def test_a_published_bundle_is_listed_with_its_channel(bundle, registry):
    run("bundles", "publish", str(bundle), "--registry", registry)
    answer = run("bundles", "channel", "stable", "tiny-redness", "1", "--registry", registry)
    assert answer.text == "stable -> tiny-redness 1\n"
    (row,) = listed(registry)
    assert (row["name"], row["version"], row["channels"]) == ("tiny-redness", "1", "stable")
    assert "tiny-redness" in run("bundles", "list", "--registry", registry).text


def test_the_shipped_bundles_are_listed():
    names = [row["name"] for row in json.loads(run("bundles", "list", "--json").text)]
    assert names == shipped_bundles()


def test_showing_prints_the_card(bundle):
    card = run("bundles", "show", str(bundle), "--json").document()
    assert card["model"]["name"] == "tiny-redness"
    assert "median of 3" in run("bundles", "show", str(bundle)).text


def test_verifying_opens_the_bundle_on_every_backend(bundle):
    lines = run("bundles", "verify", str(bundle)).text.splitlines()
    assert [line.split(":")[0] for line in lines] == ["openvino fp32", "onnxruntime fp32"]


def test_verifying_an_altered_bundle_says_which_file(bundle):
    (bundle / "model.onnx").write_bytes(b"altered")
    with pytest.raises(ConfigurationRejected, match=r"model\.onnx: SHA-256"):
        run("bundles", "verify", str(bundle))


def test_an_altered_bundle_is_not_published(bundle, registry):
    (bundle / "model.onnx").write_bytes(b"altered")
    with pytest.raises(ConfigurationRejected, match="SHA-256"):
        run("bundles", "publish", str(bundle), "--registry", registry)
    assert listed(registry) == []


def test_a_channel_cannot_point_at_an_unknown_version(bundle, registry):
    run("bundles", "publish", str(bundle), "--registry", registry)
    with pytest.raises(ConfigurationRejected, match="no bundle tiny-redness 9"):
        run("bundles", "channel", "stable", "tiny-redness", "9", "--registry", registry)


def test_a_channel_of_a_registry_is_shown_and_verified_like_a_directory(bundle, registry, tmp_path):
    run("bundles", "publish", str(bundle), "--registry", registry)
    run("bundles", "channel", "stable", "tiny-redness", "1", "--registry", registry)
    settings = {"FLAGPOST_ENGINE_CACHE": str(tmp_path / "cache")}
    card = run("bundles", "show", f"{registry}#stable", "--json", **settings).document()
    assert card["model"]["name"] == "tiny-redness"
    lines = run("bundles", "verify", f"{registry}#stable", **settings).text.splitlines()
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (("show", "{registry}#stable"), "channel 'stable' points nowhere"),
        (("list", "--registry", "nothing-like://x"), "Protocol not known"),
        (("publish", "{bundle}", "--registry", "/proc/registry"), "registry /proc/registry"),
    ],
    ids=["no registry", "no such protocol", "a place that takes nothing"],
)
def test_a_registry_that_cannot_be_used_is_named_with_its_reason(
    bundle, registry, command, complaint
):
    arguments = [part.format(registry=registry, bundle=bundle) for part in command]
    with pytest.raises(ConfigurationRejected, match=complaint):
        run("bundles", *arguments)
