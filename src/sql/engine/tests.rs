//! Queries answered.

use super::super::query::translate;
use super::super::token::Script;
use super::*;

fn rows() -> Rows {
    let text = |text: &str| SqlValue::Text(text.to_owned());
    let target = |name: &str, port: i64, status: SqlValue, changed: &str| {
        vec![
            text(name),
            text("vtl"),
            SqlValue::Integer(port),
            text("iqn.i"),
            SqlValue::Null,
            SqlValue::Null,
            status,
            text(changed),
        ]
    };
    let library = |device: &str, resource: &str| {
        let mut row = vec![SqlValue::Null; 13];
        row[0] = text(device);
        row[4] = text(resource);
        row[11] = text("iqn.a");
        row
    };
    [
        vec![
            target("iqn.a", 860, text("ACTIVE"), "NO"),
            target("iqn.B", 3260, text("FAILED"), "NO"),
            target("iqn.c", 3261, SqlValue::Null, "YES"),
        ],
        vec![library("TAPMLB01", "TAP01"), library("TAPMLB01", "TAP02")],
    ]
}

fn run(text: &str) -> Result<Table, SqlError> {
    let tokens = Script::new(text).next_statement()?.unwrap();
    let engine = Engine::new(&rows(), || false).unwrap();
    engine.run(&translate(&tokens)?)
}

/// The rows as text, a comma between values.
fn answer(query: &str) -> Vec<String> {
    let table = run(query).unwrap_or_else(|error| panic!("{query}: {error}"));
    let shown = |value: &SqlValue| match value {
        SqlValue::Null => "-".to_owned(),
        SqlValue::Integer(number) => number.to_string(),
        SqlValue::Real(number) => format!("{number:?}"),
        SqlValue::Text(text) => text.clone(),
    };
    table
        .rows
        .iter()
        .map(|row| row.iter().map(shown).collect::<Vec<_>>().join(","))
        .collect()
}

fn refused(query: &str) -> String {
    run(query).map_or_else(
        |error| error.to_string(),
        |table| panic!("{query}: {table:?}"),
    )
}

#[test]
fn expressions_conditions_groups_and_joins_are_answered() {
    for (query, expected) in [
        (
            "SELECT TARGET_NAME FROM QSYS2.ISCSI_INFO WHERE TARGET_PORT > 1000 ORDER BY TARGET_NAME DESC",
            &["iqn.c", "iqn.B"][..],
        ),
        (
            "select count(*), count(target_status), min(target_port) from iscsi_info",
            &["3,2,860"],
        ),
        (
            "SELECT CONFIGURATION_CHANGED, COUNT(*) FROM QSYS2/ISCSI_INFO GROUP BY CONFIGURATION_CHANGED HAVING COUNT(*) > 1",
            &["NO,2"],
        ),
        (
            "SELECT I.TARGET_NAME, M.RESOURCE_NAME FROM QSYS2.ISCSI_INFO I LEFT OUTER JOIN QSYS2.MEDIA_LIBRARY_INFO M ON \
             M.TARGET_NAME = I.TARGET_NAME WHERE I.TARGET_PORT <> 3260 ORDER BY 1, 2",
            &["iqn.a,TAP01", "iqn.a,TAP02", "iqn.c,-"],
        ),
        (
            "SELECT TARGET_NAME FROM ISCSI_INFO ORDER BY TARGET_PORT FETCH FIRST 1 ROWS ONLY",
            &["iqn.a"],
        ),
        (
            "SELECT TARGET_NAME FROM ISCSI_INFO ORDER BY TARGET_PORT OFFSET 1 ROW FETCH NEXT 1 ROW ONLY",
            &["iqn.B"],
        ),
        (
            "SELECT TARGET_NAME FROM ISCSI_INFO WHERE TARGET_NAME LIKE 'iqn.b'",
            &[],
        ),
        (
            "SELECT TARGET_NAME FROM ISCSI_INFO WHERE TARGET_NAME LIKE 'iqn._' AND TARGET_NAME NOT LIKE '%B'",
            &["iqn.a", "iqn.c"],
        ),
        (
            "SELECT TARGET_NAME FROM ISCSI_INFO WHERE TARGET_NAME = 'IQN.A'",
            &[],
        ),
        (
            "SELECT TARGET_NAME FROM ISCSI_INFO WHERE TARGET_STATUS IS NULL",
            &["iqn.c"],
        ),
        (
            "SELECT TARGET_NAME FROM ISCSI_INFO WHERE TARGET_STATUS IS DISTINCT FROM 'ACTIVE' ORDER BY 1",
            &["iqn.B", "iqn.c"],
        ),
        (
            "SELECT TARGET_NAME CONCAT ' at ' || TARGET_HOST_NAME FROM ISCSI_INFO WHERE TARGET_PORT IN (860)",
            &["iqn.a at vtl"],
        ),
        (
            "SELECT CONCAT(TARGET_NAME, TARGET_STATUS) FROM ISCSI_INFO",
            &["iqn.aACTIVE", "iqn.BFAILED", "-"],
        ),
        (
            "SELECT CASE WHEN TARGET_PORT = 860 THEN 'old' ELSE COALESCE(TARGET_STATUS, 'none') END FROM ISCSI_INFO",
            &["old", "FAILED", "none"],
        ),
        ("VALUES 1, 2", &["1", "2"]),
        ("VALUES (1, 'a'), (2, NULL)", &["1,a", "2,-"]),
        (
            "VALUES 3, 1, 2 ORDER BY 1 DESC FETCH FIRST 2 ROWS ONLY",
            &["3", "2"],
        ),
        (
            "VALUES 3 UNION ALL VALUES 1, 2 ORDER BY 1",
            &["1", "2", "3"],
        ),
        ("VALUES 7 / 2, -7 / 2, MOD(-7, 2)", &["3", "-3", "-1"]),
        (
            "SELECT AVG(TARGET_PORT), SUM(TARGET_PORT) FROM ISCSI_INFO",
            &["2460,7381"],
        ),
        (
            "SELECT AVG(TARGET_PORT + 0.5) FROM ISCSI_INFO WHERE TARGET_PORT = 860",
            &["860.5"],
        ),
        (
            "SELECT AVG(TARGET_PORT) FROM ISCSI_INFO WHERE TARGET_PORT = 1",
            &["-"],
        ),
        (
            "VALUES SUBSTR('abcdef', 2, 3), SUBSTR('abc', 3), LEFT('abc', 2), RIGHT('abc', 2)",
            &["bcd", "c", "ab", "bc"],
        ),
        (
            "VALUES LOCATE('c', 'abc'), POSSTR('abc', 'c'), LOCATE('x', 'abc'), LENGTH('abc')",
            &["3", "3", "0", "3"],
        ),
        (
            "VALUES UPPER('a') || LCASE('B'), TRIM(' x '), REPLACE('aa', 'a', 'b')",
            &["Ab", "x", "bb"],
        ),
        (
            "VALUES CAST(' 12 ' AS INTEGER), CAST('1.9' AS INT), INTEGER(-1.9)",
            &["12", "1", "-1"],
        ),
        (
            "VALUES CAST(12 AS VARCHAR(1)) || '|', CAST('a' AS CHAR(3)) || '|'",
            &["1|", "a  |"],
        ),
        (
            "WITH R(N) AS (SELECT 1 FROM ISCSI_INFO WHERE TARGET_PORT = 860 UNION ALL SELECT N + 1 FROM R WHERE N < 4) SELECT SUM(N) FROM R",
            &["10"],
        ),
        (
            "SELECT RESOURCE_NAME, ROW_NUMBER() OVER(ORDER BY RESOURCE_NAME DESC) FROM MEDIA_LIBRARY_INFO ORDER BY 1",
            &["TAP01,2", "TAP02,1"],
        ),
        (
            "SELECT TARGET_NAME FROM ISCSI_INFO EXCEPT SELECT TARGET_NAME FROM MEDIA_LIBRARY_INFO ORDER BY 1",
            &["iqn.B", "iqn.c"],
        ),
        (
            "SELECT TARGET_NAME FROM ISCSI_INFO INTERSECT SELECT TARGET_NAME FROM MEDIA_LIBRARY_INFO",
            &["iqn.a"],
        ),
        (
            "WITH A AS (SELECT 1 FROM ISCSI_INFO), \"b\"(X) AS (SELECT 2 FROM ISCSI_INFO) SELECT COUNT(*) FROM A, \"b\"",
            &["9"],
        ),
        (
            "SELECT (SELECT COUNT(*) FROM MEDIA_LIBRARY_INFO M WHERE M.TARGET_NAME = I.TARGET_NAME) FROM ISCSI_INFO I ORDER BY 1",
            &["0", "0", "2"],
        ),
    ] {
        assert_eq!(answer(query), expected, "{query}");
    }
}

#[test]
fn a_column_has_its_name_an_alias_its_own_and_an_expression_its_number() {
    let columns = |query: &str| run(query).unwrap().columns;
    assert_eq!(
        columns(
            "SELECT target_name, TARGET_PORT + 1, I.TARGET_PORT AS \"Port\", 'x' FROM ISCSI_INFO I"
        ),
        ["TARGET_NAME", "00002", "Port", "00004"]
    );
    assert_eq!(columns("VALUES (1, 2)"), ["00001", "00002"]);
    assert_eq!(columns("SELECT * FROM ISCSI_INFO").len(), 8);
    assert_eq!(
        columns("SELECT * FROM MEDIA_LIBRARY_INFO").last().unwrap(),
        "SERIAL_NUMBER"
    );
}

#[test]
fn a_name_that_there_is_none_of_is_an_error_with_its_place_and_never_a_text() {
    for (query, said) in [
        (
            "SELECT TARGET_NAM\n FROM ISCSI_INFO",
            "line 1, column 8: there is no column TARGET_NAM here",
        ),
        (
            "SELECT \"target_name\" FROM ISCSI_INFO",
            "there is no column target_name here",
        ),
        (
            "SELECT TARGET_NAME FROM ISCSI_INFO WHERE TARGET_NAME = \"iqn.a\"",
            "there is no column iqn.a here",
        ),
        ("SELECT * FROM ISCSI", "there is no view ISCSI here"),
        (
            "SELECT * FROM \"iscsi_info\"",
            "there is no view iscsi_info here",
        ),
        (
            "SELECT ROWID FROM ISCSI_INFO",
            "there is no column ROWID here",
        ),
        (
            "SELECT OID FROM MEDIA_LIBRARY_INFO",
            "there is no column OID here",
        ),
        (
            "SELECT TARGET_NAME FROM ISCSI_INFO, MEDIA_LIBRARY_INFO",
            "ambiguous column name",
        ),
    ] {
        let told = refused(query);
        assert!(told.contains(said), "{query}: {told}");
    }
}

#[test]
fn nothing_but_the_views_is_reached() {
    for query in [
        "SELECT * FROM SQLITE_MASTER",
        "SELECT * FROM SQLITE_SCHEMA",
        "SELECT * FROM MAIN.SQLITE_MASTER",
        "SELECT * FROM TEMP.SQLITE_MASTER",
        "SELECT * FROM \"\u{1} ISCSI_INFO\"",
        "SELECT COUNT(*) FROM SQLITE_MASTER",
        "WITH A AS (SELECT 1 FROM ISCSI_INFO) SELECT COUNT(*) FROM SQLITE_MASTER, A",
        "WITH SQLITE_MASTER AS (SELECT 1 FROM ISCSI_INFO) SELECT COUNT(*) FROM MAIN.SQLITE_MASTER",
        "WITH DBSTAT AS (SELECT 1 FROM ISCSI_INFO) SELECT COUNT(*) FROM MAIN.DBSTAT",
        "WITH PRAGMA_TABLE_LIST(X) AS (SELECT 1 FROM ISCSI_INFO) SELECT COUNT(*) FROM MAIN.PRAGMA_TABLE_LIST",
        "SELECT COUNT(*) FROM DBSTAT",
        "SELECT * FROM DBSTAT",
        "SELECT * FROM PRAGMA_DATABASE_LIST",
        "SELECT * FROM PRAGMA_FUNCTION_LIST",
        "WITH A AS (SELECT 1 FROM ISCSI_INFO) INSERT INTO A VALUES (1)",
        "WITH A AS (SELECT 1 FROM ISCSI_INFO) DELETE FROM ISCSI_INFO",
        "SELECT 1 FROM ISCSI_INFO WHERE TARGET_NAME MATCH 'x'",
        "SELECT 1 FROM ISCSI_INFO WHERE TARGET_NAME GLOB 'x'",
        "SELECT 1 FROM ISCSI_INFO WHERE TARGET_NAME REGEXP 'x'",
    ] {
        assert!(run(query).is_err(), "{query}: {:?}", run(query));
    }
    // What the engine would do for words that are not let through is denied as well.
    let engine = Engine::new(&rows(), || false).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x");
    for sql in [
        format!("ATTACH '{}' AS X", file.display()),
        format!("VACUUM INTO '{}'", file.display()),
        "PRAGMA table_list".to_owned(),
        "PRAGMA hard_heap_limit = 0".to_owned(),
        "SELECT load_extension('x')".to_owned(),
        "SELECT * FROM sqlite_schema".to_owned(),
        "SELECT * FROM pragma_table_list".to_owned(),
        "SELECT printf('%d', 1)".to_owned(),
        "CREATE TABLE t (a)".to_owned(),
        "CREATE TEMP TABLE t (a)".to_owned(),
        format!("DELETE FROM \"{}\"", below(&VIEWS[0])),
        "BEGIN".to_owned(),
    ] {
        assert!(engine.connection.execute_batch(&sql).is_err(), "{sql}");
    }
    assert!(!file.exists());
}

#[test]
fn a_value_that_a_function_does_not_take_is_an_error_and_not_a_guess() {
    for (query, said) in [
        (
            "VALUES CAST('x' AS INTEGER)",
            "no number that it could be cast to",
        ),
        ("VALUES INTEGER(1E30)", "beyond the range of BIGINT"),
        ("VALUES SUBSTR('abc', 0)", "SUBSTR begins at 1"),
        ("VALUES LEFT('abc', -1)", "a length is negative"),
        ("VALUES MOD(1, 0)", "MOD divides by zero"),
        (
            "VALUES 1E308 * 10",
            "beyond the range of a floating-point number",
        ),
        ("VALUES LENGTH(1)", "length of a number"),
        (
            "SELECT AVG(TARGET_NAME) FROM ISCSI_INFO",
            "AVG is of numbers",
        ),
    ] {
        let error = run(query).unwrap_err();
        assert!(
            matches!(error.fault, Fault::Evaluation(_)),
            "{query}: {error:?}"
        );
        assert!(error.to_string().contains(said), "{query}: {error}");
    }
}

#[test]
fn a_statement_without_an_end_is_stopped_by_its_steps_or_its_time() {
    let endless = "WITH R(N) AS (SELECT 1 FROM ISCSI_INFO UNION ALL SELECT N + 1 FROM R) SELECT MAX(N) FROM R";
    let told = refused(endless);
    assert!(told.contains("more than 20000000 steps"), "{told}");
    let tokens = Script::new(endless).next_statement().unwrap().unwrap();
    let query = translate(&tokens).unwrap();
    let mut looks = 0;
    let engine = Engine::new(&rows(), move || {
        looks += 1;
        looks > 3
    })
    .unwrap();
    let told = engine.run(&query).unwrap_err().to_string();
    assert!(told.contains("longer than --timeout"), "{told}");
    // Steps are counted for each statement anew.
    let engine = Engine::new(&rows(), || false).unwrap();
    assert!(engine.run(&query).is_err());
    let tokens = Script::new("VALUES 1").next_statement().unwrap().unwrap();
    assert!(engine.run(&translate(&tokens).unwrap()).is_ok());
}

#[test]
fn limits_of_the_engine_are_told_as_such() {
    let columns = vec!["1"; 1_001].join(", ");
    let deep = format!("VALUES {}1", "- ".repeat(2_000));
    for query in [format!("SELECT {columns} FROM ISCSI_INFO"), deep] {
        let error = run(&query).unwrap_err();
        assert!(matches!(error.fault, Fault::Limit(_)), "{error}");
    }
}
