"""Full training of a chosen network, by the recipes of the papers, for people who have no trainer of their own.

``fit.fit(job, folder)`` trains and leaves a folder; a recipe is one file in ``recipes``. Short trainings inside a search are elsewhere, in
``mvt_nas.training``: they compare networks, this brings one to its end.
"""
