"""The truth: rules R2 to R17 of ARCHITECTURE.md, recomputed from all accepted events at once.

Plain and slow on purpose. All events of a person are looked at together when they are all known, so nothing here is
ever corrected, subtracted or revised, which is what the stream has to get right. From the rest of the project come
only the event structs, the names of the metrics and the lengths of time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

import msgspec

from xinghe.audit.figures import SPEND_SIZES, RefundKey, Truth, window_start_ms
from xinghe.audit.intake import DeadLetter, Intake, PlacedRefund, SpendReport, Told
from xinghe.audit.journey import Journey, Limits
from xinghe.audit.judge import SettingsDeleted
from xinghe.audit.known_links import LinkedPeople
from xinghe.audit.links import Links, PlacedLink
from xinghe.audit.record import Place, SourceRecord
from xinghe.domain.events import CAMPAIGN_EVENTS, AdSpent, CampaignConfigured, PersonLinked
from xinghe.domain.windows import DAY_MS, HOUR_MS, JOURNEY_RETENTION_MS, OUT_OF_ORDERNESS_MS

TOUCH_WINDOW_MS: Final = 15 * DAY_MS
PAYMENT_WINDOW_MS: Final = 30 * DAY_MS
JOURNEY_EVENTS_MAX: Final = 2_000
LIMITS: Final = Limits(TOUCH_WINDOW_MS, PAYMENT_WINDOW_MS, JOURNEY_EVENTS_MAX)


class Recomputation:
    """Adds up the truth: each partition of the journeys topics once, the campaigns' events in the order of the log."""

    def __init__(self, limits: Limits = LIMITS, links: Iterable[PlacedLink] = ()) -> None:
        links = list(links)
        self._limits = limits
        self._links = Links(links)
        self._truth = Truth(
            model_channel=limits.model_channel,
            person_of=self._links.person_of,
            refused_ids={link.event.person_id for link in self._links.circular},
        )
        self._spend_event_ids: set[tuple[str, str]] = set()
        self._linked_events: dict[str, list[Any]] = defaultdict(list)
        self._linked_refunds: list[PlacedRefund] = []
        self._newest_ms: dict[int, int] = {}
        for link in links:
            self._seen(link.place.partition, link.event.time_ms)

    @property
    def person_of(self) -> Mapping[str, str]:
        """The person of each id that a link names."""
        return self._links.person_of

    def add_partition(self, partition: int, events: Iterable[Any]) -> None:
        """Add all accepted journey events of one partition, which hold whole journeys, but for those of linked ids."""
        people: dict[str, list[Any]] = defaultdict(list)
        for event in events:
            self._seen(partition, event.time_ms)
            person_id = self._links.person_of.get(event.person_id)
            if person_id is None:
                people[event.person_id].append(event)
            else:
                self._linked_events[person_id].append(event)
        for person_id, theirs in people.items():
            Journey(person_id, theirs, self._limits).add_to(self._truth, self._truth.watermarks_ms[partition])

    def _seen(self, partition: int, time_ms: int) -> None:
        """The newest event or link of a partition makes its watermark."""
        newest_ms = self._newest_ms[partition] = max(self._newest_ms.get(partition, 0), time_ms)
        self._truth.watermarks_ms[partition] = newest_ms - OUT_OF_ORDERNESS_MS

    def add_spend(self, event: AdSpent, recorded_ms: int) -> None:
        """R10: of an hour the largest ``(revision, event_id)`` counts; ``recorded_ms`` is the record's timestamp."""
        truth = self._truth
        if (event.campaign_id, event.event_id) in self._spend_event_ids:
            truth.duplicates += 1
            return
        self._spend_event_ids.add((event.campaign_id, event.event_id))
        truth.counted += 1
        reports = truth.all_spend_reports.setdefault(event.campaign_id, [])
        reports.append(SpendReport(event, recorded_ms))
        hour = (event.campaign_id, event.hour_start_ms)
        known = truth.spend_reports.get(hour)
        if known is None or (event.revision, event.event_id) > (known.revision, known.event_id):
            truth.spend_reports[hour] = event

    def add_told(self, told: Told) -> None:
        """R10: of settings with the same time the later record counts."""
        truth = self._truth
        truth.counted += 1
        event = told.event
        if event.campaign_id is None:
            return
        if told.after_gap:
            truth.apart_settings[event.campaign_id] = "its topic has lost settings to compaction"
        if isinstance(event, SettingsDeleted):
            truth.settings[event.campaign_id].delete(told.told_ms)
        else:
            truth.settings[event.campaign_id].tell(event, told.told_ms)
            truth.shops_configured.setdefault(event.campaign_id, set()).add(event.shop_id)

    def add_intake(self, intake: Intake) -> None:
        """Add the settings and the expected dead letters of what the intake took, once its events are added.

        Checks that each that was too late can have been (R1, rule 8).
        """
        truth = self._truth
        truth.events_in += intake.events_in
        truth.dead_letters |= intake.dead_letters
        truth.settings_places |= intake.settings_places
        for told in intake.told:
            self.add_told(told)
        self._add_refund_letters(intake)
        for place, time_ms in intake.too_late_ms.items():
            watermark_ms = truth.watermarks_ms.get(place.partition)
            if watermark_ms is None or time_ms >= watermark_ms - JOURNEY_RETENTION_MS:
                truth.impossible_too_late[place] = time_ms

    def finish(self, partitions: int) -> Truth:
        """The truth, once all is added; ``partitions`` is how many the journeys stage has, empty ones too."""
        truth = self._truth
        truth.partitions = partitions
        self._add_linked()
        for (campaign_id, hour_start_ms), report in truth.spend_reports.items():
            amounts = report_amounts(report)
            for size in SPEND_SIZES:
                key = (campaign_id, size, window_start_ms(size, hour_start_ms))
                spent = truth.spent.setdefault(key, {})
                for name, amount in amounts.items():
                    spent[name] = spent.get(name, 0) + amount
        truth.choose_models()
        for campaign_id, settings in truth.settings.items():
            change = settings.late_change(truth.watermark_ms)
            if change is not None:
                hours = (change.told_ms - change.minute_ms) / HOUR_MS
                truth.apart_settings[campaign_id] = f"a setting was told {hours:.0f} hours after its time"
        truth.apart_campaigns |= truth.apart_settings.keys()
        return truth

    def _add_linked(self) -> None:
        """R17: the people of several ids, wherever these have their partitions, and what became of the links."""
        truth, links = self._truth, self._links
        # Where a person's refunds wait changes with the links: the furthest watermark tells which may be past.
        watermark_ms = max(truth.watermarks_ms.values(), default=0)
        events = [event for theirs in self._linked_events.values() for event in theirs]
        if links.firsts:
            truth.linked = LinkedPeople(links.firsts, events, self._limits)
        for person_id, theirs in self._linked_events.items():
            of_one = [msgspec.structs.replace(event, person_id=person_id) for event in theirs]
            journey = Journey(person_id, of_one, self._limits, links.newest_ms[person_id])
            journey.add_to(truth, watermark_ms)
        self._add_letters(self._linked_refunds)
        truth.counted += links.accepted
        truth.duplicates += links.duplicates
        for reason, refused in (("link_repeated", links.repeated), ("link_circular", links.circular)):
            for link in refused:
                truth.dead_letters[link.place] = DeadLetter(reason, link.key, link.value_hash)

    def _add_refund_letters(self, intake: Intake) -> None:
        """The dead letters of the refunds of a partition; those of linked ids are not known yet."""
        linked = [refund for refund in intake.refunds if refund.person_id in self._links.person_of]
        self._linked_refunds += linked
        self._add_letters(
            refund for refund in intake.refunds if refund.person_id not in self._links.person_of
        )

    def _add_letters(self, refunds: Iterable[PlacedRefund]) -> None:
        """R5: the dead letters of refunds, of each id that they came under the first record; a later copy is a duplicate.

        With a circle among the ids a later copy may overtake the first, which went round.
        """
        truth = self._truth
        first: dict[RefundKey, dict[str | Place, PlacedRefund]] = defaultdict(dict)
        for refund in refunds:
            person_id = self._links.person_of.get(refund.person_id, refund.person_id)
            came_as = refund.place if person_id in truth.refused_ids else refund.person_id
            first[person_id, refund.event_id].setdefault(came_as, refund)
            if person_id in truth.apart:
                truth.apart_places.add(refund.place)
        for key, firsts in first.items():
            if key in truth.refused:
                letters = _letters("refund_exceeds_order", firsts.values())
                if len(letters) == 1:
                    truth.dead_letters |= letters
                else:
                    # Which of them the stream has refused depends on which it knew before the link.
                    truth.either_letters.append(letters)
            elif truth.waiting.get(key):
                letters = _letters("order_unknown", firsts.values())
                truth.waiting_letters |= letters
                truth.waiting_of |= dict.fromkeys(letters, key)
            elif key in truth.unsure:
                truth.unsure_letters |= _letters("refund_exceeds_order", firsts.values())


def report_amounts(report: AdSpent) -> dict[str, int]:
    """R19: what an hour's report adds; impressions and clicks only where it has both."""
    amounts = {"spend_fen": report.spend_fen, "spend_hours": 1}
    if report.impressions is None or report.clicks is None:
        return amounts
    return amounts | {"impressions": report.impressions, "clicks": report.clicks, "ctr_hours": 1}


def _letters(reason: str, refunds: Iterable[PlacedRefund]) -> dict[Place, DeadLetter]:
    return {refund.place: DeadLetter(reason, refund.key, refund.value_hash) for refund in refunds}


def _single_partition(person_id: str) -> int:
    del person_id
    return 0


def truth_of(
    events: Iterable[Any],
    *,
    limits: Limits = LIMITS,
    partition_of: Callable[[str], int] = _single_partition,
    partitions: int = 1,
) -> Truth:
    """The truth of accepted events: journey events in any order, links and campaigns' events in that of their log.

    ``partition_of`` gives the partition of a ``person_id``, of ``partitions``; by default there is one. Settings are
    taken to be told in time, and spend to be reported at once.
    """
    events = list(events)
    links = [event for event in events if isinstance(event, PersonLinked)]
    recomputation = Recomputation(
        limits,
        [
            PlacedLink(Place(link.topic, partition_of(link.person_id), offset), link, None, hash(None))
            for offset, link in enumerate(links)
        ],
    )
    by_partition: dict[int, list[Any]] = defaultdict(list)
    for event in events:
        if isinstance(event, PersonLinked):
            continue
        if isinstance(event, AdSpent):
            recomputation.add_spend(event, event.hour_start_ms)
        elif isinstance(event, (CampaignConfigured, SettingsDeleted)):
            recomputation.add_told(Told(event, told_ms=0, after_gap=False))
        else:
            by_partition[partition_of(event.person_id)].append(event)
    for partition, theirs in by_partition.items():
        recomputation.add_partition(partition, theirs)
    truth = recomputation.finish(partitions)
    truth.events_in = truth.counted + truth.duplicates + len(truth.refused) + len(truth.waiting)
    truth.events_in += sum(place.topic == PersonLinked.topic for place in truth.dead_letters)
    return truth


def truth_of_records(
    records: Iterable[SourceRecord],
    too_late: Collection[Place] = (),
    *,
    limits: Limits = LIMITS,
    partitions: int = 1,
) -> Truth:
    """The truth of records, each partition's in its order; ``too_late`` is what the dead letters call so."""
    campaign_topics = {event.topic for event in CAMPAIGN_EVENTS}  # type: ignore[attr-defined]  # all have one
    intakes: dict[int, Intake] = {}
    for_links, for_campaigns = Intake(too_late), Intake()
    for record in records:
        if record.topic in campaign_topics:
            for_campaigns.add([record])
        elif record.topic == PersonLinked.topic:
            for_links.add([record])
        else:
            intakes.setdefault(record.partition, Intake(too_late)).add([record])
    recomputation = Recomputation(limits, for_links.links)
    for partition, intake in intakes.items():
        recomputation.add_partition(partition, intake.take_accepted())
        recomputation.add_intake(intake)
    recomputation.add_intake(for_links)
    for report in for_campaigns.spend:
        recomputation.add_spend(*report)
    recomputation.add_intake(for_campaigns)
    return recomputation.finish(partitions)
