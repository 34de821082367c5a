"""worldsim: learned worlds you can drive.

Importing the package loads neither torch nor anything else that takes time; import what you need
from its modules, such as `worldsim.simulator` or `worldsim.data`.
"""
