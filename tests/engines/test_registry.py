"""A registry hands out exactly what was published, and a channel switches at once."""

import pytest

from engines.bundle import bundle_from_directory
from engines.errors import EngineRejected
from engines.registry import Pointer, Registry, bundle_from_channel
from tests.bundles import write_tiny_bundle


@pytest.fixture
def bundle(tmp_path):
    return bundle_from_directory(write_tiny_bundle(tmp_path / "bundle"))


@pytest.fixture
def registry(tmp_path):
    return Registry(str(tmp_path / "registry"))


def test_a_published_bundle_comes_back_by_its_channel(registry, bundle, tmp_path):
    registry.point("stable", registry.publish(bundle))
    fetched = bundle_from_channel(f"{registry.url}#stable", tmp_path / "cache")
    assert fetched.digest == bundle.digest


def test_publishing_the_same_bundle_twice_changes_nothing(registry, bundle):
    assert registry.publish(bundle) == registry.publish(bundle)
    assert len(registry.bundles()) == 1


def test_a_version_never_changes(registry, bundle, tmp_path):
    registry.publish(bundle)
    other = bundle_from_directory(write_tiny_bundle(tmp_path / "other", median_of=5))
    with pytest.raises(EngineRejected, match="never changes"):
        registry.publish(other)


def test_a_channel_that_points_nowhere_says_so(registry):
    with pytest.raises(EngineRejected, match="points nowhere"):
        registry.channel("stable")


def test_a_channel_cannot_point_at_what_was_not_published(registry):
    with pytest.raises(EngineRejected, match="publish it first"):
        registry.point("stable", Pointer("x", "1", "0" * 64))


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "x" * 100])
def test_a_name_that_could_leave_the_registry_is_refused(registry, name):
    with pytest.raises(EngineRejected, match="bundle name"):
        registry.point("stable", Pointer(name, "1", "0" * 64))


def test_an_altered_file_in_the_registry_is_not_handed_out(registry, bundle, tmp_path):
    pointer = registry.publish(bundle)
    registry.point("stable", pointer)
    (tmp_path / "registry/bundles/tiny-redness/1/model.onnx").write_bytes(b"altered")
    with pytest.raises(EngineRejected, match="SHA-256"):
        bundle_from_channel(f"{registry.url}#stable", tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_an_altered_card_in_the_registry_is_not_handed_out(registry, bundle, tmp_path):
    registry.point("stable", registry.publish(bundle))
    card = tmp_path / "registry/bundles/tiny-redness/1/bundle.json"
    card.write_text(card.read_text().replace("0.8", "0.7"))
    with pytest.raises(EngineRejected, match="not the one"):
        bundle_from_channel(f"{registry.url}#stable", tmp_path / "cache")
