"""What figures should reach, and whether they do."""

from __future__ import annotations

from collections.abc import Mapping

from scripts.bench._intervals import Figure

INTERVAL, MISSED = "interval >=", "MISSED"
Goal = tuple[str, float, float]
"""`<=`, `>=` or that the interval's lower end is above; what each should reach, and what would be better still."""


def told(figures: Mapping[str, Figure], goals: Mapping[str, Goal]) -> str:
    """Return one line a figure, with its goal where it has one."""
    lines = []
    for name, figure in sorted(figures.items()):
        line = f"{name:44s}{figure.value:10.4g} {figure.unit:17s}({figure.low:.4g} to {figure.high:.4g})"
        if name in goals:
            line += f"   {verdict(figure, goals[name])}"
        lines.append(line)
    return "\n".join(lines)


def verdict(figure: Figure, goal: Goal) -> str:
    """Say which of the two marks a figure reaches."""
    sense, accepted, better = goal
    value = figure.low if sense == INTERVAL else figure.value
    sign = -1 if sense == "<=" else 1
    if sign * value < sign * accepted:
        return f"{sense} {accepted:g}: {MISSED}"
    more = f", and {better:g}" if better != accepted and sign * value >= sign * better else ""
    return f"{sense} {accepted:g}: reached{more}"
