//! What the lines of `SHOW GRANTS` come to. They are never told themselves: they may have the hash of a password.

/// Rights that change nothing.
const READING: [&str; 9] = [
    "SELECT",
    "USAGE",
    "SHOW VIEW",
    "SHOW DATABASES",
    "REPLICATION CLIENT",
    "BINLOG MONITOR",
    "SLAVE MONITOR",
    "REPLICA MONITOR",
    "PROCESS",
];

/// What a user may do.
#[derive(PartialEq, Eq, Debug, Default)]
pub(super) struct Rights {
    /// Where it has rights beyond reading, as the server writes it: `` `shop`.* ``.
    pub(super) may_write: Vec<String>,
    /// Whether it has roles, whose rights may not be among these.
    pub(super) has_roles: bool,
}

impl Rights {
    pub(super) fn of(lines: &[String]) -> Self {
        let mut rights = Self::default();
        for granted in lines.iter().filter_map(|line| line.strip_prefix("GRANT ")) {
            match granted.split_once(" ON ") {
                None => rights.has_roles = true,
                Some((granted, rest)) if !is_reading(granted) => {
                    rights.may_write.extend(rest.split_once(" TO ").map(|(place, _)| place.to_owned()));
                }
                Some(_) => {}
            }
        }
        rights
    }
}

/// Whether all rights of a list such as ``SELECT (`a`, `b`), USAGE`` only read.
fn is_reading(granted: &str) -> bool {
    let mut rest = granted;
    while let Some((before, inside)) = rest.split_once('(') {
        if !is_reading_all(before) {
            return false;
        }
        rest = inside.split_once(')').map_or("", |(_, after)| after);
    }
    is_reading_all(rest)
}

fn is_reading_all(list: &str) -> bool {
    list.split(',').map(str::trim).filter(|right| !right.is_empty()).all(|right| READING.contains(&right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_beyond_reading_are_told_with_their_places_and_nothing_else_of_the_line() {
        let check = |lines: &[&str], may_write: &[&str], has_roles| {
            let lines: Vec<_> = lines.iter().map(|line| (*line).to_owned()).collect();
            let may_write = may_write.iter().map(|place| (*place).to_owned()).collect();
            assert_eq!(Rights::of(&lines), Rights { may_write, has_roles }, "{lines:?}");
        };
        let login = "GRANT USAGE ON *.* TO `r`@`%` IDENTIFIED BY PASSWORD '*AB'";
        check(&[login, "GRANT SELECT, SHOW VIEW ON `shop`.* TO `r`@`%`"], &[], false);
        check(&[login, "GRANT SELECT (`a`, `b`), USAGE ON `shop`.`cart` TO `r`@`%`"], &[], false);
        check(&["GRANT SELECT (`a`), UPDATE (`b`) ON `shop`.`cart` TO `r`@`%`"], &["`shop`.`cart`"], false);
        check(
            &["GRANT ALL PRIVILEGES ON *.* TO `r`@`%` WITH GRANT OPTION", "GRANT PROXY ON ''@'%' TO 'r'@'%'"],
            &["*.*", "''@'%'"],
            false,
        );
        check(&["GRANT SELECT,LOCK TABLES ON `shop`.* TO `r`@`%`"], &["`shop`.*"], false);
        check(
            &[
                "GRANT `reader` TO `r`@`%`",
                "SET DEFAULT ROLE `reader` FOR `r`@`%`",
                "GRANT SELECT ON *.* TO `reader`",
            ],
            &[],
            true,
        );
    }
}
