"""Training: curves over steps and what each scale holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pnag_jax.reports import plots
from pnag_jax.reports.curves import real, reals, series
from pnag_jax.reports.markup import Html, count, number, seconds, section, tag
from pnag_jax.reports.sections.parts import Keep, Results, figure

Metrics = Sequence[Mapping[str, Any]]


def training(results: Results, metrics: Metrics, keep: Keep) -> Html | None:
    """Everything that was logged over steps, then the bars by scale."""
    found = results.get("training") or {}
    facts = []
    if real(found.get("steps")) is not None:
        facts.append(f"{count(found['steps'])} steps")
    if real(found.get("seconds")) is not None:
        facts.append(seconds(found["seconds"]))
    if real(found.get("loss")) is not None:
        facts.append(f"final loss {number(found['loss'], 4)}")
    shown = [
        *_loss(metrics, keep),
        *_reconstruction(metrics, keep),
        *_codebook(metrics, keep),
        *_scales(found, keep),
    ]
    return section(
        "Training",
        tag("div", *shown, class_="plots") if shown else None,
        lead=", ".join(facts) + "." if facts else None,
    )


def _loss(metrics: Metrics, keep: Keep) -> list[Html]:
    line = series(metrics, "loss")
    if not len(line[0]):
        return []
    picture = plots.training_curves({"loss": line}, title="Training loss", y_label="loss")
    image = keep("loss", picture, "Training loss against steps")
    return [figure(image, "Pale: as logged. Strong: running mean.")]


def _reconstruction(metrics: Metrics, keep: Keep) -> list[Html]:
    """Every logged share of exact reconstructions, whatever it is called."""
    keys = {k for row in metrics for k in row if "reconstruction" in k and "loss" not in k}
    lines = {}
    for key in sorted(keys, key=lambda k: (len(k), k)):
        line = series(metrics, key)
        if len(line[0]) and line[1].min() >= 0 and line[1].max() <= 1:
            lines[key.replace("_", " ")] = line
    if not lines:
        return []
    picture = plots.training_curves(
        lines, title="Exact reconstruction", y_label="share of architectures", share=True
    )
    image = keep("reconstruction", picture, "Exact reconstruction against steps")
    return [figure(image, "Architectures of which every operation and edge comes back.")]


def _codebook(metrics: Metrics, keep: Keep) -> list[Html]:
    shown = []
    use, perplexity = series(metrics, "codebook_use"), series(metrics, "codebook_perplexity")
    if len(use[0]):
        picture = plots.training_curves(
            {"codes in use": use}, title="Codes in use", y_label="share of the codebook", share=True
        )
        image = keep("codebook_use", picture, "Share of the codes in use against steps")
        shown.append(figure(image, "A share that falls means that the codebook collapses."))
    if len(perplexity[0]):
        picture = plots.training_curves(
            {"perplexity": perplexity}, title="Codebook perplexity", y_label="perplexity"
        )
        image = keep("codebook_perplexity", picture, "Codebook perplexity against steps")
        shown.append(figure(image, "How many equally frequent codes would carry as much."))
    return shown


def _scales(found: Mapping[str, Any], keep: Keep) -> list[Html]:
    scales = [int(scale) for scale in reals(found.get("scales")) if np.isfinite(scale)]
    shown = []
    v = reals(found.get("v_per_scale"))
    if len(v) and len(v) == len(scales) and np.isfinite(v).any():
        picture = plots.scale_bars(
            scales, v, title="Not yet explained: V by scale", y_label="V / variance of e"
        )
        shown.append(figure(keep("v_per_scale", picture, "V at every scale"), _v_text(scales, v)))
    exact = reals(found.get("reconstruction_per_scale"))
    if len(exact) and len(exact) == len(scales) and np.isfinite(exact).any():
        picture = plots.scale_bars(
            scales,
            exact,
            title="Exact reconstruction by scale",
            y_label="share of architectures",
            share=True,
        )
        image = keep("reconstruction_per_scale", picture, "Exact reconstruction at every scale")
        shown.append(figure(image, "Decoded from the codes of this scale and all coarser ones."))
    return shown


def _v_text(scales: Sequence[int], v: np.ndarray) -> str:
    """Says whether V falls at every scale, as it must."""
    text = "Squared distance of the feature map to what the codes so far add up to."
    if not np.isfinite(v).all() or len(v) < 2:
        return text
    rises = [str(scales[i]) for i in range(1, len(v)) if v[i] >= v[i - 1]]
    if rises:
        return f"{text} It does not fall at {', '.join(rises)} nodes."
    return f"{text} It falls at every scale."
