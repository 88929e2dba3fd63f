"""Sources of data/raw: what is declared, how it is fetched, and how it is known to be the same tomorrow."""
