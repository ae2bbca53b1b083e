"""The page's parts, each a function of the folder. One that lacks a file raises the line that says how to make it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from agents.grasping.picture import grasps_shown, heat_picture
from agents.report import imagined, latent, plots
from agents.report.blocks import Block, Film, Films, Plot, Plots, Source, Table, Text, Watched
from agents.report.films import distance_to_goal, episode_film, film, rollout_film
from agents.report.folder import Figure, RunFolder, as_figure, driver_of, number
from agents.report.head import interval, percent, reward_from
from sslctrl.clips import Episode, seconds_a_step
from sslctrl.embeddings.grasp2vec import Grasp2Vec
from sslctrl.errors import DataError
from sslctrl.imagining import Imagining
from sslctrl.import_images import read_image
from sslctrl.views import view_of
from vision.train import pictured

HERO_FILMS, ROLLOUT_FILMS = 4, 8
_WHO = {"agent": "policy", "expert": "scripted expert", "random": "random actions", "do_nothing": "do nothing"}
_NO_CURVE = ("step", "lr", "frames_per_s")
_SHARES = ("success", "nearest_is_same_step", "accuracy")
_LONGEST_SOURCE = 20_000


def hero(folder: RunFolder) -> tuple[Film, ...]:
    """Films of the policy: its first recorded rollouts, not chosen ones. Raises DataError."""
    episodes = _rollouts(folder)[:HERO_FILMS]
    camera, _ = folder.camera_pair(episodes[0].meta["cameras"])
    return tuple(rollout_film(episode, camera, f"rollout {i + 1}") for i, episode in enumerate(episodes))


def demonstration(folder: RunFolder) -> Iterator[Block]:
    """The one demonstration, in the two views."""
    episode = folder.demonstration()
    ours, theirs = folder.camera_pair(episode.meta["cameras"])
    if reward_from(folder) == "embedding":
        yield Text(
            "One recording fixes the goal: no label, no reward function, no state. The reward compares what the "
            "policy's camera sees with the demonstration as its own camera saw it."
        )
    compared = "what the reward compares with" if reward_from(folder) in ("embedding", "pixels") else ""
    captions = {ours: "the same moments in the policy's view", theirs: compared}
    yield Films(tuple(episode_film(episode, camera, f"camera {camera}", captions[camera]) for camera in captions))


def rollouts(folder: RunFolder) -> Iterator[Block]:
    """What the policy does from several starts: distances of all, and films in the second view."""
    episodes = _rollouts(folder)
    camera = folder.camera_pair(episodes[0].meta["cameras"])[1]
    lines = []
    for episode in episodes:
        try:
            distance = distance_to_goal(episode)
        except DataError:
            continue
        seconds = np.arange(len(distance)) * seconds_a_step(episode.meta)
        lines.append((seconds, distance, bool(episode.meta.get("success"))))
    if lines:
        yield plots.distances_over_time(lines)
    shown = episodes[:ROLLOUT_FILMS]
    yield Text(f"The first {len(shown)} of {len(episodes)} recorded rollouts through camera {camera}, at half speed.")
    yield Films(tuple(rollout_film(episode, camera, f"rollout {i + 1}") for i, episode in enumerate(shown)))


def alignment(folder: RunFolder) -> Iterator[Block]:
    """A held-out episode in two views: which moments the embedding takes for the same."""
    store = folder.heldout()
    pair = folder.camera_pair(store.cameras)
    found = latent.median_alignment(folder.embedding, store, pair)
    episode = store.read(found.id)
    first, second = (view_of(episode, camera) for camera in pair)
    yield Text(
        f"Held-out episode {found.id}, whose error is the median of {found.episodes}. For every frame of one view the "
        "embedding's nearest frame of the other view: were it perfect, both halves of the film would move as one."
    )
    both = np.concatenate([first, second[found.neighbors]], axis=2)
    matched = film(
        both,
        seconds_a_step(episode.meta),
        f"{pair[0]} | its nearest in {pair[1]}",
        "left: in order; right: as retrieved",
    )
    yield Watched(matched, (plots.neighbors(found, pair), plots.distance_map(found, pair)))


def reward(folder: RunFolder) -> Iterator[Block]:
    """Learned reward, raw pixels' reward and the truth along an expert's, the policy's and a random episode."""
    goal, embedding = folder.demonstration(), folder.embedding
    theirs, compared = folder.camera_pair(goal.meta["cameras"])[1], {}
    shown = {
        name: (episode, folder.camera_pair(episode.meta["cameras"])[0])
        for name, episode in _told_apart(folder, goal).items()
    }
    through = " or ".join(dict.fromkeys(ours for _, ours in shown.values()))
    yield Text(
        f"Minus the distance between camera {through} now and camera {theirs} at the demonstration's end, in the "
        "embedding (learned) or between pixels (raw). In brackets: Spearman's correlation with the true progress. "
        "Any falling function of the distance, as the TCN's reward, ranks moments the same."
    )
    for i, (name, (episode, ours)) in enumerate(shown.items()):
        found = compared[name] = latent.progress(embedding, episode, ours, goal, theirs)
        yield Watched(episode_film(episode, ours, name), (plots.reward_over_time(found, f"reward-{i}"),))
    yield plots.reward_against_distance(compared)


def distances(folder: RunFolder) -> Iterator[Block]:
    """What the embedding's distances are worth, the goals that it imagines if it does; or Grasp2Vec's heat maps."""
    store, embedding = folder.heldout(), folder.embedding
    if isinstance(embedding, Grasp2Vec):
        caption = "Above: what grippers hold. Below: the bin before, red where the embedding finds it."
        yield plots.picture(heat_picture(embedding, *grasps_shown(store)), "heat maps", caption, "heat")
        return
    camera, _ = folder.camera_pair(store.cameras)
    if isinstance(embedding, Imagining):
        drawn = imagined.imagined_picture(embedding, store, camera)
        caption = "Above: the first frames of held-out episodes. Below each: goals that the embedding imagines there."
        yield plots.picture(drawn, "imagined goals", caption, "imagined")
    yield plots.latent_distance(imagined.distances_in(embedding, store, camera))


def pretext(folder: RunFolder) -> Iterator[Block]:
    """What a pretext task, or each of several, learned, shown by itself, and the backbone's first layer."""
    captions = {name: getattr(task, "shows", "") for name, task in pictured(folder.pretext).items()}
    for name, caption in (captions | {"filters.png": "The first layer's kernels."}).items():
        if folder.has(f"embedding/{name}"):
            title = name.removesuffix(".png")
            shown = title.removeprefix("picture-").replace("_", " ")
            yield plots.picture(read_image(folder.find(f"embedding/{name}")), shown, caption, title)


def exam(folder: RunFolder) -> Iterator[Block]:
    """How often a value of grasps, a heat map and whatever comes fetched what was asked for."""
    if not folder.has("embedding/metrics.json"):
        raise DataError("no exam has been held yet; python scripts/train_grasping.py does, when it has learned")
    found = {name: _mapping(shares) for name, shares in folder.json("embedding/metrics.json").items()}
    rows = [
        (name, how.replace("_", " "), percent(known))
        for name, shares in found.items() for how, share in shares.items() if (known := number(share)) is not None
    ]  # fmt: skip
    yield Table(("asked for with grasps of", "aims by", "fetched"), tuple(rows), "Of five objects, the one asked for.")


def learning(folder: RunFolder) -> Iterator[Block]:
    """How the policy learned."""
    records = folder.lines("agent/curve.jsonl")
    levels = [(name, folder.figure(f"{name}_success")) for name in ("expert", "random")]
    references = [(name, found.value) for name, found in levels if found is not None]
    drawn = [
        _curve(records, "success", "success", "learning-0", share=True, references=references),
        _curve(records, "distance_m", "distance to the goal at the end (cm)", "learning-1", times=100.0),
        _curve(records, "return", "return, in units of the run's own reward scale", "learning-2"),
    ]
    yield Plots(tuple(plot for plot in drawn if plot is not None))


def training(folder: RunFolder) -> Iterator[Block]:
    """How the embedding, or pretext task, learned."""
    records = folder.lines("embedding/metrics.jsonl")
    names = [name for name in dict.fromkeys(name for record in records for name in record) if name not in _NO_CURVE]
    drawn = [
        _curve(records, name, name.replace("_", " "), f"training-{i}", share=name in _SHARES, unit="batches")
        for i, name in enumerate(names[:6])
    ]
    yield Plots(tuple(plot for plot in drawn if plot is not None))


def evaluation(folder: RunFolder) -> Iterator[Block]:
    """Everyone's success and distance on the true task, with intervals."""
    folder.find("evaluation/evaluation.json")
    found = {who: values for who, values in folder.evaluation.items() if isinstance(values, Mapping)}
    found = {who: found[who] for who in dict.fromkeys([*(who for who in _WHO if who in found), *found])}
    shown = [(_WHO.get(who, who), as_figure(values.get("success")), who == "agent") for who, values in found.items()]
    drawn = [(name, success, ours) for name, success, ours in shown if success is not None]
    if not drawn:
        raise DataError("evaluation.json names nobody with a success; python scripts/evaluate.py makes it again")
    yield plots.intervals(drawn)
    rows = []
    for who, values in found.items():
        success, distance = as_figure(values.get("success")), as_figure(values.get("distance_m"))
        trials = "" if success is None or success.n is None else str(success.n)
        rows.append((_WHO.get(who, who), trials, _cell(success, "%"), _cell(distance, "cm")))
    caption = "95 % intervals in brackets; success and distance are the true task's."
    yield Table(("", "episodes", "success", "distance at the end"), tuple(rows), caption)


def figures(folder: RunFolder) -> Iterator[Block]:
    """Every figure of demo.json as it stands, and what the run was: commit, machine, versions, configs."""
    known = {name: as_figure(value) for name, value in _mapping(folder.demo.get("figures")).items()}
    rows = tuple(
        (name, _digits(found.value), interval(found, _digits)) for name, found in known.items() if found is not None
    )
    if rows:
        yield Table(("figure", "value", "95 % interval"), rows)
    about = {key: value for key, value in folder.demo.items() if key != "figures"}
    if about:
        yield Table(("this run", ""), tuple(_flat(about)))
    for path in _sources(folder.path):
        try:
            yield Source(str(path.relative_to(folder.path)), path.read_text(errors="replace")[:_LONGEST_SOURCE])
        except OSError:  # unreadable: it is only shown, not needed
            continue


def _digits(value: float) -> str:
    return f"{value:.4g}"


def _rollouts(folder: RunFolder) -> list[Episode]:
    """Return the policy's recorded episodes. Raises DataError where there is none."""
    found = folder.driven_by("agent")
    if not found:
        raise DataError(
            f"no rollout of a policy is recorded in {folder.path}; {folder.maker('evaluation')} with --record"
        )
    return found


def _told_apart(folder: RunFolder, goal: Episode) -> dict[str, Episode]:
    """Return up to three episodes: the demonstration, a rollout of the policy, and a random one."""
    chosen = {"the expert's demonstration": goal}
    if rollouts := folder.driven_by("agent"):
        chosen["the policy, rollout 1"] = rollouts[0]
    others, played = folder.driven_by("random"), True
    if not others and folder.has("video/heldout"):
        store, played = folder.heldout(), False
        others = [store.read(id) for id in store.ids]
        others = [episode for episode in others if driver_of(episode) == "random"] or others
    if others:  # most random episodes never touch the object: then no reward has any progress to rank
        moved = max(others, key=lambda episode: np.ptp(latent.positions(episode), axis=0).sum())
        chosen["random actions" if played else f"held-out video ({driver_of(moved)})"] = moved
    return chosen


def _curve(
    records: list[dict[str, float]], key: str, label: str, name: str, times: float = 1.0, **how: Any
) -> Plot | None:
    known = [record for record in records if key in record]
    if not known:
        return None
    steps, values = [record["step"] for record in known], [record[key] * times for record in known]
    ends = (f"{key}_low", f"{key}_high")
    if all(end in record for record in known for end in ends):
        how["band"] = [tuple(record[end] * times for end in ends) for record in known]
    return plots.curve(steps, values, label=label, name=name, **how)


def _cell(found: Figure | None, unit: str) -> str:
    """Say a share in per cent, or a distance in m in cm, with its interval."""
    if found is None:
        return "not measured"
    value = percent(found.value) if unit == "%" else f"{found.value * 100:.1f} {unit}"
    if found.low is None or found.high is None:
        return value
    return f"{value}  [{found.low * 100:.1f}, {found.high * 100:.1f}]"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _flat(values: Mapping[str, Any], inside: str = "") -> Iterator[tuple[str, str]]:
    """Yield dotted names and texts of everything in a nested object."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{inside}{key}.")
        else:
            yield f"{inside}{key}", value if isinstance(value, str) else _plain(value)


def _plain(value: Any) -> str:
    shown = number(value)
    return json.dumps(value) if shown is None else f"{shown:.6g}"


def _sources(run: Path) -> list[Path]:
    """Return the files that say what the run was, config before record."""
    patterns = ("config.yaml", "run.json", "*/config.yaml", "*/run.json", "metrics.json", "embedding/metrics.json")
    return [path for pattern in patterns for path in sorted(run.glob(pattern)) if path.is_file()]
