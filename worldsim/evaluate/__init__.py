"""`worldsim eval`: how good a dream is, measured against the real world.

`program` runs the parts; `index` fixes what is looked at; `clips` loads it and lets the model
dream on from it; `video`, `control`, `sentences` and `drift` measure; `report` draws.
"""
