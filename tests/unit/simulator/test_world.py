from __future__ import annotations

import random
from collections import Counter

from xinghe.simulator.world import CAMPAIGNS_PER_SHOP, World


def test_few_people_do_much_and_none_too_much() -> None:
    world = World(random.Random(1), people=10_000, campaigns=4)
    drawn = Counter(world.person() for _ in range(50_000))
    first_tenth = sum(count for person, count in drawn.items() if person < "p0001000")
    assert 0.25 < first_tenth / 50_000 < 0.5
    assert max(drawn.values()) / 50_000 < 0.003
    assert min(drawn) >= "p0000000"
    assert max(drawn) <= "p0009999"


def test_popular_notes_are_seen_more() -> None:
    world = World(random.Random(1), people=10, campaigns=20)
    drawn = Counter(world.note().note_id for _ in range(20_000)).most_common()
    assert drawn[0][1] > 10 * drawn[-1][1]


def test_campaigns_share_shops_and_notes_promote_items_of_their_shop() -> None:
    world = World(random.Random(1), people=10, campaigns=9)
    assert len(world.shops) == -(-9 // CAMPAIGNS_PER_SHOP)
    notes = [world.note() for _ in range(500)]
    assert all(note.item in note.shop.items for note in notes)
    assert {note.campaign is None for note in notes} == {True, False}
