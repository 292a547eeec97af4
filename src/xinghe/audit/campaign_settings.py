"""The settings of one campaign, and the model that they choose for each minute (ARCHITECTURE.md, R10)."""

from __future__ import annotations

from typing import Final, NamedTuple

from xinghe.domain.events import CampaignConfigured
from xinghe.domain.metrics import MODELS
from xinghe.domain.windows import FUTURE_MS, MINUTE_MS, RETENTION_MS

DEFAULT_MODEL: Final = "last_touch"


class Change(NamedTuple):
    """A record told at ``told_ms`` changed the model of minutes, of which the first starts at ``minute_ms``."""

    minute_ms: int
    told_ms: int


class CampaignSettings:
    """The settings by ``effective_ms``, told one after the other; of two with the same the later counts.

    ``told_ms`` is the timestamp of a record. ``changes`` are those of the model of any minute.
    """

    def __init__(self) -> None:
        self.by_effective_ms: dict[int, CampaignConfigured] = {}
        self.changes: list[Change] = []

    def tell(self, setting: CampaignConfigured, told_ms: int) -> None:
        """Take a setting."""
        if rule_model(setting) != self.model_at(setting.effective_ms):
            self.changes.append(Change(first_minute_ms(setting), told_ms))
        self.by_effective_ms[setting.effective_ms] = setting

    def delete(self, told_ms: int) -> None:
        """Forget all settings."""
        for setting in self.by_effective_ms.values():
            if rule_model(setting) != DEFAULT_MODEL:
                self.changes.append(Change(first_minute_ms(setting), told_ms))
        self.by_effective_ms.clear()

    def model_at(self, time_ms: int) -> str:
        """The model of the newest setting at or before ``time_ms``; for a minute give its start.

        A setting holds from the first whole minute at or after its ``effective_ms``: that is the first that starts at
        or after it.
        """
        known = [effective_ms for effective_ms in self.by_effective_ms if effective_ms <= time_ms]
        return rule_model(self.by_effective_ms[max(known)]) if known else DEFAULT_MODEL

    def newest_model(self) -> str:
        """The model of the newest setting, whether it holds already or not."""
        return self.model_at(max(self.by_effective_ms, default=0))

    def late_change(self, watermark_ms: int) -> Change | None:
        """A change told when minutes that it concerns may already have been dropped; ``None`` if there is none.

        The watermark was then at most ``told_ms`` and what clocks may be ahead, and at most ``watermark_ms``, which
        it has now.
        """
        for change in self.changes:
            dropped_ms = change.minute_ms + MINUTE_MS + RETENTION_MS["1m"]
            if min(change.told_ms + FUTURE_MS, watermark_ms) >= dropped_ms:
                return change
        return None


def rule_model(setting: CampaignConfigured) -> str:
    """The model that counts; those that give no credit order by order leave it to the last touch."""
    return setting.model if setting.model in MODELS else DEFAULT_MODEL


def first_minute_ms(setting: CampaignConfigured) -> int:
    """The first whole minute at or after the setting's time.

    >>> [first_minute_ms(CampaignConfigured("c", "s", "n", at_ms)) for at_ms in (0, 1, 60_000)]
    [0, 60000, 60000]
    """
    return -(-setting.effective_ms // MINUTE_MS) * MINUTE_MS
