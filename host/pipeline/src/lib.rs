//! Backup, restore and verify as streams of stages
