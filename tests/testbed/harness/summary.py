"""Figures of a recording: quantiles, counts, and the row it has in `cases.csv`."""

import math
from collections import Counter
from collections.abc import Sequence

from harness.cases import Case
from harness.demand import Request
from harness.generator import Report

COLUMNS = (
    "id,stack,cores,workers,threads,pool,hold,persist,max_connections,timeout_s,segments,rate,"
    "seconds,client_timeout_s,n,ok,mean_ms,p50_ms,p90_ms,p95_ms,p99_ms,codes,steal_pct,rss_mb,"
    "memory_mb,extra"
).split(",")

WARM_UP_S = 5.0
"""Requests that arrive earlier are in the trace but not in the figures."""

Cell = str | int | float


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest of sorted values with at least `share` of them at or below it."""
    return values[max(0, math.ceil(share * len(values)) - 1)]


def row(
    case: Case,
    rate: float,
    requests: Sequence[Request],
    report: Report,
    steal_pct: float,
    rss_mb: Sequence[int],
) -> dict[str, Cell]:
    """The recording's row: times are over requests answered with 200."""
    # A run of a few seconds, as the smoke test makes, would have nothing left.
    first = min(WARM_UP_S, case.seconds / 4)
    counted = [row for row in report.rows if requests[row.number].arrival_s >= first]
    good = sorted(1000.0 * row.latency_s for row in counted if row.status == 200)
    codes = Counter(row.status for row in counted)
    return {
        **declared(case, rate),
        "n": len(counted),
        "ok": len(good),
        **times(good),
        "codes": str(dict(sorted(codes.items()))),
        "steal_pct": round(steal_pct, 2),
        "rss_mb": " ".join(map(str, rss_mb)),
    }


def times(sorted_ms: Sequence[float]) -> dict[str, Cell]:
    """Mean and quantiles in ms; empty if there is nothing to sum up."""
    names = ("p50_ms", "p90_ms", "p95_ms", "p99_ms")
    if not sorted_ms:
        return dict.fromkeys(("mean_ms", *names), "")
    found = [quantile(sorted_ms, share) for share in (0.5, 0.9, 0.95, 0.99)]
    mean = sum(sorted_ms) / len(sorted_ms)
    return {
        "mean_ms": round(mean, 3),
        **{name: round(value, 3) for name, value in zip(names, found, strict=True)},
    }


def number(value: float) -> str:
    """A rate as it stands in tables and file names: 5, 2.5."""
    return f"{value:g}"


def declared(case: Case, rate: float) -> dict[str, Cell]:
    """The part of a row that says what was recorded."""
    return {
        "id": case.id,
        "stack": case.stack,
        "cores": ",".join(map(str, case.cores)),
        "workers": case.workers,
        "threads": case.threads,
        "pool": "" if case.pool is None else case.pool,
        "hold": case.hold or "",
        "persist": int(case.persist),
        "max_connections": case.max_connections,
        "timeout_s": case.timeout_s,
        "segments": case.segments,
        "rate": number(rate),
        "seconds": case.seconds,
        "client_timeout_s": number(case.client_timeout_s),
        "memory_mb": case.memory_mb or "",
        "extra": case.extra(),
    }
