"""The report: every part of a run is on the page or named as missing, and nothing of anyone's data is markup."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from report_toys import CURVE, Page, fill_demo, fill_embedding, fill_store, result

from agents.report import latent, video
from agents.report.config import ReportConfig
from agents.report.folder import RunFolder, as_figure
from agents.report.plots import curve
from agents.report.sections import evaluation, learning
from agents.report.write import write_report
from sslctrl import checkpoint
from sslctrl.clips import Episode
from sslctrl.errors import DataError, InputError, StorageError
from sslctrl.fit_config import FitConfig
from sslctrl.history import History
from sslctrl.store import EpisodeStore
from sslctrl.training_state import KIND, spec_of
from vision.build import ObjectiveSpec, build_objective
from vision.train import train_pretext
from vision.train_config import PretextConfig

EVIL = "<img src=x onerror=alert(1)>'\"&$x_$</text></svg><script>alert(2)</script>"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill_demo(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def page(demo: Path) -> Page:
    return Page(write_report(ReportConfig(run=demo)))


def test_a_whole_demo_is_all_on_the_page(page: Page) -> None:
    assert page.notes == []
    films = page.all("video")
    assert len(films) == 2 + 2 + 2 + 3 + 1  # hero, demonstration, rollouts, rewards, alignment
    assert all((film["src"] or "").startswith("data:video/mp4;base64,") for film in films)
    # rollouts, evaluation, rewards, alignment, distances, policy, embedding
    assert len(page.all("svg")) == 1 + 1 + 4 + 2 + 1 + 3 + 2
    assert "from 80 % of 40 fresh starts" in page.text and "12.3" in page.text and "40 % to 100 %" in page.text


def test_the_page_loads_nothing(page: Page) -> None:
    links = [value for _, attrs in page.elements for name, value in attrs.items() if name in ("src", "poster", "data")]
    links += [attrs.get("href") or attrs.get("xlink:href") for name, attrs in page.elements if name != "details"]
    assert all(link.startswith(("data:", "#")) for link in links if link)
    assert not page.all("link") and not re.search(r"@import|url\((?!#)", page.html)
    policy = [attrs["content"] for attrs in page.all("meta") if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert policy and "default-src 'none'" in str(policy[0])


def test_ids_are_unique(page: Page) -> None:
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    used = re.findall(r'(?:xlink:href="#|url\(#)([^")]+)', page.html)
    assert set(used) <= set(ids)


def test_drawings_follow_the_colour_scheme(page: Page) -> None:
    assert not re.search("#01020[0-9]", page.html) and "var(--ours)" in page.html
    assert "prefers-color-scheme: dark" in page.html


def test_cameras_are_the_policys_own(page: Page) -> None:
    assert "between camera right now and camera front at the demonstration's end" in page.text


def test_the_goals_are_the_policys_own(tmp_path: Path) -> None:
    demo = fill_demo(tmp_path / "demo")
    (demo / "agent" / "config.yaml").write_text(json.dumps({"goal_from": "imagined"}))
    text = Page(write_report(ReportConfig(run=demo))).text
    assert "Its distance to goals that it imagined was the only reward" in text and "one demonstration was" not in text


def test_data_is_never_markup(tmp_path: Path, page: Page) -> None:
    demo = fill_demo(tmp_path / "demo", EVIL, camera=EVIL)
    evil = Page(write_report(ReportConfig(run=demo)))
    assert evil.notes == []
    assert [name for name, _ in evil.elements if name in ("script", "img")] == ["script"]
    assert len(evil.all("svg")) == len(page.all("svg")) and len(evil.all("video")) == len(page.all("video"))
    assert not [attrs for _, attrs in evil.elements if any(name.startswith("on") for name in attrs)]
    assert evil.text.count("<img src=x onerror=alert(1)>") >= 8  # shown as what it is


@pytest.mark.parametrize("kind", ["begun", "embedding", "agent", "evaluation"])
def test_what_is_missing_is_named_with_its_command(tmp_path: Path, kind: str) -> None:
    if kind == "begun":
        (tmp_path / "video" / "demonstration").mkdir(parents=True)
    elif kind == "embedding":
        fill_embedding(tmp_path)
        fill_store(tmp_path / "elsewhere", 2)
        (tmp_path / "config.yaml").write_text(json.dumps({"eval_store": str(tmp_path / "elsewhere")}))
    elif kind == "agent":
        (tmp_path / "curve.jsonl").write_text(json.dumps(CURVE[1]))
    elif kind == "evaluation":
        content = {"goal_m": None, "policies": {"agent": result(0.5), "expert": result(1.0)}}
        (tmp_path / "evaluation.json").write_text(json.dumps(content))
        fill_store(tmp_path / "agent", 2, policy="agent")
    page = Page(write_report(ReportConfig(run=tmp_path)))
    drawn = {"begun": 0, "embedding": 5, "agent": 3, "evaluation": 2}
    films = {"begun": 0, "embedding": 1, "agent": 0, "evaluation": 4}
    assert len(page.all("svg")) == drawn[kind] and len(page.all("video")) == films[kind]
    assert len(page.notes) == {"begun": 8, "embedding": 0, "agent": 0, "evaluation": 0}[kind], page.notes
    assert ("scripts/demo.py" in page.text) == (kind == "begun")
    assert ("Nothing of this run" in page.text) == (kind == "begun")


def test_damage_is_said_and_the_rest_is_shown(tmp_path: Path) -> None:
    demo = fill_demo(tmp_path / "demo")
    (demo / "demo.json").write_text('{"figures": ')
    next((demo / "embedding").rglob("*.safetensors")).write_bytes(b"cut")
    next((demo / "evaluation" / "agent").glob("*/frames.npy")).write_bytes(b"cut")
    page = Page(write_report(ReportConfig(run=demo)))
    for part in ("demo.json is not JSON", "weights.safetensors", "frames.npy"):
        assert part in page.text
    assert len(page.all("svg")) >= 3
    (demo / "agent" / "config.yaml").write_text("a: [1")
    again = Page(write_report(ReportConfig(run=demo)))
    assert again.text.count("config.yaml is not YAML") == 1 and len(again.all("svg")) == len(page.all("svg"))


def test_errors_of_the_caller(tmp_path: Path, demo: Path) -> None:
    with pytest.raises(InputError, match="no run folder"):
        write_report(ReportConfig(run=tmp_path / "none"))
    with pytest.raises(InputError, match="holds nothing of a run yet"):
        write_report(ReportConfig(run=tmp_path))
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        write_report(ReportConfig(run=demo, out=tmp_path / "file" / "report.html"))


def test_the_config_needs_no_torch() -> None:
    code = "import sys, agents.report.config; sys.exit('torch' in sys.modules or 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_mp4_plays_back_what_was_put_in() -> None:
    frames = np.stack([np.full((33, 40, 3), level, np.uint8) for level in (20, 120, 220)])
    with av.open(io.BytesIO(video.mp4(frames, fps=12.5)), "r") as file:
        stream = file.streams.video[0]
        decoded = [frame.to_ndarray(format="rgb24") for frame in file.decode(stream)]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert float(stream.average_rate or 0) == 12.5
    assert [image.shape for image in decoded] == [(34, 40, 3)] * 3
    assert np.allclose([image.mean() for image in decoded], (20, 120, 220), atol=6)


def test_mp4_stays_small() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 128, 128, 3)).astype(np.uint8)
    assert len(video.mp4(noise, 12)) <= video.LARGEST_BYTES


@pytest.mark.parametrize(
    "frames", [np.zeros((2, 8, 8), np.uint8), np.zeros((2, 8, 8, 3)), np.zeros((0, 8, 8, 3), np.uint8)]
)
def test_mp4_refuses_what_is_no_video(frames: np.ndarray) -> None:
    with pytest.raises(InputError, match="allowed are uint8"):
        video.mp4(frames, 10)


def an_episode(names: list[str], state: np.ndarray, shade: np.ndarray) -> Episode:
    """One whose pictures are one grey, `shade` (T,), all over."""
    frames = np.broadcast_to(shade.astype(np.uint8)[None, :, None, None, None], (2, len(shade), 4, 4, 3))
    none = np.zeros((len(shade), 0), np.float32)
    meta = {"cameras": ["a", "b"], "state_names": names, "dt_s": 0.5}
    return Episode(frames, state, none, none[1:], none[1:], meta)


class Grey:
    dim, size_px, history = 1, 4, History()

    def embed_hwc(self, frames: np.ndarray) -> np.ndarray:
        return frames.mean(axis=(1, 2, 3), dtype=np.float32)[:, None]


def test_progress_is_distance_of_the_object_to_the_demonstrations_end() -> None:
    names = ["hand_x", "hand_y", "hand_vx", "hand_vy", "puck_x", "puck_y", "puck_vx", "puck_vy"]
    state = np.zeros((3, 8), np.float32)
    state[:, 4:6] = [[0.3, 0.4], [0.0, 0.2], [0.0, 0.0]]
    state[:, :4] = state[:, 6:] = 9.0  # neither the hand nor any velocity counts
    episode = an_episode(names, state, np.array([10, 40, 60]))
    found = latent.progress(Grey(), episode, "a", episode, "b")
    assert found.distance_m == pytest.approx([0.5, 0.2, 0.0]) and found.seconds.tolist() == [0.0, 0.5, 1.0]
    assert found.learned.tolist() == [-50.0, -20.0, 0.0]
    assert found.pixels == pytest.approx(np.array([-50, -20, 0]) / 255 * np.sqrt(48))
    assert found.rank_correlation(found.learned) == pytest.approx(1.0)
    assert found._replace(distance_m=np.full(3, 0.4)).rank_correlation(found.learned) is None


def test_the_episode_shown_is_the_median_one(tmp_path: Path) -> None:
    fill_store(tmp_path / "video", 5)
    fill_embedding(tmp_path)
    store, embedding = EpisodeStore(tmp_path / "video"), RunFolder(tmp_path).embedding
    found = latent.median_alignment(embedding, store, ("front", "right"))
    alone = [latent.median_alignment(embedding, store.subset([id]), ("front", "right")).error for id in store.ids]
    assert found.error == np.median(alone) and found.episodes == 5
    assert np.array_equal(found.distances[np.arange(9), found.neighbors], found.distances.min(axis=1))


def test_figures_fall_back_to_where_they_were_measured(demo: Path, tmp_path: Path) -> None:
    folder = RunFolder(demo)
    policy, random = folder.figure("policy_success"), folder.figure("random_success")
    assert policy is not None and policy.value == 0.8 and random is not None and random.value == 0.1
    assert folder.figure("expert_success") is None
    (tmp_path / "metrics.json").write_text(json.dumps({"alignment_error": 0.1, "alignment_floor": 0.02}))
    (tmp_path / "metrics.jsonl").write_text("")
    marks = [RunFolder(tmp_path).figure(name) for name in ("tcn_alignment_error", "alignment_floor")]
    assert [mark and mark.value for mark in marks] == [0.1, 0.02]
    alone = RunFolder(demo / "agent").figure("policy_success")
    assert alone is not None and alone.value == CURVE[-1]["success"]
    for bad in (None, 3, {"value": "3"}, {"value": float("nan")}, {"value": True}):
        assert as_figure(bad) is None


def test_a_cut_line_and_text_in_a_curve_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "curve.jsonl").write_text('{"step": 20, "success": 1}\n{"step": 10, "success": "x"}\n[1]\n{"step": 3')
    assert RunFolder(tmp_path).lines("agent/curve.jsonl") == [{"step": 10}, {"step": 20, "success": 1}]
    assert len(next(iter(learning(RunFolder(tmp_path)))).plots) == 1  # type: ignore[union-attr]


def test_an_evaluation_of_nobody_is_damage(tmp_path: Path) -> None:
    (tmp_path / "evaluation.json").write_text('{"agent": {"success": "high"}}')
    with pytest.raises(DataError, match="nobody"):
        list(evaluation(RunFolder(tmp_path)))


def test_drawings_are_reproducible() -> None:
    first, second = (curve([1, 2], [0.1, 0.2], "success", "same").svg for _ in range(2))
    assert first == second


def test_a_curve_shows_its_intervals() -> None:
    bare, banded = (curve([0, 1, 2], [1, 3, 2], "x", "x", band=band).svg for band in ((), [(0, 2), (2, 4), (1, 3)]))
    assert "opacity: 0.15" not in bare and "opacity: 0.15" in banded


def test_each_of_several_pretext_tasks_is_shown(tiny_store: EpisodeStore, tmp_path: Path) -> None:
    fit = FitConfig(steps=2, warmup=0, device="cpu", progress=False)
    net = {"widths": [4, 8], "strides": [2, 2]}
    asked = PretextConfig(
        tmp_path / "run", tiny_store.root, task="rotation+arrow_of_time", backbone_options=net, fit=fit
    )
    train_pretext(asked)
    page = Page(write_report(ReportConfig(tmp_path / "run")))
    assert "Rotation and arrow of time are pretext tasks" in page.text
    assert "turned back by the angle that the net says" in page.text and "as the net says that time runs" in page.text
    assert len({image["xlink:href"] for image in page.all("image")}) == 3  # two tasks and the first layer


def test_a_run_of_ones_own_backbone_is_opened_where_that_is_allowed(tiny_store: EpisodeStore, tmp_path: Path) -> None:
    own = "vision.backbones.conv:Conv"
    fit = FitConfig(steps=2, warmup=0, device="cpu", progress=False)
    train_pretext(PretextConfig(tmp_path / "run", tiny_store.root, task="rotation", backbone=own, fit=fit))
    refused, opened = (Page(write_report(ReportConfig(tmp_path / "run", allow=allow))).text for allow in ((), (own,)))
    assert f"if you trust it, give --allow {own}" in refused and "give --allow" not in opened


@pytest.mark.parametrize(
    ("name", "options", "pair"),
    [
        ("vae", {"camera": "left"}, ("left", "front")),
        ("tcn", {"cameras": ["right", "left"]}, ("right", "left")),
        ("vae", {}, ("front", "left")),
    ],
)
def test_an_embeddings_own_cameras_come_first(
    name: str, options: dict[str, Any], pair: tuple[str, str], tmp_path: Path
) -> None:
    objective = build_objective(ObjectiveSpec(name, {"size_px": 32, **options}, "conv", {"widths": [4, 4, 8]}))
    checkpoint.save(tmp_path / "checkpoints" / "step-00000001", KIND, spec_of(objective), objective.state_dict(), {})
    (tmp_path / "metrics.jsonl").write_text("")
    assert RunFolder(tmp_path).camera_pair(["front", "left", "right"]) == pair


def test_no_demo_is_advised_in_a_training_s_run(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text("")
    assert RunFolder(tmp_path).maker("agent") == "python scripts/train_agent.py makes it"
    (tmp_path / "demo.json").write_text("{}")
    assert f"python scripts/demo.py --run {tmp_path}, or python" in RunFolder(tmp_path).maker("agent")
