"""Who runs the trials. Every executor runs what the record issues and does what it answers; none decides anything."""

import os

# Read by Ray when it is imported or started, so they stand where every executor's import passes first.
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_V2_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # of a node that dies it would print a hundred lines into the display
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
    "TUNE_WARN_SLOW_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "600",
}
for _name, _value in ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)


def on_loopback() -> None:
    """Have a Ray of our own listen on 127.0.0.1 alone; to be called before Ray is imported.

    Ray does so on macOS and Windows; on Linux it takes the machine's outward address for any other, whatever
    `_node_ip_address` says, unless clusters are switched off by this variable of a misleading name.
    """
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
