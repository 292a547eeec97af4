"""Markov removal effects: how much would be lost without a channel, in a random walk that moves as the journeys did.

Journeys are walks over states, from (start) to (conversion) or (null). With order k a state is the last k channels; a
path of at most k channels is one state. The chance of each step is how often the journeys in that state took it. The
removal effect of a channel is the share of all converting walks that visit a state with it: exactly what is lost when
its states are taken out and those walks end in (null). All conversions are then credited in proportion to the removal
effects. For value the same, each conversion counted with the mean value of those from its last state.

The definition is that of Anderl, Becker, von Wangenheim and Schumann, "Mapping the customer journey: Lessons learned
from graph-based online attribution modeling" (2016, International Journal of Research in Marketing 33(3)), with the
states of ``markov_model`` of the package ChannelAttribution, which draws random walks where this computes. Two things
it does change nothing here or little: it drops steps from a state to itself, which only delay a walk; and it ends
walks that are longer than the longest path (``max_step``), while these go on to their end.

Repeated channels therefore matter only for orders above 1, where A > A > B passes other states than A > B. A channel
may have credit without being on a converting path: if it led to a channel from which others converted.

Worked example, order 1 (S. Bryl, "Marketing Multi-Channel Attribution model with R (part 1: Markov chains concept)"):

==================  ===========  ====
path                conversions  null
==================  ===========  ====
C1 > C2 > C3        1            0
C1                  0            1
C2 > C3             0            1
==================  ===========  ====

(start) goes to C1 by 2/3 and C2 by 1/3; C1 to C2 by 1/2; C2 to C3 always; C3 converts by 1/2. Of all walks
(2/3 · 1/2 + 1/3) · 1 · 1/2 = 1/3 convert, without C1 only 1/3 · 1 · 1/2 = 1/6, without C2 or C3 none. The removal
effects are 1/2, 1 and 1, and the one conversion is credited as 1/5, 2/5 and 2/5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from xinghe.domain.attribution.path_counts import Credit, PathCount, PathCounts, channels_of, total

START: Final = 0
"""The state before the first touch."""

WALKING_MAX: Final = 1e-14
"""The part of walks that is not followed to the end."""


def markov(paths: PathCounts, order: int = 1) -> dict[str, Credit]:
    """The credit of each channel; ``order``, 1 or more, is how many channels back a step may depend on.

    Raises ``ValueError`` for an order below 1.

    >>> bryl = {
    ...     ("C1", "C2", "C3"): PathCount(1),
    ...     ("C1",): PathCount(0, null=1),
    ...     ("C2", "C3"): PathCount(0, null=1),
    ... }
    >>> [(channel, round(credit.conversions, 9)) for channel, credit in markov(bryl).items()]
    [('C1', 0.2), ('C2', 0.4), ('C3', 0.4)]
    """
    return by_effect(removal_effects(paths, order), total(paths.values()))


def by_effect(effects: Mapping[str, Credit], counts: PathCount) -> dict[str, Credit]:
    """The conversions and the value of ``counts`` in proportion to removal effects.

    >>> by_effect({"a": Credit(1.0, 1.0), "b": Credit(0.5, 1.0)}, PathCount(6, value=8.0))
    {'a': Credit(conversions=4.0, value=4.0), 'b': Credit(conversions=2.0, value=4.0)}
    """
    conversions_sum = sum(effect.conversions for effect in effects.values())
    value_sum = sum(effect.value for effect in effects.values())
    return {
        channel: Credit(
            counts.conversions * _share(effect.conversions, conversions_sum),
            counts.value * _share(effect.value, value_sum),
        )
        for channel, effect in effects.items()
    }


def removal_effects(paths: PathCounts, order: int = 1) -> dict[str, Credit]:
    """The part of all conversions, and of all value, that is lost without a channel, from 0 to 1 for each.

    Raises ``ValueError`` for an order below 1. Exact but for rounding and for 1e-14 of the walks. The work for each
    channel grows with the different steps that journeys took and with the length of the longest of them.

    >>> effects = removal_effects({("A",): PathCount(2), ("A", "B"): PathCount(1, null=1)})
    >>> [(channel, round(effect.conversions, 9)) for channel, effect in effects.items()]
    [('A', 1.0), ('B', 0.333333333)]
    """
    if order < 1:
        raise ValueError(f"the order must be 1 or more: {order}")
    graph = _Graph.of(paths, order)
    counts = total(paths.values())
    effects = {}
    for channel in channels_of(paths):
        lost = _lost_without(graph, graph.states_with[channel])
        effects[channel] = Credit(
            _share(lost.conversions, counts.conversions), _share(lost.value, counts.value)
        )
    return effects


class _Graph(NamedTuple):
    """The states and what the journeys did there."""

    moves: list[dict[int, int]]
    """By state: next state and how many journeys went there."""
    ends: list[PathCount]
    """By state: what its last touches led to."""
    steps: list[list[tuple[int, float]]]
    """By state: next state and the chance that a walk goes there."""
    yields: list[Credit]
    """By state: the chance that a walk converts next, and that times the mean value."""
    states_with: dict[str, set[int]]
    """By channel."""

    @classmethod
    def of(cls, paths: PathCounts, order: int) -> _Graph:
        numbers: dict[tuple[str, ...], int] = {(): START}
        moves: list[dict[int, int]] = [{}]
        ends: list[PathCount] = [PathCount(0)]
        for path, count in paths.items():
            state = START
            for channels in _states(path, order):
                previous, state = state, numbers.setdefault(channels, len(numbers))
                if state == len(moves):
                    moves.append({})
                    ends.append(PathCount(0))
                if state != previous:  # else it would only delay the walk
                    moves[previous][state] = moves[previous].get(state, 0) + count.conversions + count.null
            ends[state] = total((ends[state], count))
        steps, yields = [], []
        for state_moves, end in zip(moves, ends, strict=True):
            # A state of paths that count nothing is never reached.
            times = sum(state_moves.values()) + end.conversions + end.null or 1
            steps.append([(to, moved / times) for to, moved in state_moves.items() if moved])
            yields.append(Credit(end.conversions / times, end.value / times))
        states_with: dict[str, set[int]] = {}
        for channels, number in numbers.items():
            for channel in channels:
                states_with.setdefault(channel, set()).add(number)
        return cls(moves, ends, steps, yields, states_with)


def _states(path: tuple[str, ...], order: int) -> Iterator[tuple[str, ...]]:
    """The states that a journey passes: each run of ``order`` channels, the whole path if that is shorter.

    >>> list(_states(("a", "b", "c"), 2)), list(_states(("a",), 2))
    ([('a', 'b'), ('b', 'c')], [('a',)])
    """
    for first in range(max(1, len(path) - order + 1)):
        yield path[first : first + order]


def _lost_without(graph: _Graph, states: AbstractSet[int]) -> Credit:
    """What walks that visit any of the states yield, for as many walks as there were journeys.

    Such a walk leaves them once for the last time: it ends there, or goes on to its end without coming back. Walks
    take each step as often as the journeys did, whose counts are therefore exact for the first step away. What
    follows adds up parts above 0; the difference of the whole and what is left would lose the digits of a small
    effect.
    """
    at_once = total(graph.ends[state] for state in states)
    away = [0.0] * len(graph.steps)
    for state in states:
        for to, moved in graph.moves[state].items():
            away[to] += moved
    later = _walked(graph, away, states)
    return Credit(at_once.conversions + later.conversions, at_once.value + later.value)


def _walked(graph: _Graph, walking: list[float], without: AbstractSet[int]) -> Credit:
    """What walks yield before they come to one of the states ``without``; ``walking``: how many there are by state.

    Those in a state go on together, one state after the other, again and again until at most the part ``WALKING_MAX``
    has not ended. States are numbered as paths pass them, so that one round takes most walks several steps on.
    """
    conversions = value = 0.0
    walking_max = WALKING_MAX * sum(walking)
    while sum(walking) > walking_max:
        for state, walks in enumerate(walking):
            if walks:
                walking[state] = 0.0
                if state not in without:
                    conversions += walks * graph.yields[state].conversions
                    value += walks * graph.yields[state].value
                    for to, chance in graph.steps[state]:
                        walking[to] += walks * chance
    return Credit(conversions, value)


def _share(part: float, whole: float) -> float:
    """The part of the whole; 0 of nothing."""
    return part / whole if whole else 0.0
