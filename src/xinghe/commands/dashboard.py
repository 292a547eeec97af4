"""``xinghe dashboard``: the web dashboard over what Redis holds."""

from __future__ import annotations

import json
import secrets
from ipaddress import ip_address
from pathlib import Path

import click

from xinghe.commands.options import ConfigurationError, load_settings, redis_option

PEOPLE_MIN = 50


@click.command("dashboard")
@redis_option
@click.option(
    "--host",
    envvar="XINGHE_DASHBOARD_HOST",
    show_envvar=True,
    default="127.0.0.1",
    show_default=True,
    help="Address to listen at; any but loopback needs --access.",
)
@click.option(
    "--port",
    envvar="XINGHE_DASHBOARD_PORT",
    show_envvar=True,
    type=click.IntRange(1, 65_535),
    default=8_420,
    show_default=True,
)
@click.option(
    "--access",
    "access_path",
    metavar="FILE",
    envvar="XINGHE_DASHBOARD_ACCESS",
    show_envvar=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="TOML file of tokens and the shops that each may see; without it one token for all is made and shown.",
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
    --access. The arithmetic of orders needs the setting payment_window_ms as the workers have it.

    \b
    Examples:
      xinghe dashboard
      xinghe dashboard --new-token lily
      xinghe dashboard --host 0.0.0.0 --access access.toml --https
    """
    from xinghe.dashboard.access import AccessError, access_to_all, new_token, read_access, token_hash

    if name is not None:
        token = new_token()
        click.echo(f"The token of {name}, shown this once: {token}", err=True)
        click.echo(
            f'[[token]]\nname = {json.dumps(name)}\nsha256 = "{token_hash(token)}"\nshops = []  # or "*" for all'
        )
        return
    base = f"http://{host}:{port}"
    if access_path is not None:
        try:
            access = read_access(access_path)
        except AccessError as error:
            raise ConfigurationError(str(error)) from error
        click.echo(f"The dashboard is at {base}", err=True)
    elif not _is_loopback(host):
        raise ConfigurationError(
            f"--host {host} is open to others: name the file of tokens with --access (--new-token NAME makes one)"
        )
    else:
        token = new_token()
        access = access_to_all(token)
        click.echo(f"The dashboard is at {base}/login#{token}", err=True)

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
    uvicorn.run(app, host=host, port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=3)


def _is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address.

    >>> _is_loopback("127.0.0.1"), _is_loopback("localhost"), _is_loopback("0.0.0.0"), _is_loopback("xinghe")
    (True, True, False, False)
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
