"""What agents are trained and evaluated with. Imports neither torch nor SB3: `--help` is quick."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from sslctrl.errors import InputError, check_least, nearest

ALGORITHMS = ("sac", "td3", "ppo", "tqc")
OFF_POLICY = ("sac", "td3", "tqc")
POLICIES = ("agent", "do_nothing", "random", "expert")
RewardFrom = Literal["embedding", "pixels", "state"]
GoalFrom = Literal["final", "steps", "imagined", "shown"]
Observe = Literal["embedding", "state"]
Variety = Literal["", "fixed", "train", "heldout"]
Device = Literal["auto", "cpu", "cuda"]
FREE = (
    "run", "embedding", "prior", "demonstration", "init", "record", "device", "threads", "checkpoint_every", "progress"
)  # fmt: skip
"""Fields that may change when a run goes on; the embedding's weights are compared instead of its path."""


@dataclass(frozen=True)
class TrainAgentConfig:
    """Train a policy on a learned reward. Raises InputError for a value that cannot be."""

    run: Path
    """Folder of the run; one that was stopped goes on from its last checkpoint."""
    env_id: str = "sslctrl/Push-v0"
    """Gymnasium id of the world."""
    variety: Variety = ""
    """Where colours and shapes come from; by default the world's own: fixed, or, of PushVaried and Grasp, train."""
    algorithm: str = "sac"
    """sac, td3, tqc (needs sb3-contrib); or ppo, which learns from whole rollouts: steps are rounded up to these."""
    steps: int = 15_000
    """Control steps in all, over all worlds; the random first ones included."""
    seed: int = 0
    """Decides the worlds' starts, the policy's first weights and its noise."""
    n_envs: int = 4
    """Worlds side by side; as many gradient steps as control steps are taken whatever it is."""
    processes: bool = False
    """Run each world in a process of its own."""
    camera: str = "front"
    """The camera that the policy sees through."""
    embedding: Path | None = None
    """Checkpoint folder of a trained embedding, or its run folder, for the newest."""
    reward_from: RewardFrom = "embedding"
    """embedding; pixels: raw frames, with her averaged to 16 x 16, as every transition keeps its goal; state: minus the
    true distance, metres."""
    observe: Observe = "embedding"
    """What the policy sees: embedding, its change, proprioception and time; or the true state and time (an oracle)."""
    reward: str = "latent_distance"
    """A reward's name (latent_distance, huber, cosine), or your own package.module:Class."""
    reward_options: dict[str, Any] = field(default_factory=dict)
    """The reward's options, as alpha=1 beta=1."""
    demonstration: Path | None = None
    """Store whose first episode is the one demonstration: it fixes the goal; by default each start draws a goal."""
    demo_camera: str = "left"
    """The camera that the demonstration was seen from."""
    goal_from: GoalFrom = "final"
    """final, steps: be as the demonstration's last frame, or at each time as its frame of that time. imagined: a goal
    drawn from the embedding's prior for each episode, and pictures of goals in evaluation. shown: pictures always."""
    prior: Path | None = None
    """Store of video that fills the replay buffer before the first step; batches are drawn from all alike. It sets the
    scales of observations and rewards as well; of ppo, which has no buffer, these alone."""
    init: Path | None = None
    """An agent's checkpoint, or its run folder, whose weights and scales this one begins with."""
    record: Path | None = None
    """Store that every episode of training is added to, as the policy's camera saw it; none: they are not kept."""
    her: bool = False
    """A policy that sees the goal, trained on goals reached later as well (HER, Andrychowicz et al. 2017)."""
    relabel_future: float = 0.8
    """Share of a batch, with her, whose goals are replaced by what was reached later."""
    relabel_prior: float = 0.0
    """Share of a batch, with her and imagined goals, whose goals are replaced by imagined ones; RIG has .5, and .3."""
    warmup: int = 1_000
    """Random steps before learning where there is no prior; they set the scales of observations and rewards."""
    lr: float = 1e-3
    """Adam's learning rate."""
    gamma: float = 0.95
    """Discount a control step."""
    batch_size: int = 256
    """Transitions a gradient step."""
    net: tuple[int, ...] = (128, 128)
    """Widths of the hidden layers of policy and critics."""
    eval_every: int = 2_500
    """Steps between evaluations on the true task, appended to curve.jsonl; 0: none."""
    eval_episodes: int = 20
    """Episodes of each evaluation; the same starts every time."""
    checkpoint_every: int = 5_000
    """Steps from one checkpoint to the next; the newest two are kept."""
    allow: tuple[str, ...] = ()
    """Your own package.module:Class names that the embedding's checkpoint may import."""
    device: Device = "cpu"
    """Nets this small are fastest on the CPU."""
    threads: int = 1
    """CPU threads of torch."""
    progress: bool = True
    """Show a progress bar on a terminal."""

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS:
            raise InputError(
                f"algorithm {self.algorithm!r} given; the nearest are {nearest(self.algorithm, ALGORITHMS)}; choose one"
            )
        check_least(1, steps=self.steps, n_envs=self.n_envs, threads=self.threads)
        check_least(1, checkpoint_every=self.checkpoint_every, eval_episodes=self.eval_episodes)
        check_least(0, eval_every=self.eval_every, seed=self.seed)
        check_least(2, batch_size=self.batch_size)
        check_least(100, warmup=self.warmup)
        if not 0 < self.lr < float("inf") or not 0 <= self.gamma < 1:
            raise InputError(f"lr is {self.lr}, gamma {self.gamma}; allowed are lr > 0 and 0 <= gamma < 1; change them")
        if not self.net or min(self.net) < 1:
            raise InputError(f"net is {self.net}; allowed are widths of 1 or more, as 128 128; change it")
        choices = {
            "variety": Variety, "reward_from": RewardFrom, "observe": Observe, "goal_from": GoalFrom, "device": Device
        }  # fmt: skip
        for name, kind in choices.items():
            if (given := getattr(self, name)) not in (allowed := get_args(kind)):
                raise InputError(f"{name} is {given!r}; the nearest are {nearest(given, allowed)}; choose one")
        shares = self.relabel_future, self.relabel_prior
        if not (min(shares) >= 0 and sum(shares) <= 1):
            raise InputError(
                f"relabel_future is {shares[0]}, relabel_prior {shares[1]}; allowed are 0 or more, 1 together"
            )
        self._check_together()

    @property
    def uses_embedding(self) -> bool:
        """Whether an embedding is what the policy sees, or is rewarded by."""
        return "embedding" in (self.observe, self.reward_from)

    def _check_together(self) -> None:
        """Refuse options that do not go together."""
        if self.uses_embedding and self.embedding is None:
            raise InputError(
                f"observe={self.observe} and reward_from={self.reward_from} need an embedding, and none is given; "
                "name its checkpoint folder, or use observe=state with reward_from=state"
            )
        varied = self.goal_from in ("imagined", "shown")
        if varied and self.demonstration is not None:
            raise InputError(f"a demonstration is given, and goal_from={self.goal_from} has no use for it; drop one")
        if self.reward_from != "state" and self.demonstration is None and not varied:
            raise InputError(
                f"reward_from={self.reward_from} needs a demonstration, and none is given; name a store that holds "
                "one, or use goal_from=imagined or shown"
            )
        if self.reward_from == "state" and (self.goal_from == "steps" or self.reward != "latent_distance"):
            raise InputError(
                f"reward_from=state with goal_from={self.goal_from}, reward={self.reward}; the true distance has one "
                "goal an episode and no other form; allowed are other goal_from, and no reward; change one"
            )
        if self.reward_from == "state" and self.reward_options:
            raise InputError(
                f"reward_options={self.reward_options} with reward_from=state; the true distance has none; drop them"
            )
        if not self.her and self.relabel_future != TrainAgentConfig.relabel_future:
            raise InputError(f"relabel_future is {self.relabel_future}, and only her relabels goals; give her, too")
        stores = [Path(path).resolve() for path in (self.prior, self.record) if path is not None]
        if len(set(stores)) < len(stores):
            raise InputError(
                f"record and prior are both {self.record}, and a run goes on only with the prior that it began with; "
                "allowed are two stores; record into another"
            )
        if self.goal_from == "imagined" and self.reward_from != "embedding":
            raise InputError(
                f"goal_from=imagined with reward_from={self.reward_from}; an embedding's prior imagines goals; allowed "
                "is reward_from=embedding; change one"
            )
        if self.relabel_prior and self.goal_from != "imagined":
            raise InputError(
                f"relabel_prior is {self.relabel_prior} with goal_from={self.goal_from}; allowed is goal_from=imagined"
            )
        if self.demonstration is None and not self.her:
            raise InputError(
                "no demonstration is given, so that goals vary, and only policies with her see the goal; "
                "give a demonstration, or her"
            )
        if self.her and (self.algorithm not in OFF_POLICY or self.goal_from == "steps"):
            raise InputError(
                f"her with algorithm={self.algorithm}, goal_from={self.goal_from}; "
                f"allowed are {', '.join(OFF_POLICY)}, and any goal_from but steps; change one"
            )


@dataclass(frozen=True)
class EvaluateConfig:
    """Measure policies on the true task, all from the same starts. Raises InputError for a value that cannot be."""

    out: Path
    """Folder that evaluation.json, and what is recorded, goes to: of one agent, at the same starts of one world."""
    agent: Path | None = None
    """A trained agent's checkpoint, or its run folder."""
    policies: tuple[str, ...] = POLICIES
    """Who is measured: agent, do_nothing, random, expert."""
    env_id: str = ""
    """Gymnasium id of the world; by default the agent's, which it must be for an agent, or sslctrl/Push-v0."""
    variety: Variety = ""
    """Where colours and shapes come from; by default as the agent learned, or as the world says."""
    camera: str = ""
    """Another camera for the agent to see through; by default its own."""
    randomize: float = 0.0
    """Strength of random colours, light and jitter of the cameras, from 0 to 1: a world that looks otherwise."""
    orbit_rad: float = 0.0
    """How far each episode carries each camera round the scene, either way."""
    demonstration: Path | None = None
    """Store whose first episode's final true state is the goal, for an agent of one goal its own; by default the
    agent's, or each start's own.
    """
    episodes: int = 100
    """How many starts."""
    seed: int = 1_000_000
    """Start i is drawn from this plus i; training never uses these."""
    allow: tuple[str, ...] = ()
    """Your own package.module:Class names that the checkpoints may import."""
    record: int = 0
    """How many of the episodes of each policy are recorded, all cameras, into <out>/<policy>."""
    record_px: int = 128
    """Side of the recorded frames."""
    threads: int = 1
    """CPU threads of torch."""

    def __post_init__(self) -> None:
        for name in self.policies:
            if name not in POLICIES:
                raise InputError(f"policy {name!r} given; the nearest are {nearest(name, POLICIES)}; choose one")
        if "agent" in self.policies and self.agent is None:
            raise InputError(
                "policy 'agent' is to be measured and no agent is given; name a checkpoint or a run folder"
            )
        check_least(1, episodes=self.episodes, threads=self.threads)
        check_least(8, record_px=self.record_px)
        check_least(0, record=self.record, seed=self.seed)
