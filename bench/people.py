"""The model of the traffic: who sees which note and does what, seeded, as ready JSON records.

The same seed gives the same records, byte by byte, whatever the machine. The mix is in ``MIX``; people are
skewed (``int(random() ** 2 * people)``: the busiest tenth makes about a third of the events). A note belongs to one
campaign (every tenth note to none), promotes one item, and its campaign to one shop. Somebody who converts goes
to the shop of the note that he last touched in 8 of 10 cases and buys its item in 6 of 10, else any shop's.
"""

from __future__ import annotations

import random
from array import array
from collections import Counter
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from xinghe.domain.windows import HOUR_MS

SPACING_MS: Final = 2
"""Event time from one event to the next in a preloaded data set."""
SHOPS: Final = 50
ITEMS_PER_SHOP: Final = 40
ORGANIC_EVERY: Final = 10

MIX: Final[tuple[tuple[str, float], ...]] = (
    ("xhs.note.viewed.v1", 0.798),
    ("xhs.note.liked.v1", 0.09),
    ("xhs.note.commented.v1", 0.03),
    ("xhs.note.engaged.v1", 0.03),
    ("xhs.ad.clicked.v1", 0.02),
    ("promo.coupon.claimed.v1", 0.002),
    ("taobao.store.visited.v1", 0.015),
    ("taobao.item.favorited.v1", 0.005),
    ("taobao.cart.added.v1", 0.007),
    ("taobao.order.paid.v1", 0.003),
)
"""Topic to its share of the events."""
TOPICS: Final = tuple(topic for topic, _ in MIX)
SPEND_TOPIC: Final = "xhs.ad.spent.v1"
SETTINGS_TOPIC: Final = "xhs.campaign.configured.v1"

_VIEW, _LIKE, _COMMENT, _ENGAGE, _CLICK, _COUPON, _VISIT, _FAVORITE, _CART, _PAY = range(len(TOPICS))
_ACTIONS: Final = ("collect", "share", "follow")
_SURFACES: Final = (b"feed", b"search", b"profile", b"ad")
_METRIC: Final = {
    _VIEW: "views",
    _LIKE: "likes",
    _COMMENT: "comments",
    _CLICK: "ad_clicks",
    _VISIT: "store_visits",
    _FAVORITE: "favorites",
    _CART: "cart_adds",
}


class World(Struct, frozen=True):
    """The size of the model."""

    people: int
    campaigns: int
    notes: int
    seed: int = 7
    id_prefix: str = "e"
    """Start of the event ids: what is added to a log that holds another data set must not repeat its ids."""


class Record(Struct, gc=False):
    """One record to write; ``topic`` is an index of ``TOPICS``."""

    topic: int
    person: int
    value: bytes


class Traffic:
    """Events in the order of their time; ``totals`` and ``persons_seen`` say what was made so far.

    ``totals`` is what the metrics of all campaigns must add up to once everything is counted.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.totals: Counter[str] = Counter()
        self._random = random.Random(world.seed)
        self._made = 0
        self._last_note = array("i", [-1]) * world.people
        self._seen = bytearray(world.people)
        self._topics = _shuffled_mix(self._random)
        self._note_fields = [_note_fields(world, note) for note in range(world.notes)]
        self._id_prefix = world.id_prefix.encode()

    @property
    def persons_seen(self) -> int:
        """Distinct people with an event."""
        return sum(self._seen)

    def event(self, time_ms: int) -> Record:
        """The next event, at ``time_ms``."""
        draw = self._random.random
        number = self._made
        self._made += 1
        topic = self._topics[int(draw() * len(self._topics))]
        person = int(draw() ** 2 * self.world.people)
        self._seen[person] = 1
        start = b'{"event_id":"%b%010d","person_id":"u%07d","time_ms":%d,' % (
            self._id_prefix,
            number,
            person,
            time_ms,
        )
        if topic <= _CLICK:
            return Record(topic, person, start + self._touch(topic, person, number))
        if topic == _COUPON:
            return Record(topic, person, start + self._coupon(number))
        return Record(topic, person, start + self._conversion(topic, person, number))

    def _touch(self, topic: int, person: int, number: int) -> bytes:
        draw = self._random.random
        note = int(draw() * self.world.notes)
        self._last_note[person] = note
        fields = self._note_fields[note]
        if topic == _VIEW:
            self.totals["views"] += 1
            return fields + b',"surface":"%b","dwell_ms":%d}' % (
                _SURFACES[int(draw() * 4)],
                int(draw() * 30_000),
            )
        if topic == _ENGAGE:
            action = _ACTIONS[int(draw() * 3)]
            self.totals[action + "s"] += 1
            return fields + b',"action":"%b"}' % action.encode()
        self.totals[_METRIC[topic]] += 1
        if topic == _CLICK:
            return fields + b',"click_id":"k%d"}' % number
        return fields + b"}"

    def _coupon(self, number: int) -> bytes:
        campaign = int(self._random.random() * self.world.campaigns)
        return b'"coupon_id":"v%d","shop_id":"s%d","campaign_id":"c%d","platform":"xhs"}' % (
            number,
            campaign % SHOPS,
            campaign,
        )

    def _conversion(self, topic: int, person: int, number: int) -> bytes:
        draw = self._random.random
        note = self._last_note[person]
        if note >= 0 and draw() < 0.8:
            shop = note % self.world.campaigns % SHOPS
            item = _promoted(note) if draw() < 0.6 else int(draw() * ITEMS_PER_SHOP)
        else:
            shop = int(draw() * SHOPS)
            item = int(draw() * ITEMS_PER_SHOP)
        fields = b'"shop_id":"s%d","item_id":"i%d-%d"' % (shop, shop, item)
        if topic != _PAY:
            self.totals[_METRIC[topic]] += 1
            return fields + b"}"
        amount_fen = 1_000 + int(draw() * 49_000)
        self.totals["orders_micros"] += 1_000_000
        self.totals["gmv_fen"] += amount_fen
        return fields + b',"order_id":"%b-%d","amount_fen":%d}' % (self._id_prefix, number, amount_fen)


def settings_records(world: World, effective_ms: int) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of one settings record per campaign."""
    for campaign in range(world.campaigns):
        yield (
            b"c%d" % campaign,
            b'{"campaign_id":"c%d","shop_id":"s%d","name":"Campaign %d","model":"last_touch","roi_lag_days":15,'
            b'"effective_ms":%d}' % (campaign, campaign % SHOPS, campaign, effective_ms),
        )


def spend_records(world: World, first_ms: int, last_ms: int) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of one spend report per campaign and hour that the period touches."""
    for hour_start_ms in range(first_ms // HOUR_MS * HOUR_MS, last_ms + 1, HOUR_MS):
        for campaign in range(world.campaigns):
            yield (
                b"c%d" % campaign,
                b'{"event_id":"h%d-%d","campaign_id":"c%d","hour_start_ms":%d,"spend_fen":%d,"revision":1}'
                % (campaign, hour_start_ms, campaign, hour_start_ms, 10_000 + campaign * 37),
            )


def _promoted(note: int) -> int:
    return note % ITEMS_PER_SHOP


def _note_fields(world: World, note: int) -> bytes:
    campaign = note % world.campaigns
    shop = campaign % SHOPS
    fields = b'"note_id":"n%d","shop_id":"s%d","item_id":"i%d-%d"' % (note, shop, shop, _promoted(note))
    # By the note's place in its campaign, so that every campaign has some of both.
    if note // world.campaigns % ORGANIC_EVERY == ORGANIC_EVERY - 1:
        return fields
    return fields + b',"campaign_id":"c%d"' % campaign


def _shuffled_mix(source: random.Random) -> bytes:
    """A thousand topic indexes in the shares of ``MIX``: one draw instead of a search per event."""
    topics = bytearray()
    for topic, (_, share) in enumerate(MIX):
        topics += bytes([topic]) * round(share * 1000)
    shuffled = list(topics)
    source.shuffle(shuffled)
    return bytes(shuffled)
