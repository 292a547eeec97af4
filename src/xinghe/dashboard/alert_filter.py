"""Which alerts are asked for, for the API and the page alike."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, get_args

from xinghe.dashboard.alerts_source import Alert
from xinghe.dashboard.parameters import Parameter
from xinghe.domain.outputs import AlertKind, Severity

SEVERITY: Final = Parameter(
    "severity", "Only those that are so bad.", "all", choices=("all", *get_args(Severity))
)
KIND: Final = Parameter(
    "kind", "Only those of this kind of rule.", "all", choices=("all", *get_args(AlertKind))
)
CAMPAIGN: Final = Parameter("campaign_id", "Only those about this campaign; empty for all.", "")
SHOP: Final = Parameter("shop_id", "Only those about campaigns of this shop; empty for all.", "")
ACKNOWLEDGED: Final = Parameter(
    "acknowledged",
    "Only those that somebody, or nobody, has acknowledged.",
    "all",
    choices=("all", "yes", "no"),
)
PARAMETERS: Final = (SEVERITY, KIND, CAMPAIGN, SHOP, ACKNOWLEDGED)


def fitting(
    alerts: Iterable[Alert], *, severity: str, kind: str, campaign_id: str, shop_id: str, acknowledged: str
) -> list[Alert]:
    """The alerts that are asked for, in their order."""
    return [
        alert
        for alert in alerts
        if severity in {"all", alert.record.severity}
        and kind in {"all", alert.record.kind}
        and campaign_id in {"", alert.record.campaign_id}
        and shop_id in {"", alert.shop_id}
        and acknowledged in {"all", "no" if alert.acknowledgement is None else "yes"}
    ]
