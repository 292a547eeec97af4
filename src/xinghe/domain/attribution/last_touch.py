"""Last touch, by default with click over view: the default model.

The whole credit goes to the last ad click in the window if there is one, else to the last touch of any kind; touches
are ordered by ``(time_ms, event_id)``. The rule is the usual "last click, else last view" of ad platforms (Google Ads,
Meta), where a click outweighs views. Without clicks, or with click over view off, it is the "Last Interaction" model of
Google Analytics (Multi-Channel Funnels) and ``last_touch`` of the package ChannelAttribution (``heuristic_models``).

==============================  =============  ===========================
path (kind, day)                winner         an order of 100 yuan
==============================  =============  ===========================
view 0                          1st            100
view 0, like 10                 2nd            0, 100
ad click 0, view 10, like 30    1st            100, 0, 0
ad click 0, ad click 10         2nd            0, 100
==============================  =============  ===========================
"""

from __future__ import annotations

from collections.abc import Iterable

from xinghe.domain.touch import AD_CLICK, Touch


def last_touch(touches: Iterable[Touch], *, click_over_view: bool = True) -> Touch | None:
    """The touch that gets the credit among those that reach a conversion, in any order; ``None`` for none.

    >>> view = Touch(200, b"b", source=1, kind=0)
    >>> click = Touch(100, b"a", source=2, kind=AD_CLICK)
    >>> last_touch([view, click]).source  # the click, though the view is later
    2
    >>> last_touch([view, click], click_over_view=False).source
    1
    >>> last_touch([view, Touch(200, b"a", source=3, kind=1)]).source  # a tie in time: the larger id
    1
    """
    return max(touches, key=_click_rank if click_over_view else _rank, default=None)


def _click_rank(touch: Touch) -> tuple[bool, int, bytes]:
    return touch.kind == AD_CLICK, touch.time_ms, touch.event_id


def _rank(touch: Touch) -> tuple[int, bytes]:
    return touch.time_ms, touch.event_id
