"""Who is whom: the links of ids, all read before anything else (ARCHITECTURE.md, R17)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from xinghe.audit.record import Place
from xinghe.domain.events import PersonLinked


class PlacedLink(NamedTuple):
    """A link that rules 1 to 8 accept, with its record for the dead letter that it may need, and its timestamp."""

    place: Place
    event: PersonLinked
    key: bytes | None
    value_hash: int
    recorded_ms: int = 0


class Links:
    """What became of all links, and who is whom.

    ``firsts`` are the first of each id, those that close a circle too.
    ``person_of`` gives the person of each id that a link names, their own id too. ``accepted`` is how many count;
    ``repeated`` and ``circular`` are those for the dead letters, and ``duplicates`` how many came before.
    ``newest_ms`` is by person the time of the newest link that is the first of its id, by which others join what is kept;
    one that closes a circle too, since journeys go round it, but none of an id to itself.
    """

    def __init__(self, links: Iterable[PlacedLink]) -> None:
        """``links`` are in the order of the log within each partition; the links of one id are all in one."""
        self.repeated: list[PlacedLink] = []
        self.duplicates = 0
        first: dict[str, PlacedLink] = {}
        for link in links:
            known = first.setdefault(link.event.person_id, link)
            if known is link:
                continue
            if known.event.event_id == link.event.event_id:
                self.duplicates += 1
            else:
                self.repeated.append(link)
        self.firsts = list(first.values())
        targets = {person_id: link.event.linked_person_id for person_id, link in first.items()}
        self.person_of, refused = people_of(targets)
        self.circular = [first[person_id] for person_id in refused]
        self.accepted = len(first) - len(refused)
        self.newest_ms: defaultdict[str, int] = defaultdict(int)
        for person_id, link in first.items():
            if link.event.linked_person_id == person_id:
                continue  # it joins nothing and moves nothing
            person = self.person_of[person_id]
            self.newest_ms[person] = max(self.newest_ms[person], link.event.time_ms)


def people_of(targets: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The person of each id, and the ids whose own link is refused since it closes a circle.

    ``targets`` has what each id was linked to first. A chain leads to its last id, a circle to the smallest of it, by
    the bytes of UTF-8, as which text compares.

    >>> people_of({"a": "b", "b": "c"})
    ({'a': 'c', 'b': 'c', 'c': 'c'}, [])
    >>> people_of({"x": "c", "c": "b", "b": "c"})
    ({'x': 'b', 'c': 'b', 'b': 'b'}, ['b'])
    """
    people: dict[str, str] = {}
    refused: list[str] = []
    for start in targets:
        way: list[str] = []
        passed: set[str] = set()
        here = start
        while here in targets and here not in people and here not in passed:
            way.append(here)
            passed.add(here)
            here = targets[here]
        if here in passed:
            here = min(way[way.index(here) :])
            refused.append(here)
        person = people.get(here, here)
        people |= dict.fromkeys([*way, person], person)
    return people, refused
