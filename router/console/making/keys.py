"""The callers' keys: what they may spend and have spent, never a secret."""

from router.console.machine_views import KeysView, KeyView
from router.console.making.scene import Scene
from tercet.budget import Balance
from tercet.keys import DEFAULT_KEY, Key
from tercet.migration import EVIDENCE_KEY

COMMAND = "tercet keys create NAME --month-usd 20 --requests-per-minute 60"
_WORDS = {
    DEFAULT_KEY: "the operator's, from TERCET_API_KEY: it may use everything",
    EVIDENCE_KEY: "what shadow runs and judges are charged to: nobody knows a secret of it",
}


def keys(scene: Scene) -> KeysView:
    """Return the page: every key, and the names without one that were charged this month."""
    made = {key.id: key for key in scene.view.every_key()}
    charged = scene.books.tally.by("key", scene.month)
    names = list(dict.fromkeys((DEFAULT_KEY, *made, *charged)))
    found = [_key(scene, name, made.get(name)) for name in names]
    return KeysView(
        month=scene.month,
        keys=tuple(sorted(found, key=lambda key: key.revoked_at is not None)),
        command=COMMAND,
    )


def _key(scene: Scene, name: str, key: Key | None) -> KeyView:
    balance = scene.books.spending.balances.get(f"key:{name}", Balance())
    cap = None if key is None else key.month_cap_nano_usd
    if cap is None:
        cap = scene.config.budget.caps.get(f"key:{name}")
    has_overlap = key is not None and key.old_until is not None and key.old_until > scene.now
    return KeyView(
        name=name,
        cap_nano_usd=cap,
        spent_nano_usd=balance.spent,
        held_nano_usd=balance.held,
        spent_share=balance.spent / cap if cap else None,
        requests_per_minute=None if key is None else key.requests_per_minute,
        concurrent=None if key is None else key.concurrent,
        tiers=_names(None if key is None else key.tiers),
        models=_names(None if key is None else key.models),
        created_at=None if key is None else key.created_at,
        revoked_at=None if key is None else key.revoked_at,
        overlap_until=key.old_until if key is not None and has_overlap else None,
        words=_WORDS.get(name, "") if key is None or name == EVIDENCE_KEY else "",
    )


def _names(found: frozenset[str] | None) -> tuple[str, ...] | None:
    return None if found is None else tuple(sorted(found))
