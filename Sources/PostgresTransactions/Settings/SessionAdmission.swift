import EventLoop
import PostgresClient

/// The admission of a new session of a participant, by its settings.
struct SessionAdmission: Sendable {
    /// The settings to make anew before each transaction, since RESET ALL undoes them; usually none.
    ///
    /// A startup packet cannot ask for these.
    let adjustments: [Command]

    /// Lets PostgreSQL's own functions and operators answer while a session is examined, whatever the role's
    /// search path; callers' SQL gets the role's path back.
    ///
    /// `SET` would write the name as `quote_all_identifiers` says, and the comparison would fail.
    static let ownSearchPath = Command(
        "SELECT pg_catalog.set_config('search_path', 'pg_catalog', false)", cached: false)
    static let searchPathAsBefore = Command("RESET search_path", cached: false)

    /// The settings of a new session, as it answers them.
    struct Answer: Sendable {
        /// The settings that the session should have and does not have.
        let missing: String?
        /// The settings that make its data doubtful.
        let doubtful: String?
        let dateStyle: String?
        let intervalStyle: String?
        let transactionTimeout: String?

        /// Reads `columns`.
        init(from row: inout RowReader) {
            missing = row.text()
            doubtful = row.text()
            dateStyle = row.text()
            intervalStyle = row.text()
            transactionTimeout = row.text()
        }
    }

    /// The columns of an `Answer`, for a query with the parameters `$1` and `$2`.
    static let columns = """
        (SELECT string_agg(s.name, ', ')
            FROM pg_settings AS s JOIN unnest($1::text[], $2::text[]) AS x(name, value)
                ON s.name = x.name
            WHERE s.setting <> x.value OR s.reset_val <> x.value),
        \(doubtful()), current_setting('DateStyle'), current_setting('IntervalStyle'),
        current_setting('transaction_timeout', true)
        """

    static func parameters(_ settings: SessionSettings) -> [String?] {
        [
            ArrayLiteral.write(settings.known.map(\.name)),
            ArrayLiteral.write(settings.known.map(\.value)),
        ]
    }

    /// SQL for the settings with which the server goes on although data may be missing or wrong; null if
    /// none is set.
    ///
    /// Only a superuser may change them, so they are only checked.
    static func doubtful(_ more: [(name: String, value: String)] = []) -> String {
        let all = [("zero_damaged_pages", "on"), ("ignore_checksum_failure", "on")] + more
        let each = all.map { name, value in
            "CASE current_setting('\(name)') WHEN '\(value)' THEN '\(name) = \(value)' END"
        }
        return "NULLIF(concat_ws(', ', \(each.joined(separator: ", "))), '')"
    }

    /// Admits a session, or throws why it may not be used.
    init(_ answer: Answer) throws(SessionRefusal) {
        if let names = answer.missing { throw .settingsMissing(names: names) }
        if let settings = answer.doubtful { throw .dataDoubtful(settings: settings) }
        guard let dateStyle = answer.dateStyle, let intervalStyle = answer.intervalStyle else {
            throw .unreadable
        }
        adjustments = Self.adjustments(
            dateStyle: dateStyle, intervalStyle: intervalStyle,
            transactionTimeout: answer.transactionTimeout)
    }

    /// Has dates written in the ISO style, whatever the role's, and intervals in PostgreSQL's.
    ///
    /// How they are read stays the role's own: the order of day and month, which a startup packet could not
    /// set apart from the style, and the signs of the SQL standard's interval style.
    static func adjustments(
        dateStyle: String, intervalStyle: String, transactionTimeout: String?
    ) -> [Command] {
        var texts: [String] = []
        if !dateStyle.hasPrefix("ISO,") { texts.append("SET DateStyle = 'ISO'") }
        if ["postgres_verbose", "iso_8601"].contains(intervalStyle) {
            texts.append("SET IntervalStyle = 'postgres'")
        }
        // New in PostgreSQL 17.
        if (transactionTimeout ?? "0") != "0" { texts.append("SET transaction_timeout = 0") }
        return texts.map { Command($0, cached: false) }
    }
}

extension PostgresConnection {
    /// Makes the settings of a kind of session, and runs a command, in one round trip.
    func set(
        _ settings: SessionSettings, thenRun command: Command, timeout: Duration
    ) async throws(PostgresError) -> CommandResult {
        try await run(settings.commands + [command], timeout: timeout)
    }

    /// Runs commands in one segment, and returns the last one's result.
    func run(
        _ commands: [Command], timeout: Duration
    ) async throws(PostgresError) -> CommandResult {
        let replies = try await execute([commands], timeout: timeout)[0]
        for case .failed(let message) in replies { throw .server(message) }
        guard case .completed(let result)? = replies.last else {
            throw .connectionLost("a command was skipped")
        }
        return result
    }
}
