"""`python -m emovoz`: the same as the command, for launchers that start a module (torchrun, accelerate launch)."""

from emovoz.program import main

if __name__ == "__main__":
    main()
