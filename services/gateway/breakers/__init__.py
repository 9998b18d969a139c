"""Circuit breakers: one for each provider and each service behind, all in one register."""
