import PostgresClient

/// Rights of a role that callers' SQL must not have: with each, SQL can do more than in its database.
struct ExcessRights: Sendable, Hashable {
    let role: String
    /// Such as `SUPERUSER`, or `pg_read_server_files through team`.
    let rights: [String]
    /// The SQL that takes them away.
    let remedies: [String]

    /// One column for what the role has, one for the SQL that takes it away.
    static let columns = [column("excess.name"), column("excess.remedy")]

    /// A superuser has every other right as well, so only that is listed.
    private static func column(_ value: String) -> String {
        """
        (SELECT array_agg(\(value)) FROM pg_roles AS me, LATERAL (
            SELECT a.name, CASE WHEN me.oid <> 10 OR a.name <> 'SUPERUSER'
                THEN format('ALTER ROLE %I NO%s', me.rolname, a.name) END AS remedy
            FROM (VALUES ('SUPERUSER', me.rolsuper),
                ('BYPASSRLS', me.rolbypassrls AND NOT me.rolsuper),
                ('REPLICATION', me.rolreplication AND NOT me.rolsuper),
                ('CREATEROLE', me.rolcreaterole AND NOT me.rolsuper)) AS a(name, has)
            WHERE a.has
            UNION ALL
            SELECT x.rolname || CASE WHEN x.oid <> m.roleid
                    THEN ' through ' || m.roleid::regrole ELSE '' END,
                format('REVOKE %s FROM %I', m.roleid::regrole, me.rolname)
            FROM pg_auth_members AS m JOIN pg_roles AS direct ON direct.oid = m.roleid
            JOIN pg_roles AS x ON CASE WHEN direct.rolsuper THEN x.oid = direct.oid
                ELSE pg_has_role(direct.oid, x.oid, 'MEMBER') END
            WHERE m.member = me.oid AND NOT me.rolsuper
                AND (x.rolsuper OR x.rolbypassrls OR x.rolreplication OR x.rolcreaterole
                    OR x.rolname IN ('pg_execute_server_program', 'pg_read_server_files',
                        'pg_write_server_files'))) AS excess
            WHERE me.rolname = session_user)
        """
    }

    /// Reads the two `columns`, for a role; nil if it has none of these rights.
    init?(role: String, rights: [String?]?, remedies: [String?]?) {
        guard let rights, !rights.isEmpty else { return nil }
        self.role = role
        self.rights = rights.compactMap(\.self)
        var known: Set<String> = []
        self.remedies = (remedies ?? []).compactMap(\.self).filter { known.insert($0).inserted }
    }

    /// What the role has, and what to do about it.
    var sentence: String {
        let remedy =
            remedies.isEmpty
            ? "connect as a role of tandem's own, which `tandem grants` prints the SQL for"
            : remedies.joined(separator: "; ")
        return "role \(role.quotedIdentifier) has \(rights.joined(separator: ", ")): \(remedy)"
    }
}
