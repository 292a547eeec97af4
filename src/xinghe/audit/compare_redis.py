"""Comparing what Redis holds with the truth: windows, notes, and the lists of them (DESIGN.md, section 7; R9, R11)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from xinghe.audit.fields import differing, whole_number
from xinghe.audit.figures import NoteDayKey, Truth, WindowKey
from xinghe.audit.findings import Difference, Findings
from xinghe.audit.redis_names import (
    CAMPAIGNS,
    NOTE_DAY,
    Name,
    day_note_key,
    day_notes_key,
    name_of,
    note_key,
    notes_key,
    window_key,
    windows_key,
)


class RedisComparison:
    """One pass over Redis: ``add`` each key, then ``finish``.

    ``versions`` is what each window stands at, for the comparison of the funnel topic; ``guarantees`` what is told of each
    campaign's guarantee, ``ledgers`` the copies of its entries by number.
    """

    def __init__(self, truth: Truth, findings: Findings) -> None:
        self.versions: dict[WindowKey, int] = {}
        self.guarantees: dict[str, Mapping[str, str]] = {}
        self.ledgers: dict[str, Mapping[str, str]] = {}
        self._truth = truth
        self._findings = findings
        self._known = truth.campaigns
        self._window_keys = truth.window_keys
        self._note_day_keys = truth.note_day_keys
        self._listed_campaigns: set[str] = set()
        self._named_campaigns = self._known
        self._seen: set[str] = set()
        self._windows: dict[tuple[str, str], set[int]] = {}
        self._notes: dict[str, dict[str, int]] = {}
        self._listed_windows: dict[tuple[str, str], Mapping[str, float]] = {}
        self._listed_notes: dict[str, Mapping[str, float]] = {}
        self._day_notes: dict[tuple[str, int], dict[str, int]] = {}
        self._listed_day_notes: dict[tuple[str, int], Mapping[str, float]] = {}

    def add(self, key: str, content: Mapping[str, Any] | None) -> None:
        """Compare one key; a second time it is passed over."""
        if key in self._seen:
            return
        self._seen.add(key)
        if key == CAMPAIGNS:
            self._listed_campaigns = set(content or ())
            self._named_campaigns = self._known | self._listed_campaigns
            return
        name = name_of(key, self._named_campaigns)
        if name is None:
            self._differs(key, "key", "none: it means nothing", "a key", None)
        elif content is None:
            self._differs(key, "type", "hash or sorted set", "another type", name.campaign_id)
        elif name.kind == "window":
            self._window(key, name, content)
        elif name.kind == "note":
            self._note(key, name, content)
        elif name.kind == "day_note":
            self._day_note(key, name, content)
        else:
            self._keep(name, content)

    def _keep(self, name: Name, content: Mapping[str, Any]) -> None:
        """What is looked at once all is read."""
        if name.kind == "windows":
            self._listed_windows[name.campaign_id, name.size] = content
        elif name.kind == "notes":
            self._listed_notes[name.campaign_id] = content
        elif name.kind == "guarantee":
            self.guarantees[name.campaign_id] = content
        elif name.kind == "ledger":
            self.ledgers[name.campaign_id] = content
        else:
            self._listed_day_notes[name.campaign_id, name.start_ms] = content

    def finish(self) -> None:
        """Name what is missing, and compare the lists with what they list."""
        for campaign_id, size, start_ms in sorted(self._window_keys):
            key = window_key(campaign_id, size, start_ms)
            if key not in self._seen:
                self._differs(key, "key", "a window", None, campaign_id)
        for campaign_id, note_id in sorted(self._truth.note_counts):
            key = note_key(campaign_id, note_id)
            if key not in self._seen:
                self._differs(key, "key", "a note", None, campaign_id)
        for campaign_id, start_ms, note_id in sorted(self._note_day_keys):
            key = day_note_key(campaign_id, start_ms, note_id)
            if key not in self._seen:
                self._differs(key, "key", "a note", None, campaign_id)
        self._compare_lists()
        self._compare_campaigns()

    def _compare_lists(self) -> None:
        """Each list with the keys that were found of what it lists."""
        for campaign_id, size in sorted(self._windows.keys() | self._listed_windows.keys()):
            starts = {str(start): float(start) for start in self._windows.get((campaign_id, size), ())}
            listed = self._listed_windows.get((campaign_id, size), {})
            self._compare(windows_key(campaign_id, size), starts, listed, campaign_id)
        for campaign_id in sorted(self._notes.keys() | self._listed_notes.keys()):
            listed = self._listed_notes.get(campaign_id, {})
            scores = _scores(self._notes.get(campaign_id, {}))
            self._compare(notes_key(campaign_id), scores, listed, campaign_id)
        for day in sorted(self._day_notes.keys() | self._listed_day_notes.keys()):
            listed = self._listed_day_notes.get(day, {})
            self._compare(day_notes_key(*day), _scores(self._day_notes.get(day, {})), listed, day[0])

    def _window(self, key: str, name: Name, found: Mapping[str, str]) -> None:
        self._findings.compared["windows"] += 1
        window = (name.campaign_id, name.size, name.start_ms)
        if name.size != "total":
            self._windows.setdefault((name.campaign_id, name.size), set()).add(name.start_ms)
        if window not in self._window_keys:
            why = "its retention has passed" if self._truth.is_expired(window) else "nothing counts in it"
            self._differs(key, "key", f"none: {why}", "a window", name.campaign_id)
            return
        version = whole_number(found.get("version"))
        if version is None or version < 1:
            self._differs(key, "version", "a whole number from 1", found.get("version"), name.campaign_id)
        else:
            self.versions[window] = version
        if name.size == "total":
            self._total_times(key, name.campaign_id, found)
        else:
            final = "1" if self._truth.is_final(window) else "0"
            if found.get("final") != final:
                self._differs(key, "final", final, found.get("final"), name.campaign_id)
        allowed = {"version", "updated_ms", "watermark_ms"} if name.size == "total" else {"version", "final"}
        self._metrics(key, self._truth.metrics(window), found, allowed, name.campaign_id)

    def _total_times(self, key: str, campaign_id: str, found: Mapping[str, str]) -> None:
        if whole_number(found.get("updated_ms")) is None:
            self._differs(key, "updated_ms", "a whole number", found.get("updated_ms"), campaign_id)
        most_ms = self._truth.watermark_ms
        watermark_ms = whole_number(found.get("watermark_ms"))
        if watermark_ms is None or watermark_ms > most_ms:
            # It is the one of the campaign's last change, so that it may be behind.
            expected = f"at most {most_ms}"
            self._differs(key, "watermark_ms", expected, found.get("watermark_ms"), campaign_id)

    def _note(self, key: str, name: Name, found: Mapping[str, str]) -> None:
        self._findings.compared["notes"] += 1
        gmv_fen = whole_number(found.get("gmv_fen"))
        self._notes.setdefault(name.campaign_id, {})[name.note_id] = gmv_fen or 0
        if (name.campaign_id, name.note_id) not in self._truth.note_counts:
            self._differs(key, "key", "none: nothing counts for it", "a note", name.campaign_id)
            return
        expected = self._truth.note_metrics((name.campaign_id, name.note_id))
        self._metrics(key, expected, found, {"version", "updated_ms"}, name.campaign_id)

    def _day_note(self, key: str, name: Name, found: Mapping[str, str]) -> None:
        self._findings.compared["note_days"] += 1
        gmv_fen = whole_number(found.get("gmv_fen"))
        self._day_notes.setdefault((name.campaign_id, name.start_ms), {})[name.note_id] = gmv_fen or 0
        self._windows.setdefault((name.campaign_id, NOTE_DAY), set()).add(name.start_ms)
        day: NoteDayKey = (name.campaign_id, name.start_ms, name.note_id)
        if day not in self._note_day_keys:
            expired = self._truth.is_note_day_expired(day)
            why = "its retention has passed" if expired else "nothing counts for it"
            self._differs(key, "key", f"none: {why}", "a note", name.campaign_id)
            return
        expected = self._truth.note_day_metrics(day)
        self._metrics(key, expected, found, {"version", "updated_ms"}, name.campaign_id)

    def _metrics(
        self,
        key: str,
        expected: Mapping[str, int],
        found: Mapping[str, str],
        allowed: set[str],
        campaign_id: str,
    ) -> None:
        metrics = {name: value for name, value in found.items() if name not in allowed}
        as_text = {name: str(value) for name, value in expected.items()}
        self._compare(key, as_text, metrics, campaign_id)

    def _compare_campaigns(self) -> None:
        for campaign_id in sorted(self._known - self._listed_campaigns):
            self._differs(CAMPAIGNS, campaign_id, "listed", None, campaign_id)
        for campaign_id in sorted(self._listed_campaigns - self._known):
            self._differs(CAMPAIGNS, campaign_id, None, "listed", campaign_id)

    def _compare(
        self, key: str, expected: Mapping[str, Any], found: Mapping[str, Any], campaign_id: str
    ) -> None:
        for name, is_expected, is_found in differing(expected, found):
            self._differs(key, name, is_expected, is_found, campaign_id)

    def _differs(self, key: str, field: str, expected: Any, found: Any, campaign_id: str | None) -> None:
        self._findings.add(Difference("redis", key, field, expected, found), campaign_id=campaign_id)


def _scores(gmv_fen: Mapping[str, int]) -> dict[str, float]:
    return {note_id: float(amount_fen) for note_id, amount_fen in gmv_fen.items()}


def compare_redis(
    truth: Truth, stored: Iterable[tuple[str, Mapping[str, Any] | None]], findings: Findings
) -> RedisComparison:
    """Compare all keys of Redis, the list of campaigns first; returns what the comparisons of topics need of them."""
    comparison = RedisComparison(truth, findings)
    for key, content in stored:
        comparison.add(key, content)
    comparison.finish()
    return comparison
