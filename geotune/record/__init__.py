"""The one record of a search: its run folder and the Optuna study in it."""
