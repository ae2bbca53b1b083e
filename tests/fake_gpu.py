"""A GPU for machines that have none: tensors that say they are on it compute on the CPU, and refuse what a GPU's would.

Refused are operations on tensors of both, draws from the other's generator and NumPy's view of a GPU's memory. A number
(0 dimensions) of the CPU and an index from it are taken, as CUDA takes them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from sslctrl.clips import Clips

GPU = torch.device("cuda:0")
_CPU = torch.device("cpu")
_ANSWERS = {torch.Tensor.device.__get__: GPU, torch.Tensor.is_cuda.__get__: True}  # type: ignore[attr-defined]
_READS = (torch.Tensor.numpy, torch.Tensor.__array__)
_MOVES = (torch.Tensor.to, torch.Tensor.cuda, torch.Tensor.cpu)
_FILLS = (torch.Tensor.copy_, torch.Tensor.__setitem__)
_JOINS = (torch.cat, torch.stack)


class OnGpu(torch.Tensor):
    """A tensor that is taken for a GPU's."""


class GpuGenerator(torch.Generator):
    """A generator that is taken for a GPU's."""

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        """The GPU."""
        return GPU


class FakeGpu(TorchFunctionMode):
    """While it is entered, `cuda` is a device, and modules move to it."""

    def __torch_function__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        """Call a function whose arguments are of one device, and say where its results are."""
        kwargs, name = kwargs or {}, getattr(function, "__name__", "")
        leaves = tree_leaves((args, kwargs))
        tensors = _tensors((args, kwargs))
        there = [one for one in tensors if isinstance(one, OnGpu)]
        if there and function in _ANSWERS:
            return _ANSWERS[function]
        if name == "_parse_to":  # of a module that is to move
            return function(*args, **kwargs)
        if name == "_has_compatible_shallow_copy_type":  # whose weights there are other tensors
            return all(isinstance(one, OnGpu) == isinstance(tensors[0], OnGpu) for one in tensors)
        if there and function in _READS:
            raise TypeError("can't convert cuda:0 device type tensor to numpy")
        device = _device_of_result(function, args, kwargs, GPU if there else _CPU)
        _check(function, args, tensors, device, [leaf for leaf in leaves if isinstance(leaf, torch.Generator)])
        args, kwargs = tree_map(_really, args), dict(tree_map(_really, kwargs))
        with torch._C.DisableTorchFunctionSubclass():
            if function in _MOVES and isinstance(args[0], OnGpu) != (device == GPU):
                args = (args[0].clone(), *args[1:])
            out = function(*args, **kwargs) if function is not torch.Tensor.cuda else args[0]
        return out if function in _READS else tree_map(_marked if device == GPU else _unmarked, out)


def generator(seed: int = 0) -> torch.Generator:
    """Return a generator of the GPU's."""
    drawn = GpuGenerator()
    drawn.manual_seed(seed)
    return drawn


def moved(clips: Clips) -> Clips:
    """Return clips on the GPU, as `fit` hands them over."""
    parts: dict[str, Any] = {
        name: value.cuda() for name, value in clips._asdict().items() if isinstance(value, torch.Tensor)
    }
    return clips._replace(**parts, others=tuple(map(moved, clips.others)))


def _marked(value: Any) -> Any:
    """Return a tensor, or all of a tuple such as `max` returns, as a GPU's; anything else as it is."""
    if isinstance(value, tuple) and not isinstance(value, torch.Size):
        return type(value)(map(_marked, value))
    return value.as_subclass(OnGpu) if isinstance(value, torch.Tensor) and not isinstance(value, OnGpu) else value


def _tensors(value: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, torch.Tensor)]


def _unmarked(value: Any) -> Any:
    return value.as_subclass(torch.Tensor) if isinstance(value, OnGpu) else value


def _really(value: Any) -> Any:
    """Return `cuda` as the device that computes."""
    return "cpu" if _is_device(value) and torch.device(value).type == "cuda" else value


def _is_device(value: Any) -> bool:
    return isinstance(value, torch.device) or (isinstance(value, str) and value.split(":")[0] in ("cuda", "cpu"))


def _device_of_result(function: Any, args: tuple, kwargs: dict, given: torch.device) -> torch.device:
    if kwargs.get("device") is not None:
        return _known(kwargs["device"])
    if function in (torch.Tensor.cuda, torch.Tensor.cpu):
        return GPU if function is torch.Tensor.cuda else _CPU
    if function in (torch.Tensor.to, torch.Tensor.type_as) and args[1:]:
        other = args[1]
        if isinstance(other, torch.Tensor):
            return GPU if isinstance(other, OnGpu) else _CPU
        return _known(other) if _is_device(other) else given
    if function is torch.tensor:  # of numbers, wherever they are
        return _CPU
    if function in _FILLS:
        return GPU if isinstance(args[0], OnGpu) else _CPU
    return given


def _known(device: Any) -> torch.device:
    return GPU if torch.device(device).type == "cuda" else _CPU


def _check(
    function: Any, args: tuple, tensors: list[torch.Tensor], device: torch.device, generators: list[torch.Generator]
) -> None:
    """Raise RuntimeError where a GPU would."""
    name = getattr(function, "__name__", str(function))
    for generator in generators:
        if generator.device != device:
            raise RuntimeError(f"{name} draws for {device} from a generator of {generator.device}")
    if function is torch.Tensor.__setitem__ and (index := _tensors(args[1])):
        given = [one for one in _tensors(args[2]) if one.ndim]
        given += [] if device == GPU else index  # an index of the CPU is taken
        if any(isinstance(one, OnGpu) != (device == GPU) for one in given):
            raise RuntimeError(f"{name} of tensors on cuda:0 and on the CPU")
    if function in (*_MOVES, *_FILLS, torch.Tensor.type_as):
        return
    if function is torch.Tensor.__getitem__ and isinstance(args[0], OnGpu):
        return  # an index of the CPU is taken
    there = [one for one in tensors if isinstance(one, OnGpu)]
    here = [one for one in tensors if not isinstance(one, OnGpu) and (one.ndim or function in _JOINS)]
    if there and here:
        raise RuntimeError(f"{name} of tensors on cuda:0 and on the CPU")
