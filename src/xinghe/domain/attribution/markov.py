"""Markov removal effects: how much would be lost without a channel, in a random walk that moves as the journeys did.

Journeys are walks over states, from (start) to (conversion) or (null). With order k a state is the last k channels; a
path of at most k channels is one state. The chance of each step is how often the journeys in that state took it. The
removal effect of a channel is the share of all converting walks that visit a state with it: exactly what is lost when its
states are taken out and those walks end in (null). All conversions are then credited in proportion to the removal
effects. For value the same, each conversion counted with the mean value of those from its last state.

The definition is that of Anderl, Becker, von Wangenheim and Schumann, "Mapping the customer journey: Lessons learned from
graph-based online attribution modeling" (2016, International Journal of Research in Marketing 33(3)), with the states of
``markov_model`` of the package ChannelAttribution, which draws random walks where this computes. Two things it does change
nothing here or little: it drops steps from a state to itself, which only delay a walk; and it ends walks that are longer
than the longest path (``max_step``), while these go on to their end.

Repeated channels therefore matter only for orders above 1, where A > A > B passes other states than A > B. A channel may
have credit without being on a converting path: if it led to a channel from which others converted.

Worked example, order 1 (S. Bryl, "Marketing Multi-Channel Attribution model with R (part 1: Markov chains concept)"):

==================  ===========  ====
path                conversions  null
==================  ===========  ====
C1 > C2 > C3        1            0
C1                  0            1
C2 > C3             0            1
==================  ===========  ====

(start) goes to C1 by 2/3 and C2 by 1/3; C1 to C2 by 1/2; C2 to C3 always; C3 converts by 1/2. Of all walks
(2/3 · 1/2 + 1/3) · 1 · 1/2 = 1/3 convert, without C1 only 1/3 · 1 · 1/2 = 1/6, without C2 or C3 none. The removal effects
are 1/2, 1 and 1, and the one conversion is credited as 1/5, 2/5 and 2/5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from xinghe.domain.attribution.path_counts import Credit, PathCount, PathCounts, channels_of, total

START: Final = 0
"""The state before the first touch."""

WALKING_MAX: Final = 1e-16
"""Walks still under way when the rest is let go, as a part of those that convert."""


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

    Raises ``ValueError`` for an order below 1. Letting go of the last walks changes an effect by less than 1e-15. The work
    for each channel grows with the steps of the graph and with the length of the longest journeys.

    >>> effects = removal_effects({("A",): PathCount(2), ("A", "B"): PathCount(1, null=1)})
    >>> [(channel, round(effect.conversions, 9)) for channel, effect in effects.items()]
    [('A', 1.0), ('B', 0.333333333)]
    """
    if order < 1:
        raise ValueError(f"the order must be 1 or more: {order}")
    channels = channels_of(paths)
    all_counts = total(paths.values())
    if not all_counts.conversions:
        return dict.fromkeys(channels, Credit(0.0, 0.0))
    # Steps are as frequent as in the journeys, so the walks convert as often as they did.
    walks = all_counts.conversions + all_counts.null
    conversions, value = all_counts.conversions / walks, all_counts.value / walks
    graph = _Graph.of(paths, order)
    effects = {}
    for channel in channels:
        lost = _lost_without(graph, channel, WALKING_MAX * conversions)
        effects[channel] = Credit(lost.conversions / conversions, _share(lost.value, value))
    return effects


class _Graph(NamedTuple):
    """The random walk: for each state the chances of its next step, and what a walk yields there by ending."""

    steps: list[list[tuple[int, float]]]
    """By state: next state and chance."""
    yields: list[Credit]
    """By state: the chance to convert with the next step, and that times the mean value."""
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
                if state != previous:
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
        return cls(steps, yields, states_with)


def _states(path: tuple[str, ...], order: int) -> Iterator[tuple[str, ...]]:
    """The states that a journey passes: each run of ``order`` channels, the whole path if that is shorter.

    >>> list(_states(("a", "b", "c"), 2)), list(_states(("a",), 2))
    ([('a', 'b'), ('b', 'c')], [('a',)])
    """
    for first in range(max(1, len(path) - order + 1)):
        yield path[first : first + order]


def _lost_without(graph: _Graph, channel: str, walking_max: float) -> Credit:
    """What the walks that visit ``channel`` yield, for one walk in all.

    They are followed to their first visit, and from there to their end. What is lost adds up from parts above 0, where the
    difference of the whole and what is left would lose the digits of a small effect.
    """
    states = len(graph.steps)
    started = [0.0] * states
    started[START] = 1.0
    _, visiting = _walk(graph, started, graph.states_with[channel], walking_max)
    lost, _ = _walk(graph, visiting, frozenset(), walking_max)
    return lost


def _walk(
    graph: _Graph, walking: list[float], stops: AbstractSet[int], walking_max: float
) -> tuple[Credit, list[float]]:
    """Follow all walks at once, by their chance of being in each state, until at most ``walking_max`` goes on.

    Gives what they yield, and by state how many came to a stop there.
    """
    states = len(walking)
    conversions = value = 0.0
    stopped = [0.0] * states
    while sum(walking) > walking_max:
        moved = [0.0] * states
        for state, chance in enumerate(walking):
            if not chance:
                continue
            conversions += chance * graph.yields[state].conversions
            value += chance * graph.yields[state].value
            for to, step_chance in graph.steps[state]:
                moved[to] += chance * step_chance
        for state in stops:
            stopped[state] += moved[state]
            moved[state] = 0.0
        walking = moved
    return Credit(conversions, value), stopped


def _share(part: float, whole: float) -> float:
    """The part of the whole; 0 of nothing."""
    return part / whole if whole else 0.0
