"""How providers and their models do, by what ended of late."""

from collections.abc import Mapping, Sequence

from router.console.machine_views import (
    ExhaustedView,
    Health,
    ModelHealth,
    ProviderNow,
    ProvidersView,
    WindowView,
)
from router.console.making.scene import Scene
from router.console.pulse import Beat, Named
from tercet.rules import UpstreamRules

QUARTER_NS = 15 * 60 * 10**9
DAY_NS = 24 * 3600 * 10**9
DEGRADED_FROM = 0.1
DOWN_FROM = 0.5
"""Of what ended in the last 15 minutes, failures that say something of a provider's health."""


def providers(scene: Scene) -> ProvidersView:
    """Return the page."""
    rules, rows = scene.config.rules.upstreams, scene.view.exhausted(scene.now_ns)
    exhausted = {str(row["provider"]): row["until_ns"] / 1e9 for row in rows}
    return ProvidersView(
        models=tuple(_model(scene, name, exhausted) for name in _names(scene)),
        exhausted=tuple(
            ExhaustedView(
                provider=row["provider"],
                until=row["until_ns"] / 1e9,
                why=row["why"],
                at=row["at_ns"] / 1e9,
            )
            for row in rows
        ),
        breaker_words=_breaker(rules),
    )


def providers_now(scene: Scene) -> tuple[ProviderNow, ...]:
    """Return a line for each provider."""
    until = {
        str(row["provider"]): row["until_ns"] / 1e9 for row in scene.view.exhausted(scene.now_ns)
    }
    by_provider: dict[str, list[Beat]] = {}
    for name in _names(scene):
        quarter = scene.books.tally.pulse.window(name, scene.now_ns - QUARTER_NS)
        by_provider.setdefault(name[0], []).append(quarter)
    return tuple(_provider(name, of, until.get(name)) for name, of in by_provider.items())


def _names(scene: Scene) -> Sequence[Named]:
    models = scene.config.catalog.models.values()
    known = [(str(model.provider), model.name) for model in models]
    return sorted(dict.fromkeys((*known, *scene.books.tally.pulse.names())))


def _provider(name: str, beats: Sequence[Beat], until: float | None) -> ProviderNow:
    attempts, failed = sum(one.attempts for one in beats), sum(one.failed for one in beats)
    health = health_of(attempts, failed, is_exhausted=until is not None)
    return ProviderNow(
        provider=name,
        health=health,
        words=_words(health, attempts, failed, until),
        attempts=attempts,
        failed=failed,
        exhausted_until=until,
    )


def _model(scene: Scene, name: Named, exhausted: Mapping[str, float]) -> ModelHealth:
    pulse, rules = scene.books.tally.pulse, scene.config.rules.upstreams
    quarter = pulse.window(name, scene.now_ns - QUARTER_NS)
    until, last_ns = exhausted.get(name[0]), pulse.last_ns.get(name)
    health = health_of(quarter.attempts, quarter.failed, is_exhausted=until is not None)
    streak = pulse.streaks.get(name, 0)
    return ModelHealth(
        provider=name[0],
        model=name[1],
        health=health,
        words=_words(health, quarter.attempts, quarter.failed, until),
        quarter=_window(quarter),
        day=_window(pulse.window(name, scene.now_ns - DAY_NS)),
        last_at=None if last_ns is None else last_ns / 1e9,
        streak=streak,
        is_breaker_open=streak >= rules.breaker_failures,
    )


def _window(beat: Beat) -> WindowView:
    return WindowView(
        attempts=beat.attempts,
        failed=beat.failed,
        failed_share=beat.failed / beat.attempts if beat.attempts else None,
        outcomes=dict(beat.outcomes.most_common()),
        p50_s=beat.quantile_s(0.5),
        p95_s=beat.quantile_s(0.95),
    )


def health_of(attempts: int, failed: int, *, is_exhausted: bool) -> Health:
    """Judge what ended in the last 15 minutes."""
    if is_exhausted:
        return "down"
    if attempts == 0:
        return "quiet"
    if failed / attempts >= DOWN_FROM:
        return "down"
    return "degraded" if failed / attempts >= DEGRADED_FROM else "healthy"


def _words(health: Health, attempts: int, failed: int, until: float | None) -> str:
    if until is not None:
        return "it refuses for want of money of its own: see its billing page"
    if health == "quiet":
        return "nothing was asked of it in the last 15 minutes"
    return f"{failed:,} of {attempts:,} failed in the last 15 minutes"


def _breaker(rules: UpstreamRules) -> str:
    return (
        f"A model's breaker opens after {rules.breaker_failures} failures in a row; from then on "
        f"one request each {rules.probe_every_s:g} s, later at least each "
        f"{rules.probe_at_least_every_s:g} s, tries whether it is back, and its alternates answer "
        "the others. Each replica has its own; this page tells it from the ledger's rows."
    )
