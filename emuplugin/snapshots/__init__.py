"""Snapshots of machines: what is kept, how a machine goes back to it, and how it is copied.

``memento`` keeps the state of Python objects and puts it back; ``copying`` makes other objects in
the same state; ``captured`` says which objects are whose; ``snapshot`` puts these together with
guest memory and the processor.
"""
