"""What the configs of all spaces share."""

from __future__ import annotations

from collections.abc import Sequence

from ml_collections import ConfigDict, config_dict


def default(space: str) -> ConfigDict:
    """The fields of every space's config, with the values that most of them keep."""
    return ConfigDict(
        {
            "space": space,
            # Decides everything random.
            "seed": 0,
            "data": {
                # Architectures at most; spaces of up to 200,000 are taken whole.
                "count": 50_000,
                # Share that is never trained on.
                "holdout": 0.1,
            },
            # Fields of pnag_jax.models.stage1.Stage1, described there.
            "model": {
                "channels": 16,
                "num_codes": 64,
                "form": "refined",
                "schedule": "linear",
                "width": 64,
                "num_layers": 0,
                "position": False,
                "pair_nodes": True,
                "hidden": 64,
                "learned_phi": False,
                "scc_weight": 0.25,
                "constrained": config_dict.placeholder(int),
                "partial_weight": 0.0,
                "reconstruction": "cross_entropy",
                "commitment": 0.25,
                "ema_decay": 0.99,
                "dead_below": 0.03,
                "revival": 1,
            },
            "train": {
                # PNAG: 300 epochs at 1e-4.
                "epochs": 24,
                "batch_size": 256,
                "learning_rate": 3e-3,
                "weight_decay": 1e-4,
                # Share of the steps, the first ones, in which dead codes are revived.
                "revive_share": 1.0,
                "save_every_epochs": 2,
                # Over all devices, of all processes: pmap or mesh.
                "strategy": "pmap",
            },
            "mesh": {
                # Devices that share one copy of the prior's parameters and optimizer
                # state, with strategy=mesh; all of them split the batch.
                "model": 1,
            },
            # Arguments of pnag_jax.generation.build.
            "counts": {
                "max_parents": 3,
                "min_gain": 0.01,
                "min_count": 8,
                "fine_first": False,
                "polish_steps": 2000,
                "polish_pool": 2048,
                "polish_rate": 3e-3,
            },
            # The next-scale prior: generation that is asked for something.
            "prior": {
                # Trained after stage 1, and asked for what config.ask says.
                "enabled": False,
                # Columns of the table, each a task; the search metric where not given.
                "quality": (),
                # Columns, or params and flops, which need no table; those two and the
                # task's latencies where not given.
                "hardware": (),
                # measured, predicted from some of them by a Gaussian process, or auto:
                # predicted where most architectures are not measured.
                "labels": "auto",
                # PNAG: 300 epochs at 1e-3 with batches of 256.
                "epochs": 30,
                "batch_size": 128,
                "learning_rate": 3e-3,
                "weight_decay": 1e-4,
                "save_every_epochs": 2,
                # Arguments of pnag_jax.generation.prior.train.
                "drop_all": 0.1,
                "drop_each": 0.3,
                "max_shared": 0.1,
                "min_new": 0.05,
                "split_last": False,
                "width": 64,
                "num_layers": 2,
                "num_heads": 4,
            },
            # What the prior is asked for; anything asked for enables it.
            "ask": {
                # Quantile from 0 to 1; 1 is the best.
                "quality": config_dict.placeholder(float),
                # Which of prior.quality; the first where not given.
                "task": config_dict.placeholder(str),
                # "<column><=<value>" or "<column>>=<value>", of prior.hardware.
                "limit": config_dict.placeholder(str),
                "count": 1000,
                # Share of samples that should keep a limit, by architectures that the
                # prior was told of.
                "keep": 0.97,
                # Fields of pnag_jax.generation.prior.Sampling.
                "guidance": 2.0,
                "temperature": 0.7,
                "top_k": 0,
            },
            "generation": {
                # Architectures that are judged and written to generated.jsonl.
                "count": 1000,
                # Without replacement; repeats are drawn again.
                "distinct": False,
                # Architectures a call when the speed is measured.
                "speed_batch": 131_072,
            },
            # Labels that --mode=transfer trains on: a file of triples, a data set of the
            # table, or "others": all data sets but the one that is proposed for.
            "meta": config_dict.placeholder(str),
            # Arguments of pnag_jax.methods.transfer.train, and more.
            "transfer": {
                "steps": 300,
                "batch_size": 64,
                "members": 5,
                "width": 32,
                "learning_rate": 3e-3,
                "weight_decay": 0.1,
                "ranking": 1.0,
                "drop": 0.5,
                "selection": 1.0,
                # Zero-cost scores that take the place of what is not known; as
                # search.hint.
                "hint": "auto",
                # Surrogates that are trained one after the other, for the spread.
                "seeds": 1,
                # Train once more without a fifth of the tasks, and predict those.
                "evaluate": True,
                # Proposals in results.json.
                "proposals": 20,
            },
            "search": {
                # The first is reported, the others are drawn beside it.
                "methods": ("pnag_counts", "random"),
                # <dataset>@<protocol>; the table's first where not given.
                "task": config_dict.placeholder(str),
                # What untrained networks tell methods that take it: a zero-cost score
                # (a proxy, flops or params), none, or auto: synflow where one program
                # scores all networks of the space.
                "hint": "auto",
                # Replace the task's metrics.
                "search_metric": config_dict.placeholder(str),
                "report_metric": config_dict.placeholder(str),
                "budget": 96,
                "seeds": 20,
                # Proposals a seed between two saves.
                "save_every": 16,
            },
            # A search for several objectives, in the place of the other one.
            "objectives": {
                # test_accuracy,latency_ms/pixel3: see pnag_jax.benchmarks.objectives.
                "names": config_dict.placeholder(str),
                # latency_ms/pixel3<=5
                "constraints": config_dict.placeholder(str),
                # Weights of the objectives; the whole front where not given.
                "preference": config_dict.placeholder(str),
                # The first is reported, the others are drawn beside it.
                "methods": ("pnag_front", "nsga2", "random"),
                "budget": 192,
                "seeds": 20,
                "save_every": 48,
            },
        }
    )


def for_layers(config: ConfigDict) -> ConfigDict:
    """What suits a space of many layers that choose each for itself."""
    # The linear schedule would have more than twice as many codes.
    config.model.schedule = "geometric"
    # Layers are independent of one another: coarse maps say little of the whole, and
    # the penalty on all scales evens out what tells architectures apart.
    config.model.constrained = 1
    # Narrow vectors do where many nodes repeat what they say.
    config.model.channels = 8
    config.model.width = 32
    config.model.hidden = 256
    # New architectures do more for the decoder than the same ones again, and many
    # small steps more than few large ones.
    config.data.count = 100_000
    config.train.batch_size = 64
    config.train.save_every_epochs = 1
    return config


def tell_nodes_once(config: ConfigDict) -> ConfigDict:
    """What suits nodes of many kinds: a node is told by one code alone.

    Told by many, which are drawn one by one, nodes are contradicted by every
    second string.
    """
    config.model.pair_nodes = False
    # Then each kind of node needs a code of its own; coarse maps would take them all.
    config.model.num_codes = 128
    config.model.dead_below = 10.0
    config.model.revival = 16
    config.counts.fine_first = True
    config.counts.max_parents = 3
    # Nearly all strings are valid as they come.
    config.counts.polish_steps = 0
    return config


def make_tiny(config: ConfigDict) -> ConfigDict:
    """Shrinks a config to a demonstration of the whole chain."""
    config.data.count = 4096
    config.train.epochs = 6
    config.train.learning_rate = 5e-3
    config.counts.max_parents = 2
    config.counts.polish_steps = 200
    config.prior.epochs = 6
    config.prior.learning_rate = 1e-2
    config.prior.width = 32
    config.generation.count = 200
    config.generation.speed_batch = 8192
    config.transfer.steps = 50
    config.transfer.members = 2
    config.transfer.width = 16
    config.search.budget = 32
    config.search.seeds = 2
    config.objectives.budget = 48
    config.objectives.seeds = 2
    return config


def check_variant(variant: str, accepted: Sequence[str] = ("tiny",)) -> None:
    """Raises ``ValueError`` unless ``variant`` is empty or one of ``accepted``."""
    if variant and variant not in accepted:
        raise ValueError(f"variant {variant!r} is unknown; accepted are {', '.join(accepted)}")
