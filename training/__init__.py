"""Recipes of models that this project makes; not part of what is installed."""
