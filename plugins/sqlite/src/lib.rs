//! The SQLite engine of Plan B
