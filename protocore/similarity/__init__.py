"""How natural a prototype is: activations, ranks, path similarity, natural references."""
