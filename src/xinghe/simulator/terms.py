"""Terms of money: each campaign has a guarantee, and spends so that it fares with it as it is meant to.

| every fourth campaign | guarantee | spend |
|---|---|---|
| ``hit`` | `qianchuan_roi`, target 2 | little |
| ``miss`` | custom, net ROI of 2, paid in cash | far too much |
| ``recover`` | custom, ROI of 2 | too much on its first day, then hardly any |
| ``void`` | `xhs_cost`, 80 fen for an ad click | too much; in a run of days its bid is edited too often |

A guarantee begins on the run's first day and again every 10 days. Every second campaign has a spend match, two of three have
a revenue share.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from xinghe.domain.windows import DAY_MS, SHANGHAI_OFFSET_MS

Aim = Literal["hit", "miss", "recover", "void"]
AIMS: Final[tuple[Aim, ...]] = ("hit", "miss", "recover", "void")
RENEWED_DAYS: Final = 10
SPEND_FACTORS: Final[dict[Aim, float]] = {"hit": 0.5, "miss": 40.0, "recover": 0.1, "void": 5.0}
RECOVER_FIRST_FACTOR: Final = 6.0
ROI: Final = 2.0
BID_FEN: Final = 80


def aim_of(number: int) -> Aim:
    """What is to become of the guarantees of a campaign."""
    return AIMS[number % len(AIMS)]


def day_start_ms(time_ms: int) -> int:
    """The midnight in Shanghai before a time, at least 0."""
    return max(0, (time_ms + SHANGHAI_OFFSET_MS) // DAY_MS * DAY_MS - SHANGHAI_OFFSET_MS)


def begun_ms(run_ms: int, time_ms: int) -> int:
    """When the guarantees that run at a time have begun, in a run since ``run_ms``."""
    first_ms = day_start_ms(run_ms)
    return first_ms + max(0, time_ms - first_ms) // DAY_MS // RENEWED_DAYS * RENEWED_DAYS * DAY_MS


def spend_factor(number: int, run_ms: int, time_ms: int) -> float:
    """What a campaign pays at a time for a click or an impression, as a multiple of its price."""
    aim = aim_of(number)
    if aim == "recover" and time_ms < begun_ms(run_ms, time_ms) + DAY_MS:
        return RECOVER_FIRST_FACTOR
    return SPEND_FACTORS[aim]


def terms(number: int, run_ms: int, time_ms: int, edits: int = 0) -> dict[str, Any]:
    """The terms of a campaign's settings at a time; with ``edits`` its target is another one each time."""
    fields: dict[str, Any] = {"guarantee": _guarantee(number, begun_ms(run_ms, time_ms), edits)}
    if number % 2 == 0:
        fields["spend_match"] = {
            "start_ms": day_start_ms(run_ms),
            "days": 7,
            "rate_percent": 10,
            "threshold_fen": 1_000,
            "orders_min": number % 3,
            "cap_fen": 200_000,
            "settle_after_days": 2,
        }
    if number % 3 != 1:
        tiers = [
            {"from_fen": 0, "rate_basis_points": 500},
            {"from_fen": 1_000_000, "rate_basis_points": 350},
        ]
        fields["revenue_share"] = {"tiers": tiers, "settle_after_days": 2}
    return fields


def _guarantee(number: int, start_ms: int, edits: int) -> dict[str, Any]:
    roi = ROI + edits / 10
    match aim_of(number):
        case "hit":
            return {"preset": "qianchuan_roi", "start_ms": start_ms, "target_roi": roi}
        case "void":
            return {
                "preset": "xhs_cost",
                "start_ms": start_ms,
                "bid_fen": BID_FEN + edits,
                "conversion": "ad_clicks",
            }
        case aim:
            return {
                "preset": "custom",
                "start_ms": start_ms,
                "measure": "roi",
                "target_roi": roi,
                "trigger_percent": 80,
                "payout_percent": 100,
                "conversions_min": 1,
                "observation_days": 3,
                "backfill_days": 1,
                "settlement_day": 5,
                "form": "cash" if aim == "miss" else "credit",
                "basis": "net" if aim == "miss" else "gross",
            }
