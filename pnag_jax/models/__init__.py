"""Networks that are trained: the graph autoencoder and its stage 1."""
