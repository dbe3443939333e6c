"""The testbed: records traces of real Python web servers under an open-loop load."""
