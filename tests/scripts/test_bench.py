from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scripts.bench import _figures, _rounds, speed, tables
from scripts.bench._figures import Origin, Results, figure_of, load
from scripts.bench._intervals import RESAMPLES, Figure, from_rounds, from_seeds, iqm
from scripts.bench._speed_config import Part, SpeedConfig
from scripts.bench._speed_learning import Samples
from scripts.bench._speed_parts import measure
from scripts.bench._speed_renderers import SMALLEST_PX, silhouettes
from scripts.bench._verdicts import MISSED, told, verdict
from sslctrl.errors import DataError, InputError, StorageError
from sslctrl.sampling import random_frames
from sslctrl.store import EpisodeStore

KEYS = {
    "images": {"image_env_vs_panda_gym", "image_env_default_vs_panda_gym", "three_views_vs_panda_gym_one"},
    "states": {"state_env_vs_panda_gym", "reset_ms", "state_step_ms"},
    "renderers": {"raster_vs_tiny_same_mesh"},
    "silhouettes": {"silhouette_iou_min"},
    "sampler": {"sampler_vs_dataloader"},
    "training": {"train_over_roofline", "train_frames_per_cpu_second"},
    "workers": {"two_workers_vs_one"},
}


@pytest.mark.parametrize("part", ["states", "sampler"])
def test_a_part_writes_its_figures(part: Part, tmp_path: Path) -> None:
    measure(SpeedConfig(out=tmp_path / "speed.json", only=(part,), fast=True))
    content = json.loads((tmp_path / "speed-fast.json").read_text())
    assert set(content) == {"command", "commit", "machine", "date", "seeds", "figures"}
    assert content["command"] == f"python scripts/bench/speed.py --only {part} --fast"
    assert set(content["figures"]) >= KEYS[part]
    for fields in content["figures"].values():
        assert set(fields) == {"value", "low", "high", "n", "unit", "commit"}
        assert 0 < fields["low"] <= fields["value"] <= fields["high"]


@pytest.mark.slow
def test_every_part_and_every_goal_has_its_figure(tmp_path: Path) -> None:
    figures = measure(SpeedConfig(out=tmp_path / "speed.json", fast=True))
    assert set(figures) >= set().union(*KEYS.values()) | set(speed.GOALS)
    assert figures["silhouette_iou_min"].value > 0.9
    assert load(tmp_path / "speed-fast.json")["figures"].keys() == figures.keys()
    assert len(re.findall("reached|better|MISSED", told(figures, speed.GOALS))) == len(speed.GOALS)


def test_ratio_is_the_smallest_of_the_rounds() -> None:
    assert _rounds.ratio([30.0, 44.0, 36.0], [1.0, 2.0, 1.5]) == Figure(22.0, 22.0, 30.0, 3, "ratio")


def test_works_take_turns_after_a_warm_up() -> None:
    seen: list[str] = []
    works = {name: lambda name=name: seen.append(name) or 2 for name in "ab"}
    costs = _rounds.cpu_seconds(works, rounds=2, turns=2)
    assert "".join(seen) == "ab" * 5
    assert all(len(rounds) == 2 for rounds in costs.values())


def test_a_missed_goal_is_said() -> None:
    values = {"train_over_roofline": 0.4, "x": 1}
    lines = told({name: Figure(value, 1, 2, 3, "ratio") for name, value in values.items()}, speed.GOALS)
    assert ">= 0.55: MISSED" in lines.splitlines()[0] and ">=" not in lines.splitlines()[1]


def test_cpu_seconds_are_a_unit_of_work(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(_rounds.time, "process_time", lambda: clock[0])

    def work(seconds: float, units: int) -> int:
        clock[0] += seconds
        return units

    works = {"one": lambda: work(6.0, 3), "two": lambda: work(6.0, 6)}
    assert _rounds.cpu_seconds(works, 3, 2) == {"one": [2.0] * 3, "two": [1.0] * 3}


def test_median_rounds_keep_their_range() -> None:
    assert from_rounds([3.0, 1.0, 2.0], "ms", np.median) == Figure(2.0, 1.0, 3.0, 3, "ms")


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [[1.0]]])
def test_what_is_no_measurement_is_refused(values: list) -> None:
    with pytest.raises(InputError, match="finite"):
        from_rounds(values, "ms")


@pytest.mark.parametrize(
    ("values", "mean"), [([1, 2, 3, 4], 2.5), ([0, 1, 2, 30, 100], 10.1), ([7], 7.0), ([0, 6], 3.0), ([9, 0, 3], 3.5)]
)
def test_iqm_by_hand(values: list[float], mean: float) -> None:
    assert iqm(np.array(values)) == pytest.approx(mean)


def test_iqm_is_the_trimmed_mean_of_many_copies() -> None:
    values = np.random.default_rng(0).standard_normal(7)
    copies = np.sort(np.repeat(values, 4))  # 28 numbers: a quarter of them is 7
    assert iqm(values) == pytest.approx(copies[7:21].mean())


def test_bootstrap_covers_the_median() -> None:
    rng = np.random.default_rng(1)
    figures = [from_seeds(rng.standard_normal(25).tolist(), "cm") for _ in range(60)]
    assert all(f.low <= f.value <= f.high and f.n == 25 for f in figures)
    assert 0.85 <= np.mean([f.low <= 0 <= f.high for f in figures]) <= 1.0


def test_an_interval_is_of_the_statistic_that_is_given() -> None:
    values = [0.0, 1.0, 2.0, 30.0, 100.0]
    draws = np.random.default_rng(0).choice(values, (RESAMPLES, 5))
    for statistic in (np.median, iqm, np.max):
        _, low, high, *_ = from_seeds(values, "cm", statistic)
        assert (low, high) == pytest.approx(tuple(np.percentile(statistic(draws, axis=1), [2.5, 97.5])))


def test_bootstrap_of_equal_seeds_is_a_point() -> None:
    assert from_seeds([0.5] * 3, "fraction", iqm)[:3] == (0.5, 0.5, 0.5)


def test_silhouettes_against_sets() -> None:
    first, second = np.full((2, 64, 64), -1, np.int16)
    first[:32, :32], second[:32, 4:32] = 0, 0  # 1024 and 896 pixels, all shared: 7/8
    first[40:50, :10] = 1  # too small to count
    second[60:, 60:], first[60:, 60:] = 3, 3
    second[40:60, 20:40] = 2  # seen by one alone
    assert 100 < SMALLEST_PX <= 400
    assert dict(silhouettes(first, second, 4)) == {0: 7 / 8, 2: 0.0}


def test_dataloader_gives_what_the_store_gives(tiny_store: EpisodeStore) -> None:
    pick = random_frames(tiny_store.layout, np.random.default_rng(0), 40)
    clips, items = tiny_store.clips(pick), Samples(tiny_store)
    starts = np.append(0, np.cumsum(tiny_store.lengths * tiny_store.layout.views))
    assert len(items) == starts[-1]
    assert clips.action is not None and clips.proprio is not None
    assert clips.state is not None and clips.success is not None
    for row, (episode, view, step) in enumerate(zip(pick.episode, pick.view[:, 0], pick.step[:, 0, 0], strict=True)):
        frame, action, proprio, state, success = items[int(starts[episode] + view * tiny_store.lengths[episode] + step)]
        assert (frame == clips.frames[row, 0, 0].movedim(0, -1)).all()
        assert (action == clips.action[row, 0, 0]).all() and (proprio == clips.proprio[row, 0, 0]).all()
        assert (state == clips.state[row, 0, 0]).all()
        assert success == bool(clips.success[row])


def test_results_are_added_to(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    Results(path, "first").record({"a": Figure(1, 0, 2, 3, "m"), "b": Figure(1, 1, 1, 1, "m")})
    again = Results(path, "second", seeds=[0, 1])
    again.record({"b": Figure(5, 5, 5, 1, "m")})
    content = load(path)
    assert content["command"] == "second" and content["seeds"] == [0, 1]
    assert {name: fields["value"] for name, fields in content["figures"].items()} == {"a": 1, "b": 5}
    assert {p.name for p in tmp_path.iterdir()} == {"x.json", "x.lock"}


def test_a_run_that_is_under_way_replaces_no_figure_of_more_seeds(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    Results(path, "all").record({"a": Figure(1, 0, 2, 5, "m"), "b": Figure(1, 0, 2, 1, "m")})
    results = Results(path, "three", seeds=[0, 1, 2])
    for n, kept in ((1, 1), (2, 1), (3, 7)):
        results.record({"a": Figure(7, 0, 9, n, "m"), "b": Figure(7, 0, 9, n, "m")})
        assert results.figures["a"].value == kept and results.figures["b"].value == 7
    assert "`three` at" in tables.table(path, [])
    Results(path, "other", seeds=[0]).record({"c": Figure(1, 0, 2, 1, "m")})
    assert "`three`, `other` at" in tables.table(path, []) and "`three` at" in tables.table(path, ["a"])


def test_each_figure_keeps_where_it_is_from(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "x.json"
    for at, on, name in (("one", "a laptop", "a"), ("two", "a laptop", "b"), ("three", "a big one", "b")):
        monkeypatch.setattr(_figures, "origin", lambda at=at, on=on: Origin(at, on))
        Results(path, "c").record({name: Figure(1, 0, 2, 3, "m")})
    content = load(path)
    assert [fields.get("machine") for fields in content["figures"].values()] == ["a laptop", None]
    assert {name: fields["commit"] for name, fields in content["figures"].items()} == {"a": "one", "b": "three"}
    assert content["commit"] == "three" and Results(path, "c").figures["a"] == Figure(1, 0, 2, 3, "m")
    both, one = tables.table(path, []), tables.table(path, ["a"])
    assert "at `one; three`, last added to on 2" in both and "on a laptop; a big one\n" in both
    assert "at `one`, last added to on 2" in one and "on a laptop\n" in one


def test_what_is_no_longer_measured_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    names = ("rig.old", "rig.new", "ccrig.other")
    Results(path, "c").record({name: Figure(1, 0, 2, 3, "m") for name in names})
    results = Results(path, "c")
    results.drop_others(("rig.",), {"rig.new"})
    assert set(results.figures) == set(Results(path, "c").figures) == {"rig.new", "ccrig.other"}


def test_two_benches_of_one_file_keep_each_other_s_figures(tmp_path: Path) -> None:
    one, other = (Results(tmp_path / "x.json", name) for name in ("one", "other"))
    one.record({"rig.a": Figure(1, 0, 2, 3, "m")})
    other.record({"ccrig.a": Figure(2, 0, 2, 3, "m")})
    one.drop_others(("rig.",), {"rig.a"})
    assert set(Results(tmp_path / "x.json", "c").figures) == {"rig.a", "ccrig.a"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"figures": {}}'])
def test_damaged_figures_are_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"x\.json is not a file of figures"):
        Results(path, "c")


def test_a_figure_that_is_not_a_number_leaves_the_file(tmp_path: Path) -> None:
    results = Results(tmp_path / "x.json", "c")
    results.record({"a": Figure(1, 1, 1, 1, "m")})
    with pytest.raises(ValueError):
        results.record({"b": Figure(float("nan"), 1, 1, 1, "m")})
    assert set(load(tmp_path / "x.json")["figures"]) == {"a"}


def test_unwritable_results_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        Results(tmp_path / "file" / "x.json", "c").record({"a": Figure(1, 1, 1, 1, "m")})


@pytest.fixture
def readme(tmp_path: Path) -> tables.TablesConfig:
    figures = {"b": Figure(12.345, 0.5, 20000, 3, "ratio"), "a": Figure(0.01234, 0, 1, 50, "ms")}
    Results(tmp_path / "results" / "x.json", "python -m bench").record(figures)
    (tmp_path / "README.md").write_text("# Title\n<!-- figures x b -->\nold\n<!-- /figures -->\nend\n")
    return tables.TablesConfig((tmp_path / "README.md",), tmp_path / "results")


def test_tables_are_made_from_the_files(readme: tables.TablesConfig) -> None:
    assert tables.update(readme)
    text = readme.pages[0].read_text()
    assert text.startswith("# Title\n<!-- figures x b -->\n| figure |") and text.endswith("<!-- /figures -->\nend\n")
    assert "| `b` | 12.3 | 0.5 to 20000 | ratio | 3 |" in text and "`a`" not in text and "old" not in text
    assert "`python -m bench` at `" in text
    assert not tables.update(readme)  # a second time changes nothing


def test_a_marker_without_keys_shows_all(readme: tables.TablesConfig) -> None:
    text = tables.filled(readme.pages[0], "<!-- figures x -->\n<!-- /figures -->", readme.results)
    assert "| `a` | 0.0123 |" in text and "| `b` |" in text


def test_what_is_asked_stands_beside_each_figure_of_a_file_with_goals(tmp_path: Path) -> None:
    measured = {"train_over_roofline": Figure(0.5, 0.4, 0.6, 3, "ratio"), "cores": Figure(2, 2, 2, 1, "cores")}
    Results(tmp_path / "speed.json", "c").record(measured)
    lines = tables.table(tmp_path / "speed.json", []).splitlines()
    assert lines[0] == "| figure | value | range | asked | unit | n |"
    assert "| `train_over_roofline` | 0.5 | 0.4 to 0.6 | >= 0.55: MISSED | ratio | 3 |" in lines
    assert "| `cores` | 2 | 2 to 2 |  | cores | 1 |" in lines


def test_a_board_has_a_row_for_all_that_has_the_metrics(tmp_path: Path) -> None:
    path = tmp_path / "backbones.json"
    values = {"jigsaw.success": 0.4, "jigsaw.r2": 0.9, "random.success": 0.1, "random.r2": 0.8, "half.success": 0.3}
    values |= {"depth_gain.success": 0.3, "depth_gain.r2": 0.3}
    Results(path, "c").record({name: Figure(value, 0.05, 1, 3, "fraction") for name, value in values.items()})
    lines = tables.table(path, ["by", "success", "r2"]).splitlines()
    assert lines[:4] == [
        "| | `success` | `r2` |", "|---|---:|---:|", "| `jigsaw` | 0.4 (0.05 to 1) | 0.9 (0.05 to 1) |",
        "| `random` | 0.1 (0.05 to 1) | 0.8 (0.05 to 1) |",
    ]  # fmt: skip
    assert len(lines) == 6
    for metrics in (["success", "nonsense"], []):
        with pytest.raises(DataError, match=f"backbones.json has all of {', '.join(metrics)}; mend"):
            tables.table(path, ["by", *metrics])


def test_no_goal_that_is_missed_is_missing_from_the_figures() -> None:
    root = Path(__file__).parents[2]
    text = (root / "docs" / "figures.md").read_text()
    for name, goals in tables.GOALS.items():
        shown = "".join(re.findall(rf"<!-- figures {name} .*?<!-- /figures -->", text, re.DOTALL))
        content = load(root / "results" / f"{name}.json")
        for key, goal in goals.items():
            if key in content["figures"] and verdict(figure_of(content["figures"][key]), goal).endswith(MISSED):
                assert f"| `{key}` |" in shown, f"{name}: {key}"


def test_stale_tables_are_found_and_left(readme: tables.TablesConfig) -> None:
    before = readme.pages[0].read_text()
    with pytest.raises(DataError, match=r"run scripts/bench/tables\.py"):
        tables.update(tables.TablesConfig(readme.pages, readme.results, check=True))
    assert readme.pages[0].read_text() == before


def test_of_several_pages_every_stale_one_is_found_and_written(readme: tables.TablesConfig) -> None:
    tables.update(readme)
    other, third = (readme.pages[0].with_name(name) for name in ("other.md", "third.md"))
    for page in (other, third):
        page.write_text("<!-- figures x b -->\n<!-- /figures -->")
    several = tables.TablesConfig((*readme.pages, other, third), readme.results)
    with pytest.raises(DataError, match=f"not shown by {other}, {third}; run"):
        tables.update(replace(several, check=True))
    assert tables.update(several) and "| `b` |" in other.read_text() and "| `b` |" in third.read_text()
    assert tables.TablesConfig().pages == (Path("README.md"), Path("docs/figures.md"))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("<!-- figures x -->\n", InputError),
        ("<!-- figures nothing -->\n<!-- /figures -->", DataError),
        ("<!-- figures x c -->\n<!-- /figures -->", DataError),
    ],
)
def test_bad_markers_are_named(text: str, error: type[Exception], readme: tables.TablesConfig) -> None:
    with pytest.raises(error):
        tables.filled(readme.pages[0], text, readme.results)
