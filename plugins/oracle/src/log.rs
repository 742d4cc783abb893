//! What the log of an export says, a line at a time (Oracle Database Utilities, "Data Pump Export", examples):
//!
//! ```text
//! . . exported "HR"."EMPLOYEES"                    17.08 KB     107 rows
//! . . exported "SH"."SALES":"SALES_Q1_1998"        1.412 MB   43687 rows
//! Dump file set for SYSTEM.SYS_EXPORT_SCHEMA_01 is:
//!   /u01/app/oracle/dpdump/expdat_01.dmp
//! Job "SYSTEM"."SYS_EXPORT_SCHEMA_01" successfully completed at Wed Apr 8 01:42:35 2020 elapsed 0 00:00:46
//! ```

use std::collections::BTreeMap;

/// The log as far as it was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Log {
    /// Rows of tables, by schema and name; partitions are added up.
    pub(crate) tables: BTreeMap<String, u64>,
    /// The names of the set's files, without their folders.
    pub(crate) files: Vec<String>,
    pub(crate) end: Option<End>,
    /// Lines with an error, the first few.
    pub(crate) errors: Vec<String>,
    in_set: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// `successfully completed`
    Fine,
    /// `completed with 2 error(s)`, or stopped.
    Not(String),
}

const ERRORS: usize = 10;

impl Log {
    pub(crate) fn line(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end();
        let bare = line.trim_start();
        if let Some(rest) = bare.strip_prefix(". . exported ") {
            if let Some((table, rows)) = exported(rest) {
                *self.tables.entry(table).or_default() += rows;
            }
        } else if bare.starts_with("Dump file set for ") && bare.ends_with("is:") {
            self.in_set = true;
        } else if bare.starts_with("Job \"") {
            self.in_set = false;
            self.end = if bare.contains("\" successfully completed at ") {
                Some(End::Fine)
            } else if bare.contains(" completed ") || bare.contains(" stopped ") {
                Some(End::Not(bare.to_owned()))
            } else {
                return;
            };
        } else if self.in_set && line != bare {
            let name = bare.rsplit(['/', '\\']).next().unwrap_or(bare);
            self.files.push(name.to_owned());
        } else if bare.starts_with("ORA-") && self.errors.len() < ERRORS {
            self.errors.push(bare.chars().take(300).collect());
        }
    }
}

/// `"HR"."EMPLOYEES"   17.08 KB   107 rows`, with `:"PARTITION"` behind the names, and more behind `rows` with METRICS=YES.
fn exported(text: &str) -> Option<(String, u64)> {
    let (schema, rest) = text.strip_prefix('"')?.split_once("\".\"")?;
    let (table, rest) = rest.split_once('"')?;
    let words: Vec<_> = rest.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "rows")?;
    let rows = words.get(at.checked_sub(1)?)?.parse().ok()?;
    Some((format!("{schema}.{table}"), rows))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// As expdp 19c writes it.
    pub(crate) const LOG: &str = ";;; \nExport: Release 19.0.0.0.0 - Production on Wed Apr 8 01:41:45 2020\nVersion 19.3.0.0.0\n\n\
        Copyright (c) 1982, 2019, Oracle and/or its affiliates.  All rights reserved.\n;;; \n\
        Connected to: Oracle Database 19c Enterprise Edition Release 19.0.0.0.0 - Production\n\
        FLASHBACK automatically enabled to preserve database integrity.\n\
        Starting \"APP\".\"SYS_EXPORT_SCHEMA_01\":  app/********@//db:1521/FREEPDB1 parfile=export.par \n\
        Processing object type SCHEMA_EXPORT/TABLE/TABLE_DATA\nProcessing object type SCHEMA_EXPORT/TABLE/TABLE\n\
        . . exported \"HR\".\"MOVIES\"                               5.937 KB       3 rows\n\
        . . exported \"HR\".\"Actors of it\"                         5.914 KB       3 rows\n\
        . . exported \"HR\".\"SALES\":\"SALES_Q1_1998\"              1.412 MB   43687 rows\n\
        . . exported \"HR\".\"SALES\":\"SALES_Q2_1998\"              1.160 MB   35758 rows\n\
        . . exported \"HR\".\"EMPTY\"                                    0 KB       0 rows\n\
        Master table \"APP\".\"SYS_EXPORT_SCHEMA_01\" successfully loaded/unloaded\n\
        ******************************************************************************\n\
        Dump file set for APP.SYS_EXPORT_SCHEMA_01 is:\n\
        \x20 /opt/oracle/dump/planb_HR_09276607b5bba19f_01.dmp\n\
        \x20 /opt/oracle/dump/planb_HR_09276607b5bba19f_02.dmp\n\
        Job \"APP\".\"SYS_EXPORT_SCHEMA_01\" successfully completed at Wed Apr 8 01:42:35 2020 elapsed 0 00:00:46\n";

    fn read(text: &str) -> Log {
        let mut log = Log::default();
        text.lines().for_each(|line| log.line(line.as_bytes()));
        log
    }

    #[test]
    fn a_log() {
        let log = read(LOG);
        let tables: Vec<_> = log.tables.iter().map(|(name, rows)| format!("{name} {rows}")).collect();
        assert_eq!(tables, ["HR.Actors of it 3", "HR.EMPTY 0", "HR.MOVIES 3", "HR.SALES 79445"]);
        assert_eq!(log.files, ["planb_HR_09276607b5bba19f_01.dmp", "planb_HR_09276607b5bba19f_02.dmp"]);
        assert_eq!(log.end, Some(End::Fine));
        assert!(log.errors.is_empty());
    }

    #[test]
    fn bad_ends() {
        let errors = LOG.replace("successfully completed at", "completed with 1 error(s) at")
            + "ORA-31693: Table data object \"HR\".\"X\" failed to load/unload and is being skipped due to error:\n";
        let log = read(&errors);
        assert!(matches!(&log.end, Some(End::Not(line)) if line.contains("1 error(s)")));
        assert_eq!(log.errors.len(), 1);
        let stopped =
            read("Job \"APP\".\"X\" stopped due to fatal error at Wed Apr 8 01:42:35 2020 elapsed 0 00:00:46\n");
        assert!(matches!(stopped.end, Some(End::Not(_))));
        assert_eq!(read(LOG.split_once("Job ").unwrap().0).end, None);
    }

    #[test]
    fn lines_of_other_releases() {
        assert_eq!(
            exported("\"HR\".\"T\"   5.9 KB   3 rows in 1 seconds using direct_path"),
            Some(("HR.T".to_owned(), 3))
        );
        assert_eq!(exported("\"HR\".\"T\""), None);
    }
}
