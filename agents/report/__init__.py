"""One run as one HTML page: `agents.report.write.write_report(ReportConfig(run))`. The config needs no torch."""
