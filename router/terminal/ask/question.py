"""What is typed -> what the gateway is sent."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from tercet.errors import ConfigError

_STDIN = Path("-")

Question = Mapping[str, object]
"""The body of a chat completion, in OpenAI's words."""


def question_of(
    text: str | None, files: Sequence[Path], stdin: TextIO, *, model: str, strict: bool
) -> Question:
    """Return the body of the request; standard input is read only where it is meant.

    Raises:
        ConfigError: nothing is asked, or a file is no text; the message says what to write.
    """
    reads_question = text in (None, "-") and _STDIN not in files
    if reads_question and text is None and stdin.isatty():
        raise ConfigError("nothing is asked; write the question: tercet ask 'What is 17 * 23?'")
    asked = _read(_STDIN, stdin) if reads_question else text or ""
    parts = [f'<file path="{file}">\n{_read(file, stdin)}\n</file>' for file in files]
    content = "\n\n".join([*parts, asked]).strip()
    if not content:
        raise ConfigError("nothing is asked; standard input has no text")
    body: dict[str, object] = {
        "model": model,
        "messages": [{"role": "user", "content": content}],
        "stream": True,
    }
    return body | {"metadata": {"strict": "true"}} if strict else body


def key_of(given: str | None, file: Path) -> tuple[str, str]:
    """Return the key that callers present, and where it is from.

    Raises:
        ConfigError: there is none.
    """
    if given is not None:
        return given, "TERCET_API_KEY"
    try:
        return file.read_text(encoding="utf-8").strip(), str(file)
    except OSError:
        raise ConfigError(
            "the gateway wants a key and there is none; set TERCET_API_KEY to the one that "
            "`make run` prints"
        ) from None


def _read(file: Path, stdin: TextIO) -> str:
    if file == _STDIN:
        return stdin.read()
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}; name another file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is no text (UTF-8); only text can be asked about") from error
