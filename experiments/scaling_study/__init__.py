"""What ``experiments.scaling`` is made of: measured, compiled and predicted scaling."""
