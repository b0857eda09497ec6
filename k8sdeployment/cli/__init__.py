"""`snopair`: a pair's state at a glance and its day-to-day work, for people who need not know Pacemaker.

A verb that asks or moves the pair runs in the peer pod (`live`, `view`, `deeds`); called anywhere else, it is handed
to the `snopair` of the pod through kubectl (`reach`). What needs no pair (`init`, `gate`) runs on the spot. Modules
that take long to load (pydantic, yaml, rich) are imported where they are needed: `status` must answer at once.
"""
