"""Flags with real evidence, and what a browser without a screen finds on the work page."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from schemas.flags import Clip, Evidence, Flag, Picture
from tests.media import RED, picture, segment
from tests.workers.console.browsers import Browser
from tests.workers.review.flags import START, flag, update
from workers.console.parts import ConsoleParts
from workers.review.intake import ReviewIntake

_HIDDEN = {name: re.compile(rf'name="{name}" value="([^"]+)"') for name in ("epoch", "request")}
_HELD = re.compile(r'data-work="([0-9A-Z]{26})"')
_BLURRED = re.compile(r'src="(/media/[^"]+)"')


def store_flag(parts: ConsoleParts, number: int = 0, pictures: int = 2, **changes: Any) -> Flag:
    """Puts a flag with pictures and a clip where the console finds them."""
    bare = flag(number, **changes)
    kept = tuple(_picture(parts, bare, place) for place in range(pictures))
    key = f"{bare.flag_id}/clip.mp4"
    clip = Clip(
        key=key,
        starts_at=START,
        ends_at=START + timedelta(seconds=1),
        sha256=parts.evidence.put(key, segment((RED,) * 10, format_name="mp4")),
    )
    found = bare.model_copy(update={"evidence": Evidence(pictures=kept, clip=clip)})
    enqueue(parts, found)
    return found


def enqueue(parts: ConsoleParts, *flags: Flag) -> None:
    intake = ReviewIntake(parts.redis)
    intake.apply_all([update(one) for one in flags])
    intake.close()


def held_id(text: str) -> str:
    """The flag that a work page shows; empty if none."""
    found = _HELD.search(text)
    return found[1] if found else ""


def hidden(text: str) -> dict[str, str]:
    """The hidden fields of a work page's form."""
    return {name: found[1] for name, pattern in _HIDDEN.items() if (found := pattern.search(text))}


def blurred_addresses(text: str) -> list[str]:
    return [address.replace("&amp;", "&") for address in _BLURRED.findall(text)]


def take(browser: Browser) -> tuple[str, dict[str, str]]:
    """Claims a flag as a person would; its id and the hidden fields of its form."""
    browser.get("/work")
    assert browser.post("/work/next").status_code == 303
    page = browser.get("/work").text
    return held_id(page), hidden(page)


def _picture(parts: ConsoleParts, bare: Flag, place: int) -> Picture:
    key = f"{bare.flag_id}/{place:02}.jpg"
    return Picture(
        key=key,
        at=bare.onset_at + timedelta(seconds=place),
        score=0.8 + place / 40,
        sha256=parts.evidence.put(key, picture("JPEG", RED, (320, 180))),
    )
