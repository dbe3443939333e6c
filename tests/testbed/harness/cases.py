"""The cases, as declared in `cases.toml`."""

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness import demand

CASES = Path(__file__).parent.parent / "cases.toml"

GUNICORN = ("sync", "gthread")
STACKS = (*GUNICORN, "async", "async-def", "fastapi", "fastapi-def")
"""sync and gthread: Django under gunicorn; the others under uvicorn: Starlette unless named
FastAPI, with an `async def` endpoint unless `-def`."""

MAX_RATE = 1_000
MAX_SECONDS = 300
"""Bounds on what a slip in the cases may do to a machine."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """A server, what it runs on and what is asked of it; recorded at one rate or several."""

    id: str
    """Names the case in file names, hence without spaces."""

    why: str
    """What the case is there to show."""

    stack: str
    """One of `STACKS`."""

    cores: tuple[int, ...]
    """Cores that the server *and* PostgreSQL are pinned to."""

    workers: int
    threads: int = 1
    """Threads of each gthread worker; the others take no notice."""

    pool: int | None = None
    """Connections of each uvicorn process, all opened at start."""

    hold: str | None = None
    """`query`: a pooled connection is taken for each query; `request`: from the first query on."""

    persist: bool = True
    """Whether connections to the database outlive the request."""

    max_connections: int = 100
    """PostgreSQL's, of which it keeps 3 for superusers."""

    timeout_s: int = 30
    """gunicorn's worker timeout."""

    segments: str
    """What requests ask for, see `demand.draw`."""

    rates: tuple[float, ...]
    """Requests a second, on average: one recording each."""

    thrice: tuple[float, ...] = ()
    """Those of the rates to be recorded three times over, to learn the noise of a recording."""

    bare: bool = False
    """Whether the stack's bare costs are probed: one case for each stack, cores and `persist`."""

    seconds: int = 30
    """How long requests arrive."""

    client_timeout_s: float = 60
    """The client's patience, from the scheduled instant."""

    memory_mb: int | None = None
    """Limit on the memory of the server's processes together, PostgreSQL not included; no swap."""

    req_kb: int = 0
    """Memory touched and held by each request in flight."""

    ballast_mb: int = 0
    """Memory of each worker beyond its own."""

    seed: int = 1
    """Where the drawing of requests starts: same seed, same requests."""

    def extra(self) -> str:
        """The `extra` column of `cases.csv`."""
        parts = {"req_kb": self.req_kb, "ballast_mb": self.ballast_mb}
        return " ".join(f"{name}={value}" for name, value in parts.items() if value)

    def problems(self) -> list[str]:
        """Everything that is wrong with the case, in sentences; empty if it can be recorded."""
        bounds = [
            (self.stack in STACKS, f"stack must be one of {', '.join(STACKS)}"),
            (self.workers >= 1 and self.threads >= 1, "workers and threads must be at least 1"),
            (self.threads == 1 or self.stack == "gthread", "only gthread has threads"),
            (bool(self.cores), "cores must name at least one core"),
            (self.hold in (None, "query", "request"), "hold must be query or request"),
            (self.stack in GUNICORN or self.pool is not None, "a uvicorn stack needs a pool"),
            (bool(self.rates), "rates must name at least one rate"),
            (all(0 < rate <= MAX_RATE for rate in self.rates), f"rates must be in 0..{MAX_RATE}"),
            (set(self.thrice) <= set(self.rates), "thrice must be among the rates"),
            (0 < self.seconds <= MAX_SECONDS, f"seconds must be in 1..{MAX_SECONDS}"),
            (0 < self.client_timeout_s <= 120, "client_timeout_s must be in 0..120"),
        ]
        found = [message for holds, message in bounds if not holds]
        return found + demand.problems(self.segments)


def read(path: Path = CASES) -> dict[str, Case]:
    """Reads all cases, by id; raises `ValueError` naming every problem there is."""
    declared = tomllib.loads(path.read_text(encoding="utf-8"))
    found: dict[str, Case] = {}
    problems: list[str] = []
    for entry in declared["case"]:
        name = entry.get("id", "(no id)")
        if name in found:
            problems.append(f"{name}: declared twice")
        try:
            case = _case(entry)
        except TypeError as error:
            problems.append(f"{name}: {error}")
            continue
        problems += [f"{name}: {problem}" for problem in case.problems()]
        found[name] = case
    if problems:
        raise ValueError(f"{path.name}:\n  " + "\n  ".join(problems))
    return found


def _case(entry: Mapping[str, Any]) -> Case:
    """A case from its table; lists become tuples, as a case is a value."""
    fields: dict[str, Any] = dict(entry)
    lists = [name for name, value in fields.items() if isinstance(value, list)]
    return Case(**fields | {name: tuple(fields[name]) for name in lists})
