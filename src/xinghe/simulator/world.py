"""Who and what there is: shops with items, campaigns with notes, organic notes, people."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from xinghe.domain.events import NoteType

PEOPLE_EXPONENT: Final = 0.6
PEOPLE_SHIFT: Final = 50
"""Activity of the person of rank ``r`` is ``(r + 50) ** -0.6`` (Zipf-Mandelbrot): of 10,000 people the most
active one makes 0.1% of the sessions, so that long runs do not outgrow the bound of a journey."""
CAMPAIGNS_PER_SHOP: Final = 4
ITEMS_PER_SHOP: Final = 20
NOTES_PER_CAMPAIGN: Final = 5
ORGANIC_NOTES_PER_SHOP: Final = 4
NOTE_TYPES: Final[tuple[NoteType | None, ...]] = ("image", "video", "image", "video", None)
"""By the number of a note in its campaign or shop."""
PRICE_FEN_MEDIAN: Final = 12_900
PRICE_SIGMA: Final = 0.7


@dataclass(frozen=True, slots=True)
class Item:
    """Something a shop sells, at a price that stays."""

    item_id: str
    price_fen: int


@dataclass(frozen=True, slots=True)
class Shop:
    """A shop on Taobao."""

    shop_id: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Campaign:
    """A paid campaign for a shop; a click costs ``click_fen``."""

    campaign_id: str
    shop: Shop
    name: str
    click_fen: int


@dataclass(frozen=True, slots=True)
class Note:
    """A note on Xiaohongshu that promotes one item; organic where ``campaign`` is ``None``. Some do not tell their type."""

    note_id: str
    shop: Shop
    item: Item
    campaign: Campaign | None
    note_type: NoteType | None


class World:
    """The cast of a run, drawn once from ``rng``; ids depend only on their rank, so runs share them.

    Notes are seen by a Zipf law (exponent 1) over a random order; people are active by a
    Zipf-Mandelbrot law over their rank.
    """

    def __init__(self, rng: random.Random, people: int, campaigns: int) -> None:
        self._rng = rng
        self.shops = tuple(_shop(rng, n) for n in range(-(-campaigns // CAMPAIGNS_PER_SHOP)))
        self.campaigns = tuple(
            Campaign(f"c{n:04d}", self.shops[n // CAMPAIGNS_PER_SHOP], f"Campaign {n}", rng.randint(60, 200))
            for n in range(campaigns)
        )
        notes = [
            Note(
                f"n{campaign.campaign_id}-{n}",
                campaign.shop,
                rng.choice(campaign.shop.items),
                campaign,
                NOTE_TYPES[n % len(NOTE_TYPES)],
            )
            for campaign in self.campaigns
            for n in range(NOTES_PER_CAMPAIGN)
        ] + [
            Note(f"n{shop.shop_id}-{n}", shop, rng.choice(shop.items), None, NOTE_TYPES[n % len(NOTE_TYPES)])
            for shop in self.shops
            for n in range(ORGANIC_NOTES_PER_SHOP)
        ]
        rng.shuffle(notes)
        self._notes = tuple(notes)
        self._note_weights = tuple(accumulate(1 / rank for rank in range(1, len(notes) + 1)))
        self._notes_by_shop: defaultdict[str, list[Note]] = defaultdict(list)
        for note in notes:
            self._notes_by_shop[note.shop.shop_id].append(note)
        self._shops_by_id = {shop.shop_id: shop for shop in self.shops}
        self._people = people
        self._activity_first = PEOPLE_SHIFT ** (1 - PEOPLE_EXPONENT)
        self._activity_span = (people + PEOPLE_SHIFT) ** (1 - PEOPLE_EXPONENT) - self._activity_first

    def person(self) -> str:
        """Draw a person, the lower the number the more active (by the inverse of the law's integral)."""
        activity = self._activity_first + self._rng.random() * self._activity_span
        rank = int(activity ** (1 / (1 - PEOPLE_EXPONENT)) - PEOPLE_SHIFT)
        return f"p{min(rank, self._people - 1):07d}"

    def note(self) -> Note:
        """Draw a note, the popular ones more often."""
        return self._rng.choices(self._notes, cum_weights=self._note_weights)[0]

    def note_of(self, shop: Shop) -> Note:
        """Draw a note of a shop, of any of its campaigns or of none, each as often."""
        return self._rng.choice(self._notes_by_shop[shop.shop_id])

    def shop_of(self, shop_id: str) -> Shop:
        """The shop of that id."""
        return self._shops_by_id[shop_id]

    def shop(self) -> Shop:
        """Draw a shop, each as often."""
        return self._rng.choice(self.shops)


def _shop(rng: random.Random, number: int) -> Shop:
    items = tuple(
        Item(f"i{number:04d}-{n}", max(100, int(PRICE_FEN_MEDIAN * rng.lognormvariate(0.0, PRICE_SIGMA))))
        for n in range(ITEMS_PER_SHOP)
    )
    return Shop(f"s{number:04d}", items)
