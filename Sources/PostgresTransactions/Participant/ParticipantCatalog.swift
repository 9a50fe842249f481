import EventLoop
import Logging
import PostgresClient

/// The server and the database that a version of a participant stands for.
struct ServerIdentity: Hashable, Sendable {
    let systemIdentifier: String
    let database: String
}

/// The versions of the participants, in `tandem.participants`.
///
/// A name in the configuration may come to mean another address, another database, or another server
/// at the same address. Each combination is a version; a branch is ended only on the server of its own
/// version.
@LoopActor
final class ParticipantCatalog {
    /// The versions of one participant.
    private struct Entry {
        var identities: [Int: ServerIdentity] = [:]
        /// For each server, the transaction id below which a gid without a row proves nothing.
        var safeTransactionIDs: [String: UInt64] = [:]
        var timelines: [String: UInt32] = [:]
        var versions: [ServerIdentity: Int] = [:]
    }

    private let state: StateDatabase
    private let logger: Logger
    private var entries: [String: Entry] = [:]
    private var asking: [String: Task<Void, Never>] = [:]

    init(state: StateDatabase, logger: Logger) {
        self.state = state
        self.logger = logger
    }

    /// The server that a version stands for; nil if it is not known here.
    func identity(of name: String, version: Int) -> ServerIdentity? {
        entries[name]?.identities[version]
    }

    /// Prepared transactions with smaller ids come from before a change of server or timeline.
    func safeTransactionID(of name: String, on systemIdentifier: String) -> UInt64 {
        entries[name]?.safeTransactionIDs[systemIdentifier] ?? 0
    }

    /// The version that a new session belongs to; recorded when it is new, as is a new timeline.
    ///
    /// A server on an older timeline than one recorded before is a former primary, and is refused: what
    /// it commits is lost, or contradicts the present primary.
    func version(of options: ParticipantOptions, _ facts: SessionFacts) async throws -> Int {
        let identity = ServerIdentity(
            systemIdentifier: facts.systemIdentifier, database: facts.database)
        // Several sessions are opened at once; the first one asks for all of them.
        while let earlier = asking[options.name] { await earlier.value }
        if let entry = entries[options.name], let version = entry.versions[identity],
            entry.timelines[facts.systemIdentifier] == facts.timeline
        {
            return version
        }
        let task = Task { @LoopActor in try await ask(for: identity, of: options, facts) }
        asking[options.name] = Task { @LoopActor in _ = await task.result }
        defer { asking[options.name] = nil }
        return try await task.value
    }

    private func ask(
        for identity: ServerIdentity, of options: ParticipantOptions, _ facts: SessionFacts
    ) async throws -> Int {
        for _ in 0..<5 {
            try await record(options, facts)
            guard let entry = entries[options.name], let version = entry.versions[identity]
            else { continue }
            let latest = entry.timelines[facts.systemIdentifier] ?? facts.timeline
            guard latest <= facts.timeline else {
                throw SessionRefusal.formerPrimary(timeline: facts.timeline, latest: latest)
            }
            return version
        }
        // Another replica took the number each time; the pool connects again.
        throw SessionRefusal.unusable("the participant's version could not be recorded")
    }

    private func record(_ options: ParticipantOptions, _ facts: SessionFacts) async throws {
        let address = Self.address(options.connection)
        let values: [String?] = [
            options.name, address, facts.systemIdentifier, facts.database, "\(facts.timeline)",
            "\(facts.nextTransactionID)",
        ]
        let results = try await state.write([
            Command(
                """
                UPDATE tandem.participants SET timeline = $3::bigint,
                    safe_transaction_id = $4::numeric, timeline_changed_at = now()
                WHERE name = $1 AND system_identifier = $2 AND timeline < $3::bigint
                RETURNING timeline
                """,
                [options.name, facts.systemIdentifier, values[4], values[5]]),
            // The first version of a name has no past that could be missing. A later one on a
            // server not seen before has one.
            Command(
                """
                INSERT INTO tandem.participants (name, version, conninfo_digest,
                    system_identifier, database, timeline, safe_transaction_id)
                SELECT $1, coalesce(max(version), 0) + 1, \(Self.digest), $3, $4,
                    greatest($5::bigint, max(timeline) FILTER (WHERE system_identifier = $3)),
                    coalesce(max(safe_transaction_id) FILTER (WHERE system_identifier = $3),
                        CASE WHEN count(*) = 0 THEN 0 ELSE $6::numeric END)
                FROM tandem.participants WHERE name = $1
                HAVING NOT coalesce(bool_or(conninfo_digest = \(Self.digest)
                    AND system_identifier = $3 AND database = $4), false)
                ON CONFLICT DO NOTHING
                """, values),
            Self.versions.command([options.name, address]),
        ])
        if results[0].rowCount > 0 {
            logger.warning(
                "a participant's timeline has changed: it was promoted or restored",
                metadata: ["participant": "\(options.name)", "timeline": "\(facts.timeline)"])
        }
        var entry = Entry()
        for version in Self.versions.rows(of: results[2]) {
            let system = version.identity.systemIdentifier
            entry.identities[version.number] = version.identity
            entry.safeTransactionIDs[system] = max(
                version.safeTransactionID, entry.safeTransactionIDs[system] ?? 0)
            entry.timelines[system] = max(version.timeline, entry.timelines[system] ?? 0)
            if version.isAtAddress { entry.versions[version.identity] = version.number }
        }
        entries[options.name] = entry
    }

    private struct Version: Sendable {
        let number: Int
        let identity: ServerIdentity
        let timeline: UInt32
        let safeTransactionID: UInt64
        /// Whether the configuration has the address of this version now.
        let isAtAddress: Bool
    }

    private static let digest = "sha256(convert_to($2, 'UTF8'))"

    private static let versions = Query<Version>(
        """
        SELECT version, system_identifier, database, timeline, safe_transaction_id,
            conninfo_digest = \(digest)
        FROM tandem.participants WHERE name = $1
        """
    ) { row in
        guard let number: Int = row.value(), let system = row.text(), let database = row.text(),
            let timeline: UInt32 = row.value(), let safe: UInt64 = row.value()
        else { return nil }
        return Version(
            number: number,
            identity: ServerIdentity(systemIdentifier: system, database: database),
            timeline: timeline, safeTransactionID: safe, isAtAddress: row.isTrue())
    }

    /// The server's address and the user, without any secret.
    private static func address(_ connection: ConnectionOptions) -> String {
        ["host", "hostaddr", "port", "dbname", "user"].map { key in
            "\(key)=\(connection[key] ?? "")"
        }.joined(separator: " ")
    }
}
