"""Providers of rented machines, each in one file; all of them keep `tercet.renting.GpuProvider`."""
