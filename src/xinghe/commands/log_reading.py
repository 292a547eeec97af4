"""How commands that read topics whole end where that fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from xinghe.commands.connect import UnavailableError


@contextmanager
def reading(bootstrap: str) -> Iterator[None]:
    """End the command where topics are missing, have lost records, or Kafka fails."""
    from aiokafka.errors import KafkaError

    from xinghe.audit.log import MissingTopicsError
    from xinghe.audit.recompute import RecordsGoneError

    try:
        yield
    except MissingTopicsError as error:
        raise click.ClickException(f"{error}. Create them with: xinghe topics create") from error
    except RecordsGoneError as error:
        raise click.ClickException(f"{error}.") from error
    except KafkaError as error:
        raise UnavailableError(
            f"Kafka at {bootstrap} failed while it was read: {error!r}. Run it again."
        ) from error
