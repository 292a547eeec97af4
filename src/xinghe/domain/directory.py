"""Numbers for the names that rows refer to, so that a touch costs bytes and not strings.

One directory per partition of the journeys stage; numbers are given in the order of first use and kept for good in a
table of the stage.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from xinghe.domain.audience import audience_row, shop_key


class Source(Struct, frozen=True, array_like=True):
    """What a touch belongs to, or a conversion's target (then ``campaign_id`` and ``note_id`` are ``None``).

    A touch that has neither a campaign nor a note has the empty ``note_id``.
    """

    shop_id: str
    campaign_id: str | None
    note_id: str | None
    item_id: str | None


Names = tuple[str, str | None, str | None, str | None]
"""``shop_id``, ``campaign_id``, ``note_id``, ``item_id``."""


class Directory:
    """Numbers of sources, and of the shops and campaigns in them."""

    def __init__(self) -> None:
        self.sources: list[Source] = []
        self.shop_of: list[int] = []
        """Source number to shop number."""
        self.campaign_of: list[int] = []
        """Source number to campaign number."""
        self.note_of: list[str | None] = []
        """Source number to the note that its figures count for, `None` without one."""
        self.campaigns: list[str] = []
        self.shop_of_campaign: list[str] = []
        self.source_of_campaign: list[int] = []
        """Campaign number to the number of its first source."""
        self.audience_of: list[bytes] = []
        """Source number to the row of its audience, the people of a campaign in a shop (`domain/audience.py`)."""
        self.shop_key_of: list[bytes] = []
        """Source number to the key of its shop's row."""
        self.source_of_audience: list[int] = []
        """Audience number to the number of its first source."""
        self.campaign_of_audience: list[int] = []
        self.shop_of_audience: list[int] = []
        self.source_of_shop: list[int] = []
        """Shop number to the number of its first source."""
        self.shops_of_campaign: list[int] = []
        """Campaign number to how many shops its sources name."""
        self._number: dict[Names, int] = {}
        self._audiences: dict[tuple[int, int], bytes] = {}
        self._shops: dict[str, int] = {}
        self._shop_keys: list[bytes] = []
        self._campaigns: dict[str, int] = {}
        self.get = self._number.get

    def restore(self, entries: Iterable[tuple[int, Source]]) -> None:
        """Fill an empty directory from what was kept; raises `ValueError` where a number is missing."""
        for expected, (number, source) in enumerate(sorted(entries, key=lambda entry: entry[0])):
            if number != expected:
                message = f"source number {expected} is missing from the directory"
                raise ValueError(message)
            self._append(source)

    def add(self, names: Names) -> int:
        """The number of a source that `get` does not know yet."""
        self._append(Source(*names))
        return len(self.sources) - 1

    def number(self, names: Names) -> int:
        """The number of a source, new or known."""
        number = self._number.get(names)
        return self.add(names) if number is None else number

    def unattributed(self, target: int) -> int:
        """The number of the source that a conversion counts under where no touch reaches it."""
        return self.number((self.sources[target].shop_id, None, None, None))

    def without_note(self, source: int) -> int:
        """The number of the source that stands for a source's campaign alone."""
        shop_id, campaign_id, note_id = (one := self.sources[source]).shop_id, one.campaign_id, one.note_id
        # What is organic has a note, if an empty one.
        return self.number((shop_id, campaign_id, None if campaign_id or note_id is None else "", None))

    def is_direct(self, source: int, target: int) -> bool:
        """Whether the item that a touch's note promotes is the one that was bought."""
        promoted = self.sources[source].item_id
        return promoted is not None and promoted == self.sources[target].item_id

    def _append(self, source: Source) -> None:
        number = len(self.sources)
        self._number[source.shop_id, source.campaign_id, source.note_id, source.item_id] = number
        self.sources.append(source)
        shop = self._shop(source.shop_id)
        self.shop_of.append(shop)
        self.shop_key_of.append(self._shop_keys[shop])
        self.note_of.append(source.note_id or None)
        self.campaign_of.append(self._campaign(campaign_of(source), source.shop_id))
        self.audience_of.append(self._audience(number))

    def _shop(self, shop_id: str) -> int:
        number = self._shops.get(shop_id)
        if number is None:
            number = self._shops[shop_id] = len(self._shops)
            self._shop_keys.append(shop_key(number))
            self.source_of_shop.append(len(self.sources) - 1)
        return number

    def _audience(self, source: int) -> bytes:
        names = self.campaign_of[source], self.shop_of[source]
        audience = self._audiences.get(names)
        if audience is None:
            audience = self._audiences[names] = audience_row(len(self._audiences))
            self.source_of_audience.append(source)
            self.campaign_of_audience.append(names[0])
            self.shop_of_audience.append(names[1])
            self.shops_of_campaign[names[0]] += 1
        return audience

    def _campaign(self, campaign_id: str, shop_id: str) -> int:
        number = self._campaigns.get(campaign_id)
        if number is None:
            number = self._campaigns[campaign_id] = len(self.campaigns)
            self.campaigns.append(campaign_id)
            self.shop_of_campaign.append(shop_id)
            self.shops_of_campaign.append(0)
            self.source_of_campaign.append(len(self.sources) - 1)
        elif shop_id < self.shop_of_campaign[number]:
            self.shop_of_campaign[number] = shop_id
        return number


def campaign_of(source: Source) -> str:
    """The campaign that a source counts under: its own, its shop's organic one, or none reached.

    >>> campaign_of(Source("s1", None, "n1", None))
    'organic:s1'
    >>> campaign_of(Source("s1", None, None, "i1"))
    'unattributed:s1'
    """
    if source.campaign_id is not None:
        return source.campaign_id
    return f"organic:{source.shop_id}" if source.note_id is not None else f"unattributed:{source.shop_id}"
