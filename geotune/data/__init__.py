"""Photos: shards and datasets of them, how they are imported, split, decoded, augmented and batched."""
