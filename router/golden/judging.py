"""A judge over HTTP: it is asked in both orders, and each question is a request with a receipt."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from router.golden.asking import Question, Said, Unsaid
from router.shadowing.judging import Case, Grades, Judgement, brief, judged, read_verdict
from tercet.call import Prompt

Ask = Callable[[Question], Coroutine[Any, Any, Said | Unsaid]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What a judge says of two answers, and what that cost."""

    judgement: Judgement
    nano_usd: int
    is_simulated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """A model that judges."""

    model: str
    ask: Ask
    texts: Mapping[str, str]
    """Those of `router.prompts`."""

    async def __call__(self, case: Case) -> Opinion | Unsaid:
        """Compare two answers."""
        grades: list[Grades] = []
        spent, is_simulated = 0, False
        for shown in (case, case.swapped):
            said = await self.ask(_question(self.model, brief(shown, self.texts)))
            spent += said.nano_usd or 0
            if isinstance(said, Unsaid):
                return Unsaid(why=f"the judge: {said.why}", nano_usd=spent)
            is_simulated |= said.is_simulated
            if said.models != frozenset({self.model}):
                others = ", ".join(sorted(said.models))
                return Unsaid(why=f"{others} judged, not {self.model}", nano_usd=spent)
            verdict = read_verdict(said.text)
            if verdict is None:
                return Unsaid(why="the judge gave no verdict that can be read", nano_usd=spent)
            grades.append(verdict)
        return Opinion(judgement=judged(*grades), nano_usd=spent, is_simulated=is_simulated)


def _question(model: str, prompt: Prompt) -> Question:
    wanted = prompt.controls.output
    fields: dict[str, object] = {}
    if wanted is not None:
        told = {"name": wanted.name, "schema": wanted.schema, "strict": wanted.strict}
        fields["response_format"] = {"type": "json_schema", "json_schema": told}
    if prompt.controls.effort is not None:
        fields["reasoning_effort"] = prompt.controls.effort
    return Question(
        model=model,
        system=prompt.system,
        messages=prompt.messages,
        max_output_tokens=prompt.max_output_tokens,
        fields=fields,
    )
