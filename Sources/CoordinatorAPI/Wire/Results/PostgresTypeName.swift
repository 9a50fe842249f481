/// The names of PostgreSQL's own types.
enum PostgresTypeName {
    /// The name of the type of that OID, for example `int8` or `text[]`.
    ///
    /// A type that is not built in has an OID of its own in every database, and is named by it:
    /// `oid:16412`.
    static func name(of oid: UInt32) -> String {
        if let name = scalars[oid] { return name }
        if let element = arrays[oid], let name = scalars[element] { return name + "[]" }
        return "oid:\(oid)"
    }

    private static let scalars: [UInt32: String] = [
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

    /// The OIDs of the common array types, with those of their elements.
    private static let arrays: [UInt32: UInt32] = [
        199: 114, 1000: 16, 1001: 17, 1002: 18, 1003: 19, 1005: 21, 1007: 23, 1009: 25, 1014: 1042,
        1015: 1043, 1016: 20, 1021: 700, 1022: 701, 1028: 26, 1041: 869, 1115: 1114, 1182: 1082,
        1183: 1083, 1185: 1184, 1187: 1186, 1231: 1700, 1561: 1560, 1563: 1562, 2951: 2950,
        3807: 3802,
    ]
}
