"""What was published stays as it was: other people's programs are built on it."""

import json
from pathlib import Path

import jsonschema
import pytest

from schemas.bundles import bundle_card_from_json
from schemas.decisions import Decision
from schemas.examples import example, frame_message
from schemas.flags import Flag
from schemas.frames import frame_message_from_record
from schemas.published import PUBLISHED, json_schema
from schemas.truth import TrueIncident

GOLDEN = Path(__file__).parent / "golden"
PRODUCERS = Path(__file__).parents[2] / "schemas" / "PRODUCERS.md"


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_schema_is_the_published_one(name: str):
    expected = json.loads((GOLDEN / f"{name}.schema.json").read_text())
    assert json_schema(name) == expected, f"if meant: flagpost schema {name} > the golden file"


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_example_is_the_published_one_and_fits_its_schema(name: str):
    expected = json.loads((GOLDEN / f"{name}.example.json").read_text())
    assert example(name) == expected
    jsonschema.validate(expected, json_schema(name))


@pytest.mark.parametrize("name", PUBLISHED)
def test_an_unknown_field_of_a_document_does_not_fit(name: str):
    changed = example(name) | {"surprise": 1}
    validator = jsonschema.Draft202012Validator(json_schema(name))
    # Headers are an open set: Kafka tools add their own.
    assert validator.is_valid(changed) == (name == "frames")


def test_documents_of_today_are_read_back_as_they_were_written():
    golden = {name: (GOLDEN / f"{name}.example.json").read_bytes() for name in PUBLISHED}
    for kind, name in ((Flag, "flag"), (Decision, "decision"), (TrueIncident, "truth")):
        assert json.loads(kind.model_validate_json(golden[name]).model_dump_json()) == json.loads(
            golden[name]
        )
    card = bundle_card_from_json(golden["bundle"])
    assert json.loads(card.model_dump_json()) == json.loads(golden["bundle"])


def test_headers_of_today_are_read_back_as_they_were_written():
    golden = json.loads((GOLDEN / "frames.example.json").read_text())
    headers = [(name, text.encode()) for name, text in golden.items()]
    assert frame_message_from_record(headers, frame_message().data) == frame_message()


def test_the_page_for_producers_names_every_header_and_media_type():
    page = PRODUCERS.read_text()
    schema = json_schema("frames")
    for header in schema["properties"]:
        assert f"`{header}`" in page
    for media_type in schema["$defs"]["ContentType"]["enum"]:
        assert f"`{media_type}`" in page
