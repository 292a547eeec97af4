"""The touches of a journey by shop, in their order, so that which of them reach a moment is found without a look at all."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence

from xinghe.domain.touch import AD_CLICK, Touch, touches_of


class ShopTouches:
    """The touches of one shop, ascending by ``(time_ms, event_id)``."""

    def __init__(self, touches: Iterable[Touch]) -> None:
        self._touches = sorted(touches)
        self._clicks = [touch for touch in self._touches if touch.kind == AD_CLICK]

    def winner(self, time_ms: int, window_ms: int, *, click_over_view: bool) -> Touch | None:
        """What `attribution.last_touch.last_touch` gives for the touches that reach ``time_ms``."""
        for touches in (self._clicks, self._touches) if click_over_view else (self._touches,):
            end = _end(touches, time_ms)
            if end and touches[end - 1].time_ms >= time_ms - window_ms:
                return touches[end - 1]
        return None

    def first_and_last(self, time_ms: int, window_ms: int, last: int) -> list[Touch]:
        """Of the touches that reach ``time_ms`` the first and so many of the last; all, where they are no more."""
        touches = self._touches
        start, end = _end(touches, time_ms - window_ms - 1), _end(touches, time_ms)
        if end - start <= last + 1:
            return touches[start:end]
        return [touches[start], *touches[end - last : end]]

    def reach(self, time_ms: int, window_ms: int) -> bool:
        """Whether any reaches ``time_ms``."""
        end = _end(self._touches, time_ms)
        return end > 0 and self._touches[end - 1].time_ms >= time_ms - window_ms

    def __contains__(self, touch: Touch) -> bool:
        index = bisect_left(self._touches, touch)
        return index < len(self._touches) and self._touches[index] == touch


class JourneyTouches:
    """The touches of some shops in a journey; they are looked for when those of one are asked for first."""

    def __init__(self, segments: Iterable[bytes], shop_of: Sequence[int], shops: Collection[int]) -> None:
        self._segments = segments
        self._shop_of = shop_of
        self._shops = shops
        self._by_shop: dict[int, ShopTouches] | None = None

    def of(self, shop: int) -> ShopTouches:
        """The touches of one of the shops."""
        if self._by_shop is None:
            found: dict[int, list[Touch]] = {shop: [] for shop in self._shops}
            for touch in touches_of(self._segments, self._shop_of, found):
                found[self._shop_of[touch.source]].append(touch)
            self._by_shop = {shop: ShopTouches(touches) for shop, touches in found.items()}
        return self._by_shop[shop]


def _end(touches: Sequence[Touch], time_ms: int) -> int:
    """How many of the touches are not after ``time_ms``."""
    return bisect_left(touches, Touch(time_ms + 1, b"", 0, 0))
