"""Small sets of journey events in which much meets: few people, shops, notes and moments."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from hypothesis import strategies as st

from xinghe.domain.events import (
    AdClicked,
    CartAdded,
    CouponClaimed,
    ItemFavorited,
    NoteCommented,
    NoteEngaged,
    NoteLiked,
    NoteViewed,
    OrderPaid,
    OrderRefunded,
    PersonLinked,
    StoreVisited,
)
from xinghe.domain.windows import DAY_MS, HOUR_MS, MINUTE_MS

MIDNIGHT_MS: Final = 1_740_758_400_000
"""2025-03-01 00:00 in Shanghai."""

# Named again and again are those in which much shall meet.
PEOPLE: Final = ("p1", "p1", "p1", "p2")
SHOPS: Final = ("s1", "s1", "s1", "s2")
CAMPAIGNS: Final = (None, "c1", "c2")
NOTES: Final = ("n1", "n2")
ITEMS: Final = ("i1", "i2")

OFFSETS_MS: Final = (
    *(0, 1, MINUTE_MS - 1, MINUTE_MS, HOUR_MS - 1, HOUR_MS, 8 * HOUR_MS, DAY_MS - 1, DAY_MS),
    *(7 * DAY_MS, 7 * DAY_MS + 1, 15 * DAY_MS, 15 * DAY_MS + 1, 15 * DAY_MS + MINUTE_MS),
    *(30 * DAY_MS, 30 * DAY_MS + 1, 30 * DAY_MS + HOUR_MS),
)
"""Around the edges of windows, of lags and of what a touch reaches; within 31 days, so that none is too late."""

AMOUNTS_FEN: Final = (1, 2, 3, 7, 100, 333, 1_000)
"""Of orders and refunds alike: some refunds are whole, some a part, some more than was paid."""
COUPON_IDS: Final[tuple[list[str] | None, ...]] = (None, ["k0"], ["k1", "k0", "k1"], [])
NEW_CUSTOMER: Final = (None, None, None, True, False)

NOTE_TYPES: Final = (None, "image", "video")
SURFACES: Final = (None, "feed", "search", "profile", "ad")

# Neither in the order of arrival nor of time, and some beyond ASCII: ties are decided by the bytes of UTF-8.
EVENT_IDS: Final = tuple(f"{letter}{number}" for letter in ("e", "E", "é", "𝛆") for number in range(12))

CONVERSION_TYPES: Final = (StoreVisited, ItemFavorited, CartAdded, OrderPaid)
TYPES: Final = (
    *(NoteViewed, NoteViewed, NoteLiked, NoteCommented, NoteEngaged, AdClicked, AdClicked),
    *(CouponClaimed, CouponClaimed),
    *CONVERSION_TYPES,
    *(OrderPaid, OrderPaid, OrderPaid, OrderRefunded, OrderRefunded, OrderRefunded),
)

times_ms = st.one_of(
    st.sampled_from([MIDNIGHT_MS + offset_ms for offset_ms in OFFSETS_MS]),
    st.integers(MIDNIGHT_MS, MIDNIGHT_MS + 2 * DAY_MS),
    st.integers(MIDNIGHT_MS, MIDNIGHT_MS + 31 * DAY_MS),
)


def _event(
    event_type: Any,
    event_id: str,
    person_id: str,
    shop_id: str,
    time_ms: int,
    campaign_id: str | None,
    note_id: str,
    item_id: str,
    number: int,
) -> Any:
    """An event of the type, from those of the values that the type has; ``number`` decides the rest."""
    values: dict[str, Any] = {
        "event_id": event_id,
        "person_id": person_id,
        "shop_id": shop_id,
        "time_ms": time_ms,
    }
    if event_type is CouponClaimed:
        return CouponClaimed(**values, campaign_id=campaign_id, coupon_id=f"k{number % 2}", platform="taobao")
    amount_fen = AMOUNTS_FEN[number % 7]
    if event_type is OrderRefunded:
        # Of an order that nobody pays too, and few ids, so that refunds come again under another event_id.
        values |= {"order_id": f"o{number // 7 % 4}", "refund_id": f"r{number // 28 % 3}"}
        return OrderRefunded(**values, amount_fen=amount_fen)
    if event_type not in CONVERSION_TYPES:
        values |= {
            "note_id": note_id,
            "campaign_id": campaign_id,
            "note_type": NOTE_TYPES[number // 5 % 3],
        }
    if event_type is NoteViewed:
        values["surface"] = SURFACES[number // 15 % 5]
    if event_type is NoteEngaged:
        values["action"] = ("collect", "share", "follow")[number % 3]
    if event_type is OrderPaid:
        # Few ids, so that orders come again under another event_id, and from another person.
        values |= {
            "order_id": f"o{number // 7 % 3}",
            "amount_fen": amount_fen,
            "coupon_ids": COUPON_IDS[number % 4],
            "new_customer": NEW_CUSTOMER[number % 5],
        }
    may_lack_item = event_type not in {ItemFavorited, CartAdded, OrderPaid}
    return event_type(**values, item_id=None if may_lack_item and number % 4 == 0 else item_id)


_events = st.builds(
    _event,
    event_type=st.sampled_from(TYPES),
    event_id=st.sampled_from(EVENT_IDS),
    person_id=st.sampled_from(PEOPLE),
    shop_id=st.sampled_from(SHOPS),
    time_ms=times_ms,
    campaign_id=st.sampled_from(CAMPAIGNS),
    note_id=st.sampled_from(NOTES),
    item_id=st.sampled_from(ITEMS),
    number=st.integers(0, 9_999),
)


LAGS_MS: Final = (
    0,
    1,
    MINUTE_MS,
    DAY_MS,
    7 * DAY_MS + 12 * HOUR_MS,
    15 * DAY_MS,
    30 * DAY_MS,
    30 * DAY_MS + 1,
)
"""From a touch to its order."""
DELAYS_MS: Final = (-1, 0, 1, HOUR_MS, DAY_MS, 5 * DAY_MS)
"""From an order to its refund."""


@st.composite
def _around(draw: st.DrawFn, order: OrderPaid) -> list[Any]:
    """Touches that lead to an order, and refunds of it, which together may be more than was paid."""
    who: dict[str, Any] = {"person_id": order.person_id, "shop_id": order.shop_id}
    events: list[Any] = []
    touches = draw(
        st.lists(
            st.tuples(
                st.sampled_from((NoteViewed, NoteViewed, AdClicked, CouponClaimed)),
                st.sampled_from(LAGS_MS),
                st.sampled_from(CAMPAIGNS),
                st.integers(0, 9_999),
            ),
            max_size=6,
        )
    )
    for index, (event_type, lag_ms, campaign_id, number) in enumerate(touches):
        time_ms = max(order.time_ms - lag_ms, MIDNIGHT_MS)
        ids = (f"{order.event_id}t{index}", order.person_id, order.shop_id, time_ms, campaign_id)
        events.append(_event(event_type, *ids, NOTES[number % 2], ITEMS[number // 2 % 2], number))
    part_fen = st.sampled_from((1, order.amount_fen // 3 + 1, order.amount_fen // 2 + 1, order.amount_fen))
    refunds = draw(
        st.lists(st.tuples(part_fen, st.sampled_from(DELAYS_MS), st.sampled_from("abcd")), max_size=4)
    )
    for index, (amount_fen, delay_ms, refund_id) in enumerate(refunds):
        time_ms = min(max(order.time_ms + delay_ms, MIDNIGHT_MS), MIDNIGHT_MS + 31 * DAY_MS)
        refund = who | {"order_id": order.order_id, "refund_id": refund_id, "time_ms": time_ms}
        events.append(OrderRefunded(**refund, event_id=f"{order.event_id}r{index}", amount_fen=amount_fen))
    return events


@st.composite
def journey_events(draw: st.DrawFn, max_events: int = 24) -> list[Any]:
    """Decoded journey events in an order of arrival, equal copies of some among them.

    An ``event_id`` stands for one event, so that copies are equal, as R2 takes them to be.
    """
    # Left to itself, hypothesis makes lists of five, in which little meets.
    least = min(draw(st.sampled_from((0, 4, 12))), max_events)
    events = draw(
        st.lists(_events, unique_by=lambda event: event.event_id, min_size=least, max_size=max_events)
    )
    for order in [event for event in events if isinstance(event, OrderPaid)][:3]:
        events += draw(_around(order))
    copies = draw(st.lists(st.sampled_from(events), max_size=4)) if events else []
    return draw(st.permutations(events + copies))


LINKED_IDS: Final = ("p1", "p6", "p2", "p7")
"""Ids of people; of two partitions p1 and p2 are in the first, p6 and p7 in the second."""

_links = st.lists(
    st.builds(
        PersonLinked,
        # Few, so that links come again, and others under the same id.
        event_id=st.sampled_from(("l0", "l1", "l2")),
        person_id=st.sampled_from(LINKED_IDS),
        time_ms=times_ms,
        linked_person_id=st.sampled_from(LINKED_IDS),
    ),
    max_size=7,
)


LINKED: Final[tuple[tuple[tuple[str, str], ...], ...]] = (
    *((), (), (), ()),
    (("p1", "p2"), ("p2", "p6"), ("p6", "p7")),
    (("p7", "p6"), ("p6", "p1")),
    (("p1", "p7"), ("p2", "p7"), ("p6", "p7")),
    (("p6", "p6"), ("p1", "p6")),
    (("p1", "p6"), ("p6", "p1"), ("p2", "p6")),
    (("p1", "p2"), ("p2", "p1"), ("p7", "p1")),
    (("p1", "p6"), ("p6", "p2"), ("p2", "p1"), ("p7", "p6")),
    (("p7", "p6"), ("p6", "p2"), ("p2", "p7")),
    (("p1", "p6"), ("p6", "p2"), ("p2", "p7"), ("p7", "p1")),
)
"""Old and new ids, which seldom come together by chance: chains, many to one, to itself, circles of two to four with others
linked to them."""


@st.composite
def _shaped_links(draw: st.DrawFn) -> list[PersonLinked]:
    pairs = draw(st.sampled_from(LINKED))
    return [PersonLinked(f"m{n}", old, draw(times_ms), new) for n, (old, new) in enumerate(pairs)]


@st.composite
def linked_events(draw: st.DrawFn) -> list[Any]:
    """Events of few people under several ids, the same event under two at times, with links among the ids: chains, many
    to one, repeated ones and circles. No event lies more than 31 days before a link.
    """
    # Some ids only, so that much meets in them.
    ids = draw(st.lists(st.sampled_from(LINKED_IDS), min_size=1, max_size=4))
    events: list[Any] = [
        msgspec.structs.replace(event, person_id=draw(st.sampled_from(ids)))
        for event in draw(journey_events(max_events=14))
    ]
    return draw(st.permutations([*events, *draw(_shaped_links()), *draw(_links)]))
