"""The programs: one a search space, and those that compare and measure."""
