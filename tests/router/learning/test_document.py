import io
import json
from time import process_time

import numpy as np
import pytest

from router.learning.deferral import Deferral
from router.learning.document import DamagedPolicyError, Policy, from_bytes, to_bytes
from router.learning.estimates import Estimates, Head, Residual, Table
from router.learning.features import BUCKETS, sketch_of

DEFERRAL = Deferral(
    kind="maths", mode="escalate", arms=("flash", "haiku"), strong="sonnet", up_to_tokens=900,
    gain=-0.01, quality=0.8, nano_usd=4_000, strong_quality=0.81, strong_nano_usd=9_000,
    agreement=0.7, tasks=120, reasons=("escalate of flash and haiku to sonnet",),
)  # fmt: skip


def table(kinds: int, arms: int) -> Table:
    numbers = np.arange(kinds * arms, dtype=float).reshape(kinds, arms)
    return Table(
        quality=numbers / 200, labels=numbers, cost_fixed=numbers * 1e9, cost_per_token=numbers * 7
    )


def large(kinds: int = 13, arms: int = 8) -> Policy:
    """Return a policy in which half of all buckets have weights, which is more than texts fill."""
    random = np.random.default_rng(1)
    used = random.random(BUCKETS) < 0.5
    estimates = Estimates(
        kinds=tuple(f"kind{n}" for n in range(kinds)),
        arms=tuple(f"arm{n}" for n in range(arms)),
        table=table(kinds, arms),
        idf=np.where(used, random.uniform(1, 9, BUCKETS), 0).astype(np.float32),
        head=Head(
            weights=(used[:, None] * random.normal(0, 2, (BUCKETS, kinds))).astype(np.float32),
            bias=np.full(kinds, -20.0, np.float32),
        ),
        residual=Residual(
            weights=(used[:, None] * random.normal(0, 0.1, (BUCKETS, arms))).astype(np.float32),
            bias=np.zeros(arms, np.float32),
            pays=np.ones(kinds, np.float32),
        ),
    )
    return Policy(version="v", estimates=estimates, quality_per_nano_usd=2e-9, margins={})


SMALL = Policy(
    version="20261129T030000",
    estimates=Estimates(kinds=("maths", "chat"), arms=("flash", "opus"), table=table(2, 2)),
    deferrals={"maths": DEFERRAL},
    quality_per_nano_usd=2.5e-9,
    margins={"maths": 0.03, "chat": 0.05},
    places={"flash": "tier3.1", "opus": "tier1.0"},
    made_from={"labels": 700, "tasks": 350},
)


def test_a_policy_comes_back_as_it_was_written() -> None:
    back = from_bytes(to_bytes(SMALL))
    assert (back.version, back.deferrals, back.quality_per_nano_usd) == (
        "20261129T030000", {"maths": DEFERRAL}, 2.5e-9,
    )  # fmt: skip
    assert (back.margins, back.places, back.made_from) == (
        SMALL.margins, SMALL.places, SMALL.made_from,
    )  # fmt: skip
    assert (back.estimates.kinds, back.estimates.arms) == (("maths", "chat"), ("flash", "opus"))
    assert back.estimates.table.cost_fixed.tolist() == [[0, 1e9], [2e9, 3e9]]
    assert back.estimates.table.labels.tolist() == [[0, 1], [2, 3]]
    assert not back.estimates.reads_text


def test_weights_that_were_written_expect_nearly_the_same() -> None:
    policy, sketch = large(), sketch_of("Prove that the square root of two is irrational.")
    before = policy.estimates.expect(None, 100, sketch)
    after = from_bytes(to_bytes(policy)).estimates.expect(None, 100, sketch)
    assert after.kinds == pytest.approx(before.kinds, abs=0.01)
    assert after.quality == pytest.approx(before.quality, abs=0.005)
    assert after.cost_nano_usd == pytest.approx(before.cost_nano_usd, rel=0.01)


def test_the_same_policy_makes_the_same_bytes() -> None:
    assert to_bytes(SMALL) == to_bytes(from_bytes(to_bytes(SMALL)))


def test_thirteen_kinds_and_eight_arms_take_at_most_8_mb_and_150_ms_to_load() -> None:
    data = to_bytes(large())
    begun = process_time()
    from_bytes(data)
    assert process_time() - begun <= 0.15
    assert len(data) <= 8_000_000


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"hello" * 100, to_bytes(SMALL)[:-200]])
def test_bytes_that_are_no_policy_are_told_so_with_a_remedy(data: bytes) -> None:
    with pytest.raises(DamagedPolicyError, match=r"no policy document.*`tercet policy fit`"):
        from_bytes(data)


def test_a_flipped_bit_is_found() -> None:
    data = bytearray(to_bytes(SMALL))
    data[len(data) // 3] ^= 0x40
    with pytest.raises(DamagedPolicyError):
        from_bytes(bytes(data))


def rewritten(**changes: object) -> bytes:
    """Return the small policy's document with other arrays, or other metadata."""
    with np.load(io.BytesIO(to_bytes(SMALL))) as kept:
        arrays = {name: kept[name] for name in kept.files}
    meta = json.loads(arrays["meta"].tobytes())
    meta |= {name: value for name, value in changes.items() if not hasattr(value, "shape")}
    arrays |= {name: value for name, value in changes.items() if hasattr(value, "shape")}
    arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def test_another_format_is_named() -> None:
    with pytest.raises(DamagedPolicyError, match="of format 2 and this release reads 1"):
        from_bytes(rewritten(format=2))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"table_quality": np.zeros((3, 2))}, r"table_quality is \(3, 2\), not \(2, 2\)"),
        ({"table_labels": np.full((2, 2), np.nan)}, "numbers that are none"),
        ({"arms": ["flash"]}, r"is \(2, 2\), not \(2, 1\)"),
        ({"idf": np.zeros(9)}, r"idf is \(9,\)"),
    ],
)
def test_arrays_that_do_not_fit_are_named(changes: dict[str, object], said: str) -> None:
    with pytest.raises(DamagedPolicyError, match=said):
        from_bytes(rewritten(**changes))


def test_nothing_pickled_is_loaded() -> None:
    file = io.BytesIO()
    np.savez(file, meta=np.array([{"format": 1}], dtype=object))
    with pytest.raises(DamagedPolicyError, match="allow_pickle"):
        from_bytes(file.getvalue())
