"""The files of a set of recordings; each is replaced whole, so an interrupted run leaves none half
written, and recording a case again replaces what was there of it.
"""

import csv
import gzip
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes a CSV table."""
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    replace(path, text.getvalue().encode())


def write_compressed(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Writes a gzipped CSV table, without the time of day: same content, same bytes."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows(rows)
    replace(path, gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0))


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV table; none if there is no such file yet."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def merge_rows(
    path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]], key: Sequence[str]
) -> None:
    """Puts rows into a table, in place of those with the same key or else at its end."""

    def identity(row: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(str(row[name]) for name in key)

    merged: dict[tuple[str, ...], Mapping[str, Any]] = {}
    for row in [*read_table(path), *rows]:
        merged[identity(row)] = row
    write_table(path, columns, merged.values())


def replace(path: Path, content: bytes) -> None:
    """Replaces a file's content in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    beside.write_bytes(content)
    beside.replace(path)


def read_compressed(path: Path) -> list[dict[str, str]]:
    """The rows of a gzipped CSV table."""
    return list(csv.DictReader(io.StringIO(gzip.decompress(path.read_bytes()).decode())))
