"""Draws requests: when each arrives, and what it asks for.

All randomness of a recording is here. Unit gaps and demands are drawn first and the gaps divided
by the rate, so that a case at 5 and at 50 requests a second faces the same requests, and two
cases of the same seed differ by their servers alone.
"""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from harness import files

Segment = Callable[[random.Random], float]


class Request(NamedTuple):
    """One request to be sent."""

    arrival_s: float
    """When it is sent, from the start of the recording, to the microsecond."""

    segments_ms: str
    """What it asks for, as it stands in its URL and in the trace."""


def draw(segments: str, rate: float, seconds: float, seed: int) -> list[Request]:
    """Poisson arrivals at `rate` a second for `seconds`, each with demands drawn by `segments`.

    `segments` is a comma-separated list, compute and query in turn, in milliseconds: `exp:MEAN`,
    `const:VALUE`, or `mix:USUAL:SHARE:RARE` (`SHARE` of the requests take `RARE`).
    """
    laws = [_law(text) for text in segments.split(",")]
    gaps = random.Random(f"{seed} gaps")
    demands = random.Random(f"{seed} demands")
    requests: list[Request] = []
    unit_clock = gaps.expovariate(1.0)
    while unit_clock / rate < seconds:
        drawn = ";".join(f"{law(demands):.4f}" for law in laws)
        requests.append(Request(round(unit_clock / rate, 6), drawn))
        unit_clock += gaps.expovariate(1.0)
    return requests


def of_trace(path: Path) -> list[Request]:
    """The requests of an earlier recording, to be sent once more."""
    rows = files.read_compressed(path) if path.suffix == ".gz" else files.read_table(path)
    return [Request(float(row["arrival_s"]), row["segments_ms"]) for row in rows]


def problems(segments: str) -> list[str]:
    """What is wrong with a description of segments, in sentences."""
    return list(_problems(segments))


def _problems(segments: str) -> Iterator[str]:
    for text in segments.split(","):
        try:
            _law(text)
        except (ValueError, KeyError):
            yield f"segments: {text!r} is not exp:MEAN, const:VALUE or mix:USUAL:SHARE:RARE"


def _law(text: str) -> Segment:
    """How to draw one segment, in milliseconds; raises `ValueError` or `KeyError`."""
    name, *written = text.strip().split(":")
    values = [float(value) for value in written]
    if len(values) != {"exp": 1, "const": 1, "mix": 3}[name] or min(values) < 0.0:
        raise ValueError(text)
    if name == "mix":
        return _mixture(*values)
    return _exponential(values[0]) if name == "exp" else _constant(values[0])


def _exponential(mean: float) -> Segment:
    return lambda stream: mean * stream.expovariate(1.0)


def _constant(value: float) -> Segment:
    return lambda _: value


def _mixture(usual: float, share: float, rare: float) -> Segment:
    return lambda stream: rare if stream.random() < share else usual
