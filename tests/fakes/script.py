"""A fake at the one seam of compositions: a `CallModel` that follows a script."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field, replace

from router import prompts
from router.compositions.stage import Stage
from tercet.call import Call, Completion, Delta, Failure, FailureKind, Item, Retry
from tercet.content import Text
from tercet.rules import OutputLimits
from tercet.usage import Usage


@dataclass(frozen=True, slots=True)
class Fails:
    """A model's turn that fails, after saying `said`."""

    kind: FailureKind
    said: str = ""


@dataclass(frozen=True, slots=True)
class Cut:
    """A model's turn that hits its token limit."""

    text: str


@dataclass(frozen=True, slots=True)
class Stumbles:
    """A model's turn that fails once, and succeeds when its proxy asks again."""

    kind: FailureKind
    text: str


@dataclass(slots=True)
class Script:
    """What each model says, turn by turn; the last line of a model is repeated."""

    lines: Mapping[str, list[str | Fails | Cut | Stumbles]]
    calls: list[Call] = field(default_factory=list)
    said: bool = False

    async def __call__(self, call: Call, /) -> AsyncGenerator[Item, None]:
        models = (call.model, *call.alternates)
        for model, following in zip(models, (*models[1:], None), strict=True):
            async for item in self._turn(replace(call, model=model)):
                fails = isinstance(item, Failure) and following is not None
                if fails and not self.said:
                    yield Retry(failure=item, model=following)
                    break
                yield item
            else:
                return

    async def _turn(self, call: Call) -> AsyncGenerator[Item, None]:
        turn = sum(earlier.model == call.model for earlier in self.calls)
        self.calls.append(call)
        self.said = False
        lines = self.lines[call.model]
        line = lines[min(turn, len(lines) - 1)]
        if isinstance(line, Stumbles):
            yield Retry(failure=self._failure(call, line.kind), model=call.model)
            line = line.text
        if isinstance(line, Fails):
            if line.said and call.wants_deltas:
                self.said = True
                yield Delta(line.said)
            yield self._failure(call, line.kind)
            return
        text = line.text if isinstance(line, Cut) else line
        if call.wants_deltas:
            for word in text.split(" "):
                yield Delta(word if text.startswith(word) else f" {word}")
        yield Completion(
            attempt_id=f"att_{len(self.calls)}",
            model=call.model,
            parts=(Text(text),),
            finish="length" if isinstance(line, Cut) else "stop",
            usage=Usage(fresh_input=10, output=2),
            cost_nano_usd=100,
            first_token_s=0.1,
            latency_s=0.2,
        )

    def _failure(self, call: Call, kind: FailureKind) -> Failure:
        return Failure(
            model=call.model,
            kind=kind,
            message="scripted",
            attempt_id=f"att_{len(self.calls)}",
            cost_nano_usd=5,
        )


def stage_of(script: Script, now=lambda: 0.0) -> Stage:
    """Return a stage on which models follow `script`."""
    output = OutputLimits(answer=1000, member=200, advice=100)
    return Stage(call=script, texts=prompts.load(), output=output, now=now)
