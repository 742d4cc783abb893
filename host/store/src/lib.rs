//! Object stores through OpenDAL, and the catalogue of backups
