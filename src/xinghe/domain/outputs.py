"""Output records: what Xinghe writes to Kafka for others, one struct per topic (DESIGN.md, section 7).

The structs are the contract of the outputs and what a subscriber in Python can decode with; the stream itself
writes the same fields from its tables. A field that may be absent is ``None`` where it is: the record was written
before Xinghe computed it, which means unknown and never zero. Fields come to be added; a reader ignores those that it
does not know.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

from xinghe.domain.events import (
    ALERT_RAISED,
    ATTRIBUTION_MODEL,
    CAMPAIGN_FUNNEL,
    DEAD_LETTER,
    GUARANTEE_POSITION,
    LEDGER_ENTRY,
    ORDER_ATTRIBUTED,
    ModelChannel,
)
from xinghe.domain.gates import Gate
from xinghe.domain.guarantee import Outcome, Status
from xinghe.domain.terms import Basis, Conversion, Form, Measure
from xinghe.domain.windows import Size

TouchKind = Literal["view", "like", "comment", "collect", "share", "follow", "ad_click", "coupon_claim"]

Reason = Literal[
    "malformed",
    "invalid",
    "future",
    "too_late",
    "too_large",
    "key_mismatch",
    "refund_exceeds_order",
    "order_unknown",
    "link_repeated",
    "link_circular",
    "undeliverable",
]
"""Why a record is in the dead letters (ARCHITECTURE.md, R1; the last: R25)."""

LedgerRule = Literal["spend", "match", "share", "clawback", "guarantee"]
"""What an amount of the ledger is for, in the order in which a day books them (ARCHITECTURE.md, R22)."""

Account = Literal[
    "merchant:ad_expense",
    "platform:ad_revenue",
    "platform:match_expense",
    "merchant:ad_credit",
    "merchant:commission_expense",
    "platform:commission_revenue",
    "platform:guarantee_expense",
    "merchant:cash",
]
"""The accounts of the ledger: whose, then what for."""


Severity = Literal["info", "warning", "critical"]
AlertKind = Literal[
    "roi_below",
    "forecast_below_target",
    "spend_without_conversions",
    "budget_nearly_used",
    "data_late",
    "data_stopped",
    "dead_letter_share",
]
AlertUnit = Literal["ratio", "percent", "fen", "minutes"]
AlertTurn = Literal["raised", "escalated", "resolved"]
"""What an alert becomes (ARCHITECTURE.md, R24)."""


class Credit(Struct, frozen=True):
    """What one touch gets of an order under one model."""

    campaign_id: Annotated[
        str,
        Meta(
            min_length=1,
            description="The touch's campaign; organic:{shop_id} if the touch belongs to none, unattributed:{shop_id} "
            "if no touch reached the order.",
        ),
    ]
    note_id: Annotated[
        str | None,
        Meta(description="The touch's note; null without a touch, and for a coupon claim."),
    ]
    touch_event_id: Annotated[
        str | None, Meta(description="The event_id of the touch; null if no touch reached the order.")
    ]
    touch_time_ms: Annotated[
        int | None,
        Meta(description="When the touch was, in ms since 1970 UTC; null if no touch reached the order."),
    ]
    kind: Annotated[
        TouchKind | None, Meta(description="What the touch was; null if no touch reached the order.")
    ]
    orders_micros: Annotated[
        int, Meta(ge=0, le=1_000_000, description="Share of the order, in millionths of an order.")
    ]
    gmv_fen: Annotated[int, Meta(ge=0, description="Share of the order's amount_fen, gross, in fen.")]
    direct: Annotated[
        bool,
        Meta(
            description="Whether the order bought the item that the note promotes; false where that is unknown."
        ),
    ]
    refund_fen: Annotated[
        int | None,
        Meta(
            description="What refunds took back of this gmv_fen, in fen; net is gmv_fen - refund_fen. "
            "Absent in records from before refunds were computed."
        ),
    ] = None


CreditList = Annotated[list[Credit], Meta(min_length=1)]
_ABSENT = "Absent in records from before the model was computed."


class Credits(Struct, frozen=True):
    """An order's credits by each rule model, each in the order of the touches.

    Of each model ``orders_micros`` add up to 1,000,000 and ``gmv_fen`` to the order's ``amount_fen``, exactly: use one
    model, never the sum over models.
    """

    last_touch: Annotated[
        CreditList, Meta(description="All to the last ad click in 30 days, else to the last touch.")
    ]
    first_touch: Annotated[
        CreditList | None, Meta(description=f"All to the first touch in 30 days. {_ABSENT}")
    ] = None
    linear: Annotated[CreditList | None, Meta(description=f"The same to each touch. {_ABSENT}")] = None
    time_decay: Annotated[
        CreditList | None,
        Meta(description=f"Half as much for each 7.5 days before the last touch. {_ABSENT}"),
    ] = None
    position_based: Annotated[
        CreditList | None,
        Meta(description=f"40 percent to the first, 40 to the last, 20 to those between. {_ABSENT}"),
    ] = None


class OrderAttributed(Struct, frozen=True):
    """An order with its credit and refunds, written anew whenever they change.

    Of an order (``person_id`` and ``order_id``) the record with the largest ``revision`` is the truth; those before it are
    no longer true in any part. All are in one partition, in their order. An order whose person's id was linked to another is
    told anew under that one, with a revision larger than all before; from then on those under the older id are no
    longer true either.
    """

    topic: ClassVar[str] = ORDER_ATTRIBUTED
    key: ClassVar[str] = "order_id"
    order_id: Annotated[str, Meta(min_length=1, description="The order, as in taobao.order.paid.v1.")]
    person_id: Annotated[
        str,
        Meta(min_length=1, description="Pseudonym of who paid it, the one that their others are linked to."),
    ]
    shop_id: Annotated[str, Meta(min_length=1, description="The shop that was paid.")]
    time_ms: Annotated[int, Meta(ge=0, description="When it was paid, in ms since 1970 UTC.")]
    amount_fen: Annotated[int, Meta(gt=0, description="What was paid, gross, in fen.")]
    refunded_fen: Annotated[int, Meta(ge=0, description="The sum of its refunds, in fen.")]
    revision: Annotated[
        int,
        Meta(
            ge=1,
            description="1, 2, 3 ... without gap, but where ids of the person were linked; the largest is the truth.",
        ),
    ]
    credits: Credits
    new_customer: Annotated[
        bool | None,
        Meta(
            description="Whether the person had paid no order of the shop in the 365 days before (or as "
            "taobao.order.paid.v1 said). Absent in records from before it was computed."
        ),
    ] = None
    refunds: Annotated[
        int | None,
        Meta(
            description="How many refunds refunded_fen adds up. Absent in records from before refunds were computed."
        ),
    ] = None


class FunnelUpsert(Struct, frozen=True):
    """The figures of one window of a campaign, all of them, replacing the upsert before.

    At most one per window and second. A null value says that the window is gone: its retention passed, or all of its
    figures came back to 0.
    """

    topic: ClassVar[str] = CAMPAIGN_FUNNEL
    key: ClassVar[str] = "campaign_id|size|start_ms"
    campaign_id: Annotated[
        str,
        Meta(
            min_length=1,
            description="The campaign; organic:{shop_id} for touches without one, unattributed:{shop_id} for "
            "conversions that no touch reached.",
        ),
    ]
    shop_id: Annotated[str | None, Meta(description="The campaign's shop; null while it is unknown.")]
    size: Annotated[
        Size, Meta(description="Minute, hour, day (from midnight in Asia/Shanghai), or all time.")
    ]
    start_ms: Annotated[int, Meta(description="The window's first millisecond, since 1970 UTC; 0 for total.")]
    end_ms: Annotated[int | None, Meta(description="The first millisecond after it; null for total.")]
    version: Annotated[int, Meta(ge=1, description="Grows with each change of the window.")]
    final: Annotated[
        bool,
        Meta(
            description="Whether all events of the window should have come (the watermark is 1 h past its end); a late "
            "one still corrects it. Never true for total."
        ),
    ]
    metrics: Annotated[
        dict[str, int],
        Meta(
            description="Metric to its absolute value. A metric that is not here is unknown, which is not 0."
        ),
    ]


class ModelCredit(Struct, frozen=True):
    """What one channel gets of all orders of a shop under one model."""

    campaign_id: Annotated[
        str | None,
        Meta(
            description="The campaign; organic:{shop_id} for touches without one, null for all merged campaigns "
            "together, and where the channel is no campaign.",
        ),
    ]
    orders_micros: Annotated[int, Meta(ge=0, description="Share of the orders, in millionths of an order.")]
    gmv_fen: Annotated[int, Meta(ge=0, description="Share of gmv_fen of the shop, gross, in fen.")]
    channel_id: Annotated[
        str | None,
        Meta(
            description="The channel: a campaign_id; a surface, or the kind of a touch that has none; or a type of notes, "
            "unknown where no event told it, coupon_claim for claims. Null for all merged channels together. Absent in "
            "records from before other channels than campaigns were computed."
        ),
    ] = None


ModelCreditList = Annotated[list[ModelCredit], Meta(min_length=1)]


class ModelCredits(Struct, frozen=True):
    """The credits of a shop's channels by each model, by channel_id.

    Of each model ``orders_micros`` add up to 1,000,000 times ``orders`` and ``gmv_fen`` to that of the shop, exactly.
    """

    markov: Annotated[
        ModelCreditList,
        Meta(description="In proportion to removal effects in the Markov chain of order 1 of all paths."),
    ]
    shapley: Annotated[
        ModelCreditList,
        Meta(description="Shapley value: of each path equal shares to its different channels."),
    ]
    linear: Annotated[
        ModelCreditList,
        Meta(
            description="Of each path equal shares to its places, a channel touched several times in a row once."
        ),
    ]


class ShopModels(Struct, frozen=True):
    """How a shop's channels led to its orders, by models over the paths of all orders to date; the last record is the truth.

    Only orders that a touch reached are in it: it tells how buyers came, not how many of those touched did not buy. Amounts are
    gross. A null value says that no such order is left.
    """

    topic: ClassVar[str] = ATTRIBUTION_MODEL
    key: ClassVar[str] = "shop_id"
    shop_id: Annotated[str, Meta(min_length=1, description="The shop that was paid.")]
    watermark_ms: Annotated[
        int,
        Meta(
            ge=0,
            description="Up to when events should have been complete when it was computed, event time, ms since 1970 UTC; "
            "0 while that is unknown.",
        ),
    ]
    orders: Annotated[int, Meta(ge=1, description="Orders that a touch reached in 30 days, to date.")]
    gmv_fen: Annotated[int, Meta(ge=1, description="The sum of their amount_fen, gross, in fen.")]
    paths: Annotated[int, Meta(ge=1, description="How many different paths of channels they came by.")]
    merged_campaigns: Annotated[
        int,
        Meta(
            ge=0,
            description="How many channels, beyond the 100 with the most orders, are counted as one with a null channel_id.",
        ),
    ]
    models: ModelCredits
    channel: Annotated[
        ModelChannel,
        Meta(
            description="What the paths are told in: campaigns, surfaces where notes were viewed, or types of notes."
        ),
    ] = "campaign"


DateText = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class GuaranteePosition(Struct, frozen=True, omit_defaults=True):
    """Where a campaign's guarantee stands by all that is known; the last record is the truth.

    Days are dates of Asia/Shanghai, amounts are rounded down. What is unknown has no field. A null value says that the campaign
    has no guarantee any more.
    """

    topic: ClassVar[str] = GUARANTEE_POSITION
    key: ClassVar[str] = "campaign_id"
    campaign_id: Annotated[str, Meta(min_length=1, description="The campaign that has the guarantee.")]
    shop_id: Annotated[str, Meta(min_length=1, description="The shop by the campaign's terms.")]
    first_day: Annotated[DateText, Meta(description="The first observed day.")]
    last_observed_day: Annotated[DateText, Meta(description="The last observed day.")]
    settlement_day: Annotated[DateText, Meta(description="The day at whose end it is settled.")]
    status: Annotated[
        Status,
        Meta(
            description="By the day alone: planned, observing, waiting for the settlement once all days are observed, settled. "
            "What came of it is in outcome."
        ),
    ]
    days_left: Annotated[
        int, Meta(ge=0, description="Until the settlement, the day of the watermark included.")
    ]
    measure: Annotated[Measure, Meta(description="Whether it promises a ROI or a cost per conversion.")]
    conversion: Annotated[Conversion, Meta(description="What counts as a conversion.")]
    basis: Annotated[Basis, Meta(description="Whether a ROI is of GMV gross, or net of refunds.")]
    form: Annotated[Form, Meta(description="How a payout is paid.")]
    hours_reported: Annotated[int, Meta(ge=0, description="Hours of the observed days whose spend is known.")]
    hours: Annotated[int, Meta(ge=24, description="All hours of the observed days.")]
    gmv_fen: Annotated[int, Meta(description="Credited gross GMV that counts, in fen.")]
    refund_fen: Annotated[int, Meta(description="Refunds of it, in fen.")]
    conversions_micros: Annotated[int, Meta(description="Conversions that count, in millionths.")]
    earned_fen: Annotated[
        int,
        Meta(description="The spend that GMV or conversions are worth by the targets of their days, in fen."),
    ]
    shortfall_fen: Annotated[int, Meta(ge=0, description="The payout without cap and gates, in fen.")]
    expected_payout_fen: Annotated[
        int,
        Meta(
            ge=0,
            description="The payout, were the settlement now, in fen; 0 while the gate edits, conversions or trigger does not "
            "hold.",
        ),
    ]
    gates: Annotated[
        list[Gate],
        Meta(
            description="What a payout depends on: all must hold. Each reason is an English sentence, amounts in yuan, days and "
            "times of Asia/Shanghai; name and state are what to translate by."
        ),
    ]
    forecast: Annotated[
        Literal["known", "too_little_data"],
        Meta(
            description="Whether the final GMV of touches of the observed days can be forecast from older ones; those of the "
            "day of the watermark and later are left out."
        ),
    ]
    outcome: Annotated[
        Outcome | None,
        Meta(
            description="What came of it: paid, or unpaid, once it is settled, or void from the edit on that was one too many, "
            "which may be long before. Absent while that is open. What comes late may change it."
        ),
    ] = None
    outcome_since_ms: Annotated[
        int | None,
        Meta(
            description="Since when, ms since 1970 UTC: the end of the settlement day, or the time of that edit; absent "
            "while open."
        ),
    ] = None
    outcome_reason: Annotated[str | None, Meta(description="Why, in English; absent while that is open.")] = (
        None
    )
    target_roi_micros: Annotated[
        int | None,
        Meta(description="The ROI to reach by the newest terms that count, in millionths; only of roi."),
    ] = None
    bid_fen: Annotated[
        int | None,
        Meta(description="The bid for a conversion by the newest terms that count, in fen; only of cost."),
    ] = None
    spend_fen: Annotated[
        int | None, Meta(description="Spend of the observed days, in fen; absent until an hour was reported.")
    ] = None
    roi_micros: Annotated[int | None, Meta(description="gmv_fen per spend_fen, in millionths.")] = None
    roi_net_micros: Annotated[
        int | None, Meta(description="gmv_fen less refund_fen per spend_fen, in millionths.")
    ] = None
    cost_per_conversion_fen: Annotated[
        int | None, Meta(description="spend_fen per conversion, in fen; absent without one.")
    ] = None
    payout_fen: Annotated[int | None, Meta(description="The payout, in fen; absent until it is settled.")] = (
        None
    )
    forecast_gmv_fen: Annotated[
        int | None,
        Meta(description="The final GMV by Mack's chain ladder, in fen; absent with too little data."),
    ] = None
    forecast_low_fen: Annotated[
        int | None, Meta(description="The forecast less 1.96 standard errors, in fen.")
    ] = None
    forecast_high_fen: Annotated[
        int | None, Meta(description="The forecast plus 1.96 standard errors, in fen.")
    ] = None
    forecast_standard_error_fen: Annotated[
        int | None, Meta(description="The standard error of the forecast, in fen.")
    ] = None
    forecast_spend_fen: Annotated[
        int | None,
        Meta(
            description="Spend of the days whose touches the forecast is of, in fen: what to compare it with; absent with the "
            "forecast, and until an hour of them was reported."
        ),
    ] = None


class LedgerEntry(Struct, frozen=True):
    """One line of a journal of a campaign's books, which are double entry: the lines of a journal add up to 0.

    A journal is what one day books for one rule and period: the amount due (lines 1 and 2), the reversal of what was
    booked for them until then (lines 3 and 4), or both. Entries are never changed: a correction is a later journal. The ids
    come from campaign, rule, period and day, so that a repeated computation has the same.
    """

    topic: ClassVar[str] = LEDGER_ENTRY
    key: ClassVar[str] = "campaign_id"
    entry_id: Annotated[str, Meta(min_length=1, description="campaign_id|rule|period|day|line.")]
    journal_id: Annotated[str, Meta(min_length=1, description="campaign_id|rule|period|day.")]
    campaign_id: Annotated[str, Meta(min_length=1, description="The campaign whose books these are.")]
    shop_id: Annotated[
        str | None, Meta(description="The shop by the campaign's terms on day; null without terms.")
    ]
    number: Annotated[
        int,
        Meta(ge=1, description="1, 2, 3 ... without gap over all entries of the campaign, in their order."),
    ]
    rule: Annotated[LedgerRule, Meta(description="What the amount is for.")]
    period: Annotated[
        str,
        Meta(
            min_length=1,
            description="Which time it is for, in days of Asia/Shanghai: spend 2026-11-24, match and guarantee 2026-11-01+7d "
            "(first day and length), share 2026-11, clawback 2026-11/2026-12-20 (month and day of the refunds).",
        ),
    ]
    day: Annotated[DateText, Meta(description="The day that was booked, of Asia/Shanghai.")]
    time_ms: Annotated[
        int,
        Meta(ge=0, description="The end of that day (its first millisecond after), in ms since 1970 UTC."),
    ]
    line: Annotated[
        int,
        Meta(
            ge=1,
            le=4,
            description="Of the amount due 1 the debit, 2 the credit; of the reversal 3 the debit, 4 the credit.",
        ),
    ]
    account: Annotated[Account, Meta(description="Whose account, and what for.")]
    amount_fen: Annotated[
        int, Meta(description="In fen: a debit (lines 1, 3) is above 0, a credit (lines 2, 4) below.")
    ]
    reverses: Annotated[
        str | None,
        Meta(
            description="In lines 3 and 4 the journal_id whose amount due is taken back, else null; its lines 1 and 2 no longer "
            "stand."
        ),
    ]
    basis: Annotated[
        dict[str, int | str] | None,
        Meta(
            description="In lines 1 and 2 the figures that led to the amount, whole numbers and texts, else null. Which there are "
            "depends on the rule, and more may come."
        ),
    ]


class AlertRaised(Struct, frozen=True):
    """What became of an alert: it was raised, escalated, or resolved.

    Each happens at most once to an ``alert_id``, in this order; an alert may be resolved without being escalated. The last
    record of an ``alert_id`` is how it stands.
    """

    topic: ClassVar[str] = ALERT_RAISED
    key: ClassVar[str] = "campaign_id, `system` where it is null"
    alert_id: Annotated[
        str,
        Meta(min_length=1, description="`campaign_id|rule|since_ms`, with `system` for a null campaign_id."),
    ]
    campaign_id: Annotated[
        str | None, Meta(description="The campaign; null for an alert about the data of all campaigns.")
    ]
    shop_id: Annotated[str | None, Meta(description="The campaign's shop; null while it is unknown.")]
    rule: Annotated[str, Meta(min_length=1, description="Name of the rule, as the file of rules has it.")]
    kind: Annotated[AlertKind, Meta(description="What kind of rule it is.")]
    severity: Annotated[Severity, Meta(description="How bad the rule says it is.")]
    state: Annotated[AlertTurn, Meta(description="What happened to the alert.")]
    since_ms: Annotated[
        int,
        Meta(
            ge=0,
            description="Since when the rule's condition has held, ms since 1970 UTC: event time for alerts about a campaign, "
            "the clock for others.",
        ),
    ]
    time_ms: Annotated[int, Meta(ge=0, description="When this happened, by the same time as since_ms.")]
    unit: Annotated[AlertUnit, Meta(description="The unit of value and threshold.")]
    value: Annotated[
        float | None,
        Meta(description="The figure that the rule looks at; null where there is none (any more)."),
    ]
    threshold: Annotated[float, Meta(description="What the rule compares it with.")]
    value_text: Annotated[str | None, Meta(description="value for people to read, with its unit.")]
    threshold_text: Annotated[str, Meta(description="threshold for people to read, with its unit.")]
    message: Annotated[str, Meta(min_length=1, description="What is wrong and what to look at, in English.")]


class DeadLetterHeaders(Struct, frozen=True):
    """The headers of a dead letter, UTF-8 text; its key and value are the bytes of the record that did not fit."""

    topic: ClassVar[str] = DEAD_LETTER
    reason: Annotated[Reason, Meta(description="Why it did not fit.")]
    detail: Annotated[
        str,
        Meta(
            description="Which field, and what was expected, as in `$.amount_fen: Expected int >= 1`; for `undeliverable` which "
            "receiver of alerts did not take it, and why."
        ),
    ]
    source_topic: Annotated[str, Meta(min_length=1, description="The topic that it came by.")]
    source_partition: Annotated[
        str, Meta(pattern="^[0-9]+$", description="Its partition there, a decimal number.")
    ]
    source_offset: Annotated[str, Meta(pattern="^[0-9]+$", description="Its offset there, a decimal number.")]


OutputRecord = OrderAttributed | FunnelUpsert | ShopModels | GuaranteePosition | LedgerEntry | AlertRaised
OUTPUT_RECORDS: dict[str, type[OutputRecord]] = {
    record.topic: record
    for record in (OrderAttributed, FunnelUpsert, ShopModels, GuaranteePosition, LedgerEntry, AlertRaised)
}
"""Output topic to the struct of its values; dead letters have the bytes of any record instead."""
