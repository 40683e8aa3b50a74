"""What a run will take, before it starts: counts of its data, speeds of a pilot, a forecast.

``counting`` and ``work`` say how much of what there is to do, ``pilot`` measures this machine by
short real runs and ``fitting`` makes rates of them, ``forecast`` multiplies, ``sharing`` divides
among processes, ``stage`` is what the command calls.
"""
