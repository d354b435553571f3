"""What a prior came to, in one line each."""

from __future__ import annotations

from typing import Any


def summary(name: str, found: dict[str, Any]) -> str:
    """A finished training ("prior"), or what was found of its samples ("conditional")."""
    return _training(found) if name == "prior" else _samples(found)


def _training(found: dict[str, Any]) -> str:
    bits = found["held_out_bits"]
    told = ", ".join(
        f"{bits[kind]:.2f} told its {kind} ({bits[f'other_{kind}']:.2f} told another's)"
        for kind in ("quality", "hardware")
        if kind in bits
    )
    return (
        f"{found['steps']} steps in {found['seconds']:.0f} s, loss {found['loss']:.4g};"
        f" {found['tokens']} of {found['codes']} codes are predicted; a held-out architecture"
        f" takes {bits['nothing']:.2f} bits{', ' + told if told else ''}"
    )


def _samples(found: dict[str, Any]) -> str:
    # Qualities stand before hardware.
    first = found["promise"][0]
    rank = _number(first["rank_correlation"])
    parts = [f"{first['column']} asked and reached: rank correlation {rank}"]
    kept = [row["kept"] for row in found["limits"] if row["kept"] is not None]
    if kept:
        parts.append(f"limits are kept by {min(kept):.1%} of samples or more, none filtered")
    parts.append(
        f"{found['count']} architectures in {found['seconds']:.2f} s,"
        f" {found['validity']:.2%} valid, {found['uniqueness']:.1%} distinct"
    )
    if found.get("reached"):
        asked = ", ".join(f"{name} {value}" for name, value in found["asked"].items())
        got = [
            f"{row['column']} reaches quantile {_number(row['quantile_reached'])}"
            for name, row in found["reached"].items()
            if name != "limit_kept"
        ]
        if found["reached"].get("limit_kept") is not None:
            got.append(f"{found['reached']['limit_kept']:.1%} keep the limit")
        parts.append(f"asked for {asked}: {', '.join(got)}")
    return "; ".join(parts)


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3f}"
