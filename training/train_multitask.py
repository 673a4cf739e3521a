"""Train a network of Liu et al. 2022: python -m training.train_multitask --config C.yaml --data CASES --out RUN."""

from __future__ import annotations

from pathlib import Path

from training.commands import multitask, script

app = script(multitask)


def run(config, name: str, data: Path, out: Path) -> None:
    """Train as configured (`training.multitask.MultitaskFitConfig`)."""
    from petct.errors import CaseError
    from training.fit import conclusion, run_fit
    from training.folds import read_outcomes
    from training.multi_worker import chief_first, worker_of
    from training.multitask import Network, fingerprint, make_examples, prepare_inputs, training_weights
    from training.run import open_run, split_cases, trained_on
    from training.strategy import check_batch, choose_strategy, describe_devices, is_chief

    read_outcomes(data)  # refuses labels that contradict the follow-up
    splits = split_cases(data)
    rows = {split: splits[split] for split in ("train", "validation")}
    if not rows["validation"]:
        raise CaseError(f"{data / 'cohort.csv'}: no validation case, so the best epoch cannot be chosen.")
    everyone = rows["train"] + rows["validation"]
    weights = training_weights(rows["train"])
    strategy = choose_strategy(config.optimizer.gradient_accumulation_steps > 1)
    check_batch(config.batch, strategy)
    writes = is_chief(strategy)
    with chief_first(strategy, writes):
        arrays = prepare_inputs(data, everyone, config)
        parts = {split: make_examples(members, arrays, weights) for split, members in rows.items()}
        made_of = fingerprint({s: [e.arrays for e in members] for s, members in parts.items()}, everyone)
        open_run(out, config, {**made_of, "model": name}, describe_devices(strategy), writes=writes)
    seen = trained_on(data, [row["case_id"] for row in rows["train"]])
    network = Network(name, config, strategy, seen)
    experiment = network.experiment(parts["train"], parts["validation"], worker_of(strategy))
    if writes:
        print(
            f"{name} on {', '.join(describe_devices(strategy))}: {len(parts['train'])} training and "
            f"{len(parts['validation'])} validation cases, batch {config.batch}, up to epoch {config.epochs}. "
            f"Log: {out / 'log.csv'}",
            flush=True,
        )
    progress = run_fit(experiment, config, out, strategy)
    if writes:
        print(conclusion(progress, config, out))


if __name__ == "__main__":
    from petct.console import run_app

    run_app(app)
