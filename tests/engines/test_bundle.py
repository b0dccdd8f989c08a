"""A bundle is used only as its card says: every byte is checked before it runs."""

import pytest

from engines.bundle import bundle_from_directory, bundle_named, shipped_bundles
from engines.errors import EngineRejected
from engines.opening import open_engine
from tests.bundles import write_tiny_bundle


@pytest.fixture
def directory(tmp_path):
    return write_tiny_bundle(tmp_path / "bundle")


def reworded(directory, old, new):
    card = directory / "bundle.json"
    text = card.read_text()
    assert old in text
    card.write_text(text.replace(old, new))
    return bundle_from_directory(directory)


def test_the_rule_is_the_cards_operating_point(directory):
    rule = bundle_from_directory(directory).rule
    assert (rule.median_of, rule.open_threshold, rule.close_threshold) == (3, 0.8, 0.4)


def test_a_bundle_opens_by_its_directory(directory):
    bundle = bundle_named(str(directory))
    bundle.verify()
    assert bundle.card.model.name == "tiny-redness"


def test_a_name_that_is_neither_shipped_nor_a_directory_lists_the_shipped_ones():
    with pytest.raises(EngineRejected, match="'no-such': neither a directory nor one of"):
        bundle_named("no-such")


def test_a_directory_without_a_card_is_refused(tmp_path):
    with pytest.raises(EngineRejected, match=r"no readable bundle\.json"):
        bundle_from_directory(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema_version": "flagpost.bundle/9"}'])
def test_a_card_that_is_none_is_refused(directory, text):
    (directory / "bundle.json").write_text(text)
    with pytest.raises(EngineRejected, match=r"bundle\.json"):
        bundle_from_directory(directory)


def test_a_missing_model_is_named(directory):
    (directory / "model.onnx").unlink()
    with pytest.raises(EngineRejected, match=r"model\.onnx: No such file"):
        bundle_from_directory(directory).verify()


@pytest.mark.parametrize("name", ["model.onnx", "red.png"])
def test_an_altered_file_is_refused(directory, name):
    with (directory / name).open("ab") as file:
        file.write(b"more")
    with pytest.raises(EngineRejected, match="do not use this copy"):
        bundle_from_directory(directory).verify()


@pytest.mark.parametrize("name", ["../model.onnx", "../../etc/passwd", "x/../../y"])
def test_a_file_outside_the_bundle_is_not_read(directory, name):
    (directory.parent / "model.onnx").write_bytes((directory / "model.onnx").read_bytes())
    with pytest.raises(EngineRejected, match="outside the bundle"):
        reworded(directory, '"model.onnx"', f'"{name}"').verify()


def test_a_link_out_of_the_bundle_is_not_followed(directory):
    outside = directory.parent / "outside.onnx"
    (directory / "model.onnx").rename(outside)
    (directory / "model.onnx").symlink_to(outside)
    with pytest.raises(EngineRejected, match="outside the bundle"):
        bundle_from_directory(directory).verify()


def test_a_golden_frame_of_another_size_is_refused(directory):
    with pytest.raises(EngineRejected, match=r"got shape .*, expected \(256, 224, 3\)"):
        reworded(directory, '"height": 224', '"height": 256').verify()


def test_the_digest_changes_with_the_card(directory):
    before = bundle_from_directory(directory).digest
    assert reworded(directory, "0.8", "0.7").digest != before


def test_a_precision_without_tolerance_or_logit_cannot_be_checked_and_is_refused(directory):
    with pytest.raises(EngineRejected, match="no tolerance for fp32"):
        open_engine(reworded(directory, '"fp32": 0.01,', ""))


@pytest.mark.parametrize("name", shipped_bundles())
def test_every_shipped_bundle_holds_what_its_card_says(name):
    bundle = bundle_named(name)
    bundle.verify()
    for precision in {file.precision for file in bundle.card.files}:
        for backend in ("openvino", "onnxruntime"):
            open_engine(bundle, backend, precision, max_batch=3).close()
