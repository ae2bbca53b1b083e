"""Write one self-contained HTML page about a run.

python scripts/report.py --run runs/demo
"""

from agents.report.config import ReportConfig
from scripts._cli import main

if __name__ == "__main__":
    main(ReportConfig, "agents.report.write:write_report")
