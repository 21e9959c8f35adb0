"""One version of what was learned <-> the bytes that the ledger keeps of it.

A zip of arrays (numpy's own, nothing pickled) with a JSON member for all that is no array. The
large weights are float16: they are sums of hundreds of them, and 3 digits of each are plenty.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, cast

import numpy as np

from router.learning.deferral import Deferral
from router.learning.estimates import Array, Estimates, Head, Residual, Table
from router.learning.features import BUCKETS
from tercet.errors import TercetError

FORMAT: Final = 1
_TABLE: Final = ("quality", "labels", "cost_fixed", "cost_per_token")
_META: Final = "meta"
_NO_POLICY: Final = (
    ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What numpy, zip and JSON say of bytes that are something else."""


class DamagedPolicyError(TercetError):
    """A document that is no policy of this release. The message says why."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Policy:
    """What a learned policy decides by."""

    version: str
    estimates: Estimates
    deferrals: Mapping[str, Deferral] = field(default_factory=dict[str, Deferral])
    """By kind, with `deferral.ANY_KIND` for the others; empty: too little was known."""
    quality_per_nano_usd: float
    """How much quality a nano-USD has to buy."""
    margins: Mapping[str, float]
    """By kind, how much quality may be lost to save money."""
    places: Mapping[str, str] = field(default_factory=dict[str, str])
    """By arm, what it is in the catalog whatever its models' versions: who takes an arm's place
    inherits what is known of it."""
    made_from: Mapping[str, int] = field(default_factory=dict[str, int])
    """Counts: tasks, labels, groups."""


def to_bytes(policy: Policy) -> bytes:
    """Write a policy; the same policy makes the same bytes."""
    estimates = policy.estimates
    arrays: dict[str, Array] = {
        f"table_{name}": np.asarray(getattr(estimates.table, name), np.float64) for name in _TABLE
    }
    if estimates.idf is not None:
        arrays["idf"] = np.asarray(estimates.idf, np.float16)
    if estimates.head is not None:
        arrays["head_weights"] = np.asarray(estimates.head.weights, np.float16)
        arrays["head_bias"] = np.asarray(estimates.head.bias, np.float32)
    if estimates.residual is not None:
        arrays["residual_weights"] = np.asarray(estimates.residual.weights, np.float16)
        arrays["residual_bias"] = np.asarray(estimates.residual.bias, np.float32)
        arrays["residual_pays"] = np.asarray(estimates.residual.pays, np.float32)
    file = io.BytesIO()
    meta = json.dumps(_meta(policy), sort_keys=True).encode()
    np.savez_compressed(
        file, allow_pickle=False, **{_META: np.frombuffer(meta, np.uint8)}, **arrays
    )
    return file.getvalue()


def from_bytes(data: bytes) -> Policy:
    """Read what `to_bytes` wrote.

    Raises:
        DamagedPolicyError: it is something else, or of another release.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            meta = _meta_of(arrays)
            return _policy(meta, {name: arrays[name] for name in arrays.files if name != _META})
    except _NO_POLICY as error:
        raise DamagedPolicyError(
            f"this is no policy document, or a damaged one ({type(error).__name__}: {error}); "
            "put another version in force, or fit one: `tercet policy fit`"
        ) from error


def _meta(policy: Policy) -> dict[str, object]:
    return {
        "format": FORMAT,
        "version": policy.version,
        "kinds": policy.estimates.kinds,
        "arms": policy.estimates.arms,
        "deferrals": {kind: asdict(deferral) for kind, deferral in policy.deferrals.items()},
        "quality_per_nano_usd": policy.quality_per_nano_usd,
        "margins": dict(policy.margins),
        "places": dict(policy.places),
        "made_from": dict(policy.made_from),
    }


def _meta_of(arrays: Mapping[str, Array]) -> dict[str, Any]:
    meta: dict[str, Any] = json.loads(arrays[_META].tobytes())
    found = meta["format"]
    if found != FORMAT:
        raise DamagedPolicyError(
            f"the policy document is of format {found!r} and this release reads {FORMAT}; "
            "put another version in force, or fit one: `tercet policy fit`"
        )
    return meta


def _policy(meta: dict[str, Any], arrays: Mapping[str, Array]) -> Policy:
    return Policy(
        version=meta["version"],
        estimates=_estimates(tuple(meta["kinds"]), tuple(meta["arms"]), arrays),
        deferrals={kind: _deferral(row) for kind, row in meta["deferrals"].items()},
        quality_per_nano_usd=float(meta["quality_per_nano_usd"]),
        margins=meta["margins"],
        places=meta["places"],
        made_from=meta["made_from"],
    )


def _estimates(
    kinds: tuple[str, ...], arms: tuple[str, ...], arrays: Mapping[str, Array]
) -> Estimates:
    size = (len(kinds), len(arms))
    table = {name: _shaped(arrays, f"table_{name}", size) for name in _TABLE}
    idf = _shaped(arrays, "idf", (BUCKETS,)) if "idf" in arrays else None
    head = residual = None
    if "head_weights" in arrays:
        head = Head(
            weights=_shaped(arrays, "head_weights", (BUCKETS, len(kinds))),
            bias=_shaped(arrays, "head_bias", (len(kinds),)),
        )
    if "residual_weights" in arrays:
        residual = Residual(
            weights=_shaped(arrays, "residual_weights", (BUCKETS, len(arms))),
            bias=_shaped(arrays, "residual_bias", (len(arms),)),
            pays=_shaped(arrays, "residual_pays", (len(kinds),)),
        )
    return Estimates(
        kinds=kinds, arms=arms, table=Table(**table), idf=idf, head=head, residual=residual
    )


def _shaped(arrays: Mapping[str, Array], name: str, shape: tuple[int, ...]) -> Array:
    """Return an array as the request path wants it: no float16, which is slow to reckon with."""
    found = arrays[name]
    if found.shape != shape or not np.isfinite(found).all():
        raise ValueError(f"{name} is {found.shape}, not {shape}, or has numbers that are none")
    return found.astype(np.float32) if found.dtype == np.float16 else found


def _deferral(row: dict[str, Any]) -> Deferral:
    fields: dict[str, Any] = {name: _as_tuple(value) for name, value in row.items()}
    return Deferral(**fields)


def _as_tuple(value: object) -> object:
    """Return a list of JSON as the tuple that it was."""
    return tuple(cast("list[object]", value)) if isinstance(value, list) else value
