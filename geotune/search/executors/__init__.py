"""Who runs the trials. Every executor runs what the record issues and does what it answers; none decides anything."""
