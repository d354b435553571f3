"""What ``experiments.benchmark`` measures: the machine, generation, training, search."""
