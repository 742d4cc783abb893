//! The tests are in `tests/`: each runs the `planb` binary against real servers, files and stores.
