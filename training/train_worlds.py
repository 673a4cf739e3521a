"""Train on a pool of synthetic worlds: python -m training.train_worlds --config C.yaml --pool POOL --out RUN."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import Field

from training.config import FitConfig, GridConfig, Strict
from training.networks import CompactConfig, build_network

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
NOTE = "trained on synthetic images only; not validated on patients"


class MovesConfig(Strict):
    """Random views of the samples.

    scaling, zoom : limits of a factor per axis, and of one for all axes.
    rotation_degrees, translation_mm : about and along z, y, x; two standard deviations.
    gain_log_sd : spread of the logarithm of a factor on the PET.
    small_field_of_view : share of the images of which a box is left, air outside.
    """

    scaling: tuple[float, float] = (0.75, 1.3)
    zoom: tuple[float, float] = (1.0, 1.0)
    rotation_degrees: tuple[float, float, float] = (12.0, 8.0, 14.0)
    translation_mm: tuple[float, float, float] = (30.0, 40.0, 50.0)
    flip_left_right: bool = True
    gain_log_sd: float = Field(0.05, ge=0)
    small_field_of_view: float = Field(0.0, ge=0, le=1)


class Config(FitConfig):
    """Everything a training on worlds can change. One image a step.

    worlds : which of `tmtv_tf.phantom.worlds.sample.WORLDS` to train on.
    steps : steps per epoch.
    source_mm : the samples are kept in memory on cubes of this size.
    without_ct : share of the images whose CT is left empty.
    """

    batch: Literal[1] = 1  # type: ignore[assignment]
    monitor: Literal["loss"] = "loss"  # type: ignore[assignment]
    worlds: tuple[str, ...] = ("painter", "male", "female", "primitives")
    steps: int = Field(100, ge=1)
    grid: GridConfig = GridConfig()
    model: CompactConfig = CompactConfig()
    moves: MovesConfig = MovesConfig()
    loss: str = "dice_cross_entropy"
    loss_options: dict[str, float] = {}
    without_ct: float = Field(0.1, ge=0, le=1)
    source_mm: float = Field(5.0, gt=0)


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
def train(
    config: Annotated[
        Path, typer.Option(help="YAML file, or the name of a packaged one (worlds_coarse.yaml).")
    ],
    pool: Annotated[Path, typer.Option(help="Pool of samples (python -m tmtv_tf.phantom.worlds.pool).")],
    out: Annotated[Path, typer.Option(help="Folder of this run. If it holds a run, training continues it.")],
    initial_weights: Annotated[
        Path | None, typer.Option(help="Model file to start from, in place of the configuration's.")
    ] = None,
) -> None:
    """Train on synthetic worlds: RUN/last.keras, best.keras, log.csv. After a stop the same command goes on."""
    from training.config import read_config
    from training.stopping import stop_at_once_when_asked

    stop_at_once_when_asked()
    settings = read_config(config, Config)
    if initial_weights is not None:
        network = settings.model.model_copy(update={"initial_weights": str(initial_weights)})
        settings = settings.model_copy(update={"model": network})
    run(settings, pool, out)


def run(config: Config, pool: Path, out: Path) -> None:
    """Train as configured."""
    from tmtv_tf._backend import quiet_tensorflow

    quiet_tensorflow()
    from tmtv_tf.models.file import PHANTOM, save_model
    from tmtv_tf.models.losses import SegmentationLoss
    from tmtv_tf.models.metrics import HardDice
    from training.fit import Experiment, conclusion, dtype_policy, run_fit
    from training.strategy import choose_strategy
    from training.worlds_data import Moves, training_stream

    grid = config.grid.grid()
    provenance = {"trained_on": NOTE, "worlds": list(config.worlds), "config": config.model_dump(mode="json")}

    def build():
        return build_network(config.model, grid.input_shape)

    def save(path: Path, model) -> None:
        with dtype_policy("float32"):
            plain = build_network(config.model.model_copy(update={"initial_weights": None}), grid.input_shape)
        plain.set_weights(model.get_weights())
        save_model(
            path, plain, grid, provenance, trained_on=PHANTOM, trained_on_text=config.trained_on or NOTE
        )

    def options() -> dict[str, Any]:
        return {"loss": SegmentationLoss(config.loss, options=config.loss_options), "metrics": [HardDice()]}

    moves = Moves(**config.moves.model_dump())
    experiment = Experiment(
        build,
        options,
        lambda epoch, step: training_stream(
            pool,
            config.worlds,
            grid,
            moves,
            seed=config.seed,
            epochs=config.epochs,
            steps=config.steps,
            first_epoch=epoch,
            first_step=step,
            without_ct=config.without_ct,
            source_mm=config.source_mm,
        ),
        config.steps,
        None,
        save,
    )
    out.mkdir(parents=True, exist_ok=True)
    progress = run_fit(experiment, config, out, choose_strategy(accumulate_gradients=True))
    print(conclusion(progress, config, out))


if __name__ == "__main__":
    import os
    import sys

    from petct.console import run_app

    try:
        run_app(app)
    except SystemExit as end:
        # Not sys.exit: TensorFlow would wait for its thread that draws the next image, and that thread for Python.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else 1 if end.code else 0)
