"""A Lua script of ours, which Redis runs alone and whole."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib import resources
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from xinghe.serving.errors import unavailable_as_one_error


class Script:
    """A script of this folder, by the name of its file."""

    def __init__(self, name: str) -> None:
        self._lua = resources.files("xinghe.serving").joinpath(name).read_text(encoding="utf-8")
        # The name under which Redis keeps a script; SHA-1 is Redis' choice.
        self._sha = hashlib.sha1(self._lua.encode(), usedforsecurity=False).hexdigest()

    async def run(self, redis: Redis, keys: Sequence[str], *arguments: Any) -> Any:
        """Call it; send it whole where Redis does not know it (yet, or after a restart).

        Raises ``ServingUnavailableError``.
        """
        with unavailable_as_one_error(redis):
            try:
                return await redis.evalsha(self._sha, len(keys), *keys, *arguments)
            except NoScriptError:
                return await redis.eval(self._lua, len(keys), *keys, *arguments)
