extension PostgresConnection {
    /// The types of a statement's parameters, if the session has it prepared.
    package func parameterTypes(of sql: String) -> [UInt32]? {
        statements.confirmed(sql)?.parameterTypes
    }

    /// Which of these types are arrays.
    ///
    /// Other types than built-in ones are looked up once a session, within the open transaction if there is
    /// one. PostgreSQL gives an OID to no other type while something could still name it.
    package func arrayTypes(
        _ oids: some Collection<UInt32>, timeout: Duration? = nil
    ) async throws(PostgresError) -> [UInt32: ArrayType] {
        let unknown = Set(oids).filter { ArrayType.isUserDefined($0) && arrayTypes[$0] == nil }
        if !unknown.isEmpty { try await lookUp(unknown, timeout) }
        var found: [UInt32: ArrayType] = [:]
        for oid in oids { found[oid] = ArrayType(builtIn: oid) ?? arrayTypes[oid] ?? nil }
        return found
    }

    private func lookUp(_ oids: Set<UInt32>, _ timeout: Duration?) async throws(PostgresError) {
        // Types come and go with temporary tables.
        if arrayTypes.count > Self.arrayTypesMax { arrayTypes = [:] }
        let list = ArrayLiteral.write(oids.map { Int64($0) })
        let found = try await rows(Self.arrayTypesQuery, [list], timeout: timeout)
        for oid in oids { arrayTypes[oid] = .some(nil) }
        for (oid, type) in found { arrayTypes[oid] = type }
    }

    private static let arrayTypesMax = 1000

    /// A domain counts as its base type; so do the elements of an array of a domain.
    private static let arrayTypesQuery = Query<(oid: UInt32, type: ArrayType)>(
        """
        WITH RECURSIVE asked (oid, base) AS (
            SELECT o, o FROM pg_catalog.unnest($1::pg_catalog.oid[]) AS a (o)
            UNION ALL
            SELECT a.oid, t.typbasetype FROM asked AS a
                JOIN pg_catalog.pg_type AS t ON t.oid OPERATOR(pg_catalog.=) a.base
            WHERE t.typtype OPERATOR(pg_catalog.=) 'd'
        ), arrays (oid, element, base) AS (
            SELECT a.oid, t.typelem, t.typelem FROM asked AS a
                JOIN pg_catalog.pg_type AS t ON t.oid OPERATOR(pg_catalog.=) a.base
            WHERE t.typinput OPERATOR(pg_catalog.=) 'pg_catalog.array_in'::pg_catalog.regproc
            UNION ALL
            SELECT a.oid, a.element, t.typbasetype FROM arrays AS a
                JOIN pg_catalog.pg_type AS t ON t.oid OPERATOR(pg_catalog.=) a.base
            WHERE t.typtype OPERATOR(pg_catalog.=) 'd'
        )
        SELECT a.oid, a.base, e.typdelim FROM arrays AS a
            JOIN pg_catalog.pg_type AS e ON e.oid OPERATOR(pg_catalog.=) a.element
            JOIN pg_catalog.pg_type AS t ON t.oid OPERATOR(pg_catalog.=) a.base
        WHERE t.typtype OPERATOR(pg_catalog.<>) 'd'
        """
    ) { row in
        guard let oid: UInt32 = row.value(), let element: UInt32 = row.value(),
            let delimiter = row.text()?.utf8.first
        else { return nil }
        return (oid, ArrayType(element: element, delimiter: delimiter))
    }
}
