"""Errors of the engine, by what can be done about them.

EngineError
    FatalError      the process must end and start clean: a commit failed, a task was fenced, a handler
                    raised. Uncommitted memory is never carried on with.
"""

from __future__ import annotations

EXIT_FATAL = 70
"""Exit code of a process that ended because of a `FatalError` (EX_SOFTWARE of sysexits.h)."""


class EngineError(Exception):
    """Base of the engine's errors."""


class FatalError(EngineError):
    """The process cannot go on; a supervisor starts it again and the last commit is where it resumes."""
