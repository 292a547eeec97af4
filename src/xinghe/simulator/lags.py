"""How long people take from one step to the next: log-normal, since most are quick and few take long."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Final

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Lag:
    """A log-normal time: half take longer than ``median_ms``; ``sigma`` is the spread of its logarithm."""

    median_ms: int
    sigma: float

    def draw_ms(self, rng: random.Random) -> int:
        """One time in milliseconds, at least 1."""
        return 1 + int(self.median_ms * math.exp(rng.gauss(0.0, self.sigma)))


LIKE: Final = Lag(8 * SECOND_MS, 0.8)
COMMENT: Final = Lag(30 * SECOND_MS, 0.9)
ENGAGEMENT: Final = Lag(12 * SECOND_MS, 0.8)
AD_CLICK: Final = Lag(15 * SECOND_MS, 0.8)
COUPON: Final = Lag(20 * SECOND_MS, 0.9)
VISIT_AFTER_CLICK: Final = Lag(3 * SECOND_MS, 0.6)
"""The jump itself."""
VISIT_BY_SEARCH: Final = Lag(HOUR_MS, 2.0)
"""From seeing a note to looking the shop up on Taobao."""
FAVORITE: Final = Lag(40 * SECOND_MS, 0.8)
CART: Final = Lag(50 * SECOND_MS, 1.0)
ORDER: Final = Lag(3 * MINUTE_MS, 1.8)
"""From cart to payment: minutes for most, days for some."""
REORDER: Final = Lag(5 * SECOND_MS, 1.0)
"""From visit to payment where somebody buys again: they know what they want."""
REFUND: Final = Lag(10 * MINUTE_MS, 1.8)
"""Most refunds of the first hours are second thoughts."""
SETTLED: Final = Lag(30 * MINUTE_MS, 1.0)
SETTLED_MS_MAX: Final = 12 * HOUR_MS
"""From the end of a history session to its delivery, so that its refunds need not be waited for. With the longest
history it still lies within the 31 days after which events are refused."""
CONSIDERATION: Final = Lag(4 * DAY_MS, 1.0)
"""From the touch to the visit in a history session: a week for 29%, over 15 days for 9%."""

DELIVERY: Final = Lag(150, 0.6)
"""From the device to the broker."""
LATE_DELIVERY: Final = Lag(MINUTE_MS, 1.0)
LATE_DELIVERY_MS_MAX: Final = 10 * MINUTE_MS
DUPLICATE_DELIVERY: Final = Lag(4 * SECOND_MS, 1.2)
