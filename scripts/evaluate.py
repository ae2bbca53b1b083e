"""Measure a trained agent on the true task, beside doing nothing, a random policy and the scripted expert.

python scripts/evaluate.py --out runs/evaluation --agent runs/agent --episodes 100 --record 3
"""

from typing import Any

from _cli import main
from agents.config import EvaluateConfig


def table(results: dict[str, Any]) -> str:
    """Return one line a policy."""
    lines = [f"{'policy':12} {'success':>22} {'final distance, cm':>24}"]
    for name, found in results["policies"].items():
        rate, far = found["success"], {k: 100 * v for k, v in found["distance_m"].items()}
        lines.append(
            f"{name:12} {rate['value']:7.0%} [{rate['low']:4.0%}, {rate['high']:4.0%}] "
            f"{far['value']:10.1f} [{far['low']:4.1f}, {far['high']:4.1f}]"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main(EvaluateConfig, "agents.evaluate:evaluate", table)
