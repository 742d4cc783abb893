//! Native tools: the only place of Plan B that spawns processes
