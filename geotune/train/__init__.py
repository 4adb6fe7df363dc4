"""Training one model: pure PyTorch, knowing neither Ray nor Optuna nor MLflow."""
