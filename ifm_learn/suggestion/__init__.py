"""What to run next when the aim is an outcome: acquisitions on draws of identified means."""
