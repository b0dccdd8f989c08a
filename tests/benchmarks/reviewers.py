"""Reviewers in a loop against a real console, from a process of their own.

`-m tests.benchmarks.reviewers CONFIG`: each claims, looks for a second or so, decides, and has the
next flag with its page. Some vanish with a flag in hand, and come back as somebody else; some
decide only after their lease has ended. Prints one JSON line.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import ssl
import sys
import time
from dataclasses import dataclass, field

import httpx2

FLAG = re.compile(r'action="/work/([0-9A-Z]{26})/decide"')
FIELD = re.compile(r'name="(csrf|epoch|request|token)" value="([^"]*)"')
ARRIVAL_S = 10.0
"""People do not begin all at once."""
LOOK_S = (0.5, 1.5)
VANISHING, OVERRUNNING = 0.1, 0.1
TRUST = ssl.create_default_context()
"""Read once: each client would read it anew, and meanwhile all the others would wait."""
CHOICES = ("violent:violence", "not_violent:game", "not_violent:film")


@dataclass(slots=True)
class Tally:
    """What the reviewers saw: seconds from asking for a flag to its page, and what became of it."""

    pages_s: list[float] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    refused: int = 0
    vanished: int = 0
    overran: int = 0
    failures: list[str] = field(default_factory=list)


class Reviewer:
    """One signed-in person; a new link signs in the next one."""

    def __init__(self, address: str, links: list[str], lease_s: float, tally: Tally) -> None:
        self._address = address
        self._links = links
        self._lease_s = lease_s
        self._tally = tally

    async def work(self, until_s: float) -> None:
        chance = random.Random(self._links[0])
        await asyncio.sleep(chance.uniform(0, ARRIVAL_S))
        while time.monotonic() < until_s and self._links:
            async with httpx2.AsyncClient(
                base_url=self._address, follow_redirects=True, timeout=30, verify=TRUST
            ) as http:
                await self._sign_in(http, self._links.pop())
                await self._review(http, chance, until_s)

    async def _sign_in(self, http: httpx2.AsyncClient, link: str) -> None:
        page = await http.get(f"/in/{link}")
        await http.post("/signin/link", data=dict(FIELD.findall(page.text)))

    async def _review(
        self, http: httpx2.AsyncClient, chance: random.Random, until_s: float
    ) -> None:
        """Until this person vanishes, or time is over: then the flag in hand is decided last."""
        form = dict(FIELD.findall((await http.get("/work")).text))
        page = await self._timed(http, "/work/next", form)
        while found := FLAG.search(page):
            if chance.random() < VANISHING and time.monotonic() < until_s:
                self._tally.vanished += 1
                return
            wait_s = chance.uniform(*LOOK_S)
            if chance.random() < OVERRUNNING:
                self._tally.overran += 1
                wait_s += self._lease_s
            await asyncio.sleep(wait_s)
            is_last = time.monotonic() > until_s
            form = dict(FIELD.findall(page)) | {"choice": chance.choice(CHOICES)}
            page = await self._decided(http, found[1], form, is_last)
            if is_last:
                return

    async def _decided(
        self, http: httpx2.AsyncClient, flag_id: str, form: dict[str, str], is_last: bool
    ) -> str:
        then = {"then": "stop"} if is_last else {}
        page = await self._timed(http, f"/work/{flag_id}/decide", form | then)
        if "Recorded" in page:
            self._tally.taken.append(flag_id)
            return page
        self._tally.refused += 1
        return await self._timed(http, "/work/next", form)

    async def _timed(self, http: httpx2.AsyncClient, path: str, form: dict[str, str]) -> str:
        started_s = time.perf_counter()
        answer = await http.post(path, data=form)
        if answer.status_code >= 500:
            self._tally.failures.append(f"{path}: {answer.status_code}")
        elif FLAG.search(answer.text):
            self._tally.pages_s.append(time.perf_counter() - started_s)
        return answer.text


async def reviewed(address: str, links: list[list[str]], seconds: float, lease_s: float) -> Tally:
    tally = Tally()
    until_s = time.monotonic() + seconds
    people = [Reviewer(address, own, lease_s, tally) for own in links]
    await asyncio.gather(*(person.work(until_s) for person in people))
    return tally


def main(argument: str) -> None:
    tally = asyncio.run(reviewed(*json.loads(argument)))
    sys.stdout.write(json.dumps({name: getattr(tally, name) for name in Tally.__slots__}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
