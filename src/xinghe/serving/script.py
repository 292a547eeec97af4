"""A Lua script of ours, which Redis runs alone and whole."""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from xinghe.serving.client import text
from xinghe.serving.errors import unavailable_as_one_error


class Script:
    """A script of this folder, by the name of its file."""

    def __init__(self, name: str) -> None:
        self._lua = resources.files("xinghe.serving").joinpath(name).read_text(encoding="utf-8")
        # The name under which Redis keeps a script; SHA-1 is Redis' choice.
        self._sha = hashlib.sha1(self._lua.encode(), usedforsecurity=False).hexdigest()

    async def run(self, redis: Redis, key: str, *arguments: Any) -> str:
        """Call it; send it whole where Redis does not know it (yet, or after a restart).

        Raises ``ServingUnavailableError``.
        """
        with unavailable_as_one_error(redis):
            try:
                answer = await redis.evalsha(self._sha, 1, key, *arguments)
            except NoScriptError:
                answer = await redis.eval(self._lua, 1, key, *arguments)
        return text(answer)
