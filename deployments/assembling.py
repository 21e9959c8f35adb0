"""The pieces of an answer, put together."""

from dataclasses import dataclass, field, replace
from typing import TypeAlias

from tercet.call import Delta, Piece, Raw, ThoughtDelta, ToolDelta
from tercet.catalog import ProviderName
from tercet.content import Said, Text, Thought, ToolUse

_Growing: TypeAlias = "tuple[Text | Thought | ToolUse, list[str], int | None]"


@dataclass(slots=True)
class Assembly:
    """What was said so far, as parts in order."""

    by: ProviderName
    _grown: list[_Growing] = field(default_factory=list[_Growing])

    def add(self, piece: Piece) -> None:
        """Take the next piece; raw bytes say nothing that other pieces do not."""
        match piece:
            case Delta():
                self._text_of(Text).append(piece.text)
            case ThoughtDelta():
                self._think(piece)
            case ToolDelta():
                self._use(piece)
            case Raw():
                pass

    @property
    def parts(self) -> tuple[Said, ...]:
        """What was said so far."""
        return tuple(_whole(*grown) for grown in self._grown)

    @property
    def text(self) -> str:
        """All that was generated: text, thinking and arguments, for an estimate of its size."""
        return "".join(piece for _, pieces, _ in self._grown for piece in pieces)

    def _text_of(self, kind: type[Text]) -> list[str]:
        if not self._grown or not isinstance(self._grown[-1][0], kind):
            self._grown.append((kind(""), [], None))
        return self._grown[-1][1]

    def _think(self, piece: ThoughtDelta) -> None:
        last = self._grown[-1][0] if self._grown else None
        # A signature ends a thought: what comes after it is another.
        if not isinstance(last, Thought) or last.signature is not None:
            self._grown.append((Thought(text="", by=self.by), [], None))
        thought, texts, _ = self._grown[-1]
        texts.append(piece.text)
        if piece.signature is not None and isinstance(thought, Thought):
            signed = replace(thought, signature=piece.signature, is_redacted=piece.is_redacted)
            self._grown[-1] = (signed, texts, None)

    def _use(self, piece: ToolDelta) -> None:
        if not self._grown or self._grown[-1][2] != piece.index:
            use = ToolUse(
                id=piece.id,
                name=piece.name,
                arguments="",
                signature=piece.signature,
                by=None if piece.signature is None else self.by,
            )
            self._grown.append((use, [], piece.index))
        self._grown[-1][1].append(piece.arguments)


def _whole(part: Said, pieces: list[str], _: int | None) -> Said:
    whole = "".join(pieces)
    return (
        replace(part, arguments=whole) if isinstance(part, ToolUse) else replace(part, text=whole)
    )
