"""Source events: what the collectors write to Kafka, one struct per topic (DESIGN.md, section 6).

A struct is the whole contract of its topic: decoding a record with it checks types, lengths, ranges
and enumerations, and ignores fields that it does not know. An optional field that is absent is
``None``, which means unknown and never zero.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

from xinghe.domain.field_types import Count, EventId, Fen, Id, PersonId, TimeMs
from xinghe.domain.terms import Guarantee, RevenueShare, SpendMatch

Surface = Literal["feed", "search", "profile", "ad"]
NoteType = Literal["image", "video"]
EngagementAction = Literal["collect", "share", "follow"]
Platform = Literal["xhs", "taobao"]
Model = Literal[
    "last_touch",
    "first_touch",
    "linear",
    "time_decay",
    "position_based",
    "markov",
    "shapley",
]
ModelChannel = Literal["campaign", "surface", "note_type"]
"""What the paths of the data-driven models are told in."""


class NoteViewed(Struct, frozen=True, gc=False):
    """A person saw a note."""

    topic: ClassVar[str] = "xhs.note.viewed.v1"
    event_id: EventId
    person_id: PersonId
    time_ms: TimeMs
    note_id: Id
    shop_id: Id
    campaign_id: Id | None = None
    item_id: Id | None = None
    surface: Surface | None = None
    dwell_ms: Count | None = None
    note_type: NoteType | None = None


class NoteLiked(Struct, frozen=True, gc=False):
    """A person liked a note."""

    topic: ClassVar[str] = "xhs.note.liked.v1"
    event_id: EventId
    person_id: PersonId
    time_ms: TimeMs
    note_id: Id
    shop_id: Id
    campaign_id: Id | None = None
    item_id: Id | None = None
    note_type: NoteType | None = None


class NoteCommented(Struct, frozen=True, gc=False):
    """A person commented on a note."""

    topic: ClassVar[str] = "xhs.note.commented.v1"
    event_id: EventId
    person_id: PersonId
    time_ms: TimeMs
    note_id: Id
    shop_id: Id
    campaign_id: Id | None = None
    item_id: Id | None = None
    note_type: NoteType | None = None


class NoteEngaged(Struct, frozen=True, gc=False):
    """A person collected or shared a note, or followed its author from it."""

    topic: ClassVar[str] = "xhs.note.engaged.v1"
    event_id: EventId
    person_id: PersonId
    time_ms: TimeMs
    note_id: Id
    shop_id: Id
    action: EngagementAction
    campaign_id: Id | None = None
    item_id: Id | None = None
    note_type: NoteType | None = None


class AdClicked(Struct, frozen=True, gc=False):
    """A person jumped out of a note to Taobao by its ad link."""

    topic: ClassVar[str] = "xhs.ad.clicked.v1"
    event_id: EventId
    person_id: PersonId
    time_ms: TimeMs
    note_id: Id
    shop_id: Id
    campaign_id: Id | None = None
    item_id: Id | None = None
    click_id: Id | None = None
    note_type: NoteType | None = None


class StoreVisited(Struct, frozen=True, gc=False):
    """A person came into a shop on Taobao."""

    topic: ClassVar[str] = "taobao.store.visited.v1"
    event_id: EventId
    person_id: PersonId
    time_ms: TimeMs
    shop_id: Id
    item_id: Id | None = None
    new_visitor: bool | None = None


class ItemFavorited(Struct, frozen=True, gc=False):
    """A person marked an item as a favourite on Taobao."""

    topic: ClassVar[str] = "taobao.item.favorited.v1"
    event_id: EventId
    person_id: PersonId
    time_ms: TimeMs
    shop_id: Id
    item_id: Id


class CartAdded(Struct, frozen=True, gc=False):
    """A person put an item into the cart on Taobao."""

    topic: ClassVar[str] = "taobao.cart.added.v1"
    event_id: EventId
    person_id: PersonId
    time_ms: TimeMs
    shop_id: Id
    item_id: Id
    quantity: Annotated[int, Meta(ge=1, le=10**9)] | None = None


class OrderPaid(Struct, frozen=True, gc=False):
    """A person paid an order on Taobao; ``amount_fen`` is what was paid."""

    topic: ClassVar[str] = "taobao.order.paid.v1"
    event_id: EventId
    person_id: PersonId
    time_ms: TimeMs
    shop_id: Id
    order_id: Id
    item_id: Id
    amount_fen: Fen
    new_customer: bool | None = None
    coupon_ids: list[Id] | None = None


class OrderRefunded(Struct, frozen=True, gc=False):
    """A part or the whole of an order was paid back."""

    topic: ClassVar[str] = "taobao.order.refunded.v1"
    event_id: EventId
    person_id: PersonId
    time_ms: TimeMs
    shop_id: Id
    order_id: Id
    refund_id: Id
    amount_fen: Fen


class CouponClaimed(Struct, frozen=True, gc=False):
    """A person claimed a coupon, on either platform."""

    topic: ClassVar[str] = "promo.coupon.claimed.v1"
    event_id: EventId
    person_id: PersonId
    time_ms: TimeMs
    coupon_id: Id
    shop_id: Id
    platform: Platform
    campaign_id: Id | None = None


class PersonLinked(Struct, frozen=True, gc=False):
    """Two pseudonyms turned out to be one person: ``person_id`` (old) is ``linked_person_id`` (new)."""

    topic: ClassVar[str] = "identity.person.linked.v1"
    event_id: EventId
    person_id: PersonId
    time_ms: TimeMs
    linked_person_id: PersonId


class CampaignConfigured(Struct, frozen=True, gc=False):
    """A campaign's settings from ``effective_ms`` on; the newest ``effective_ms`` at a time counts.

    ``guarantee``, ``spend_match`` and ``revenue_share`` are the terms of money (ARCHITECTURE.md, R18 to R21), none where
    absent. ``budget_fen`` is what the campaign may spend in all, without a limit where absent.
    """

    topic: ClassVar[str] = "xhs.campaign.configured.v1"
    campaign_id: Id
    shop_id: Id
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    effective_ms: TimeMs
    model: Model = "last_touch"
    roi_lag_days: Literal[7, 15, 30] = 30
    guarantee: Guarantee | None = None
    spend_match: SpendMatch | None = None
    revenue_share: RevenueShare | None = None
    budget_fen: Fen | None = None


class AdSpent(Struct, frozen=True, gc=False):
    """What a campaign spent in one hour; a later ``revision`` replaces that hour.

    ``reported_ms`` is when the report was made; without it the time of its record is taken for that.
    """

    topic: ClassVar[str] = "xhs.ad.spent.v1"
    event_id: EventId
    campaign_id: Id
    hour_start_ms: Annotated[int, Meta(ge=0, le=2**53, multiple_of=3_600_000)]
    spend_fen: Annotated[int, Meta(ge=0, le=10**14)]
    revision: Annotated[int, Meta(ge=0, le=10**9)]
    impressions: Count | None = None
    clicks: Count | None = None
    reported_ms: TimeMs | None = None


TouchEvent = NoteViewed | NoteLiked | NoteCommented | NoteEngaged | AdClicked | CouponClaimed
ConversionEvent = StoreVisited | ItemFavorited | CartAdded | OrderPaid

JOURNEY_EVENTS: tuple[type[Struct], ...] = (
    NoteViewed,
    NoteLiked,
    NoteCommented,
    NoteEngaged,
    AdClicked,
    CouponClaimed,
    StoreVisited,
    ItemFavorited,
    CartAdded,
    OrderPaid,
    OrderRefunded,
)
"""Keyed by ``person_id``; what journeys are made of."""

LINK_EVENTS: tuple[type[Struct], ...] = (PersonLinked,)
"""Keyed by ``person_id``; what tells the journeys stage whose journeys are one."""

CAMPAIGN_EVENTS: tuple[type[Struct], ...] = (CampaignConfigured, AdSpent)
"""Keyed by ``campaign_id``; the campaigns stage consumes their topics."""

SOURCE_EVENTS: dict[str, type[Struct]] = {
    event.topic: event  # type: ignore[attr-defined]  # every event struct names its topic
    for event in (*JOURNEY_EVENTS, *LINK_EVENTS, *CAMPAIGN_EVENTS)
}
"""Source topic to the struct of its records."""

ORDER_ATTRIBUTED = "xinghe.order.attributed.v1"
CAMPAIGN_DELTA = "xinghe.campaign.delta.v1"
PATH_DELTA = "xinghe.path.delta.v1"
JOURNEY_MOVED = "xinghe.journey.moved.v1"
CAMPAIGN_FUNNEL = "xinghe.campaign.funnel.v1"
ATTRIBUTION_MODEL = "xinghe.attribution.model.v1"
GUARANTEE_POSITION = "xinghe.guarantee.position.v1"
LEDGER_ENTRY = "xinghe.ledger.entry.v1"
ALERT_RAISED = "xinghe.alert.raised.v1"
DEAD_LETTER = "xinghe.dead-letter.v1"
