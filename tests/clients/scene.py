"""What the cells ask for, and how a cell reads what it cost."""

import base64
import struct
import zlib

import pytest
from fakes.running import Running, wait_until
from pydantic import BaseModel, ConfigDict

CLAUDE = "claude-haiku-5-5"
GEMINI = "gemini-3.8-flash"
ON_EITHER = pytest.mark.parametrize("model", [CLAUDE, GEMINI])

QUESTION = "What is 17 * 23?"
SLOWLY = f"{QUESTION} sim:delay=30"
CALLS = 'What is the weather? sim:tool=get_weather {"city": "Oslo"}'
CALLS_TWO = f'{CALLS} sim:tool=get_weather {{"city": "Rome"}}'
THINKS = "What is 17 * 23? sim:think"
BREAKS = "hello sim:cut sim:words=60 sim:delay=20"
TOO_LONG = "hello sim:too-long"
LASTS = "Count. sim:words=60 sim:drip=100"

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


class Verdict(BaseModel):
    """What the cells about structured output want."""

    model_config = ConfigDict(extra="forbid")

    summary: str
    score: int


def png() -> str:
    """Return a red pixel, in base64."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"\x00\xff\x00\x00"))
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b"")).decode()


def used(receipt: dict) -> tuple[int, int]:
    """Return the tokens read and written, as the ledger has them."""
    counts = [attempt["usage"] for attempt in receipt["attempts"]]
    inputs = ("fresh_input", "cache_read", "cache_write_5m", "cache_write_1h")
    read = sum(count[bucket] or 0 for count in counts for bucket in inputs)
    return read, sum(count["output"] or 0 for count in counts)


def is_drained(system: Running, task_id: str) -> bool:
    """Wait until the answer nobody waits for is read to its end, and tell whether it was."""

    def settled() -> bool:
        states = [attempt["state"] for attempt in system.receipt(task_id).get("attempts", [])]
        return bool(states) and set(states) == {"settled"}

    return wait_until(settled, within_s=60) and system.receipt(task_id)["outcome"] == "abandoned"
