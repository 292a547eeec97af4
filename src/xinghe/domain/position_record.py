"""The record of a guarantee's live position, with the forecast of its GMV (ARCHITECTURE.md, R23)."""

from __future__ import annotations

from msgspec import structs

from xinghe.domain.dates import date_of
from xinghe.domain.forecast import forecast
from xinghe.domain.guarantee import position
from xinghe.domain.money_facts import MoneyFacts, spend_of
from xinghe.domain.outputs import GuaranteePosition
from xinghe.domain.terms import model_index, terms_of


def position_record(facts: MoneyFacts, first_day: int, today: int) -> GuaranteePosition:
    """The guarantee that begins on ``first_day`` by all that is known; ``today`` is the day in which the watermark is.

    The forecast is by the terms of ``today``. Raises `ValueError` where no guarantee begins on that day.
    """
    found = position(facts, first_day, None, today)
    terms = terms_of(facts.settings, max(today, first_day))
    assert terms is not None  # those of the first day, if there are no later ones
    model = model_index(terms)
    cohorts = [row for row in facts.cohorts if row.model == model]
    final = forecast(cohorts, first_day, found.last_observed_day, terms.roi_lag_days, today)
    spend = spend_of(facts, first_day, min(found.last_observed_day, today - 1), None)
    return GuaranteePosition(
        campaign_id=facts.campaign_id,
        shop_id=terms.shop_id,
        forecast="too_little_data" if final is None else "known",
        forecast_gmv_fen=None if final is None else final.gmv_fen,
        forecast_low_fen=None if final is None else final.low_fen,
        forecast_high_fen=None if final is None else final.high_fen,
        forecast_spend_fen=None if final is None or not spend.hours_reported else spend.spend_fen,
        forecast_standard_error_fen=None if final is None else final.standard_error_fen,
        **{
            **structs.asdict(found),
            "first_day": date_of(found.first_day),
            "last_observed_day": date_of(found.last_observed_day),
            "settlement_day": date_of(found.settlement_day),
        },
    )
