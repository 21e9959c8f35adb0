"""Who is measured: ours, beside the field."""

from bench.routing.baselines import baselines
from bench.routing.ours import OURS
from bench.routing.policy import Policy


def lineup(*, is_embedded: bool) -> list[Policy]:
    """Return every policy, baselines first; those on embeddings only where there are some."""
    return [*baselines(is_embedded=is_embedded), *OURS]
