"""Exact costs of one architecture, and lookup tables of the costs of a whole search space.

:mod:`~mvt_nas.cost.counts` lowers one architecture to its kernels and sums over them.

:class:`~mvt_nas.cost.table.CostTable` gives the same numbers for millions of encoded architectures.
A network is cut into *parts*: the stem, the convolutions of each stage, the one or two parts of the
stage's block (:class:`~mvt_nas.blocks.base.BlockPart`), and the head. A part depends on few fields
of the architecture (``PartFields``) and on the side of the map that enters it. So its costs under
fixed ``CostSettings`` are tabulated over all values of these, in a ``LookupTable``. ``StageTables``
are the lookup tables of one stage, and a ``CompiledSpace`` holds those of all parts. A task may
change the strides of the stages, and its head reads the maps of several stages. Each combination of
strides is one ``StrideVariant`` and gets a ``CompiledSpace`` of its own. The costs of its head,
``HeadCosts``, are tabulated when they are first needed.
"""
