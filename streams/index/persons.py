"""Which ids are of one person, as far as an order's records need it (ARCHITECTURE.md, R17 and R26)."""

from __future__ import annotations


class Persons:
    """Ids joined by links, whichever way and whichever came first.

    An order is told anew under the id that its person's was linked to, and all its records are in one partition: the last
    under any of the joined ids is the truth. So it does not matter which id leads where, nor whether a link was refused for
    a circle or as a repetition: what would come of that are two people who share the id of an order.

    >>> persons = Persons()
    >>> persons.join("a", "b")
    >>> persons.join("c", "b")
    >>> persons.are_one("a", "c"), persons.are_one("a", "d"), persons.is_linked("d")
    (True, False, False)
    """

    def __init__(self) -> None:
        self._toward: dict[str, str] = {}

    def join(self, one: str, other: str) -> None:
        """Take two ids for those of one person."""
        one, other = self._first(one), self._first(other)
        self._toward.setdefault(one, one)
        self._toward[other] = one

    def is_linked(self, person_id: str) -> bool:
        """Whether a link names the id."""
        return person_id in self._toward

    def are_one(self, one: str, other: str) -> bool:
        """Whether links join the two ids."""
        return self._first(one) == self._first(other)

    def _first(self, person_id: str) -> str:
        """The id that stands for all that are joined with this one."""
        toward = self._toward
        while (next_id := toward.get(person_id, person_id)) != person_id:
            # Half the way is gone the next time.
            toward[person_id] = toward.get(next_id, next_id)
            person_id = next_id
        return person_id
