"""Requests a minute for `bench/keep_alive.py`: of real tenants, made up, and from a file."""

import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import exp, sin, tau
from pathlib import Path
from random import Random

from pyarrow import parquet

DAYS = 14
MINUTES = DAYS * 24 * 60
WINDOW_MIN = 10
TENANTS = Path(__file__).parent / "data" / "servegen_rates_10min.csv.gz"
SHARED = Path(__file__).parents[2] / "shared" / "data"
ALL_TENANTS = SHARED / "servegen_m_large_rates_10min.parquet"
AZURE = SHARED / "azure_llm_2023_code.csv.gz"
LEAST_ACTIVE = 0.15
"""The share of windows with requests from which on a client is a tenant here."""

Windows = Mapping[int, tuple[float, float]]
"""Of a client, by window: requests (to any scale) and their coefficient of variation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Requests a minute."""

    name: str
    counts: Sequence[int]
    rates: Sequence[float] | None
    """What they were drawn from, requests a minute; `None`: not known."""


def shipped() -> dict[str, Windows]:
    """Return the tenants of the repository."""
    with gzip.open(TENANTS, "rt", encoding="utf-8") as file:
        rows = [
            (int(row["client"]), int(row["window"]), float(row["rate"]), float(row["cv"]))
            for row in csv.DictReader(file)
        ]
    return _by_client(rows)


def from_parquet(path: Path) -> dict[str, Windows]:
    """Return the tenants of a file like ServeGen's: `client`, `t` in s, `rate` a second, `cv`."""
    columns = parquet.read_table(path, columns=["client", "t", "rate", "cv"]).to_pydict()
    rows = [
        (client, t // (60 * WINDOW_MIN), rate, cv if cv == cv else 1.0)
        for client, t, rate, cv in zip(*columns.values(), strict=True)
    ]
    tenants = _by_client(rows)
    least = LEAST_ACTIVE * MINUTES / WINDOW_MIN
    return {name: windows for name, windows in tenants.items() if len(windows) > least}


def drawn(name: str, windows: Windows, per_day: float, seed: int) -> Traffic:
    """Draw a tenant's requests: Gamma renewals of each window's rate and variation."""
    scale = per_day * DAYS / sum(rate for rate, _ in windows.values())
    counts, rates = [0] * MINUTES, [0.0] * MINUTES
    rng = Random(f"{name} {per_day} {seed}")
    for window, (rate, variation) in windows.items():
        first, mean = window * WINDOW_MIN, rate * scale / WINDOW_MIN
        rates[first : first + WINDOW_MIN] = [mean] * WINDOW_MIN
        for at in _renewals(rng, mean, min(max(variation, 0.3), 6.0)):
            counts[first + int(at)] += 1
    return Traffic(name=name, counts=counts, rates=rates)


def _renewals(rng: Random, mean: float, variation: float) -> list[float]:
    """Return the minutes within a window at which something arrives."""
    shape = 1 / variation**2
    at, arrivals = -rng.random() / mean, list[float]()
    while (at := at + rng.gammavariate(shape, 1 / (mean * shape))) < WINDOW_MIN:
        if at >= 0:
            arrivals.append(at)
    return arrivals


def made_up(per_day: float, seed: int) -> list[Traffic]:
    """Return Poisson arrivals of other shapes than the tenants', and Azure's hour if it is here."""
    shapes: dict[str, Callable[[Random], list[float]]] = {
        "constant": lambda _: [1.0] * MINUTES,
        "bursts of 20 min, 3 h apart": lambda rng: _bursts(rng, 20, 180),
        "bursts of 3 h, a day apart": lambda rng: _bursts(rng, 180, 1440),
        "office hours": lambda _: [float(_is_office(minute)) for minute in range(MINUTES)],
        "half an hour a day": lambda _: [
            float(minute % 1440 in range(600, 630)) for minute in range(MINUTES)
        ],
        "drifting": _drifting,
        "day and night": lambda _: [
            1 + 0.9 * sin(tau * minute / 1440) for minute in range(MINUTES)
        ],
    }
    if AZURE.exists():
        shapes["Azure's hour, again and again"] = lambda _: _azure()
    return [_poisson(name, shape, per_day, seed) for name, shape in shapes.items()]


def _poisson(
    name: str, shape: Callable[[Random], list[float]], per_day: float, seed: int
) -> Traffic:
    rng = Random(f"{name} {per_day} {seed}")
    form = shape(rng)
    rates = [rate * per_day * DAYS / sum(form) for rate in form]
    return Traffic(name=name, counts=[_count(rng, rate) for rate in rates], rates=rates)


def _count(rng: Random, mean: float) -> int:
    count, at = 0, rng.expovariate(1.0)
    while at < mean:
        count, at = count + 1, at + rng.expovariate(1.0)
    return count


def _bursts(rng: Random, on_min: float, off_min: float) -> list[float]:
    rates: list[float] = []
    while len(rates) < MINUTES:
        rates += [0.0] * round(rng.expovariate(1 / off_min))
        rates += [1.0] * max(1, round(rng.expovariate(1 / on_min)))
    return rates[:MINUTES]


def _is_office(minute: int) -> bool:
    return minute // 1440 % 7 < 5 and 8 * 60 <= minute % 1440 < 18 * 60


def _drifting(rng: Random) -> list[float]:
    level, rates = 0.0, list[float]()
    for _ in range(MINUTES // 60):
        level += rng.gauss(0, 0.3) - 0.02 * level
        rates += [exp(level)] * 60
    return rates


def _azure() -> list[float]:
    with gzip.open(AZURE, "rt", encoding="utf-8") as file:
        moments = [row["TIMESTAMP"][:19] for row in csv.DictReader(file)]
    first = datetime.fromisoformat(moments[0]).replace(tzinfo=UTC)
    minutes = Counter(
        int((datetime.fromisoformat(moment).replace(tzinfo=UTC) - first).total_seconds() // 60)
        for moment in moments
    )
    length = max(minutes) + 1
    return [float(minutes[minute % length]) for minute in range(MINUTES)]


def from_csv(path: Path) -> Traffic:
    """Read a trace of requests: a column `t` or `TIMESTAMP`, seconds or an ISO time.

    Raises:
        SystemExit: it has no such column, or no row.
    """
    packed = path.read_bytes()
    text = (gzip.decompress(packed) if path.suffix == ".gz" else packed).decode()
    rows = csv.DictReader(text.splitlines())
    names = rows.fieldnames or ()
    column = next((name for name in names if name.lower() in ("t", "timestamp")), None)
    if column is None:
        raise SystemExit(f"{path}: no column t or TIMESTAMP; it has {', '.join(names) or 'none'}")
    moments = [_seconds(row[column]) for row in rows]
    if not moments:
        raise SystemExit(f"{path}: no request in it")
    first = min(moments) // 60
    minutes = Counter(int(moment // 60 - first) for moment in moments)
    counts = [minutes[minute] for minute in range(max(minutes) + 1)]
    return Traffic(name=path.name, counts=counts, rates=None)


def _seconds(moment: str) -> float:
    try:
        return float(moment)
    except ValueError:
        # Python reads at most six digits after the point; some traces have seven.
        return datetime.fromisoformat(moment[:26]).replace(tzinfo=UTC).timestamp()


def _by_client(rows: Sequence[tuple[int, int, float, float]]) -> dict[str, Windows]:
    tenants: defaultdict[str, dict[int, tuple[float, float]]] = defaultdict(dict)
    for client, window, rate, variation in rows:
        tenants[str(client)][window] = (rate, variation)
    return dict(tenants)
