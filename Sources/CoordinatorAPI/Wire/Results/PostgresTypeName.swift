import TransactionEngine

extension StatementResult.Column {
    /// The name of the column's type, for example `int8` or `text[]`.
    ///
    /// A type that is not built in has another OID in every database, and is named by it:
    /// `oid:16412`, and `oid:16412[]` for arrays of it.
    var typeName: String {
        let oid = elements?.typeOID ?? typeOID
        let name = Self.typeNames[oid] ?? "oid:\(oid)"
        return elements == nil ? name : name + "[]"
    }

    private static let typeNames: [UInt32: String] = [
        16: "bool", 17: "bytea", 18: "char", 19: "name", 20: "int8", 21: "int2", 22: "int2vector",
        23: "int4", 24: "regproc", 25: "text", 26: "oid", 27: "tid", 28: "xid", 29: "cid",
        30: "oidvector", 114: "json", 142: "xml", 600: "point", 601: "lseg", 602: "path",
        603: "box", 604: "polygon", 628: "line", 650: "cidr", 700: "float4", 701: "float8",
        705: "unknown", 718: "circle", 774: "macaddr8", 790: "money", 829: "macaddr",
        869: "inet", 1042: "bpchar", 1043: "varchar", 1082: "date", 1083: "time",
        1114: "timestamp", 1184: "timestamptz", 1186: "interval", 1266: "timetz", 1560: "bit",
        1562: "varbit", 1700: "numeric", 1790: "refcursor", 2202: "regprocedure",
        2205: "regclass", 2206: "regtype", 2249: "record", 2278: "void", 2950: "uuid",
        3220: "pg_lsn", 3614: "tsvector", 3615: "tsquery", 3802: "jsonb", 3904: "int4range",
        3906: "numrange", 3908: "tsrange", 3910: "tstzrange", 3912: "daterange",
        3926: "int8range", 4072: "jsonpath", 4451: "int4multirange", 4532: "nummultirange",
        4533: "tsmultirange", 4534: "tstzmultirange", 4535: "datemultirange",
        4536: "int8multirange", 5038: "pg_snapshot", 5069: "xid8",
    ]
}
