"""Recipes of the bundled scorer: trained apart from the generators, on other renders of the embedded world."""
