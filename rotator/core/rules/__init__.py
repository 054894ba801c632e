"""The rules that the planner asks, each in the room of what it acts on. Their order is in `core/plan.py`.

A rule is a pure function of the facts: a step to do, something to wait for, or None where it has nothing to say. Where it asks for a
fact that could not be read, `Needed` ends it, and the planner waits for that fact.
"""
