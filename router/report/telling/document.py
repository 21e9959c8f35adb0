"""The whole report for readers, in the order in which it convinces."""

from router.report.blocks import Block, Document, Listing, Section, Sentence, Table
from router.report.measures import amount, words
from router.report.report import Report
from router.report.telling.board import board_section
from router.report.telling.composed import composed_section
from router.report.telling.costs import costs_section
from router.report.telling.money import honesty_section, money_section
from router.report.telling.quality import quality_section
from router.report.telling.saving import pays_words, saving_section
from router.report.telling.wording import moment_words, window_words

_HOW_TO_READ = (
    "Every figure is of the period above unless it says otherwise. `counted`: added up from the "
    "ledger's rows, without chance. A range at 95 % holds at every look, however often this report "
    "is made (quantiles of seconds: at one look). A range at 80 % is a forecast. `estimate`: of "
    "others' results, nothing was measured here. `too early`: too few conversations for a range."
)


def document_of(report: Report) -> Document:
    """Tell a report."""
    sections = (
        _checklist(report),
        costs_section(report),
        saving_section(report),
        quality_section(report.quality),
        board_section(report.board, report.phase),
        composed_section(report.compositions, report.window.until),
        money_section(report.money),
        honesty_section(report.honesty),
    )
    return Document(
        title=f"Tercet: what {report.period} cost, saved and was worth",
        subtitle=f"{window_words(report.window)}; made {moment_words(report.made_at)}",
        sections=sections,
    )


def _checklist(report: Report) -> Section:
    blocks: list[Block] = []
    if report.honesty.simulated:
        blocks.append(Sentence(text=_simulated(report), tone="warning"))
    blocks += [
        Sentence(text=pays_words(report.saving), tone="verdict"),
        Sentence(text=_HOW_TO_READ, tone="note"),
        Table(
            title="The plan's success metrics",
            headings=("Month", "Metric", "Status", "Value"),
            rows=tuple(
                (str(one.month), one.plan, one.status, words(one.measure)) for one in report.items
            ),
            words=frozenset({1, 2, 3}),
        ),
        Listing(
            points=tuple(
                f"{one.plan}: {one.status}. {one.says[0].upper()}{one.says[1:]}. Not covered: "
                f"{one.not_covered}."
                for one in report.items
            )
        ),
    ]
    return Section(title="The plan's checklist", blocks=blocks)


def _simulated(report: Report) -> str:
    honesty = report.honesty
    share = amount(honesty.simulated / honesty.attempts, "share")
    return (
        f"These are figures of simulated upstreams: {honesty.simulated:,} of "
        f"{honesty.attempts:,} attempts ({share}) were answered by a simulation, and no such "
        "amount was paid to anyone."
    )
