"""Where photos come from: one kind of source a file, each a settings class that scans for photos with a position."""
