"""Settings of campaigns: all rule models in turn, and some campaigns that choose another one during the run.

All have terms of money (``terms.py``); in a run of days guarantees are renewed, and some are edited too often.
"""

from __future__ import annotations

import random
from typing import Any, Final

from xinghe.domain.metrics import MODELS
from xinghe.domain.windows import DAY_MS, MINUTE_MS
from xinghe.simulator.terms import RENEWED_DAYS, aim_of, begun_ms, terms
from xinghe.simulator.world import Campaign

FIRST_AGE_MS: Final = DAY_MS
"""The first settings hold since a day. Told over 48 hours after their time they would come too late for the windows of
minutes (ARCHITECTURE.md, R10)."""
BACKDATED_MS_MAX: Final = 5 * MINUTE_MS
EDITED_DAY: Final = 2
EDITS: Final = 3
EDIT_MS: Final = 10 * MINUTE_MS
CHANGED_SHARE: Final = 0.05
"""Campaigns that somebody edits at a time; two at least, where there are as many."""


def first_settings(campaigns: tuple[Campaign, ...], now_ms: int) -> list[dict[str, Any]]:
    """The settings with which the campaigns enter the run: the rule models, one after the other."""
    return [
        _settings(campaign, campaign.name, MODELS[n % len(MODELS)], 30, now_ms - FIRST_AGE_MS)
        | terms(n, now_ms, now_ms)
        for n, campaign in enumerate(campaigns)
    ]


def changed_settings(
    rng: random.Random, campaigns: tuple[Campaign, ...], now_ms: int, run_ms: int
) -> list[dict[str, Any]]:
    """New settings of some campaigns, with another model than the one they entered the run with.

    One after the other they hold from the next whole minute on, and since a few minutes: those correct what is shown.
    ``run_ms`` is the start of the run.
    """
    numbers = rng.sample(
        range(len(campaigns)), min(len(campaigns), max(2, int(CHANGED_SHARE * len(campaigns))))
    )
    return [
        _settings(
            campaigns[number],
            f"{campaigns[number].name} (edited)",
            MODELS[(number + rng.randrange(1, len(MODELS))) % len(MODELS)],
            rng.choice((7, 15, 30)),
            now_ms - (rng.randint(MINUTE_MS, BACKDATED_MS_MAX) if n % 2 else 0),
        )
        | terms(number, run_ms, now_ms)
        for n, number in enumerate(numbers)
    ]


def settings_of_day(campaigns: tuple[Campaign, ...], now_ms: int, run_ms: int) -> list[dict[str, Any]]:
    """What a new day of a run of days brings: renewed guarantees on its first one, and on the next too many edits."""
    day = (now_ms - begun_ms(run_ms, now_ms)) // DAY_MS
    if day == RENEWED_DAYS - 1:
        renewed_ms = begun_ms(run_ms, now_ms + DAY_MS)
        return [
            _settings(campaign, f"{campaign.name} (renewed)", MODELS[n % len(MODELS)], 15, renewed_ms)
            | terms(n, run_ms, renewed_ms)
            for n, campaign in enumerate(campaigns)
        ]
    if day != EDITED_DAY:
        return []
    return [
        _settings(campaign, campaign.name, MODELS[n % len(MODELS)], 30, now_ms + edit * EDIT_MS)
        | terms(n, run_ms, now_ms, edit)
        for n, campaign in enumerate(campaigns)
        if aim_of(n) == "void"
        for edit in range(1, EDITS + 1)
    ]


def _settings(
    campaign: Campaign, name: str, model: str, roi_lag_days: int, effective_ms: int
) -> dict[str, Any]:
    return {
        "campaign_id": campaign.campaign_id,
        "shop_id": campaign.shop.shop_id,
        "name": name,
        "model": model,
        "roi_lag_days": roi_lag_days,
        "effective_ms": effective_ms,
    }
