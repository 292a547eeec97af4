"""Both languages have the same words, and every word that a page asks for."""

from __future__ import annotations

import re
from importlib import resources
from string import Formatter
from typing import get_args

import pytest

from xinghe.dashboard import (
    alert_filter,
    campaign_page,
    health,
    listing,
    overview,
    settlement,
    trend,
)
from xinghe.dashboard.language import LANGUAGES, MEANINGS, TEXTS
from xinghe.dashboard.look import CHOICES
from xinghe.domain import gates, guarantee, ledger, outputs, terms
from xinghe.domain.metrics import AUDIENCE_NAMES, MODELS

TEMPLATES = resources.files("xinghe.dashboard").joinpath("templates")
ASKED = re.compile(r"""\bt\('([a-z_.0-9]+)'(?!\s*~)""")
BEGUN = re.compile(r"""\bt\('([a-z_.0-9]+)'\s*~""")


def fields(text: str) -> set[str | None]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_both_languages_have_the_same_keys_with_the_same_blanks() -> None:
    chinese, english = (TEXTS[language] for language in LANGUAGES)
    assert list(chinese) == list(english)
    assert all(text.strip() for text in (*chinese.values(), *english.values()))
    assert {key: fields(text) for key, text in chinese.items()} == {
        key: fields(text) for key, text in english.items()
    }


def test_all_metrics_and_rates_are_explained_in_both_languages() -> None:
    assert set(MEANINGS["zh-CN"]) == set(MEANINGS["en"])


def test_every_word_of_a_template_is_there() -> None:
    asked = {
        key
        for file in TEMPLATES.iterdir()
        if file.name.endswith(".html")
        for key in ASKED.findall(file.read_text(encoding="utf-8"))
    }
    assert len(asked) > 50
    assert asked <= set(TEXTS["en"])


@pytest.mark.parametrize(
    ("prefix", "names"),
    [
        ("metric.", {*overview.CARDS, *overview.STEPS, *campaign_page.CARD_NAMES, *AUDIENCE_NAMES}),
        ("metric.", {*campaign_page.NOTE_COLUMNS, *campaign_page.MODEL_COLUMNS, *campaign_page.COUPON_NAMES}),
        ("model.", set(MODELS)),
        ("model_help.", set(MODELS)),
        ("guarantee.gate_", set(get_args(gates.GateName))),
        ("guarantee.state_", set(get_args(gates.GateState))),
        ("gate_says.", {"observation", "settlement", "conversions", "conversions_any"}),
        ("gate_says.edits_", {"day", "hour", "day_hour", "any", "void"}),
        ("gate_says.trigger_", set(get_args(terms.Measure))),
        ("guarantee.status_", set(get_args(guarantee.Status))),
        ("guarantee.outcome_", set(get_args(guarantee.Outcome))),
        ("guarantee.form_", set(get_args(terms.Form))),
        ("guarantee.basis_", set(get_args(terms.Basis))),
        ("alerts.", {*get_args(outputs.AlertTurn), *get_args(outputs.Severity)}),
        ("health.fault_", set(health.ADVICE)),
        ("health.state_", set(get_args(health.State))),
        ("health.", {f"{name}_help" for name in ("records", "lag", "watermark", "redis")}),
        ("reason.", set(get_args(outputs.Reason))),
        ("alerts.severity_", set(alert_filter.SEVERITY.choices)),
        ("alerts.acknowledged_", set(alert_filter.ACKNOWLEDGED.choices)),
        ("alert_kind.", set(alert_filter.KIND.choices)),
        ("alert_advice.", set(get_args(outputs.AlertKind))),
        (
            "alert_says.",
            {
                f"{kind}_{state}"
                for kind in get_args(outputs.AlertKind)
                for state in ("open", "resolved", "gone")
            },
        ),
        ("app.theme_", set(CHOICES["theme"])),
        ("app.rise_", set(CHOICES["rise"])),
        ("campaign.span_", set(trend.SIZE.choices)),
        ("orders.how_", set(MODELS)),
        ("touch.", set(get_args(outputs.TouchKind))),
        ("rule.", set(settlement.RULE.choices)),
        ("rule_help.", set(ledger.RULES)),
        ("account.", set(settlement.ACCOUNTS)),
        ("settlement.", {name.partition(":")[0] for name in settlement.ACCOUNTS}),
        ("settlement.", {name + end for name in settlement.OWED for end in ("", "_short", "_help")}),
        ("settlement.part_", {"new_amount", "reversal"}),
        ("overview.", set(trend.MODE.choices)),
        ("overview.size_", set(trend.SIZE.choices)),
        ("overview.span_", set(trend.SIZE.choices)),
        ("metric.", set(listing.FIGURES)),
        ("table.kind_", {"campaign", "organic", "unattributed", "all"}),
    ],
)
def test_every_word_that_is_put_together_is_there(prefix: str, names: set[str]) -> None:
    assert {prefix + name for name in names} <= set(TEXTS["en"])


def test_what_is_put_together_in_templates_is_tested_above() -> None:
    begun = {key for file in TEMPLATES.iterdir() for key in BEGUN.findall(file.read_text(encoding="utf-8"))}
    tested = {"table.kind_", "campaign.span_", "overview.", "model.", "model_help."}
    tested |= {"overview.size_", "overview.span_"}
    tested |= {
        "guarantee.status_",
        "guarantee.outcome_",
        "guarantee.form_",
        "guarantee.basis_",
        "guarantee.gate_",
        "guarantee.state_",
    }
    tested |= {"orders.how_", "touch.", "rule.", "rule_help.", "account.", "settlement.", "settlement.part_"}
    tested |= {
        "alerts.severity_",
        "alerts.acknowledged_",
        "alert_kind.",
        "health.",
        "health.state_",
        "health.fault_",
        "health.stage_",
    }
    assert begun <= tested | {"alerts.", "app.theme_", "app.rise_", "table.", "problem."}
