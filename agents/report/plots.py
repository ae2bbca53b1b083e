"""The page's drawings: arrays in, `Plot` out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import PercentFormatter

from agents.report.blocks import Plot
from agents.report.folder import Figure
from agents.report.latent import STILL_M, Alignment, Progress
from agents.report.svg import INK, MUTED, OTHER, OURS, SURFACE, THIRD, canvas, svg
from sslctrl.metrics.distances import Distances

_FEW = 40  # more points than this are noise around a trend
_NEAR_TO_FAR = LinearSegmentedColormap.from_list("near_to_far", ["#0d366b", "#2a78d6", "#86b6ef", "#e9f1fb"])
Reference = tuple[str, float]


def neighbors(found: Alignment, cameras: tuple[str, str]) -> Plot:
    """Draw each step's nearest neighbour in the other view against the step: the diagonal is perfect."""
    steps = np.arange(len(found.neighbors))
    with canvas(390, 360) as figure:
        axes = figure.add_subplot()
        axes.plot(steps, steps, color=MUTED, linewidth=1, dashes=(4, 3), label="perfect")
        axes.scatter(
            steps, found.neighbors, s=16, color=OURS, edgecolor=SURFACE, linewidth=0.4, label="nearest", zorder=3
        )
        axes.set(xlabel=f"step in view {cameras[0]}", ylabel=f"nearest step in view {cameras[1]}")
        axes.set(xlim=(0, steps[-1]), ylim=(-1, steps[-1] + 1))
        axes.legend(loc="upper left")
        drawing = svg(figure, "neighbors")
        span = _span(axes, steps[-1])
    wrong = np.abs(found.neighbors - steps)
    caption = (
        f"Median miss {np.median(wrong):.0f} of {len(steps)} steps; alignment error {found.error:.1%} of the episode."
    )
    return Plot(drawing, 390, "nearest neighbours in time", caption, span)


def distance_map(found: Alignment, cameras: tuple[str, str]) -> Plot:
    """Draw the distances between all steps of two views as a heat map."""
    count = len(found.distances)
    with canvas(420, 360) as figure:
        axes = figure.add_subplot()
        axes.grid(False)
        image = axes.imshow(found.distances.T, cmap=_NEAR_TO_FAR, origin="lower", interpolation="none")
        axes.scatter(np.arange(count), found.neighbors, s=3, color=OTHER)
        axes.set(xlabel=f"step in view {cameras[0]}", ylabel=f"step in view {cameras[1]}")
        bar = figure.colorbar(image, ax=axes, shrink=0.8, label="distance in the embedding")
        bar.outline.set_visible(False)  # type: ignore[operator] - matplotlib's stub says Spine, which is right at run time
        drawing = svg(figure, "distances")
        span = _span(axes, count - 1)
    return Plot(
        drawing, 420, "distances between the steps of two views", "Dark is near. Points: each column's nearest.", span
    )


def reward_over_time(found: Progress, name: str) -> Plot:
    """Draw learned and raw-pixel reward and true progress over time, each scaled to its own range in this episode."""
    lines = (
        ("true progress", _progress(found), {"color": INK, "linewidth": 1.2, "dashes": (4, 2.5)}),
        (f"raw pixels{_rho(found, found.pixels)}", found.pixels, {"color": OTHER, "linewidth": 1.3}),
        (f"learned reward{_rho(found, found.learned)}", found.learned, {"color": OURS, "linewidth": 2.0}),
    )
    with canvas(690, 270) as figure:
        axes = figure.add_subplot()
        for label, values, style in lines:
            axes.plot(found.seconds, _scaled(values), label=label, **style)
        axes.set(xlabel="time (s)", ylabel="worst to best of the episode", ylim=(-0.04, 1.04), yticks=(0, 0.5, 1))
        axes.set_xlim(0, max(found.seconds[-1], 1e-9))
        figure.legend(
            *axes.get_legend_handles_labels(), loc="outside upper left", ncols=3, columnspacing=1.2, handlelength=1.6
        )
        drawing = svg(figure, name)
        span = _span(axes, found.seconds[-1])
    far, near = found.distance_m[0] * 100, found.distance_m.min() * 100
    caption = f"True distance to where the demonstration ended: {far:.1f} cm at the start, {near:.1f} cm at best."
    return Plot(drawing, 690, "learned reward and true progress over time", caption, span)


def reward_against_distance(episodes: Mapping[str, Progress]) -> Plot:
    """Draw the learned reward of every moment against the true distance, an episode a colour."""
    with canvas(690, 300) as figure:
        axes = figure.add_subplot()
        for (label, found), color in zip(episodes.items(), (OURS, OTHER, THIRD), strict=False):
            axes.scatter(
                found.distance_m * 100, found.learned, s=14, color=color, label=label, edgecolor=SURFACE, linewidth=0.3
            )
        axes.set(xlabel="true distance to the goal (cm)", ylabel="learned reward (minus distance)")
        axes.set_xlim(left=0)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=3)
        drawing = svg(figure, "reward-distance")
    return Plot(
        drawing, 690, "learned reward against true distance", "One reward for one distance would be a falling line."
    )


def picture(frames: np.ndarray, alt: str, caption: str, name: str) -> Plot:
    """Show a picture, uint8 (H, W, 3), as it is."""
    height_px, width_px = frames.shape[:2]
    with canvas(width_px, height_px) as figure:
        figure.set_layout_engine("none")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.axis("off")
        axes.imshow(frames, interpolation="none")
        drawing = svg(figure, name)
    return Plot(drawing, width_px, alt, caption)


def latent_distance(found: Distances) -> Plot:
    """Draw the embedding's distance of pairs of moments against the object's true one."""
    with canvas(690, 300) as figure:
        axes = figure.add_subplot()
        axes.scatter(found.true_m * 100, found.latent, s=6, color=OURS, edgecolor="none", alpha=0.35)
        axes.set(xlabel="true distance of the object (cm)", ylabel="distance in the embedding")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        drawing = svg(figure, "latent-distance")
    caption = f"{len(found.latent):,} random pairs of held-out moments; rank correlation {found.rank_correlation:.2f}."
    return Plot(drawing, 690, "latent against true distance", caption)


def curve(
    steps: Sequence[float],
    values: Sequence[float],
    label: str,
    name: str,
    share: bool = False,
    references: Sequence[Reference] = (),
    unit: str = "environment steps",
    band: Sequence[tuple[float, float]] = (),
) -> Plot:
    """Draw one number over training, with its intervals where they are given.

    share: from 0 to 100 %; references: dashed levels with their names.
    """
    with canvas(328, 240) as figure:
        axes = figure.add_subplot()
        for text, level in references:
            axes.axhline(level, color=MUTED, linewidth=1, dashes=(4, 3))
            axes.annotate(
                text, (1, level), xycoords=("axes fraction", "data"), ha="right", va="bottom", color=MUTED, fontsize=8
            )
        if band:
            low, high = zip(*band, strict=True)
            axes.fill_between(steps, low, high, color=OURS, alpha=0.15, linewidth=0)
        if len(steps) <= _FEW:
            axes.plot(steps, values, color=OURS, marker="o", markersize=3.5)
        else:
            axes.plot(steps, values, color=OURS, linewidth=0.8, alpha=0.4)
            axes.plot(steps, _smooth(np.asarray(values)), color=OURS)
        axes.set(xlabel=unit, title=label)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.locator_params(axis="x", nbins=4)
        if share:
            axes.set_ylim(-0.03, 1.06)
            axes.yaxis.set_major_formatter(PercentFormatter(1))
        drawing = svg(figure, name)
    return Plot(drawing, 328, f"{label} over training")


def distances_over_time(rollouts: Sequence[tuple[np.ndarray, np.ndarray, bool]]) -> Plot:
    """Draw the true distance to the goal over time, a line a rollout: (seconds, metres, success) each."""
    with canvas(640, 260) as figure:
        axes = figure.add_subplot()
        labelled = set()
        for seconds, meters, success in rollouts:
            label = "" if success in labelled else ("reached" if success else "missed")
            labelled.add(success)
            axes.plot(seconds, meters * 100, color=OURS if success else OTHER, linewidth=1.4, label=label or None)
        axes.set(xlabel="time (s)", ylabel="distance to the goal (cm)")
        axes.set_ylim(bottom=0)
        axes.set_xlim(left=0)
        axes.legend(loc="upper right")
        drawing = svg(figure, "rollouts")
    return Plot(
        drawing,
        640,
        "distance to the goal over time",
        "Every recorded rollout; where the object is in the simulator's own state.",
    )


def intervals(rows: Sequence[tuple[str, Figure, bool]]) -> Plot:
    """Draw shares with their intervals, a row each: (name, figure, whether it is ours)."""
    with canvas(640, 70 + 34 * len(rows)) as figure:
        axes = figure.add_subplot()
        axes.grid(False, axis="y")
        for place, (_, found, ours) in enumerate(rows):
            color = OURS if ours else MUTED
            if found.low is not None and found.high is not None:
                axes.plot([found.low, found.high], [place, place], color=color, linewidth=2)
            axes.plot(found.value, place, "o", color=color, markersize=7, clip_on=False)
        axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
        axes.set(xlim=(0, 1), ylim=(len(rows) - 0.5, -0.5), xlabel="episodes that reach the goal")
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        drawing = svg(figure, "intervals")
    return Plot(drawing, 640, "success with intervals")


def _span(axes: Axes, last: float) -> tuple[float, float]:
    """Where 0 and `last` lie on the x axis, as shares of the drawing's width; after it was drawn."""
    width = axes.get_window_extent().width / axes.get_position().width
    first, end = (float(axes.transData.transform((value, 0))[0] / width) for value in (0, last))
    return first, end


def _scaled(values: np.ndarray) -> np.ndarray:
    low, spread = values.min(), np.ptp(values)
    return np.full(len(values), 0.5) if spread == 0 else (values - low) / spread


def _smooth(values: np.ndarray) -> np.ndarray:
    """Mean over a window of a tenth of the values, shorter at both ends."""
    window = np.ones(2 * (len(values) // 20) + 1)
    return np.convolve(values, window, "same") / np.convolve(np.ones(len(values)), window, "same")


def _progress(found: Progress) -> np.ndarray:
    """Minus the distance; level where nothing moved, whose noise would else fill the axis."""
    return -found.distance_m if np.ptp(found.distance_m) > STILL_M else np.zeros_like(found.distance_m)


def _rho(found: Progress, reward: np.ndarray) -> str:
    value = found.rank_correlation(reward)
    return "" if value is None else f" ({value:.2f})"
