"""People under several ids: one in ten has a second one, one in forty a third, and links say so (ARCHITECTURE.md, R17).

The ids of one person share the sessions by chance. The link of an id comes with one of the person's first sessions: before,
between or after what happens under it. The third id is linked to the second, so that some links make a chain. A link is the
same in each run, with its ``event_id``, so that a second run against the same topics sends duplicates; none is refused.
"""

from __future__ import annotations

import random
from typing import Any, Final

from xinghe.domain.events import PersonLinked
from xinghe.simulator.session import Step

SECOND_ID_EVERY: Final = 10
THIRD_ID_EVERY: Final = 40
SESSIONS_BEFORE_LINK_MAX: Final = 3


class Ids:
    """The ids of the people of a run, and the links that are still to come: a number for each id that was seen."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._sessions_before_link: dict[str, int] = {}

    def for_session(self, person_id: str) -> tuple[str, list[tuple[str, Step]]]:
        """The id under which a session of the person happens, and the links (old id, step) that come with it."""
        ids = _ids_of(person_id)
        if len(ids) == 1:
            return person_id, []
        links = []
        for old_id, new_id in zip(ids[1:], ids, strict=False):
            waits = self._sessions_before_link.get(old_id)
            if waits is None:
                waits = self._rng.randint(0, SESSIONS_BEFORE_LINK_MAX)
            if waits == 0:
                links.append((old_id, _link(old_id, new_id)))
            self._sessions_before_link[old_id] = waits - 1
        return self._rng.choice(ids), links


def _ids_of(person_id: str) -> list[str]:
    """All ids of a person, each of which is linked to the one before it.

    >>> _ids_of("p0000007"), _ids_of("p0000010"), _ids_of("p0000040")
    (['p0000007'], ['p0000010', 'p0000010b'], ['p0000040', 'p0000040b', 'p0000040c'])
    """
    rank = int(person_id[1:])
    ids = [person_id]
    if rank % SECOND_ID_EVERY == 0:
        ids.append(f"{person_id}b")
    if rank % THIRD_ID_EVERY == 0:
        ids.append(f"{person_id}c")
    return ids


def _link(old_id: str, new_id: str) -> Step:
    fields: dict[str, Any] = {"event_id": f"l{old_id}", "linked_person_id": new_id}
    return Step(0, PersonLinked.topic, fields)
