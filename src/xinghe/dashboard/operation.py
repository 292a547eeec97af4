"""What the JSON API can be asked: an entry of its table, from which routes and document are made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

from xinghe.dashboard.access import Viewer
from xinghe.dashboard.parameters import Parameter
from xinghe.dashboard.state import State

CAMPAIGN_PATH: Final = "/campaigns/{campaign_id:path}"


class Asked(NamedTuple):
    """A request that was understood: who asks, the id in the path if there is one, the parameters and the body."""

    state: State
    viewer: Viewer
    id: str
    values: Mapping[str, Any]
    body: Any = None


class Operation(NamedTuple):
    """One thing that can be asked."""

    path: str
    summary: str
    answer: type
    handle: Callable[[Asked], Awaitable[Any]]
    parameters: tuple[Parameter, ...] = ()
    body: type | None = None
    """What must be sent, as JSON; such an operation changes something and is asked for by POST."""

    @property
    def method(self) -> str:
        """The method of HTTP."""
        return "GET" if self.body is None else "POST"
