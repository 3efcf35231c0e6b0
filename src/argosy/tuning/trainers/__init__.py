"""The tuning engine: a process that turns rows and a served base file into an adapter, on the processor's cores.

The worker imports `protocol` only and starts `python -m argosy.tuning.trainers WORKDIR`; everything else needs torch.
"""
