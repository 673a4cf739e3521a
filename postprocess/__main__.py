"""`python -m postprocess` is `tmtv-postprocess`."""

from postprocess.cli import main

if __name__ == "__main__":
    main()
