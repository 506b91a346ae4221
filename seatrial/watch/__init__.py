"""Watch: a deployment's monitors, read from the ledger window by window, and which of them deserve a person's eye.

monitor      windows of drift, quality and performance, each read once
alerts       when a condition begins, worsens and ends
delivery     to the terminal and to webhooks
"""
