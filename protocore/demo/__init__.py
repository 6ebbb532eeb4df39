"""The embedded demo world: rendered pictures, a classifier trained on them, known biases."""
