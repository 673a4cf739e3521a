"""One study to everything: `tmtv run`. Reads, predicts, post-processes, exports and reports, in one process."""
