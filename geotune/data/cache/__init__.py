"""Photos decoded once a node, and everything else that can be made again."""
