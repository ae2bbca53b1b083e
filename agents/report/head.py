"""The page's first screen: a title, what happened in one sentence, and the key figures."""

from __future__ import annotations

from collections.abc import Callable

from agents.report.blocks import Bar, Tile
from agents.report.folder import Figure, RunFolder
from sslctrl.errors import SslctrlError
from sslctrl.metrics.alignment import UNIFORM_GUESS

_SUCCESS = (("expert", "expert_success"), ("random", "random_success"), ("do nothing", "do_nothing_success"))

_NETS = {
    "tcn": "A time-contrastive network",
    "svtcn": "A single-view time-contrastive network",
    "mftcn": "A multi-frame time-contrastive network",
    "grasp2vec": "Grasp2Vec",
    "vae": "A VAE",
    "cc_vae": "A context-conditioned VAE",
    "autoencoder": "An autoencoder",
    "supervised": "A supervised net",
}
"""What learned, by its name; a user's own is an embedding."""
_LABELS = {
    "pl": "posthoc labels",
    "pl_es": "posthoc labels and likeness to another goal",
    "pl_aux_es": "posthoc labels and likeness to two other goals",
    "oracle": "posthoc labels and the truth about another goal",
}
"""What rewards recorded grasps, by `labels` of the config."""
_REWARD = {
    "embedding": "Its distance to {goal}",
    "pixels": "The distance to {goal} in raw pixels",
    "state": "Minus the true distance to the goal",
}
"""What rewards a policy, by `reward_from` of its config."""
_GOAL = {"imagined": "goals that it imagined", "shown": "pictures of goals"}
"""What it compares with, by `goal_from`; else one demonstration."""


def title(folder: RunFolder) -> str:
    """Return the page's title."""
    if folder.task:
        return f"A backbone learned by {_of_tasks(folder)}"
    if folder.labels:
        return "A value of grasps, learned from recorded ones"
    if folder.has("evaluation/evaluation.json") or folder.has("agent/curve.jsonl"):
        if folder.figure("policy_success") is None and not folder.has("agent/curve.jsonl"):
            return "An evaluation"
        learned = reward_from(folder) == "embedding"
        return "A policy whose only reward was learned from video" if learned else "A policy"
    return "An embedding learned from video" if folder.has("embedding/metrics.jsonl") else "A run"


def sentence(folder: RunFolder) -> str:
    """Return what happened, as far as the folder tells."""
    if folder.task:
        are = "are pretext tasks: their" if "+" in folder.task else "is a pretext task: its"
        return f"{_of_tasks(folder).capitalize()} {are} labels are the footage's own."
    if folder.labels:
        how = _LABELS.get(folder.labels, folder.labels)
        return f"Which grasp fetches what is asked for was learned from recorded ones, rewarded by {how}."
    parts = [_learned(folder), _rewarded(folder)]
    return " ".join(part for part in parts if part) or "Nothing of this run is finished yet."


def _of_tasks(folder: RunFolder) -> str:
    *others, last = folder.task.replace("_", " ").split("+")
    return f"{', '.join(others)} and {last}" if others else last


def tiles(folder: RunFolder) -> tuple[Tile, ...]:
    """Return the key figures that the folder knows. Raises DataError where a file of them is damaged."""
    made = (_success(folder), _alignment(folder), _reward(folder), _minutes(folder))
    return tuple(tile for tile in made if tile is not None)


def percent(value: float) -> str:
    """Return a share as text; below 10 % with a decimal, since there the first digit is not enough."""
    return f"{value * 100:.1f} %" if 0 < value < 0.1 else f"{value * 100:.0f} %"


def interval(found: Figure, show: Callable[[float], str] = percent) -> str:
    """Return a figure's 95 % interval and number of trials as text, as far as they are known."""
    known = [] if found.low is None or found.high is None else [f"{show(found.low)} to {show(found.high)}"]
    return ", ".join([*known, *([] if found.n is None else [f"n = {found.n}"])])


def _learned(folder: RunFolder) -> str:
    try:
        name = folder.embedding.spec.name
    except SslctrlError:
        return ""
    kind, video = _NETS.get(name, "An embedding"), "labelled video" if name == "supervised" else "unlabelled video"
    try:
        store = folder.store("video/train")
    except SslctrlError:
        return f"{kind} learned from {video}."
    cameras = len(folder.embedding.learns_from or store.cameras)
    through = "one camera" if cameras == 1 else f"{cameras} cameras"
    return f"{kind} watched {len(store)} episodes of {video} through {through}."


def _rewarded(folder: RunFolder) -> str:
    policy = folder.figure("policy_success")
    others = [f"{name} {percent(found.value)}" for name, key in _SUCCESS if (found := folder.figure(key))]
    if policy is None:
        return f"How often the goal is reached: {', '.join(others)}." if others else ""
    beside = f" ({', '.join(others)})" if others else ""
    starts = f"of {policy.n} fresh starts" if policy.n else "of the starts"
    kind = str(folder.agent_config.get("algorithm", "")).upper()
    who = f"{kind} policy" if kind else "policy"
    reached = f"reaches the goal from {percent(policy.value)} {starts}{beside}"
    rewarded = _REWARD.get(reward_from(folder))
    if rewarded is None:
        return f"The {who} {reached}."
    goal = _GOAL.get(str(folder.agent_config.get("goal_from")), "one demonstration")
    return f"{rewarded.format(goal=goal)} was the only reward of the {who}, which {reached}."


def reward_from(folder: RunFolder) -> str:
    """Return what rewarded the policy, as its config says, or a demo: the embedding; empty where nobody says."""
    demo = "embedding" if (folder.path / "demo.json").exists() else ""
    return str(folder.agent_config.get("reward_from", demo))


def _success(folder: RunFolder) -> Tile | None:
    rows = [("policy", "policy_success"), *_SUCCESS]
    return _tile("Policy's success", folder, rows, largest=1.0, note="true goal, fresh starts")


def _alignment(folder: RunFolder) -> Tile | None:
    rows = [
        ("embedding", "tcn_alignment_error"),
        ("true-state floor", "alignment_floor"),
        ("random encoder", "alignment_random_encoder"),
    ]
    guess = Bar("guessing", percent(UNIFORM_GUESS), 1.0)
    tile = _tile("Alignment error", folder, rows, largest=UNIFORM_GUESS, note="of an unseen episode; lower is better")
    return None if tile is None else tile._replace(bars=(*tile.bars, guess))


def _reward(folder: RunFolder) -> Tile | None:
    rows = [
        ("learned reward", "reward_spearman"),
        ("raw pixels", "pixel_spearman"),
        ("raw pixels, one camera", "pixel_same_view_spearman"),
    ]
    return _tile(
        "Reward against progress", folder, rows, largest=1.0, share=False, note="Spearman's correlation, median episode"
    )


def _minutes(folder: RunFolder) -> Tile | None:
    found = folder.figure("minutes")
    if found is None:
        return None
    return Tile("Minutes, all told", f"{found.value:.1f}", "", (), "video, embedding, policy and evaluation")


def _tile(
    name: str, folder: RunFolder, rows: list[tuple[str, str]], largest: float, share: bool = True, note: str = ""
) -> Tile | None:
    figures = [(label, found) for label, key in rows if (found := folder.figure(key))]
    if not figures or figures[0][0] != rows[0][0]:
        return None
    show = percent if share else "{:.2f}".format
    bars = [
        Bar(label, show(found.value), min(max(found.value / largest, 0.0), 1.0), ours=label == rows[0][0])
        for label, found in figures
    ]
    ours = figures[0][1]
    return Tile(name, show(ours.value), interval(ours, show), tuple(bars), note)
