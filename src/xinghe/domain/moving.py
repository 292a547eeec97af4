"""Moving a journey to another person: take it out of what its own counts, and add it to the other (ARCHITECTURE.md, R17)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from msgspec import structs

from xinghe.domain.audience import audiences_in, facts_by_shop
from xinghe.domain.cohorts import Amounts, CohortCell, add_amounts
from xinghe.domain.conversion_rules import CONVERSION_METRIC, CONVERSION_PEOPLE
from xinghe.domain.counted import CELL_BYTES, any_day, cells_in, day_number, pack_cell, unpack_cell
from xinghe.domain.directory import Directory
from xinghe.domain.identity import MovedJourney, MovedTouch
from xinghe.domain.journey import Conversion, Journey, conversions_in
from xinghe.domain.journey_rules import JourneyRules
from xinghe.domain.metrics import COUNTED_NAMES, FIRST_AUDIENCE
from xinghe.domain.order import Order, pack_touch
from xinghe.domain.order_figures import OrderFigures
from xinghe.domain.order_path import count_path
from xinghe.domain.order_rules import TOTAL
from xinghe.domain.touch import COUPON_CLAIM, hashed_touches_in, touches_in
from xinghe.domain.windows import MINUTE_MS

Renumber = Callable[[int], int]


def take_out(rules: JourneyRules, key: bytes, journey: Journey, linked_day: int) -> MovedJourney:
    """All of a journey by a link of ``linked_day``, whose figures are taken back: as if none of it had been counted."""
    rules.release(key, journey)
    with _known_from(linked_day, rules):
        _take_back(rules, journey)
    return _packed(rules.directory, journey)


@contextmanager
def _known_from(linked_day: int, rules: JourneyRules) -> Iterator[None]:
    """Have what is counted meanwhile known from the day of the link on, where that is later than its own (R18)."""
    changes, directory = rules.changes, rules.directory
    counts, cohorts = changes.counts, changes.cohorts
    changes.counts, changes.cohorts = defaultdict(int), {}
    yield
    linked_counts, linked_cohorts = changes.counts, changes.cohorts
    changes.counts, changes.cohorts = counts, cohorts
    for (source, minute, metric), change in linked_counts.items():
        counts[source, minute, metric] += change
        day = day_number(minute * MINUTE_MS)
        is_counted = metric < len(COUNTED_NAMES) and directory.sources[source].campaign_id is not None
        if is_counted and linked_day > day:
            changes.recounts[directory.campaign_of[source], day, metric, linked_day] += change
    known: dict[CohortCell, Amounts] = {
        (*cell[:5], linked_day if linked_day > cell[3] else 0): amounts
        for cell, amounts in linked_cohorts.items()
    }
    add_amounts(cohorts, known)


def _take_back(rules: JourneyRules, journey: Journey) -> None:
    counts, people = rules.changes.counts, rules.changes.people
    for counted in _counted(rules, journey):
        counts[counted] -= 1
    orders = OrderFigures(rules.directory, rules.windows.half_life_ms)
    for order in journey.orders or ():
        orders.add(order, -1)
        count_path(order, rules.directory, rules.changes, -1)
    orders.add_to(rules.changes)
    cells = set(_cells(rules.directory, journey))
    for cell in cells | {any_day(cell) for cell in cells}:
        campaign, metric, day = unpack_cell(cell)
        # A cell whose day was forgotten counts to date only.
        if day or len(cell) < CELL_BYTES:
            people[campaign, day, metric] -= 1
    for campaign, stage in rules.audience.stages(journey.audience).items():
        people[campaign, TOTAL, FIRST_AUDIENCE + stage] -= 1


def _counted(rules: JourneyRules, journey: Journey) -> Iterator[tuple[int, int, int]]:
    """What the rows of a journey count 1 for: source, minute, metric."""
    for segment in journey.touches:
        for touch in touches_in(segment):
            yield touch.source, touch.time_ms // MINUTE_MS, rules.metric_of_kind(touch.kind)
    for row in _conversions(journey):
        yield row.credited, row.time_ms // MINUTE_MS, CONVERSION_METRIC[row.kind]


def _cells(directory: Directory, journey: Journey) -> Iterator[bytes]:
    """What a journey counts its person for."""
    yield from cells_in(journey.counted)
    for segment in journey.kept or ():
        yield from cells_in(segment)
    for order in journey.orders or ():
        yield from cells_in(order.people)
    for row in _conversions(journey):
        metric = CONVERSION_PEOPLE.get(row.kind)
        if metric is not None:
            yield pack_cell(directory.campaign_of[row.credited], metric, day_number(row.time_ms))


def _conversions(journey: Journey) -> Iterator[Conversion]:
    return (row for segment in journey.conversions or () for row in conversions_in(segment))


def _packed(directory: Directory, journey: Journey) -> MovedJourney:
    """A journey with the sources that it names."""
    numbers: dict[int, int] = {}

    def number(source: int) -> int:
        return numbers.setdefault(source, len(numbers))

    coupons = {claim.event_id: claim.coupon_hash for claim in journey.claims or ()}
    orders = journey.orders or []
    moved = MovedJourney(
        sources=[],
        touches=[
            MovedTouch(
                event_hash,
                *touch[:2],
                number(touch.source),
                touch.kind,
                coupons.get(touch.event_id),
                touch.form,
            )
            for segment in journey.touches
            for event_hash, touch in hashed_touches_in(segment)
        ],
        conversions=[row._replace(target=number(row.target), credited=0) for row in _conversions(journey)],
        orders=[_renumbered(order, number) for order in orders],
        refunds=[*(journey.waiting or ()), *(refund for order in orders for refund in order.refunds)],
        kept=[
            (number(directory.source_of_campaign[campaign]), metric, day)
            for segment in journey.kept or ()
            for campaign, metric, day in map(unpack_cell, cells_in(segment))
        ],
        audience=[
            *(
                (number(directory.source_of_shop[shop]), facts)
                for shop, facts in facts_by_shop(journey.audience).items()
            ),
            *((number(directory.source_of_audience[one]), None) for one in audiences_in(journey.audience)),
        ],
    )
    moved.sources = [directory.sources[source] for source in numbers]
    return moved


def _renumbered(order: Order, number: Renumber) -> Order:
    """An order with other numbers of its sources, and without what follows from the rest of a journey."""

    def touches(packed: bytes) -> bytes:
        return b"".join(
            pack_touch(touch._replace(source=number(touch.source))) for touch in touches_in(packed)
        )

    return structs.replace(
        order,
        target=number(order.target),
        path=touches(order.path),
        winner=touches(order.winner),
        redeemed=tuple(structs.replace(claim, source=number(claim.source)) for claim in order.redeemed),
        refunds=(),
        first_credited=(),
        repurchase_days=0,
        people=b"",
    )


def add(rules: JourneyRules, key: bytes, journey: Journey, moved: MovedJourney, linked_day: int) -> None:
    """Add a journey that was taken out by a link of ``linked_day`` to another; what both have counts once."""
    rules.settle_one(key, journey)  # who is counted already must be known
    with _known_from(linked_day, rules):
        _add_events(rules, key, journey, moved)
        # At once, before other events come, which are known from their own day on.
        rules.settle_one(key, journey)


def _add_events(rules: JourneyRules, key: bytes, journey: Journey, moved: MovedJourney) -> None:
    """Add all that travels, event by event."""
    directory = rules.directory
    numbers = [
        directory.number((source.shop_id, source.campaign_id, source.note_id, source.item_id))
        for source in moved.sources
    ]
    _adopt(rules, key, journey, [(numbers[source], metric, day) for source, metric, day in moved.kept])
    for source, facts in moved.audience:
        rules.audience.adopt(key, journey, numbers[source], facts)
    for touch in moved.touches:
        source = numbers[touch.source]
        if touch.kind == COUPON_CLAIM and touch.coupon_hash is not None:
            rules.claim(
                key, journey, touch.event_hash, touch.time_ms, source, touch.event_id, touch.coupon_hash
            )
        else:
            rules.touch(
                key,
                journey,
                touch.event_hash,
                touch.time_ms,
                source,
                touch.kind,
                touch.event_id,
                touch.form,
            )
    for row in moved.conversions:
        rules.convert(key, journey, row.event_hash, row.time_ms, numbers[row.target], row.kind)
    for order in moved.orders:
        rules.adopt(key, journey, _renumbered(order, numbers.__getitem__))
    for refund in moved.refunds:
        rules.refund(key, journey, refund)


def _adopt(rules: JourneyRules, key: bytes, journey: Journey, kept: Iterable[tuple[int, int, int]]) -> None:
    """Keep the cells of rows that were dropped from the other journey, and count the person for them."""
    people = rules.changes.people
    known = set(_cells(rules.directory, journey))
    known |= {any_day(cell) for cell in known}
    for source, metric, day in kept:
        campaign = rules.directory.campaign_of[source]
        cell = pack_cell(campaign, metric, day)
        if day and cell not in known:
            people[campaign, day, metric] += 1
        if any_day(cell) not in known:
            people[campaign, TOTAL, metric] += 1
        known |= {cell, any_day(cell)}
        rules.keep(key, journey, cell)
