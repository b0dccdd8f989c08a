"""A registry hands out exactly what was published, and a channel switches at once."""

import json

import pytest

from engines.bundle import bundle_from_directory
from engines.errors import EngineRejected, EngineUnavailable
from engines.registry import Pointer, Registry, bundle_from_channel, bundle_from_reference
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


def test_a_reference_is_a_directory_or_a_channel(registry, bundle, tmp_path):
    registry.point("candidate", registry.publish(bundle))
    channel = bundle_from_reference(f"{registry.url}#candidate", tmp_path / "cache")
    directory = bundle_from_reference(str(bundle.directory), tmp_path / "cache")
    assert channel.digest == directory.digest


def test_a_fetched_bundle_is_kept_and_the_registry_may_go_away(registry, bundle, tmp_path):
    pointer = registry.publish(bundle)
    first = registry.fetch(pointer, tmp_path / "cache")
    (tmp_path / "registry/bundles/tiny-redness/1/model.onnx").unlink()
    assert registry.fetch(pointer, tmp_path / "cache").directory == first.directory


@pytest.mark.parametrize("name", ["bundle.json", "model.onnx"])
def test_a_kept_bundle_that_was_altered_is_not_used(registry, bundle, tmp_path, name):
    pointer = registry.publish(bundle)
    kept = registry.fetch(pointer, tmp_path / "cache").directory / name
    kept.write_bytes(kept.read_bytes().replace(b"0.8", b"0.7") + b" ")
    with pytest.raises(EngineRejected, match=r"altered|SHA-256"):
        registry.fetch(pointer, tmp_path / "cache")


@pytest.mark.parametrize(
    "pointer",
    [
        {"name": "../../outside", "version": "1", "digest": "0" * 64},
        {"name": "tiny-redness", "version": "../..", "digest": "0" * 64},
        {"name": "tiny-redness", "version": "1", "digest": "/../../outside"},
        {"name": "tiny-redness"},
        ["stable"],
    ],
)
def test_a_hostile_channel_leads_nowhere(registry, bundle, tmp_path, pointer):
    registry.point("stable", registry.publish(bundle))
    (tmp_path / "registry/channels/stable.json").write_text(json.dumps(pointer))
    with pytest.raises(EngineRejected, match=r"bundle name|expected a SHA-256|no pointer"):
        bundle_from_channel(f"{registry.url}#stable", tmp_path / "cache")


def test_a_hostile_card_writes_nothing_outside_the_cache(registry, bundle, tmp_path):
    registry.publish(bundle)
    place = tmp_path / "registry/bundles/tiny-redness/1"
    card = (place / "bundle.json").read_text().replace('"model.onnx"', '"../../escaped"')
    (place / "bundle.json").write_text(card)
    (pointer,) = registry.bundles()
    with pytest.raises(EngineRejected, match="outside the bundle"):
        registry.fetch(pointer, tmp_path / "cache" / "deep")
    assert not list(tmp_path.rglob("escaped"))
    assert not list((tmp_path / "cache" / "deep").iterdir())


def test_a_file_that_is_missing_in_the_registry_is_unavailable(registry, bundle, tmp_path):
    pointer = registry.publish(bundle)
    (tmp_path / "registry/bundles/tiny-redness/1/model.onnx").unlink()
    with pytest.raises(EngineUnavailable, match=r"model\.onnx"):
        registry.fetch(pointer, tmp_path / "cache")


def test_a_channel_switches_from_one_bundle_to_another(registry, bundle, tmp_path):
    old = registry.publish(bundle)
    changed = write_tiny_bundle(tmp_path / "second")
    card = changed / "bundle.json"
    card.write_text(card.read_text().replace('"version": "1"', '"version": "2"'))
    new = registry.publish(bundle_from_directory(changed))
    for pointer in (old, new, old):
        registry.point("stable", pointer)
        assert registry.channel("stable") == pointer
    assert registry.bundles() == [old, new]


def test_any_url_may_hold_a_registry(bundle, tmp_path):
    registry = Registry("memory://models/flagpost")
    registry.point("stable", registry.publish(bundle))
    assert registry.bundles() == [registry.channel("stable")]
    fetched = bundle_from_channel("memory://models/flagpost#stable", tmp_path / "cache")
    assert fetched.digest == bundle.digest


def test_a_channel_of_another_name_is_refused(registry, bundle):
    with pytest.raises(EngineRejected, match="got 'latest', expected stable or candidate"):
        registry.point("latest", registry.publish(bundle))


def test_publishing_leaves_nothing_but_the_bundle_behind(registry, bundle, tmp_path):
    registry.publish(bundle)
    place = tmp_path / "registry/bundles/tiny-redness/1"
    names = {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()}
    assert names == {*bundle.file_names, "bundle.json"}


def test_a_card_that_changes_after_it_was_opened_is_not_published(registry, bundle):
    (bundle.directory / "bundle.json").write_text("{}")
    with pytest.raises(EngineRejected, match="the card says"):
        registry.publish(bundle)
    assert registry.bundles() == []
