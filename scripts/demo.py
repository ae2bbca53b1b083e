"""Run the main job: video, embedding, policy on the learned reward, evaluation, one HTML page.

python scripts/demo.py --run runs/demo
"""

from agents.demo_config import DemoConfig
from scripts._cli import main

if __name__ == "__main__":
    main(DemoConfig, "agents.demo:demo", lambda page: f"open {page}")
