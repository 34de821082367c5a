"""The window onto a world: drive by hand, record, replay.

It meets worlds by Gymnasium id only and knows nothing of torch or of the model. `session` and
`worker` know nothing of pygame; `window` and `hud` know nothing of Gymnasium.
"""
