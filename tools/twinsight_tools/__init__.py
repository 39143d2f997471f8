"""
Set-up of a machine, start of the servers, and the runner where `ros2 run` is absent.

Only the Python standard library is used here: these modules run before any package is installed.
"""
