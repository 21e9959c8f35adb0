"""What was learned, read again and again, and what conversations were last answered by."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from router.learning.cold import ArmSpec
from router.learning.document import DamagedPolicyError, Policy, from_bytes
from router.lessons import Kept, Lessons, conversation_of
from tercet.learning import LearningRules, PolicyVersion
from tercet.route import Route
from tercet.task import Task
from tercet.taxonomy import Taxonomy

EVERY_S = 10.0
CONVERSATIONS = 10_000
"""Most that are remembered; older ones are routed as if they began."""
_DAY_S = 86_400

logger = logging.getLogger(__name__)


class Versions(Protocol):
    """The part of the ledger that keeps what was learned."""

    async def policies_in_play(self) -> Sequence[PolicyVersion]:
        """Return those that route, without their documents."""
        ...

    async def policy(self, version: str, /) -> PolicyVersion | None:
        """Return a version with its document."""
        ...


class LessonFeed:
    """Keeps what was last read of the versions, and what this replica has tried today."""

    def __init__(
        self,
        versions: Versions,
        rules: LearningRules,
        taxonomy: Taxonomy,
        specs: Sequence[ArmSpec],
        replicas: Callable[[], int],
    ) -> None:
        """Begin with the plan's rule; `replicas` share the day's exploration budget."""
        self._versions = versions
        self._rules = rules
        self._replicas = replicas
        self._read: dict[str, Policy | None] = {}
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._tried = (0, 0)
        self._is_blind = False
        self._lessons = Lessons(
            rules=rules, taxonomy=taxonomy, specs={spec.id: spec for spec in specs}
        )

    def lessons(self, at: float) -> Lessons:
        """Return what was last read; `at` is Unix seconds."""
        day, tried = self._tried
        spent = tried if day == int(at // _DAY_S) else 0
        left = self._rules.exploration_nano_usd // max(1, self._replicas()) - spent
        return replace(self._lessons, left_nano_usd=max(0, left))

    def kept(self, task: Task) -> Kept | None:
        """Return what the conversation was last answered by, if it is one that goes on."""
        if all(message.speaker != "assistant" for message in task.messages):
            return None
        return self._kept.get(conversation_of(task))

    def note(self, task: Task, route: Route, tokens: int, at: float) -> None:
        """Remember what a conversation is answered by, and what trying that cost more."""
        if route.draw is None:
            return
        conversation = conversation_of(task)
        self._kept[conversation] = Kept(arm=route.draw.arm, tokens=tokens, at=at)
        self._kept.move_to_end(conversation)
        if len(self._kept) > CONVERSATIONS:
            self._kept.popitem(last=False)
        day, tried = self._tried
        today = int(at // _DAY_S)
        self._tried = (today, (tried if day == today else 0) + route.draw.extra_nano_usd)

    async def run(self) -> None:
        """Look at once and then again and again, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Read the ledger; if that fails, what was read last still holds."""
        try:
            rows = await self._versions.policies_in_play()
            read = {row.version: await self._policy(row.version) for row in rows}
            changes = _in_play(rows, read)
            if changes["in_force"] is None and any(row.state == "in_force" for row in rows):
                changes["in_force"] = await self._still(self._lessons.in_force)
        except Exception:
            # Told once: the ledger may be away for hours.
            if not self._is_blind:
                logger.exception("what was learned could not be read; routing stands still")
            self._is_blind = True
            return
        self._is_blind = False
        self._read = read
        self._lessons = replace(self._lessons, **changes)

    async def _still(self, last: Policy | None) -> Policy | None:
        """Return what was in force where its successor is of no use, unless it was found worse."""
        row = None if last is None else await self._versions.policy(last.version)
        return None if row is None or row.state == "rolled_back" else last

    async def _policy(self, version: str) -> Policy | None:
        """Return a version; `None`, told in the log once, where its document is of no use."""
        if version in self._read:
            return self._read[version]
        row = await self._versions.policy(version)
        if row is None or row.document is None:
            return None
        try:
            return await asyncio.to_thread(from_bytes, row.document)
        except DamagedPolicyError:
            logger.exception("version %s is not used", version)
            return None


def _in_play(rows: Sequence[PolicyVersion], read: Mapping[str, Policy | None]) -> dict[str, Any]:
    by_state = {row.state: row for row in rows if read[row.version] is not None}
    in_force, canary = by_state.get("in_force"), by_state.get("canary")
    return {
        "in_force": None if in_force is None else read[in_force.version],
        "canary": None if canary is None else read[canary.version],
        "canary_share": 0.0 if canary is None else canary.share,
    }
