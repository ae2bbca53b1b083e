"""Run the main job: video, embedding, policy on the learned reward, evaluation, one HTML page.

python scripts/demo.py --run runs/demo
"""

from _cli import main
from agents.demo_config import DemoConfig

if __name__ == "__main__":
    main(DemoConfig, "agents.demo:demo", lambda page: f"open {page}")
