"""What the stage-one job writes."""

from __future__ import annotations

from typing import Final

DELTA_TOPIC: Final = "xh.delta"
ATTRIBUTION_TOPIC: Final = "xh.attribution"
CHANGELOG: Final = "xh.changelog"
