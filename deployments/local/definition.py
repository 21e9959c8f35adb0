"""What the local model is, as data: the `args` of its application."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

APPLICATION = "local"
"""Of Serve."""
DEPLOYMENT = "Engine"


class Definition(BaseModel):
    """One local model and how it is run. A profile is nothing but other values in here."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """What requests call it."""
    source: str
    """A folder on VPS_1, or a repository that vLLM fetches."""
    revision: str | None = None
    """Commit of the repository: weights that change under a name are not ours."""
    engine: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Arguments of `vllm serve` with underscores, such as `max_model_len: 16384`."""
    environment: dict[str, str] = Field(default_factory=dict[str, str])
    """Variables of the replica and of the processes vLLM starts."""
    cpus: float = Field(default=1.0, ge=0)
    gpus: float = Field(default=0.0, ge=0)
    resources: dict[str, float] = {"VPS_1": 1}
    """Ray's custom ones, which place it. All that the node has: two versions of a model do not fit
    one card during a rollout."""
    concurrency: int = Field(default=8, ge=1)
    """Requests inside the replica; as many again may wait at each caller, more are refused."""
    idle_s: float = Field(default=600.0, gt=0)
    """Without a request for so long, the replica goes."""
    give_up_s: float = Field(default=1200.0, gt=0)
    """A start that takes longer is given up."""
    drain_s: float = Field(default=120.0, gt=0)
    """How long a replica that has to go may finish its streams."""
