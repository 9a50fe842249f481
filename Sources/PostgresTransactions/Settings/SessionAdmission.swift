import EventLoop
import PostgresClient

/// How a new session of a participant was found to be set.
struct SessionAdmission: Sendable {
    /// What is to be set anew before each transaction, for RESET ALL undoes it: nothing, as a rule.
    ///
    /// Each of these a startup packet cannot ask for.
    let adjustments: [Command]

    /// While a session is examined, PostgreSQL's own functions and operators answer, whatever the role's
    /// search path; what callers' SQL finds there is the team's own again afterwards.
    ///
    /// `SET` would write the name as `quote_all_identifiers` wants it, which is not how it is compared.
    static let ownSearchPath = Command(
        "SELECT pg_catalog.set_config('search_path', 'pg_catalog', false)", cached: false)
    static let searchPathAsBefore = Command("RESET search_path", cached: false)

    /// What a question about a new session has to ask for, with the parameters `$1` and `$2`: the
    /// settings that the session should have and has not, those that make its data doubtful, and how
    /// it writes values.
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

    /// SQL for those settings with which the server goes on although data may be missing or wrong; null
    /// if there are none.
    ///
    /// Only a superuser may change them, so they are no more than checked.
    static func doubtful(_ more: [(name: String, value: String)] = []) -> String {
        let all = [("zero_damaged_pages", "on"), ("ignore_checksum_failure", "on")] + more
        let each = all.map { name, value in
            "CASE current_setting('\(name)') WHEN '\(value)' THEN '\(name) = \(value)' END"
        }
        return "NULLIF(concat_ws(', ', \(each.joined(separator: ", "))), '')"
    }

    /// Reads the answer to `columns`, of which the first is at this place.
    init(_ row: CommandResult, from place: Int) throws(SessionRefusal) {
        func text(_ offset: Int) -> String? { row.text(row: 0, column: place + offset) }
        if let names = text(0) { throw .settingsMissing(names: names) }
        if let settings = text(1) { throw .dataDoubtful(settings: settings) }
        guard let date = text(2), let interval = text(3) else { throw .unreadable }
        adjustments = Self.adjustments(
            dateStyle: date, intervalStyle: interval, transactionTimeout: text(4))
    }

    /// Dates are written in the ISO style, whatever the role's, and intervals in PostgreSQL's.
    ///
    /// How they are read stays the team's own: the order of day and month, which a startup packet could not ask
    /// for without the style, and the signs of the interval style of the SQL standard.
    static func adjustments(
        dateStyle: String, intervalStyle: String, transactionTimeout: String?
    ) -> [Command] {
        var texts: [String] = []
        if !dateStyle.hasPrefix("ISO,") { texts.append("SET DateStyle = 'ISO'") }
        if ["postgres_verbose", "iso_8601"].contains(intervalStyle) {
            texts.append("SET IntervalStyle = 'postgres'")
        }
        // New in PostgreSQL 17, and unknown to those before it.
        if (transactionTimeout ?? "0") != "0" { texts.append("SET transaction_timeout = 0") }
        return texts.map { Command($0, cached: false) }
    }
}

extension PostgresConnection {
    /// Sets what these sessions set, and asks a question, in one round trip.
    func set(
        _ settings: SessionSettings, thenAsk question: Command, timeout: Duration
    ) async throws(PostgresError) -> CommandResult {
        try await run(settings.commands + [question], timeout: timeout)
    }

    /// Runs commands in one segment, and answers the last one's result.
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
