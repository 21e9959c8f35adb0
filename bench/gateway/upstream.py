"""Providers that answer at once: Messages, Gemini and chat completions from bytes made beforehand.

    python -m bench.gateway.upstream PORT

A request that says `[[100 chunks]]` gets as many, and `[[100 chunks 5 ms]]` so far apart; others
get one. What is measured is what is in front of it, so it parses nothing.
"""

import asyncio
import json
import re
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import cast

import uvloop

WORD = "word "
_ASKED = re.compile(rb"\[\[(\d+) chunks(?: (\d+) ms)?\]\]")
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_USAGE = {"input_tokens": 25, "output_tokens": 100}
_TOOL = {"city": "Paris"}


def _event(name: str, **data: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode()


def _message(content: Sequence[object], stop: str | None) -> dict[str, object]:
    return {
        "id": "msg_bench",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-5-5",
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": _USAGE,
    }


def _anthropic_events(count: int) -> list[bytes]:
    delta = _event("content_block_delta", index=0, delta={"type": "text_delta", "text": WORD})
    return [
        _event("message_start", message=_message([], None))
        + _event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        *[delta] * count,
        _event("content_block_stop", index=0)
        + _event("message_delta", delta={"stop_reason": "end_turn"}, usage=_USAGE)
        + _event("message_stop"),
    ]


def _anthropic_tool() -> list[bytes]:
    use = {"type": "tool_use", "id": "toolu_bench", "name": "weather", "input": {}}
    text = json.dumps(_TOOL)
    return [
        _event("message_start", message=_message([], None))
        + _event("content_block_start", index=0, content_block=use),
        *[
            _event(
                "content_block_delta",
                index=0,
                delta={"type": "input_json_delta", "partial_json": part},
            )
            for part in (text[:8], text[8:])
        ],
        _event("content_block_stop", index=0)
        + _event("message_delta", delta={"stop_reason": "tool_use"}, usage=_USAGE)
        + _event("message_stop"),
    ]


def _gemini_chunk(part: Mapping[str, object], *, is_last: bool) -> bytes:
    candidate: dict[str, object] = {"content": {"role": "model", "parts": [part]}}
    if is_last:
        candidate["finishReason"] = "STOP"
    usage = {"promptTokenCount": 25, "candidatesTokenCount": 100, "totalTokenCount": 125}
    body = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "bench"}
    return json.dumps(body).encode()


def _gemini_events(part: Mapping[str, object], count: int) -> list[bytes]:
    some = b"data: " + _gemini_chunk(part, is_last=False) + b"\r\n\r\n"
    last = b"data: " + _gemini_chunk(part, is_last=True) + b"\r\n\r\n"
    return [*[some] * (count - 1), last]


def _gemini(count: int, *, stream: bool, tools: bool) -> list[bytes]:
    if tools:
        part, count = {"functionCall": {"name": "weather", "args": _TOOL}}, 1
    else:
        part = {"text": WORD if stream else WORD * count}
    if not stream:
        return [_whole(_gemini_chunk(part, is_last=True))]
    return [_STREAM, *map(_chunk, _gemini_events(part, count)), b"0\r\n\r\n"]


def _whole(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


_STREAM = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


@cache
def _pieces(path: bytes, count: int, *, stream: bool, tools: bool) -> list[bytes]:
    """Return what is written for a request, one piece a chunk."""
    if b"count_tokens" in path.lower() or b"countTokens" in path:
        return [_whole(b'{"input_tokens": 25, "totalTokens": 25}')]
    if b"generateContent" in path.replace(b"streamG", b"g"):
        return _gemini(count, stream=stream, tools=tools)
    if not stream:
        use = {"type": "tool_use", "id": "toolu_bench", "name": "weather", "input": _TOOL}
        content: object = use if tools else {"type": "text", "text": WORD * count}
        stop = "tool_use" if tools else "end_turn"
        return [_whole(json.dumps(_message([content], stop)).encode())]
    events = _anthropic_tool() if tools else _anthropic_events(count)
    return [_STREAM, *map(_chunk, events), b"0\r\n\r\n"]


def _asks(body: bytes) -> Mapping[str, bool]:
    compact = body.replace(b'": ', b'":')
    return {"stream": b'"stream":true' in compact, "tools": b'"tools":[' in compact}


class Upstream(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to listen."""
        self._transport = cast("asyncio.Transport", transport)
        self._got = b""

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._got += data
        while (end := self._got.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._got[:end])
            until = end + 4 + (int(length[1]) if length else 0)
            if len(self._got) < until:
                return
            path = self._got.split(b" ", 2)[1]
            self._answer(path, self._got[end + 4 : until])
            self._got = self._got[until:]

    def _answer(self, path: bytes, body: bytes) -> None:
        asked = _ASKED.search(body)
        count = int(asked[1]) if asked else 1
        asks = {**_asks(body)}
        asks["stream"] |= b"streamGenerateContent" in path
        pieces = _pieces(path, count, **asks)
        if asked and asked[2]:
            self._drip(pieces, int(asked[2]) / 1000)
        else:
            self._transport.write(b"".join(pieces))

    def _drip(self, pieces: Sequence[bytes], every_s: float) -> None:
        loop, now = asyncio.get_running_loop(), asyncio.get_running_loop().time()
        for place, piece in enumerate(pieces):
            loop.call_at(now + place * every_s, self._write, piece)

    def _write(self, piece: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(piece)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
