"""Figures of quality with their intervals: agreement, proportions, recall from audit samples.

Pure numerics. Where the data cannot carry a figure the answer says why and has no number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
CONFIDENCE: Final = 0.95
ROUNDS: Final = 2000
"""Resamples of a bootstrap: the ends of a 95 % interval then move by less than their width / 20."""
MIN_STREAMS: Final = 10
"""Fewer clusters make a percentile bootstrap much too narrow."""
MIN_AUDITED: Final = 50
MIN_MISSES: Final = 5
"""Fewer violent audit samples, and a bootstrap of them covers the truth too seldom."""
_CHUNK: Final = 4_000_000
"""Numbers of one block of resamples: 32 MB."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure, its interval and how many observations carry it.

    Attributes:
        value: The figure, None where the data cannot carry one.
        low: Lower end of the 95 % interval.
        high: Upper end.
        n: Observations.
        because: Why there is no number, or what limits it; empty where nothing does.
    """

    n: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    because: str = ""


def wilson(successes: int, n: int, confidence: float = CONFIDENCE) -> Estimate:
    """A proportion with Wilson's score interval (Wilson 1927; Newcombe 1998, method 3).

    Raises:
        ValueError: `successes` is not within 0 and `n`.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"successes: got {successes} of {n}, expected 0 to {n}")
    if n == 0:
        return Estimate(0, because="nothing was decided yet")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p = successes / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low = 0.0 if successes == 0 else middle - half
    high = 1.0 if successes == n else middle + half
    return Estimate(n, p, low, high)


@dataclass(frozen=True, slots=True)
class Rated:
    """One flag as several people judged it independently, in the order they did."""

    stream_id: str
    ratings: tuple[str, ...]


def cohen_kappa(pairs: Iterable[Rated]) -> Estimate:
    """Agreement of two fixed people beyond chance (Cohen 1960), bootstrapped over streams.

    Args:
        pairs: Flags with exactly two ratings, always of the same two people in the same order.
    """
    rated = list(pairs)
    categories = _categories(rated)
    sums = _tables(rated, categories, _pair_table)
    return _over_streams(sums, len(rated), _kappa, "every verdict of both was the same")


def krippendorff_alpha(units: Iterable[Rated]) -> Estimate:
    """Agreement of any number of people beyond chance, for nominal ratings.

    Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section D; units with one
    rating say nothing and are left out. The interval is bootstrapped over streams.
    """
    rated = [unit for unit in units if len(unit.ratings) > 1]
    categories = _categories(rated)
    sums = _tables(rated, categories, _coincidences)
    return _over_streams(sums, len(rated), _alpha, "every verdict was the same")


@dataclass(frozen=True, slots=True)
class Watched:
    """What people found in one flag or one audit sample.

    Attributes:
        stream_id: The stream.
        looks: Scored frames that it stands for.
        violent: What the final verdict was.
        probability: Chance with which it came to review: 1 for a flag, less for a sample of what
            was not flagged.
    """

    stream_id: str
    looks: int
    violent: bool
    probability: float = 1.0
    audited: bool = False


def recall(watched: Iterable[Watched]) -> Estimate:
    """Share of the violent scored frames that lay inside a flag.

    Frames of confirmed flags count once; violent audit samples stand for 1 / probability frames
    (Horvitz and Thompson 1952). The interval is bootstrapped over streams, or exact where few
    samples were violent. Without one violent sample there is no figure, only the least that
    recall can be.

    Raises:
        ValueError: A probability is not within 0 (excluded) and 1.
    """
    known = list(watched)
    for unit in known:
        if not 0 < unit.probability <= 1:
            raise ValueError(f"probability: got {unit.probability}, expected above 0 and at most 1")
    audited = [unit for unit in known if unit.audited]
    found = sum(unit.looks for unit in known if unit.violent and not unit.audited)
    if len(audited) < MIN_AUDITED:
        return Estimate(len(audited), because=f"needs {MIN_AUDITED} decided audit samples")
    if not any(unit.violent for unit in known):
        return Estimate(len(audited), because="nobody has found violence yet")
    if sum(unit.violent for unit in audited) < MIN_MISSES:
        return _few_misses(audited, found)
    rows = {stream_id: row for row, stream_id in enumerate(sorted({u.stream_id for u in known}))}
    sums = np.zeros((len(rows), 2))
    for unit in known:
        if unit.violent:
            sums[rows[unit.stream_id], int(unit.audited)] += unit.looks / unit.probability
    return _over_streams(sums, len(audited), _found_share, "no violence in some resamples")


def _few_misses(audited: Sequence[Watched], found: int) -> Estimate:
    """Recall where so few samples were violent that resampling them would promise too much.

    The number of violent samples has an exact Poisson interval; each stands for the mean weight
    by weight, so that samples which stand for many frames count as the risk that they are.
    """
    weights = np.array([unit.looks / unit.probability for unit in audited])
    each = float((weights**2).sum() / weights.sum())
    missed = sum(unit.looks / unit.probability for unit in audited if unit.violent)
    violent = sum(unit.violent for unit in audited)
    fewest, most = poisson_interval(violent)
    value = found / (found + missed) if violent else None
    because = f"only {violent} violent audit samples" if violent else "no audit sample was violent"
    low, high = found / (found + most * each), found / (found + fewest * each)
    return Estimate(len(audited), value, low, high, because)


def poisson_interval(count: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Exact interval of a Poisson mean from one count (Garwood 1936)."""
    tail = (1 - confidence) / 2
    most = _poisson_mean(count, tail)
    return (_poisson_mean(count - 1, 1 - tail) if count else 0.0), most


def _poisson_mean(count: int, chance: float) -> float:
    """The mean under which `count` or fewer come with this chance, by bisection."""
    low, high = 0.0, 10.0 * (count + 2)
    for _ in range(60):
        mean = (low + high) / 2
        term = total = math.exp(-mean)
        for k in range(1, count + 1):
            term *= mean / k
            total += term
        low, high = (mean, high) if total > chance else (low, mean)
    return (low + high) / 2


def _categories(rated: Sequence[Rated]) -> Mapping[str, int]:
    found = sorted({rating for unit in rated for rating in unit.ratings})
    return {category: number for number, category in enumerate(found)}


def _tables(
    rated: Sequence[Rated],
    categories: Mapping[str, int],
    table: Callable[[Sequence[int], int], Array],
) -> Array:
    """Sums of each unit's table by stream, `[streams, categories * categories]`."""
    size = len(categories)
    by_stream: dict[str, Array] = {}
    for unit in rated:
        added = table([categories[rating] for rating in unit.ratings], size)
        by_stream[unit.stream_id] = by_stream.get(unit.stream_id, 0.0) + added
    return np.array([sums.ravel() for sums in by_stream.values()]).reshape(len(by_stream), size**2)


def _pair_table(ratings: Sequence[int], size: int) -> Array:
    first, second = ratings
    table = np.zeros((size, size))
    table[first, second] = 1
    return table


def _coincidences(ratings: Sequence[int], size: int) -> Array:
    counts = np.bincount(ratings, minlength=size).astype(float)
    return (np.outer(counts, counts) - np.diag(counts)) / (len(ratings) - 1)


def _kappa(totals: Array) -> Array:
    tables, n = _squared(totals)
    observed = np.trace(tables, axis1=-2, axis2=-1) / n
    expected = (tables.sum(-1) * tables.sum(-2)).sum(-1) / (n * n)
    return np.asarray((observed - expected) / (1 - expected))


def _alpha(totals: Array) -> Array:
    tables, n = _squared(totals)
    marginals = tables.sum(-1)
    observed = (n - np.trace(tables, axis1=-2, axis2=-1)) / n
    expected = (n * n - (marginals**2).sum(-1)) / (n * (n - 1))
    return np.asarray(1 - observed / expected)


def _squared(totals: Array) -> tuple[Array, Array]:
    size = math.isqrt(totals.shape[-1])
    return totals.reshape(*totals.shape[:-1], size, size), totals.sum(-1)


def _found_share(totals: Array) -> Array:
    return np.asarray(totals[..., 0] / totals.sum(-1))


def _over_streams(
    sums: Array, n: int, statistic: Callable[[Array], Array], undefined: str
) -> Estimate:
    """A statistic of sums, with a percentile bootstrap that draws whole streams.

    Flags of one stream resemble each other, so that drawing single flags would promise too much.

    Args:
        sums: `[streams, k]`, what each stream adds.
        n: Observations, for the reader.
        statistic: `[..., k]` totals to `[...]` figures; NaN or infinite where it has none.
        undefined: What to say where the statistic has no value.
    """
    streams = len(sums)
    if not streams:
        return Estimate(0, because="no flag was judged by two people yet")
    if streams < MIN_STREAMS:
        return Estimate(n, because=f"needs {MIN_STREAMS} streams, has {streams}")
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(statistic(sums.sum(0)))
        if not math.isfinite(value):
            return Estimate(n, because=undefined)
        drawn = _resampled(sums, statistic)
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn) < 0.95 * ROUNDS:
        return Estimate(n, value, because="too few differing verdicts for an interval")
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(n, value, float(low), float(high))


def _resampled(sums: Array, statistic: Callable[[Array], Array]) -> Array:
    streams = len(sums)
    # The same data give the same interval: a page that is loaded again must not flicker.
    random = np.random.default_rng(0)
    rows = max(1, _CHUNK // streams)
    blocks: list[Any] = []
    for start in range(0, ROUNDS, rows):
        count = min(rows, ROUNDS - start)
        drawn = random.integers(streams, size=(count, streams))
        drawn += np.arange(count)[:, None] * streams
        times = np.bincount(drawn.ravel(), minlength=count * streams)
        blocks.append(statistic(times.reshape(count, streams).astype(float) @ sums))
    return np.concatenate(blocks)
