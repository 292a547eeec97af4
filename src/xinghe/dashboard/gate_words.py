"""The gates of a guarantee in the viewer's language; the reasons in its position are English.

What a gate asks for stands in the settings that held when the guarantee began (R20), of which the newest are known: they tell it where they
are these, or have a preset, whose conditions are fixed. Else the position's own reason is shown.
"""

from __future__ import annotations

from typing import NamedTuple

from xinghe.dashboard import numbers
from xinghe.dashboard.look import Look
from xinghe.domain.counted import day_start_ms
from xinghe.domain.dates import date_of
from xinghe.domain.events import CampaignConfigured
from xinghe.domain.gates import Gate, GateName, GateState
from xinghe.domain.outputs import GuaranteePosition
from xinghe.domain.terms import CustomGuarantee, Policy, policy_of


class GateWords(NamedTuple):
    """A gate and its reason; ``is_message`` where that is the position's own, in English."""

    name: GateName
    state: GateState
    said: str
    is_message: bool = False


def gate_words(
    position: GuaranteePosition, settings: CampaignConfigured | None, look: Look
) -> list[GateWords]:
    """All gates of a position, in their order."""
    policy = _policy(position, settings)
    if policy is None:
        return [GateWords(gate.name, gate.state, gate.reason, is_message=True) for gate in position.gates]
    return [GateWords(gate.name, gate.state, _said(gate, position, policy, look)) for gate in position.gates]


def _policy(position: GuaranteePosition, settings: CampaignConfigured | None) -> Policy | None:
    if settings is None or settings.guarantee is None:
        return None
    policy = policy_of(settings.guarantee)
    if (date_of(policy.first_day), policy.measure) != (position.first_day, position.measure):
        return None
    may_differ = isinstance(settings.guarantee, CustomGuarantee)
    return None if may_differ and settings.effective_ms > day_start_ms(policy.first_day) else policy


def _said(gate: Gate, position: GuaranteePosition, policy: Policy, look: Look) -> str:
    if gate.name == "edits":
        return _edits(gate, position, policy, look)
    if gate.name == "conversions":
        return look.text(
            "gate_says.conversions" if policy.conversions_min else "gate_says.conversions_any",
            reached=numbers.exact(position.conversions_micros, "millionths of an order"),
            least=f"{policy.conversions_min:,}",
        )
    if gate.name == "trigger":
        return look.text(
            f"gate_says.trigger_{position.measure}",
            earned=numbers.exact(position.earned_fen, "fen"),
            spent=numbers.exact(position.spend_fen, "fen"),
            percent=policy.trigger_percent,
        )
    return look.text(
        f"gate_says.{gate.name}",
        first=position.first_day,
        last=position.last_observed_day,
        day=position.settlement_day,
    )


def _edits(gate: Gate, position: GuaranteePosition, policy: Policy, look: Look) -> str:
    if gate.state == "broken":
        return look.text("gate_says.edits_void", at=numbers.clock(position.outcome_since_ms))
    limits = "".join(
        name
        for name, edits_max in (("_day", policy.edits_per_day_max), ("_hour", policy.edits_per_hour_max))
        if edits_max is not None
    )
    return look.text(
        f"gate_says.edits{limits or '_any'}", day=policy.edits_per_day_max, hour=policy.edits_per_hour_max
    )
