"""The record, shown in MLflow."""
