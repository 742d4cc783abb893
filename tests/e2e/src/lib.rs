//! End-to-end tests of Plan B against real servers and stores
