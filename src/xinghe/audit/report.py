"""What the audit says at the end, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from xinghe.audit.figures import Truth
from xinghe.audit.findings import Difference, Findings


class Report(Struct, frozen=True):
    """The verdict. ``arrived`` is how many source records came while the audit ran, ``seconds`` how long it took.

    ``waiting_refunds`` are those whose order has not come, without a dead letter yet.
    """

    truth: Truth
    findings: Findings
    dead_letters: int
    waiting_refunds: int
    arrived: int
    seconds: float

    @property
    def differences(self) -> int:
        """How many values differ."""
        return self.findings.differences


def as_json(report: Report) -> dict[str, Any]:
    """The report as a JSON object."""
    truth, findings = report.truth, report.findings
    return {
        "differences": report.differences,
        "by_kind": dict(findings.by_kind),
        "shown": [difference._asdict() for difference in findings.shown],
        "notices": {
            "differences": findings.notices_by_kind.total(),
            "by_kind": dict(findings.notices_by_kind),
            "shown": [difference._asdict() for difference in findings.notices_shown],
            "people": truth.apart,
            "campaigns": sorted(truth.apart_campaigns),
            "settings": truth.apart_settings,
            "orders": [
                {"person_id": person_id, "order_id": order_id, "reason": reason}
                for (person_id, order_id), reason in sorted(truth.apart_orders.items())
            ],
            "records_arrived": report.arrived,
        },
        "compared": dict(findings.compared),
        "events": {
            "in": truth.events_in,
            "counted": truth.counted,
            "duplicates": truth.duplicates,
            "dead_letters": report.dead_letters,
            "waiting_refunds": report.waiting_refunds,
        },
        "watermark_ms": truth.watermark_ms,
        "seconds": round(report.seconds, 1),
    }


def as_text(report: Report, apart_shown_max: int = 20) -> Iterator[str]:
    """The report in lines, the verdict last."""
    truth, findings = report.truth, report.findings
    yield (
        f"events in {truth.events_in:,}: counted {truth.counted:,}, duplicates {truth.duplicates:,}, "
        f"dead letters {report.dead_letters:,}, refunds that wait for their order {report.waiting_refunds:,}"
    )
    compared = (f"{name.replace('_', ' ')} {count:,}" for name, count in sorted(findings.compared.items()))
    yield f"compared in {report.seconds:.1f} s: {', '.join(compared) or 'nothing, there is nothing yet'}"
    yield from _notices(report, apart_shown_max)
    for difference in findings.shown:
        yield line_of(difference)
    if report.differences > len(findings.shown):
        yield f"... and {report.differences - len(findings.shown):,} more; --limit shows more of them"
    by_kind = ", ".join(f"{kind} {count:,}" for kind, count in sorted(findings.by_kind.items()))
    plural = "difference" if report.differences == 1 else "differences"
    yield f"{report.differences:,} {plural}" + (f" ({by_kind})" if by_kind else "")


def _notices(report: Report, shown_max: int) -> Iterator[str]:
    truth, findings = report.truth, report.findings
    if report.arrived:
        yield (
            f"notice: {report.arrived:,} source records arrived meanwhile; differences may come from them. "
            "Stop the traffic and audit again."
        )
    apart = [
        *(f"person {person_id}: {reason}" for person_id, reason in sorted(truth.apart.items())),
        *(
            f"campaign {campaign_id}: {reason}"
            for campaign_id, reason in sorted(truth.apart_settings.items())
        ),
        *(
            f"campaign {campaign_id}"
            for campaign_id in sorted(truth.apart_campaigns - truth.apart_settings.keys())
        ),
    ]
    if apart:
        yield (
            f"notice: {len(truth.apart):,} people cannot be compared exactly, nor the figures of "
            f"{len(truth.apart_campaigns):,} campaigns, which they came across or whose settings are not known well "
            "enough; what differs there is no failure:"
        )
        yield from _some(apart, shown_max)
    letters = [
        f"order {order_id} of person {person_id}: {reason}"
        for (person_id, order_id), reason in sorted(truth.apart_orders.items())
    ]
    if letters:
        yield f"notice: {len(letters):,} orders may have dead letters of refunds that fit now that all is known:"
        yield from _some(letters, shown_max)
    late = findings.notices_by_kind["ledger"]
    if late:
        yield (
            f"notice: {late:,} values of the ledger differ where something came after its day was booked (the next day "
            "books it) or cannot be compared exactly"
        )
    if apart or letters or late:
        yield f"notice: {findings.notices_by_kind.total():,} values differ there"
        yield from (f"notice:   {line_of(difference)}" for difference in findings.notices_shown[:shown_max])


def _some(lines: list[str], shown_max: int) -> Iterator[str]:
    yield from (f"notice:   {line}" for line in lines[:shown_max])
    if len(lines) > shown_max:
        yield "notice:   ... and more; --json names all of them"


def line_of(difference: Difference) -> str:
    """A difference in a line."""
    return (
        f"{difference.kind}: {difference.where}: {difference.field}: "
        f"expected {_value(difference.expected)}, found {_value(difference.found)}"
    )


def _value(value: Any) -> str:
    return "nothing" if value is None else str(value)
