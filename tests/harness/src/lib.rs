//! Real servers and stores for the tests of Plan B
