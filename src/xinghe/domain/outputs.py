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
    ORDER_ATTRIBUTED,
)
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
    """What one campaign gets of all orders of a shop under one model."""

    campaign_id: Annotated[
        str | None,
        Meta(
            description="The campaign; organic:{shop_id} for touches without one, null for all merged campaigns "
            "together.",
        ),
    ]
    orders_micros: Annotated[int, Meta(ge=0, description="Share of the orders, in millionths of an order.")]
    gmv_fen: Annotated[int, Meta(ge=0, description="Share of gmv_fen of the shop, gross, in fen.")]


ModelCreditList = Annotated[list[ModelCredit], Meta(min_length=1)]


class ModelCredits(Struct, frozen=True):
    """The credits of a shop's campaigns by each model, by campaign_id.

    Of each model ``orders_micros`` add up to 1,000,000 times ``orders`` and ``gmv_fen`` to that of the shop, exactly.
    """

    markov: Annotated[
        ModelCreditList,
        Meta(description="In proportion to removal effects in the Markov chain of order 1 of all paths."),
    ]
    shapley: Annotated[
        ModelCreditList,
        Meta(description="Shapley value: of each path equal shares to its different campaigns."),
    ]
    linear: Annotated[
        ModelCreditList,
        Meta(
            description="Of each path equal shares to its places, a campaign touched several times in a row once."
        ),
    ]


class ShopModels(Struct, frozen=True):
    """How a shop's campaigns led to its orders, by models over the paths of all orders to date; the last record is the truth.

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
    paths: Annotated[int, Meta(ge=1, description="How many different paths of campaigns they came by.")]
    merged_campaigns: Annotated[
        int,
        Meta(
            ge=0,
            description="How many campaigns, beyond the 100 with the most orders, are counted as one with a null campaign_id.",
        ),
    ]
    models: ModelCredits


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


OutputRecord = OrderAttributed | FunnelUpsert | ShopModels | AlertRaised
OUTPUT_RECORDS: dict[str, type[OutputRecord]] = {
    record.topic: record for record in (OrderAttributed, FunnelUpsert, ShopModels, AlertRaised)
}
"""Output topic to the struct of its values; dead letters have the bytes of any record instead."""
