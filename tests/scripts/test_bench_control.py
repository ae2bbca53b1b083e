from __future__ import annotations

import functools
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agents.config import TrainAgentConfig
from scripts.bench import (
    _control_ccrig,
    _control_g2v,
    _control_goals,
    _control_parts,
    _control_rig,
    _control_tcn,
    _jobs,
    control,
)
from scripts.bench._bench_config import BenchConfig
from scripts.bench._compare_config import CompareConfig
from scripts.bench._control_config import PARTS, ControlConfig
from scripts.bench._demo_config import DemoBenchConfig
from scripts.bench._figures import Origin
from scripts.bench._image_config import ImageConfig
from scripts.bench._intervals import Figure, from_seeds
from scripts.bench._jobs import KEPT, Job, Variant, needed_first, over_seeds, run_jobs, settings_hash
from scripts.bench._ledger import Ledger
from scripts.bench._tier import FAST, FULL
from scripts.bench._verdicts import INTERVAL, verdict
from scripts.bench._video_config import VideoConfig
from sslctrl import durable
from sslctrl.embeddings.svtcn import SvTcn
from sslctrl.errors import DataError, InputError
from sslctrl.store import EpisodeStore


def grow(folder: Path, amount: float) -> dict[str, float]:
    """Leave a mark at every call."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "calls", "a") as file:
        file.write("x")
    return {"size": amount}


def jobs(root: Path, seeds: int, settings: str = "0123abcd") -> list[Job]:
    return [
        Job(root / f"{seed}-{name}-{settings}", seed, name, grow, (seed + offset,))
        for seed in range(seeds)
        for name, offset in (("a", 0.0), ("b", 10.0))
    ]


def config_at(root: Path, runs: str = "runs", reuse: bool = False) -> BenchConfig:
    return BenchConfig(out=root / "bench.json", runs=root / runs, workers=1, reuse=reuse)


def test_what_is_measured_once_is_kept_and_each_seed_is_yielded_when_it_is_done(tmp_path: Path, monkeypatch) -> None:
    config = config_at(tmp_path)
    monkeypatch.setattr(_jobs, "origin", lambda: Origin("one", "a laptop"))
    first = next(iter(run_jobs(jobs(config.runs, 3), config)))
    assert first.seeds == [{"a": {"size": 0.0}, "b": {"size": 10.0}}] and first.origin == ("one", "a laptop")
    for one in jobs(config.runs, 1):
        assert (one.folder / KEPT).exists()
    monkeypatch.setattr(_jobs, "origin", lambda: Origin("two", "a laptop"))
    *_, last = run_jobs(jobs(config.runs, 4), config)
    assert [seed["b"]["size"] for seed in last.seeds] == [10, 11, 12, 13]
    assert last.origin == ("one; two", "a laptop")  # what was kept was measured before
    assert {path.read_text() for path in tmp_path.glob("runs/*/calls")} == {"x"}


def test_seeds_are_added_to_those_of_another_machine(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(_jobs, "origin", lambda: Origin("one", "a laptop"))
    here = config_at(tmp_path)
    list(run_jobs(jobs(here.runs, 2), here))
    monkeypatch.setattr(_jobs, "origin", lambda: Origin("two", "a tower"))
    there = config_at(tmp_path, "elsewhere", reuse=True)
    *_, last = run_jobs(jobs(there.runs, 3), there)
    assert [seed["b"]["size"] for seed in last.seeds] == [10, 11, 12]
    assert last.origin == ("one; two", "a laptop; a tower")
    assert sorted(path.parent.name for path in there.runs.glob("*/calls")) == ["2-a-0123abcd", "2-b-0123abcd"]
    *_, others = run_jobs(jobs(there.runs, 1, "ffffffff"), there)  # of other settings nothing is known
    assert others.origin == ("two", "a tower")
    again = config_at(tmp_path, "again")
    *_, fresh = run_jobs(jobs(again.runs, 1), again)  # unasked, all is measured
    assert fresh.origin == ("two", "a tower") and len(list(again.runs.glob("*/calls"))) == 2
    assert set(Ledger(there.ledger)._entries) == {f"{n}-{x}-0123abcd" for n in range(3) for x in "ab"}


def slowly(folder: Path, amount: float) -> dict[str, float]:
    time.sleep(0.5)
    return grow(folder, amount)


def above(folder: Path, base: Path) -> dict[str, float]:
    """Fail where what it builds on is missing."""
    return grow(folder, 1 + json.loads((base / KEPT).read_text())["values"]["size"])


def test_what_a_training_builds_on_is_done_first_and_once(tmp_path: Path) -> None:
    config = config_at(tmp_path)
    base = Job(config.runs / "base", 0, "base", slowly, (1.0,))
    both = [Job(config.runs / name, 0, name, above, (base.folder,), base) for name in ("x", "y")]
    *_, done = run_jobs(both, replace(config, workers=2))
    assert done.seeds == [{"x": {"size": 2.0}, "y": {"size": 2.0}}]
    calls = {path.parent.name: path.read_text() for path in config.runs.glob("*/calls")}
    assert calls == dict.fromkeys(("base", "x", "y"), "x")


def test_what_trainings_build_on_comes_before_them_seed_by_seed(tmp_path: Path) -> None:
    bases = [Job(tmp_path / f"base-{seed}", seed, "base", grow, (1.0,)) for seed in (0, 1)]
    jobs = [
        Job(tmp_path / f"{name}-{seed}", seed, name, grow, (1.0,), None if name == "alone" else bases[seed])
        for seed in (0, 1)
        for name in ("alone", "x", "y")
    ]
    names = [job.folder.name for job in needed_first(jobs)]
    assert names == ["base-0", "alone-0", "x-0", "y-0", "base-1", "alone-1", "x-1", "y-1"]
    for name in ("x-0", "y-0"):
        durable.make_folder(tmp_path / name)
        (tmp_path / name / KEPT).write_text("{}")
    names = [job.folder.name for job in needed_first(jobs)]
    assert names == ["alone-0", "x-0", "y-0", "base-1", "alone-1", "x-1", "y-1"]


def test_policies_and_values_say_what_they_build_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[Job] = []
    for module in (_control_goals, _control_g2v):
        monkeypatch.setattr(module, "run_jobs", lambda jobs, config: (listed.extend(jobs), iter(()))[1])
    monkeypatch.setattr(_control_goals, "collect", lambda video: None)
    monkeypatch.setattr(_control_g2v, "collect_grasps", lambda grasps: None)
    config = ControlConfig(out=tmp_path / "x.json", runs=tmp_path, seeds=(0, 1))
    for part in ("g2v", "rig", "ccrig"):
        assert not list(_control_parts.MEASURES[part](config))
    needed = {job.folder.relative_to(tmp_path).as_posix(): job.needs for job in listed}
    assert len(needed) == len(listed)
    for name, needs in needed.items():
        learns = "/policy-" in name or "/value-" in name
        alone = "/policy-oracle" in name
        assert (needs is not None) == (learns and not alone)
        assert needs is None or needs.folder.relative_to(tmp_path).as_posix() in needed


def test_numbers_that_are_none_are_not_kept(tmp_path: Path) -> None:
    config = config_at(tmp_path)
    with pytest.raises(InputError, match="measured size nan; allowed are finite numbers"):
        list(run_jobs([Job(config.runs / "x", 0, "x", grow, (float("nan"),))], config))
    assert not (config.runs / "x" / KEPT).exists() and not config.ledger.exists()


def test_two_benches_add_to_one_ledger(tmp_path: Path) -> None:
    path, origin = tmp_path / "x.json", Origin("one", "a laptop")
    first, second = Ledger(path), Ledger(path)
    for ledger, name in ((first, "a-0123abcd"), (second, "b-0123abcd")):
        ledger.put(name, origin, {"size": 1.0})
        ledger.save()
    second.put("a-ffffffff", origin, {"size": 2.0})
    second.save()
    assert Ledger(path).get("b-0123abcd") == (origin, {"size": 1.0})
    assert Ledger(path).get("a-ffffffff") and Ledger(path).get("a-0123abcd") is None


def test_a_cached_function_is_named_by_its_source() -> None:
    assert settings_hash(functools.cache(over_seeds)) == settings_hash(over_seeds) != settings_hash(run_jobs)


def test_a_folder_is_another_for_other_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    variant = Variant("svtcn")
    before = variant.folder("sv")
    assert before == Variant("svtcn", {"dim": 32}).folder("sv") != Variant("svtcn", {"dim": 16}).folder("sv")
    assert before != variant.folder("sv", "other video")
    defaults = tuple(64 if value == 32 else value for value in SvTcn.__init__.__defaults__ or ())
    monkeypatch.setattr(SvTcn.__init__, "__defaults__", defaults)
    assert variant.folder("sv") != before


def test_a_policys_folder_is_another_for_all_that_makes_or_measures_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[Job] = []
    monkeypatch.setattr(_control_goals, "run_jobs", lambda jobs, config: (listed.extend(jobs), iter(()))[1])
    monkeypatch.setattr(_control_goals, "collect", lambda video: None)
    config = ControlConfig(out=tmp_path / "x.json", runs=tmp_path, seeds=(0,))

    def folders() -> set[str]:
        listed.clear()
        list(_control_goals.figures(_control_rig.REACH, "reach", config, dict, dict))
        return {job.folder.as_posix() for job in listed if job.folder.name.startswith("policy")}

    before = folders()
    assert len(before) == len(_control_rig.REACH.learners) and folders() == before
    init = TrainAgentConfig.__init__
    other_gamma = tuple(0.9 if value == TrainAgentConfig.gamma else value for value in init.__defaults__ or ())
    for target, name, value in (
        (_control_goals, "STARTS", 7),
        (_control_goals, "MOVED_BY", ()),
        (_control_rig, "REACH", replace(_control_rig.REACH, length=10)),
        (_control_rig, "REACH", replace(_control_rig.REACH, exams=("heldout",))),
        (init, "__defaults__", other_gamma),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(target, name, value)
            assert not folders() & before
    with monkeypatch.context() as patch:
        patch.setattr(_control_goals.Senses, "observation", lambda self, raw, seen, before: seen)
        kept = before & folders()
    assert {Path(name).name.split("-")[1] for name in kept} == {"oracle"}  # which sees true states


def test_a_quick_look_has_its_share_of_batches_of_options_too(tiny_store, tmp_path: Path, monkeypatch) -> None:
    asked = []

    def fit(objective, store, run, config):
        asked.append((objective.spec.options["slow_start"], config.steps, config.warmup))
        return run

    monkeypatch.setattr(_jobs, "fit", fit)
    for tier in (FULL, FAST):
        Variant("vae", {"slow_start": 2000}, 6000).train(tmp_path, tiny_store.root, 0, tier)
    assert asked == [(2000, 6000, 100), (200, 600, 10)]
    done = tmp_path / "checkpoints" / "step-00000600"
    done.mkdir(parents=True)  # trained before, maybe on another machine
    assert Variant("vae", {"slow_start": 2000}, 6000).train(tmp_path, tiny_store.root, 0, FAST) == done
    assert len(asked) == 2


def test_a_file_that_is_no_ledger_is_one_line(tmp_path: Path) -> None:
    for text in ("{", '[{"commit": "x"}]', '["x"]', "3"):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(DataError, match=r"is not a ledger .*run its bench again"):
            Ledger(tmp_path / "x.json")


def test_figures_are_medians_over_the_seeds() -> None:
    found = over_seeds([{"x": 1.0}, {"x": 5.0}, {"x": 2.0}], lambda name: "m")
    assert found["x"].value == 2 and found["x"].n == 3 and found["x"].unit == "m"


@pytest.mark.parametrize(
    ("value", "goal", "says"),
    [
        (0.04, ("<=", 0.05, 0.015), "<= 0.05: reached"),
        (0.01, ("<=", 0.05, 0.015), "<= 0.05: reached, and 0.015"),
        (0.06, ("<=", 0.05, 0.015), "MISSED"),
        (0.9, (">=", 0.85, 0.95), ">= 0.85: reached"),
        (0.8, (">=", 0.85, 0.95), "MISSED"),
    ],
)
def test_verdicts(value: float, goal: tuple[str, float, float], says: str) -> None:
    assert says in verdict(from_seeds([value], "m"), goal)


@pytest.mark.parametrize(("low", "says"), [(-0.1, "MISSED"), (0.01, "reached")])
def test_an_interval_above_a_mark_begins_above_it(low: float, says: str) -> None:
    assert verdict(Figure(0.2, low, 0.5, 5, "m"), (INTERVAL, 0.0, 0.0)).endswith(says)


def test_values_that_cannot_be_are_one_line() -> None:
    with pytest.raises(InputError, match="allowed are 1 or more seeds"):
        VideoConfig(seeds=())
    with pytest.raises(InputError, match="workers 0; allowed are 0 or more seeds, and 1 or more workers"):
        ControlConfig(workers=0)
    with pytest.raises(InputError, match="both fast and stretch"):
        ControlConfig(fast=True, stretch=True)


def test_a_quick_look_writes_over_nothing_that_is_published() -> None:
    assert [len(ControlConfig().of_part(part).seeds) for part in PARTS] == [3, 5, 5, 5]
    assert ControlConfig(fast=True).of_part("rig").seeds == (0,)
    assert ControlConfig(seeds=(7,)).of_part("rig").seeds == (7,)
    for config in (ControlConfig().of_part("tcn"), CompareConfig(), DemoBenchConfig(), ImageConfig(), VideoConfig()):
        assert config.file == config.out and config.command.endswith(".py --seeds 0 1 2")
        quick = replace(config, fast=True, seeds=(3,))
        assert quick.file.name == f"{config.out.stem}-fast.json" and quick.command.endswith(".py --seeds 3 --fast")
    assert CompareConfig().board == CompareConfig().page
    assert CompareConfig(fast=True).board.name == "leaderboard-fast.html"
    more = ControlConfig(stretch=True, seeds=(0,))
    assert str(more.file) == "results/control-stretch.json" and more.command.endswith("--seeds 0 --stretch")


@pytest.mark.slow
def test_every_goal_of_the_tcns_has_its_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    untrained = {name: replace(variant, steps=0) for name, variant in _control_tcn.VARIANTS.items()}
    monkeypatch.setattr(_control_tcn, "VARIANTS", untrained)
    config = ControlConfig(out=tmp_path / "x.json", runs=tmp_path, seeds=(0,), workers=1, fast=True)
    _control_tcn.record(tmp_path / "seed-0", 0, config)
    measured = {
        name: _control_tcn.train_and_measure(tmp_path / "seed-0" / name / "measured", 0, name, FAST)
        for name in ("mv", "multi_frame", "single_frame")
    }
    measured["pixels"] = _control_tcn.measure_pixels(tmp_path / "seed-0" / "pixels")
    figures = _control_tcn.seed_figures(measured | dict.fromkeys(set(untrained) - set(measured), measured["mv"]))
    assert "tcn.pixels.alignment" in figures and "tcn.pixels.reward_spearman" not in figures
    frames = EpisodeStore(tmp_path / "seed-0" / "video" / "heldout").read("000000").frames[:3]
    assert np.allclose(_control_tcn._Pixels(64).embed_video(frames[0]), frames[0].reshape(len(frames[0]), -1) / 255)
    asked = {name for name in control.GOALS if name.startswith(("tcn", "mftcn"))}
    assert asked and asked <= set(figures)
    assert 0 < figures["tcn.alignment_floor"] < 0.1 and figures["tcn.mv.alignment"] > 0.2  # untrained


@pytest.mark.slow
def test_every_goal_of_grasp2vec_has_its_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = {
        name: replace(variant, steps=variant.steps and 60, backbone_options={})
        for name, variant in _control_g2v.VARIANTS.items()
    }
    for name, value in {"VARIANTS": short, "VALUE_STEPS": 60, "STARTS": 40}.items():
        monkeypatch.setattr(_control_g2v, name, value)
    real = _control_g2v._grasps
    monkeypatch.setattr(_control_g2v, "_grasps", lambda *given: replace(real(*given), grasps=140, workers=1))
    config = ControlConfig(out=tmp_path / "x.json", runs=tmp_path, seeds=(0,), workers=1, fast=True)
    found = {name: figure for some, _ in _control_g2v.figures(config) for name, figure in some.items()}
    asked = {name for name in control.GOALS if name.startswith("g2v")}
    assert asked and asked <= set(found)
    assert found["g2v.retrieval_seen"].value < 0.5 and found["g2v.histogram_retrieval_seen"].value > 0.1  # untrained


@pytest.mark.slow
@pytest.mark.parametrize(("part", "prefixes"), [("rig", ("rig",)), ("ccrig", ("ccrig",))])
def test_every_goal_of_imagined_goals_has_its_figure(
    part: str, prefixes: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in ((_control_rig, "PUSH"), (_control_rig, "REACH"), (_control_ccrig, "WORLD")):
        world = getattr(module, name)
        short = {key: replace(variant, steps=variant.steps and 100) for key, variant in world.embeddings.items()}
        monkeypatch.setattr(module, name, replace(world, embeddings=short, steps=10_000))
    monkeypatch.setattr(_control_goals, "STARTS", 60)
    config = ControlConfig(out=tmp_path / "x.json", runs=tmp_path, seeds=(0,), workers=1, fast=True)
    found = {name: figure for some, _ in _control_parts.MEASURES[part](config) for name, figure in some.items()}
    asked = {name for name in control.GOALS if name.startswith(prefixes)}
    assert asked and asked <= set(found)
    assert all(name.startswith(_control_parts.PREFIXES[part]) for name in found)
    nothing = "rig.push_final_m.do_nothing" if part == "rig" else "ccrig.unseen_final_m.do_nothing"
    assert 0.06 < found[nothing].value < 0.25
