"""Whether a result on a split can be trusted: what training has seen of what is held out."""
