"""Training that survives kills, signals, damaged files and full disks; for any state and step."""
