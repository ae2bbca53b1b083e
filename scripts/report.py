"""Write one self-contained HTML page about a run.

python scripts/report.py --run runs/demo
"""

from _cli import main
from agents.report.config import ReportConfig

if __name__ == "__main__":
    main(ReportConfig, "agents.report.write:write_report")
