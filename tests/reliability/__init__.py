"""Long runs: chaos, simulation, clock jumps and hostile rows."""
