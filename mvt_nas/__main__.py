"""``python -m mvt_nas``: the same as the command ``mvt-nas``."""

from mvt_nas.cli.main import main

if __name__ == "__main__":
    main()
