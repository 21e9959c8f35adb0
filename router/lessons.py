"""What was learned, as those who route see it: versions, arms, and what may still be tried."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from router.learning.cold import ArmSpec
from router.learning.document import Policy
from router.learning.exploring import seed_of
from tercet.learning import LearningRules
from tercet.task import Task
from tercet.taxonomy import Taxonomy

OPENING_CHARS = 2_000
_SEEDS = 2**64


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a conversation was last answered by."""

    arm: str
    tokens: int
    """Of the conversation then: what its provider's prompt cache may hold of it."""
    at: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lessons:
    """A snapshot of what was learned."""

    in_force: Policy | None = None
    """`None`: the plan's rule is in force."""
    canary: Policy | None = None
    canary_share: float = 0.0
    """Of the conversations."""
    rules: LearningRules
    taxonomy: Taxonomy
    specs: Mapping[str, ArmSpec] = field(default_factory=dict[str, ArmSpec])
    """By id: how the arms of the catalog are played."""
    left_nano_usd: int = 0
    """What may still be spent on trying today."""

    def version_for(self, conversation: str) -> Policy | None:
        """Return the version that routes a conversation; always the same one for all of it."""
        if self.canary is not None:
            place = seed_of(conversation, f"canary {self.canary.version}") / _SEEDS
            if place < self.canary_share:
                return self.canary
        return self.in_force


def conversation_of(task: Task) -> str:
    """Return what all turns of a conversation have in common: a hash of who began it, and how.

    Conversations of one key that begin with the same words are taken for one.
    """
    first = next((m.text for m in task.messages if m.speaker == "user"), "")
    said = f"{task.key_id}\n{first[:OPENING_CHARS]}"
    return blake2b(said.encode(errors="surrogatepass"), digest_size=12).hexdigest()
