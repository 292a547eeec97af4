"""People under several ids: each link once, before, between or after the events of its id, and none refused."""

from __future__ import annotations

from collections import defaultdict

from xinghe.audit.links import Links, PlacedLink
from xinghe.audit.record import Place
from xinghe.domain.events import PersonLinked
from xinghe.simulator.model import generate
from xinghe.simulator.record import GOOD
from xinghe.simulator.settings import SimulatorSettings
from xinghe.simulator.truth import Truth


def test_links_come_once_at_any_time_and_none_is_refused() -> None:
    records = list(
        generate(SimulatorSettings(people=2_000), seed=3, start_ms=0, span_ms=60_000, count=20_000)
    )
    truth = Truth()
    places: defaultdict[str, dict[str, int]] = defaultdict(lambda: {"before": 0, "after": 0})
    linked: dict[str, str] = {}
    for record in records:
        truth.add(record)
        person_id = record.event.get("person_id", "")
        if record.topic == PersonLinked.topic and record.kind == GOOD:
            assert person_id not in linked
            linked[person_id] = record.event["linked_person_id"]
        elif person_id.endswith(("b", "c")):
            places[person_id]["after" if person_id in linked else "before"] += 1
    assert truth.to_dict()["links"] == len(linked) > 40
    assert any(target in linked for target in linked.values()), "chains"
    seen = [places[person_id] for person_id in linked]
    assert any(each["before"] and each["after"] for each in seen)
    assert any(not each["before"] for each in seen)
    assert any(not each["after"] for each in seen)
    links = Links(
        PlacedLink(Place(PersonLinked.topic, 0, n), PersonLinked(f"l{n}", old, 0, new), None, 0)
        for n, (old, new) in enumerate(linked.items())
    )
    assert not links.repeated
    assert not links.circular
