"""Charts and one-file pages from frozen values; used by the dashboard, the demo's report and notebooks."""
