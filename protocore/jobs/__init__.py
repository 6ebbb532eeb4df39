"""What runs: the engine, its queues, and the jobs themselves."""
