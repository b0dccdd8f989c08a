"""Evidence is stored whole or not at all, and its loss never costs the flag."""

import hashlib

import pytest

from tests.workers.review.flags import flag
from workers.errors import EvidenceUnavailable
from workers.moderation.evidence import CutClip, EvidenceStore, EvidenceWriter, TakenPicture

PICTURES = [TakenPicture(1.0, 0.9, b"jpeg one"), TakenPicture(2.0, 0.8, b"jpeg two")]
CLIP = CutClip(0.0, 3.0, b"video")


@pytest.fixture(params=["directory", "memory"])
def store(request, tmp_path):
    url = str(tmp_path / "evidence") if request.param == "directory" else f"memory://{tmp_path}"
    return EvidenceStore(url)


def stored(store: EvidenceStore):
    writer = EvidenceWriter(store, lambda: None)
    evidence = writer.write(flag(), PICTURES, CLIP, None).result(10)
    writer.close()
    return evidence


def test_pictures_and_clip_come_back_with_their_digests(store):
    evidence = stored(store)
    for picture, taken in zip(evidence.pictures, PICTURES, strict=True):
        assert store.get(picture.key) == taken.jpeg
        assert picture.sha256 == hashlib.sha256(taken.jpeg).hexdigest()
    assert evidence.clip is not None
    assert store.get(evidence.clip.key) == b"video"
    assert evidence.missing is None


def test_keys_are_sorted_by_day_so_that_retention_can_drop_folders(store):
    assert stored(store).pictures[0].key.startswith("2026/01/01/")


def test_a_store_that_works_passes_its_check(store):
    store.check()


@pytest.mark.parametrize("key", ["/etc/passwd", "a/../../b"])
def test_a_key_that_leaves_the_root_is_refused(store, key):
    with pytest.raises(ValueError, match="below the store's root"):
        store.put(key, b"x")


@pytest.fixture
def blocked(tmp_path):
    """A store whose root is a file: every write fails, as on a full disk."""
    (tmp_path / "evidence").write_bytes(b"")
    return EvidenceStore(str(tmp_path / "evidence"))


def test_a_store_that_refuses_says_so_in_its_check(blocked):
    with pytest.raises(EvidenceUnavailable, match="evidence store"):
        blocked.check()


def test_a_store_that_refuses_leaves_a_flag_that_says_what_is_missing(blocked):
    evidence = stored(blocked)
    assert evidence.pictures == ()
    assert "evidence store" in (evidence.missing or "")
