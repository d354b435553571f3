"""Pure parts of a search for several objectives: dominance and scalarization.

Objectives are columns of a matrix ``[C, M]``, all to be maximised.
"""
