"""Ad spend: reported by hour, revised while the hour runs and sometimes after."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Final

from xinghe.domain.events import AdClicked, NoteViewed
from xinghe.domain.windows import HOUR_MS
from xinghe.simulator.terms import spend_factor
from xinghe.simulator.world import Campaign

IMPRESSION_FEN: Final = 4
"""40 yuan for a thousand impressions, of notes shown as an ad; a click costs the campaign's own price."""
HOURS_BACK: Final = 3
"""Hours before the start that are reported at the start."""
CORRECTION_SHARE: Final = 0.05
"""Reports that come with a correction of the hour before."""

LATE_REVISION: Final = 100
"""By how much the number of a late revision is above what was reported: it replaces all corrections in between."""


@dataclass(slots=True)
class Hour:
    """What is known of one campaign's hour; ``revision`` is that of the next report."""

    spend_fen: int
    impressions: int
    clicks: int
    revision: int = 0


class Spend:
    """Keeps the running hours of all campaigns and writes their reports."""

    def __init__(self, rng: random.Random, campaigns: tuple[Campaign, ...], run_ms: int) -> None:
        self._rng = rng
        self._run_ms = run_ms
        self._campaigns = {campaign.campaign_id: campaign for campaign in campaigns}
        self._numbers = {campaign.campaign_id: n for n, campaign in enumerate(campaigns)}
        self._hours: dict[tuple[str, int], Hour] = {}

    def first_reports(self, now_ms: int) -> list[dict[str, Any]]:
        """The hours before ``now_ms``, drawn, so that there is spend beside backdated touches."""
        reports = []
        for campaign in self._campaigns.values():
            for back in range(HOURS_BACK, 0, -1):
                clicks = self._rng.randint(1, 30)
                impressions = clicks * self._rng.randint(10, 25)
                spend_fen = clicks * campaign.click_fen + impressions * IMPRESSION_FEN
                hour_ms = _hour_start_ms(now_ms) - back * HOUR_MS
                self._hours[campaign.campaign_id, hour_ms] = Hour(spend_fen, impressions, clicks)
                reports.append(self._report(campaign.campaign_id, hour_ms))
        return reports

    def seen(self, topic: str, event: dict[str, Any]) -> None:
        """Charge the campaign for an impression or a click."""
        campaign_id = event.get("campaign_id")
        if campaign_id is None or not (topic == AdClicked.topic or event.get("surface") == "ad"):
            return
        key = (campaign_id, _hour_start_ms(event["time_ms"]))
        hour = self._hours.setdefault(key, Hour(0, 0, 0))
        if topic == NoteViewed.topic:
            hour.impressions += 1
            price_fen = IMPRESSION_FEN
        else:
            hour.clicks += 1
            price_fen = self._campaigns[campaign_id].click_fen
        factor = spend_factor(self._numbers[campaign_id], self._run_ms, event["time_ms"])
        hour.spend_fen += round(price_fen * factor)

    def reports(self, now_ms: int) -> list[dict[str, Any]]:
        """The running hour of every campaign that spent in it, and some corrections of the hour before."""
        this_hour_ms = _hour_start_ms(now_ms)
        self._forget_before(this_hour_ms - HOURS_BACK * HOUR_MS)
        reports = []
        for campaign_id in self._campaigns:
            if (campaign_id, this_hour_ms) in self._hours:
                reports.append(self._report(campaign_id, this_hour_ms))
            before = self._hours.get((campaign_id, this_hour_ms - HOUR_MS))
            if before is not None and self._rng.random() < CORRECTION_SHARE:
                before.spend_fen = max(0, before.spend_fen + self._rng.randint(-2_000, 2_000))
                reports.append(self._report(campaign_id, this_hour_ms - HOUR_MS))
        return reports

    def finished(self, now_ms: int) -> list[dict[str, Any]]:
        """Each hour that is over and was not reported yet."""
        this_hour_ms = _hour_start_ms(now_ms)
        reports = [
            self._report(campaign_id, hour_ms)
            for (campaign_id, hour_ms), hour in sorted(self._hours.items())
            if hour_ms < this_hour_ms and hour.revision == 0
        ]
        self._forget_before(this_hour_ms - HOURS_BACK * HOUR_MS)
        return reports

    def late_revision(self, report: dict[str, Any]) -> dict[str, Any]:
        """A correction of a report that comes long after it."""
        corrected_fen = round(report["spend_fen"] * self._rng.uniform(0.7, 1.2))
        return {**report, "spend_fen": corrected_fen, "revision": report["revision"] + LATE_REVISION}

    def _report(self, campaign_id: str, hour_start_ms: int) -> dict[str, Any]:
        hour = self._hours[campaign_id, hour_start_ms]
        report = {
            "campaign_id": campaign_id,
            "hour_start_ms": hour_start_ms,
            "spend_fen": hour.spend_fen,
            "revision": hour.revision,
            "impressions": hour.impressions,
            "clicks": hour.clicks,
        }
        hour.revision += 1
        return report

    def _forget_before(self, hour_start_ms: int) -> None:
        for key in [key for key in self._hours if key[1] < hour_start_ms]:
            del self._hours[key]


def _hour_start_ms(time_ms: int) -> int:
    return time_ms // HOUR_MS * HOUR_MS
