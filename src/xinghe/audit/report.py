"""What the audit says at the end, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from xinghe.audit.figures import Truth
from xinghe.audit.findings import Difference, Findings


class Report(Struct, frozen=True):
    """The verdict. ``arrived`` is how many source records came while the audit ran, ``seconds`` how long it took."""

    truth: Truth
    findings: Findings
    dead_letters: int
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
            "records_arrived": report.arrived,
        },
        "compared": dict(findings.compared),
        "events": {
            "in": truth.events_in,
            "counted": truth.counted,
            "duplicates": truth.duplicates,
            "dead_letters": report.dead_letters,
        },
        "watermark_ms": truth.watermark_ms,
        "seconds": round(report.seconds, 1),
    }


def as_text(report: Report, apart_shown_max: int = 20) -> Iterator[str]:
    """The report in lines, the verdict last."""
    truth, findings = report.truth, report.findings
    yield (
        f"events in {truth.events_in:,}: counted {truth.counted:,}, duplicates {truth.duplicates:,}, "
        f"dead letters {report.dead_letters:,}"
    )
    compared = (f"{name.replace('_', ' ')} {count:,}" for name, count in sorted(findings.compared.items()))
    yield f"compared in {report.seconds:.1f} s: {', '.join(compared) or 'nothing, there is nothing yet'}"
    yield from _notices(report, apart_shown_max)
    for difference in findings.shown:
        yield _line(difference)
    if report.differences > len(findings.shown):
        yield f"... and {report.differences - len(findings.shown):,} more; --limit shows more of them"
    by_kind = ", ".join(f"{kind} {count:,}" for kind, count in sorted(findings.by_kind.items()))
    plural = "difference" if report.differences == 1 else "differences"
    yield f"{report.differences:,} {plural}" + (f" ({by_kind})" if by_kind else "")


def _notices(report: Report, apart_shown_max: int) -> Iterator[str]:
    truth, findings = report.truth, report.findings
    if report.arrived:
        yield (
            f"notice: {report.arrived:,} source records arrived meanwhile; differences may come from them. "
            "Stop the traffic and audit again."
        )
    if not truth.apart:
        return
    yield (
        f"notice: {len(truth.apart):,} people cannot be compared exactly, nor the figures of the "
        f"{len(truth.apart_campaigns):,} campaigns that they came across; what differs there is no failure:"
    )
    for person_id in sorted(truth.apart)[:apart_shown_max]:
        yield f"notice:   person {person_id}: {truth.apart[person_id]}"
    for campaign_id in sorted(truth.apart_campaigns)[:apart_shown_max]:
        yield f"notice:   campaign {campaign_id}"
    if max(len(truth.apart), len(truth.apart_campaigns)) > apart_shown_max:
        yield "notice:   ... and more; --json names all of them"
    yield f"notice: {findings.notices_by_kind.total():,} values differ there"
    for difference in findings.notices_shown[:apart_shown_max]:
        yield f"notice:   {_line(difference)}"


def _line(difference: Difference) -> str:
    return (
        f"{difference.kind}: {difference.where}: {difference.field}: "
        f"expected {_value(difference.expected)}, found {_value(difference.found)}"
    )


def _value(value: Any) -> str:
    return "nothing" if value is None else str(value)
