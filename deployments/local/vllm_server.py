# vLLM is installed on VPS_1 alone, so that checkers do not find it.
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
"""vLLM, spelt in this file alone: its engine and its own chat-completion code, in this process.

No HTTP server of vLLM's is started, so that its unauthenticated routes do not exist.
"""

import asyncio
import io
import json
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, redirect_stderr
from typing import Any

import vllm
from starlette.datastructures import State
from starlette.requests import Request
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.entrypoints.launchers.api_server.app_state import init_app_state
from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.utils.argparse_utils import FlexibleArgumentParser
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.metrics.ray_wrappers import RayPrometheusStatLogger

from deployments.local.flags import flags
from tercet.environment import PROJECT

VERSION: str = vllm.__version__
# Left out are the fields by which one request exhausts the server (`n`, beams), replaces the chat
# template or reaches into the engine.
ALLOWED = frozenset(
    {"model", "messages", "max_tokens", "max_completion_tokens", "min_tokens", "ignore_eos"}
    | {"temperature", "top_p", "top_k", "min_p", "seed", "stop", "reasoning_effort"}
    | {"presence_penalty", "frequency_penalty", "repetition_penalty"}
    | {"response_format", "structured_outputs", "tools", "tool_choice", "parallel_tool_calls"}
    | {"stream", "stream_options", "stream_interval"}
)
"""What a request may say."""

_log = logging.getLogger(__name__)


class Server:
    """An engine that runs, and vLLM's chat-completion code over it."""

    def __init__(self, llm: AsyncLLM, completions: Any) -> None:  # noqa: ANN401  moves about in vLLM
        self._llm = llm
        self._completions = completions

    async def stream(
        self, request: Mapping[str, Any], headers: Mapping[str, str]
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the chunks of an answer, or one error."""
        try:
            said = await self._completions.create_chat_completion(
                _parsed(request), _with_headers(headers)
            )
        except Exception as error:  # noqa: BLE001  the caller has no vLLM to unpickle it with
            _log.info("refused: %s", type(error).__name__)  # its text quotes the prompt
            said = self._completions.create_error_response(error)
        if not isinstance(said, AsyncGenerator):
            yield _error(said.model_dump())
            return
        async with aclosing(said) as lines:
            async for line in lines:
                for chunk in _chunks(line):
                    yield chunk

    def unfinished(self) -> int:
        """Return how many requests the engine works on or has waiting."""
        return self._llm.get_num_unfinished_requests()

    async def check(self) -> None:
        """Raise if the engine is dead."""
        if self._llm.errored:
            raise RuntimeError(f"vLLM's engine is dead: {self._llm.dead_error}")

    def stop(self) -> None:
        """End the engine's processes."""
        self._llm.shutdown()


async def start(definition: Mapping[str, Any]) -> Server:
    """Load the model.

    Raises:
        ValueError: vLLM does not take an argument.
    """
    args = _arguments(flags(_here(definition)))
    llm = await asyncio.to_thread(
        AsyncLLM.from_engine_args,
        AsyncEngineArgs.from_cli_args(args),
        # Its metrics leave with those of this node, which the head collects.
        stat_loggers=[RayPrometheusStatLogger],
    )
    state = State()
    await init_app_state(llm, state, args, await llm.get_supported_tasks())
    return Server(llm, state.openai_serving_chat)


def _here(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return the definition with a folder of this checkout by its whole path."""
    folder = PROJECT / definition["source"]
    return {**definition, "source": str(folder) if folder.is_dir() else definition["source"]}


def _arguments(words: list[str]) -> Any:  # noqa: ANN401  argparse's
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            args = make_arg_parser(FlexibleArgumentParser()).parse_args(words)
    except SystemExit:  # which Ray would take for a replica that ended as it should
        reason = said.getvalue().rpartition("error: ")[2].strip()
        raise ValueError(f"vLLM refuses {' '.join(words)}: {reason}") from None
    validate_parsed_serve_args(args)
    return args


def _parsed(request: Mapping[str, Any]) -> ChatCompletionRequest:
    unknown = sorted(request.keys() - ALLOWED)
    if unknown:
        raise ValueError(f"not taken by the local model: {', '.join(unknown)}")
    always = {"stream": True, "stream_options": {"include_usage": True}}
    return ChatCompletionRequest(**(dict(request) | always))


def _with_headers(headers: Mapping[str, str]) -> Request:
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": pairs})


def _chunks(line: str) -> list[dict[str, Any]]:
    data = line.removeprefix("data: ").strip()
    if data == "[DONE]":
        return []
    chunk = json.loads(data)
    return [_error(chunk) if "error" in chunk else chunk]


def _error(response: Mapping[str, Any]) -> dict[str, Any]:
    error = response["error"]
    return {"error": {word: error[word] for word in ("code", "message", "type")}}
