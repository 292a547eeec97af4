"""``xinghe dashboard``: the web dashboard over what Redis holds."""

from __future__ import annotations

import json
import os
import secrets
import socket
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import click

from xinghe.commands.options import ConfigurationError, load_settings, redis_option

if TYPE_CHECKING:
    from xinghe.dashboard.access import Access

PEOPLE_MIN = 50
TOKEN_VARIABLE = "XINGHE_DASHBOARD_TOKEN"  # noqa: S105 - a name
TOKEN_LENGTH_MIN = 32
BACKLOG = 2_048
"""Connections that wait to be taken, as uvicorn has it."""


@click.command("dashboard")
@redis_option
@click.option(
    "--host",
    envvar="XINGHE_DASHBOARD_HOST",
    show_envvar=True,
    default="127.0.0.1",
    show_default=True,
    help="Address to listen at; any but loopback needs --access or XINGHE_DASHBOARD_TOKEN.",
)
@click.option(
    "--port",
    envvar="XINGHE_DASHBOARD_PORT",
    show_envvar=True,
    type=click.IntRange(0, 65_535),
    default=8_420,
    show_default=True,
    help="0 takes a free port.",
)
@click.option(
    "--access",
    "access_path",
    metavar="FILE",
    envvar="XINGHE_DASHBOARD_ACCESS",
    show_envvar=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="TOML file of tokens and the shops that each may see; without it there is one token for all.",
)
@click.option(
    "--secret",
    envvar="XINGHE_DASHBOARD_SECRET",
    show_envvar=True,
    help="What sessions are signed with; by default a new one, so that a restart ends them. Set it by the environment.",
)
@click.option(
    "--people-min",
    envvar="XINGHE_DASHBOARD_PEOPLE_MIN",
    show_envvar=True,
    type=click.IntRange(min=1),
    default=PEOPLE_MIN,
    show_default=True,
    help="Numbers of people below this are not shown in breakdowns.",
)
@click.option(
    "--https", "is_https", is_flag=True, help="Behind a proxy that speaks HTTPS: cookies go over it alone."
)
@click.option(
    "--new-token",
    "name",
    metavar="NAME",
    help="Make a token, print it and its lines for the file of tokens, and end.",
)
def command(
    redis_url: str,
    host: str,
    port: int,
    access_path: Path | None,
    secret: str | None,
    people_min: int,
    is_https: bool,
    name: str | None,
) -> None:
    """Serve the dashboard and its JSON API until Ctrl-C.

    It reads Redis only, and writes there who has acknowledged an alert. Who may see which shops is told by the file of
    --access. Without one there is one token for all: that of the environment variable XINGHE_DASHBOARD_TOKEN, else a new one
    that is shown. The arithmetic of orders needs the setting payment_window_ms as the workers have it.

    \b
    Examples:
      xinghe dashboard
      xinghe dashboard --new-token lily
      xinghe dashboard --host 0.0.0.0 --access access.toml --https
    """
    from xinghe.dashboard.access import new_token, token_hash

    if name is not None:
        token = new_token()
        click.echo(f"The token of {name}, shown this once: {token}", err=True)
        click.echo(
            f'[[token]]\nname = {json.dumps(name)}\nsha256 = "{token_hash(token)}"\nshops = []  # or "*" for all'
        )
        return
    access, shown_token = _access(access_path, host)
    listening = _listen(host, port)
    base = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
    click.echo(f"The dashboard is at {base}/login{shown_token}", err=True)

    import uvicorn

    from xinghe.dashboard.app import Settings, create_app

    app = create_app(
        Settings(
            redis_url,
            access,
            secret or secrets.token_urlsafe(32),
            people_min,
            is_https=is_https,
            payment_window_ms=load_settings().payment_window_ms,
        )
    )
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=3)
    uvicorn.Server(config).run(sockets=[listening])


def _access(path: Path | None, host: str) -> tuple[Access, str]:
    """Who may see what, and what the address shown ends with: the token where nobody else knows it."""
    from xinghe.dashboard.access import AccessError, access_to_all, new_token, read_access

    if path is not None:
        try:
            return read_access(path), ""
        except AccessError as error:
            raise ConfigurationError(str(error)) from error
    token = os.environ.get(TOKEN_VARIABLE)
    if token:
        if len(token) < TOKEN_LENGTH_MIN:
            raise ConfigurationError(
                f"{TOKEN_VARIABLE} has {len(token)} characters and could be guessed; take {TOKEN_LENGTH_MIN} or more, by chance"
            )
        return access_to_all(token), ""
    if not _is_loopback(host):
        raise ConfigurationError(
            f"--host {host} is open to others: name the file of tokens with --access (--new-token NAME makes one), or set "
            f"{TOKEN_VARIABLE} to the one token of all"
        )
    token = new_token()
    return access_to_all(token), f"#{token}"


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens, so that the address is ours before it is told to anyone."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"port {port} of {host} cannot be listened on ({error.strerror}); stop what uses it, or choose another with --port "
            "(0 takes a free one)"
        ) from error


def _is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address.

    >>> _is_loopback("127.0.0.1"), _is_loopback("localhost"), _is_loopback("0.0.0.0"), _is_loopback("xinghe")
    (True, True, False, False)
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
