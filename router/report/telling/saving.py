"""The section of the saving: the proof, what it cost, and what is no proof."""

from collections.abc import Iterator

from router.report.blocks import Band, Block, Picture, Point, Section, Sentence, Table
from router.report.context import Context
from router.report.measures import Measure, amount, bare, bounds, words
from router.report.report import Report
from router.report.saving import Bill, Look, Saving
from router.report.telling.wording import date_words, thinned, window_words
from tercet.usage import NANO_USD_PER_USD

_HOW = (
    "How: each eligible conversation is put on a side by a salted hash; the local model is to "
    "answer one side, the API the other, and both count as they were put, whoever answered in the "
    "end. What the local model's side would have cost is told from the other side, kind by kind, "
    "each weighted by its chance; the whole bill of the rented machine goes against it."
)


def saving_section(report: Report) -> Section:
    """Tell what was saved."""
    saving = report.saving
    blocks: list[Block] = [
        Sentence(text=pays_words(saving), tone="verdict"),
        Sentence(text=f"Period: {window_words(saving.window)}. {_HOW}"),
    ]
    if not saving.treated_tasks:
        blocks.append(Sentence(text=_missing(report), tone="note"))
    blocks += [_bill(saving.bill), _sums(saving)]
    if saving.kinds:
        blocks.append(_kinds(saving))
    if saving.looks and saving.treated_tasks:
        blocks.append(_picture(saving))
    blocks += _context(report.context)
    return Section(title="Saving", blocks=blocks)


def pays_words(saving: Saving) -> str:
    """Say whether the local model pays, and what to do if it does not."""
    if not saving.treated_tasks:
        spent = f" Its machine cost {_usd(saving.bill.total)}." if saving.bill.total else ""
        return (
            "Does the local model pay? Not yet known: in this period nothing was given to it by "
            f"chance.{spent}"
        )
    lead = (
        f"Does the local model pay? {saving.pays[0].upper()}{saving.pays[1:]}: net of its machine"
    )
    if saving.pays == "yes":
        share = words(saving.reduction)
        return f"{lead} it saved {words(saving.net)}, {share} of what its kinds would have cost."
    if saving.pays == "no":
        return f"{lead} it lost money, {words(saving.net)}. Stop renting. {_break_even(saving)}"
    if saving.net.low is None:
        return (
            f"{lead} {words(saving.net)}. Each side needs {saving.fewest} conversations before "
            f"there is an interval; treated were {saving.treated:,}, held out {saving.held_out:,}."
        )
    more = f" About {saving.more:,} more requests would tell it to 5 points." if saving.more else ""
    return f"{lead} {words(saving.net)}.{more} {_break_even(saving)}"


def _break_even(saving: Saving) -> str:
    found, hours = saving.break_even, saving.bill.hours
    if not saving.bill.total:
        return "No machine was paid for."
    if found.value is None:
        return "It displaced nothing per task, so no volume would pay for the machine."
    rate = f", {found.value / hours:,.0f} a paid hour" if hours else ""
    return (
        f"Break-even: {words(found)} tasks in a period like this{rate}, at what each displaced; "
        f"there were {saving.treated_tasks:,}."
    )


def _missing(report: Report) -> str:
    """Say what is missing for a proof, and what to do."""
    if report.phase == "ungated":
        return (
            "The phase is `ungated`: work goes to the local model without a hold-out, so no saving "
            "can be proved. Set `phase: migrate` in config/migrations.yaml."
        )
    if not report.has_local:
        return (
            "There is no local model: this is the baseline, and what it would be compared with is "
            "being counted. To go on, set `local` in config/routes.yaml, or TERCET_LOCAL; see "
            "docs/rental.md."
        )
    if not report.saving.eligible:
        return (
            "No task was eligible: see `kinds` and `phase` in config/migrations.yaml; only tasks "
            "that name no model and fit the local one are."
        )
    return (
        "No kind has left `baseline` and `shadow`, so no conversation is on the local model's side "
        "yet: `tercet migration list` says what each waits for."
    )


def _bill(bill: Bill) -> Table:
    rows = {
        "busy: requests under way": bill.busy,
        "idle: ready and not asked": bill.idle,
        "loading and warming, failed starts too": bill.warming,
        "storage while stopped": bill.storage,
        "corrections of past bills": bill.correction,
        f"all, {bill.hours:,.1f} h of the card": bill.total,
    }
    return Table(
        title="The rented machine's whole bill (counted)",
        headings=("For", "USD"),
        rows=tuple((name, _usd(cost)) for name, cost in rows.items()),
    )


def _sums(saving: Saving) -> Table:
    hold_out = amount(saving.hold_out, "share")
    more = more_words(saving.more, saving.reduction)
    rows = (
        ("eligible tasks", f"{saving.eligible:,} (counted)"),
        (
            "conversations treated / held out while there was a chance of either",
            f"{saving.treated:,} / {saving.held_out:,} (counted)",
        ),
        ("eligible tasks' own attempts cost", words(saving.paid)),
        ("displaced: API cost that was not paid", words(saving.displaced)),
        ("net: displaced less the machine's bill", words(saving.net)),
        ("shadow runs and judges, charged separately", words(saving.evidence)),
        ("net of those too", words(saving.net_of_evidence)),
        ("net, of what the eligible kinds would have cost", words(saving.reduction)),
        ("net, of what all of tier 3 would have cost", words(saving.reduction_of_tier)),
        (f"what the hold-out of {hold_out} itself cost: not saved", words(saving.hold_out_cost)),
        ("still needed for +- 5 points", more),
        ("break-even, treated tasks", words(saving.break_even)),
    )
    return Table(title="The saving", headings=("What", "Value"), rows=rows, words=frozenset({1}))


def more_words(more: int | None, share: Measure) -> str:
    """Say how many more requests it takes to know a share to 5 points."""
    if more:
        return f"{more:,} more requests"
    return "not known" if more is None or share.low is None else "none"


def _kinds(saving: Saving) -> Table:
    return Table(
        title="Saving by kind (95 % at every look, each kind by itself)",
        headings=(
            "Kind",
            "Eligible",
            "Treated",
            "Held out",
            "API each",
            "Displaced",
            "Machine",
            "Net",
            "Net range",
            "Reduction",
            "Range",
            "For +- 5 points",
        ),
        rows=tuple(
            (
                one.kind,
                f"{one.eligible:,}",
                f"{one.treated:,}",
                f"{one.held_out:,}",
                bare(one.api_mean),
                bare(one.displaced),
                bare(one.bill),
                bare(one.net),
                bounds(one.net),
                bare(one.reduction),
                bounds(one.reduction),
                more_words(one.more, one.reduction),
            )
            for one in saving.kinds
        ),
    )


def _picture(saving: Saving) -> Picture:
    known = [look for look in saving.looks if look.net.value is not None]
    last = known[-1] if known else None
    return Picture(
        name="saving",
        title="Net saving as it was known at each look",
        says="A line of the net saving through the period, with its 95 % band; it ends at "
        f"{words(last.net) if last else 'nothing'}. Where there is no band it was too early.",
        shape=Band(points=tuple(_point(look) for look in known), unit="USD"),
        table=Table(
            title="Net saving by look",
            headings=("Until", "Net", "Range"),
            rows=tuple(
                (date_words(one.at - 1), bare(one.net), bounds(one.net)) for one in thinned(known)
            ),
        ),
    )


def _point(look: Look) -> Point:
    net = look.net
    value = net.value or 0.0
    low, high = (value if end is None else end for end in (net.low, net.high))
    return Point(
        at=look.at,
        value=value / NANO_USD_PER_USD,
        low=low / NANO_USD_PER_USD,
        high=high / NANO_USD_PER_USD,
    )


def _context(context: Context) -> Iterator[Block]:
    both = context.before_after
    if both is None and not context.repriced:
        return
    yield Sentence(
        text="Context, not proof. What follows is often shown for savings; it holds only if "
        "another model writes as many tokens, and if nothing else changed.",
        tone="note",
    )
    yield Table(
        title="Context, not proof: the local model's tokens at the API's price (machine not paid)",
        headings=("Kind", "Attempts", "As", "USD"),
        rows=tuple(
            (one.kind, f"{one.attempts:,}", one.model, bare(one.cost)) for one in context.repriced
        ),
        words=frozenset({2}),
    )
    if both is not None:
        yield Sentence(
            text="Context, not proof: before and after at the baseline's mix of kinds "
            f"({both.kinds:,} came in both), a task cost {words(both.before)} and now costs "
            f"{words(both.after)}, the machine's bill spread over all tasks."
        )


def _usd(nano_usd: float) -> str:
    return amount(nano_usd, "nano_usd")
