"""`python -m lambda_autotuner` is the command `lambda-autotuner`."""

from lambda_autotuner.cli import main

if __name__ == "__main__":
    main()
