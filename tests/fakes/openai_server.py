"""Stands for vLLM's OpenAI server on a rented machine: openai_server.py NODES PORT.

Says what the last message asks for. Its key is what the head tells the machine that is wanted.
"""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from cluster.vps_2.welcome import answer

USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
FAILED = {"message": "EngineDeadError", "type": "InternalServerError", "code": 500, "param": None}
LINES = {
    "nonsense": "data: {not json\n\n",
    "flood": "data: " + "x" * 3_000_000,
    "fail": f"data: {json.dumps({'error': FAILED})}\n\n",
}
TOO_LONG = "This model's maximum context length is 4096 tokens."


class Server:
    def __init__(self, key: str) -> None:
        self.key = key
        self.seen: list[dict] = []
        self.closed = 0
        self.hangs = False

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/health", self._health),
                Route("/version", self._version),
                Route("/seen", self._seen),
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
            ]
        )

    async def _health(self, _: Request) -> Response:
        if self.hangs:
            await asyncio.sleep(60)
        return Response()

    async def _version(self, _: Request) -> Response:
        return JSONResponse({"version": "0.32.0"})

    async def _seen(self, _: Request) -> Response:
        return JSONResponse({"seen": self.seen, "closed": self.closed})

    async def _chat(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return JSONResponse({"error": "Unauthorized"}, status_code=401)
        body = await request.json()
        self.seen.append({"headers": dict(request.headers), "body": body})
        said = body["messages"][-1]["content"]
        if said == "too long":
            error = {"message": TOO_LONG, "type": "BadRequestError", "param": None, "code": 400}
            return JSONResponse({"error": error}, status_code=400)
        if said == "busy":
            return Response("come back later", status_code=429)
        return StreamingResponse(self._stream(said), media_type="text/event-stream")

    async def _stream(self, said: str) -> AsyncGenerator[str, None]:
        try:
            yield chunk({"content": "first"})
            if said in LINES:
                yield LINES[said]
            else:
                await self._behave(said)
            while said == "for ever":
                yield chunk({"content": "and"})
                await asyncio.sleep(0.01)
            yield chunk({"content": " last"}, "stop")
            yield f"data: {json.dumps({'id': 'c1', 'choices': [], 'usage': USAGE})}\n\n"
            yield "data: [DONE]\n\n"
        finally:
            self.closed += 1

    async def _behave(self, said: str) -> None:
        match said:
            case "break":
                raise ConnectionError
            case "hang":
                self.hangs = True
                await asyncio.sleep(60)
            case "think":
                await asyncio.sleep(0.5)


def chunk(delta: dict, finish: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return f"data: {json.dumps({'id': 'c1', 'choices': [choice]})}\n\n"


def config(server: Server, port: int) -> uvicorn.Config:
    return uvicorn.Config(server.app(), port=port, ws="none", lifespan="off", log_level="critical")


if __name__ == "__main__":
    nodes = Path(sys.argv[1])
    lease = max(nodes.glob("*.json"), key=lambda file: file.stat().st_mtime).stem
    told = json.loads(answer(nodes, lease, "join"))
    server = Server(told["environment"]["VLLM_API_KEY"])
    uvicorn.Server(config(server, int(sys.argv[2]))).run()
