"""Draws of Optuna's tree-structured Parzen estimator, rated; host only.

Needs the package optuna, so that it is imported where it is used and nowhere else.
Letters as in ``methods.base``, and ``m`` draws.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution


def ranked_draws(
    genotypes: np.ndarray,
    values: np.ndarray,
    seed: np.ndarray,
    *,
    choices: tuple[int, ...],
    m: int,
) -> np.ndarray:
    """Genotypes from the density of the good ones, the most promising first.

    Args:
      genotypes: int ``[C, L]``.
      values: ``[C]``; rows without a finite one are not measured.
      seed: of the draws, an integer scalar.
      choices: number of values of each gene.
      m: how many; some of them are the same.

    Returns:
      int32 ``[m, L]`` by falling ratio of the two densities; zeros where
      nothing is measured.
    """
    drawn = np.zeros((m, len(choices)), np.int32)
    measured = np.isfinite(values)
    genes: dict[str, BaseDistribution] = {
        str(gene): CategoricalDistribution(range(count))
        for gene, count in enumerate(choices)
        if count > 1
    }
    if not measured.any() or not genes:
        return drawn
    trials = [
        optuna.trial.create_trial(
            params={gene: int(genotype[int(gene)]) for gene in genes},
            distributions=genes,
            value=float(value),
        )
        for genotype, value in zip(genotypes[measured], values[measured], strict=True)
    ]
    sampler = _Sampler(multivariate=True, n_startup_trials=1, n_ei_candidates=m, seed=int(seed))
    study = _quiet_study(sampler)
    study.add_trials(trials)
    study.ask(genes)
    for gene, column in sampler.samples.items():
        drawn[:, int(gene)] = column
    return drawn[np.argsort(-sampler.ratios, kind="stable")]


class _Sampler(optuna.samplers.TPESampler):
    """Remembers all draws of a suggestion, of which Optuna keeps only the best.

    Attributes:
      samples: of each gene int ``[m]``.
      ratios: log of good over other density, ``[m]``.
    """

    samples: dict[str, np.ndarray]
    ratios: np.ndarray

    def _compute_acquisition_func(
        self, samples: dict[str, np.ndarray], mpe_below: Any, mpe_above: Any
    ) -> np.ndarray:
        self.samples = samples
        self.ratios = super()._compute_acquisition_func(samples, mpe_below, mpe_above)
        return self.ratios


def _quiet_study(sampler: optuna.samplers.BaseSampler) -> optuna.Study:
    """An empty study in memory, without a line in the log that says so."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.create_study(sampler=sampler, direction="maximize")
    finally:
        optuna.logging.set_verbosity(verbosity)
