"""Small sets of journey events in which much meets: few people, shops, notes and moments."""

from __future__ import annotations

from typing import Any, Final

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
    StoreVisited,
)
from xinghe.domain.windows import DAY_MS, HOUR_MS, MINUTE_MS

MIDNIGHT_MS: Final = 1_740_758_400_000
"""2025-03-01 00:00 in Shanghai."""

PEOPLE: Final = ("p1", "p2", "p3")
SHOPS: Final = ("s1", "s2")
CAMPAIGNS: Final = (None, "c1", "c2")
NOTES: Final = ("n1", "n2")
ITEMS: Final = ("i1", "i2")

OFFSETS_MS: Final = (
    *(0, 1, MINUTE_MS - 1, MINUTE_MS, HOUR_MS - 1, HOUR_MS, 8 * HOUR_MS, DAY_MS - 1, DAY_MS),
    *(7 * DAY_MS, 7 * DAY_MS + 1, 15 * DAY_MS, 15 * DAY_MS + 1, 15 * DAY_MS + MINUTE_MS),
    *(30 * DAY_MS, 30 * DAY_MS + 1, 30 * DAY_MS + HOUR_MS),
)
"""Around the edges of windows, of lags and of what a touch reaches; within 31 days, so that none is too late."""

# Not the order of arrival nor of time, and some are beyond ASCII: ties are decided by the bytes of UTF-8.
EVENT_IDS: Final = st.sampled_from(
    [f"{letter}{number}" for letter in ("e", "E", "é", "𝛆") for number in range(12)]
)

times_ms = st.one_of(
    st.sampled_from([MIDNIGHT_MS + offset_ms for offset_ms in OFFSETS_MS]),
    st.integers(MIDNIGHT_MS, MIDNIGHT_MS + 2 * DAY_MS),
    st.integers(MIDNIGHT_MS, MIDNIGHT_MS + 31 * DAY_MS),
)


def _event(event_id: str) -> st.SearchStrategy[Any]:
    """Any event with this id, of any type."""
    who = {
        "event_id": st.just(event_id),
        "person_id": st.sampled_from(PEOPLE),
        "time_ms": times_ms,
        "shop_id": st.sampled_from(SHOPS),
    }
    item = {"item_id": st.sampled_from(ITEMS)}
    maybe_item = {"item_id": st.sampled_from((None, *ITEMS))}
    campaign = {"campaign_id": st.sampled_from(CAMPAIGNS)}
    note = {**campaign, **maybe_item, "note_id": st.sampled_from(NOTES)}
    return st.one_of(
        st.builds(NoteViewed, **who, **note),
        st.builds(NoteLiked, **who, **note),
        st.builds(NoteCommented, **who, **note),
        st.builds(NoteEngaged, **who, **note, action=st.sampled_from(("collect", "share", "follow"))),
        st.builds(AdClicked, **who, **note),
        st.builds(
            CouponClaimed,
            **who,
            **campaign,
            coupon_id=st.just("k1"),
            platform=st.sampled_from(("xhs", "taobao")),
        ),
        st.builds(StoreVisited, **who, **maybe_item),
        st.builds(ItemFavorited, **who, **item),
        st.builds(CartAdded, **who, **item),
        st.builds(
            OrderPaid,
            **who,
            **item,
            # Few ids, so that orders are repeated under another event_id, and by another person.
            order_id=st.sampled_from(("o1", "o2", "o3")),
            amount_fen=st.integers(1, 10_000),
        ),
    )


@st.composite
def journey_events(draw: st.DrawFn, max_events: int = 24) -> list[Any]:
    """Decoded journey events in an order of arrival, equal copies of some among them.

    An ``event_id`` stands for one event, so that copies are equal, as R2 takes them to be.
    """
    event_ids = draw(st.lists(EVENT_IDS, unique=True, max_size=max_events))
    events = [draw(_event(event_id)) for event_id in event_ids]
    copies = draw(st.lists(st.sampled_from(events), max_size=4)) if events else []
    return draw(st.permutations(events + copies))
