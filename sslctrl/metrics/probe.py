"""What can be read from an embedding: regression of the true state, on episodes that the probe did not see."""

from __future__ import annotations

from typing import Literal

import numpy as np

from sslctrl.errors import InputError

_LIMIT = 3.0


def probe_r2(
    z: np.ndarray,
    target: np.ndarray,
    episode: np.ndarray,
    kind: Literal["linear", "mlp"] = "linear",
    test_fraction: float = 0.3,
    seed: int = 0,
) -> np.ndarray:
    """Return R^2 of each target's coordinate, (S,), from embeddings z (N, D), on held-out episodes.

    target: (N, S); episode: (N,), which episode each row is of: whole episodes are held out, since neighbouring frames
    are nearly the same. Features count up to 3 standard deviations: one that other episodes hardly use may be at 60 in
    a frame held out, and R^2 would be that frame's alone. `linear`: ridge, its strength by leaving out a fifth of the
    episodes; `mlp`: two hidden layers of 64, stopped early. 1 is perfect, 0 as good as the mean, or a coordinate that
    does not vary. Raises InputError on shapes, values that are not finite, or fewer than 2 episodes.
    """
    z, target, episode = np.asarray(z, np.float64), np.asarray(target), np.asarray(episode)
    if z.ndim != 2 or target.ndim != 2 or episode.shape != z.shape[:1] or len(target) != len(z):
        raise InputError(
            f"z, target, episode are {z.shape}, {target.shape}, {episode.shape}; "
            "allowed are (N, D), (N, S), (N,); reshape them"
        )
    if not (np.isfinite(z).all() and np.isfinite(target).all()):
        raise InputError("z or target is not finite; allowed are finite numbers; see what went wrong in training")
    if len(np.unique(episode)) < 2:
        raise InputError("all rows are of one episode; allowed are 2 episodes or more, to hold some out; record more")
    from sklearn.metrics import r2_score
    from sklearn.model_selection import GroupShuffleSplit

    split = GroupShuffleSplit(n_splits=1, test_size=test_fraction, random_state=seed)
    train, test = next(split.split(z, groups=episode))
    fitted = target[train, 0] if target.shape[1] == 1 else target[train]  # sklearn warns of a single column
    model = _model(kind, seed, episode[train]).fit(z[train], fitted)
    predicted = np.asarray(model.predict(z[test])).reshape(len(test), -1)
    varies = np.ptp(target[test], axis=0) > 0
    return np.where(varies, r2_score(target[test], predicted, multioutput="raw_values"), 0.0)


def _model(kind: Literal["linear", "mlp"], seed: int, episode: np.ndarray):
    """Return an untrained regressor that standardises z and target by the training rows."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import GroupKFold
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    if kind == "linear":
        folds = min(5, len(np.unique(episode)))
        # Left out by single frames, one would be told by its neighbours, and any strength would do
        parts = list(GroupKFold(folds).split(episode, groups=episode)) if folds > 1 else None
        regressor = RidgeCV(alphas=np.logspace(-2, 6, 9), cv=parts)
    elif kind == "mlp":
        # max_iter is beyond what early stopping ever needs, so that no fit ends unconverged
        regressor = MLPRegressor(
            hidden_layer_sizes=(64, 64), early_stopping=True, n_iter_no_change=15, max_iter=2000, random_state=seed
        )
    else:
        raise InputError(f"kind is {kind!r}; allowed are linear, mlp; change it")
    limited = FunctionTransformer(np.clip, kw_args={"a_min": -_LIMIT, "a_max": _LIMIT})
    scaled = make_pipeline(StandardScaler(), limited, regressor)
    return TransformedTargetRegressor(scaled, transformer=StandardScaler(), check_inverse=False)
