"""The parts of the bench: each has `run(context)`, which gives the tables of what it measured."""
