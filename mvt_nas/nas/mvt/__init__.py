"""The mvt sampler: known costs are exact, other objectives are modelled by Gaussian processes."""
