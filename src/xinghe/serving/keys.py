"""Names of the Redis keys. ``commit.lua`` builds the same names; a test compares the two."""

from __future__ import annotations

from typing import Final

from xinghe.domain.windows import Size

CAMPAIGNS: Final = "xinghe:campaigns"
"""Sorted set: campaign ids by the time of their last change."""
CAMPAIGN_SHOPS: Final = "xinghe:campaigns:shops"
"""Hash: the shop of each campaign, by its id."""
SHOPS: Final = "xinghe:shops"
"""Set: ids of the shops with models."""
ALERTS: Final = "xinghe:alerts"
"""Stream: what became of alerts, the last 10,000 or so."""
ALERTS_OPEN: Final = "xinghe:alerts:open"
"""Hash: the last record of each alert that is open, by its id."""
UPDATES: Final = "xinghe:updates"
"""Channel: JSON lists of the campaign ids that changed or whose alerts did; ``system`` for alerts about the data of all."""
CAMPAIGN_SETTINGS: Final = "xinghe:campaigns:settings"
"""Hash: the newest settings of each campaign by its id, the JSON of its ``xhs.campaign.configured.v1``."""
DEAD_LETTERS: Final = "xinghe:deadletters"
"""Hash: how many dead letters there are of each reason."""
WORKERS: Final = "xinghe:workers"
"""Sorted set: the instances of workers that did not end in order, by the time of their last report, ms; for a day."""
INDEX: Final = "xinghe:index"
"""Hash: the offset that the index goes on from, by ``{topic}:{partition}``."""
ACKNOWLEDGED: Final = "xinghe:alerts:acknowledged"
"""Hash: who acknowledged an alert, when and with which note, JSON by its id; written by the dashboard."""


INDEXED_SIZES: Final[tuple[Size, ...]] = ("1m", "1h", "1d")
"""The window sizes that have a list of their starts; ``total`` has one window only."""
NOTE_DAY: Final = "noteday"
"""Stands where the size of windows does in the names of what notes did by day."""


def total(campaign_id: str) -> str:
    """Hash: the campaign's figures to date.

    >>> total("c1")
    'xinghe:campaign:c1:total'
    """
    return f"xinghe:campaign:{campaign_id}:total"


def window(campaign_id: str, size: str, start_ms: int) -> str:
    """Hash: the figures of one window; for the size ``total`` those to date.

    >>> window("c1", "1m", 60_000)
    'xinghe:campaign:c1:1m:60000'
    """
    return total(campaign_id) if size == "total" else f"xinghe:campaign:{campaign_id}:{size}:{start_ms}"


def windows(campaign_id: str, size: str) -> str:
    """Sorted set: the starts of the campaign's windows of ``1m``, ``1h`` or ``1d``, or of its notes' days."""
    return f"xinghe:campaign:{campaign_id}:windows:{size}"


def guarantee(campaign_id: str) -> str:
    """Hash: the live position of the campaign's guarantee.

    >>> guarantee("c1")
    'xinghe:campaign:c1:guarantee'
    """
    return f"xinghe:campaign:{campaign_id}:guarantee"


def ledger(campaign_id: str) -> str:
    """Hash: the campaign's ledger, the JSON of each ``xinghe.ledger.entry.v1`` by its number.

    >>> ledger("c1")
    'xinghe:campaign:c1:ledger'
    """
    return f"xinghe:campaign:{campaign_id}:ledger"


def order(order_id: str) -> str:
    """Hash: the JSON of the last ``xinghe.order.attributed.v1`` of an order by ``person_id``; an id is one person's.

    >>> order("o1")
    'xinghe:order:o1'
    """
    return f"xinghe:order:{order_id}"


def dead_letters(reason: str) -> str:
    """List: the last dead letters of a reason as samples, the last first.

    >>> dead_letters("invalid")
    'xinghe:deadletters:invalid'
    """
    return f"{DEAD_LETTERS}:{reason}"


def worker(instance: str) -> str:
    """String: what a worker last said of itself, JSON; expires soon after it has ended.

    >>> worker("w1")
    'xinghe:worker:w1'
    """
    return f"xinghe:worker:{instance}"


def notes(campaign_id: str) -> str:
    """Sorted set: the campaign's note ids by GMV in fen."""
    return f"xinghe:campaign:{campaign_id}:notes"


def note(campaign_id: str, note_id: str) -> str:
    """Hash: the figures to date of one note in the campaign."""
    return f"xinghe:campaign:{campaign_id}:note:{note_id}"


def day_notes(campaign_id: str, day_start_ms: int) -> str:
    """Sorted set: the ids of the notes with figures of that day, by its GMV in fen.

    >>> day_notes("c1", 57_600_000)
    'xinghe:campaign:c1:noteday:57600000'
    """
    return f"xinghe:campaign:{campaign_id}:{NOTE_DAY}:{day_start_ms}"


def day_note(campaign_id: str, day_start_ms: int, note_id: str) -> str:
    """Hash: the figures of one day of one note in the campaign; the rest of the name is the note's id, colons and all."""
    return f"xinghe:campaign:{campaign_id}:{NOTE_DAY}:{day_start_ms}:{note_id}"


def models(shop_id: str) -> str:
    """String: the shop's credits by the data-driven models, the JSON of its last ``xinghe.attribution.model.v1``.

    >>> models("s1")
    'xinghe:shop:s1:models'
    """
    return f"xinghe:shop:{shop_id}:models"


def sink(stage: str, partition: int) -> str:
    """Hash: which commit the figures of the partition's campaigns stand at."""
    return f"xinghe:sink:{stage}:{partition}"
