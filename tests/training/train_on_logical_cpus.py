"""Run by tests in a process of its own: train on N logical CPUs and save the weights.

python train_on_logical_cpus.py N CONFIG CASES OUT [MULTITASK_MODEL]

SIGNAL_AT="TERM 4" in the environment: this process sends itself SIGTERM at the end of its fourth training step.
"""

import os
import signal
import sys
from pathlib import Path

# oneDNN cannot run a convolution on the empty batch that the last validation step leaves the second replica.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = os.environ.get("WITH_ONEDNN", "0")

import tensorflow as tf  # noqa: E402


def signal_at_step(name: str, step: int) -> None:
    """Have this process send itself a signal after that many training steps."""
    from training.callbacks import StopOnNaN

    check, steps = StopOnNaN.on_train_batch_end, iter(range(1, 10**6))

    def check_and_signal(callback, batch, logs=None):
        check(callback, batch, logs)
        if next(steps) == step:
            os.kill(os.getpid(), signal.Signals[f"SIG{name}"])

    StopOnNaN.on_train_batch_end = check_and_signal


def train() -> None:
    number, config, cases, out = int(sys.argv[1]), *map(Path, sys.argv[2:5])
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * number)

    from training.config import read_config
    from training.strategy import choose_strategy, several_workers

    if "WITHOUT_BUILD" in os.environ:  # fit does it then, as Keras has it
        import training.fit

        training.fit.build_beforehand = lambda model, data: None
    if "SIGNAL_AT" in os.environ:
        name, step = os.environ["SIGNAL_AT"].split()
        signal_at_step(name, int(step))
    if not several_workers() and choose_strategy(False).num_replicas_in_sync != number:
        sys.exit("not the number of replicas that was asked for")
    if len(sys.argv) == 5:
        from training.train_vnet import Config, run

        run(read_config(config, Config), cases, out)
    else:
        from training.multitask import MultitaskFitConfig
        from training.train_multitask import run

        run(read_config(config, MultitaskFitConfig), sys.argv[5], cases, out)


if __name__ == "__main__":
    import typer

    from petct.console import run_app

    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(train)
    run_app(app, [])
