import EventLoop
public import PostgresClient

/// Examines a server: whether it can do its part, and is set up to.
public enum Doctor {
    /// What was found.
    public struct Findings: Sendable {
        /// One line about the server.
        public let summary: String
        /// What is wrong, each with its remedy.
        public let faults: [String]
    }

    /// Asks the server about itself.
    ///
    /// A participant is also made to prepare a transaction that changes nothing, and to roll it
    /// back.
    public static func examine(
        _ connection: PostgresConnection, isParticipant: Bool, allowsFsyncOff: Bool
    ) async throws -> Findings {
        try await onLoop(connection, isParticipant, allowsFsyncOff)
    }

    @LoopActor
    private static func onLoop(
        _ connection: PostgresConnection, _ isParticipant: Bool, _ allowsFsyncOff: Bool
    ) async throws -> Findings {
        let row = try await connection.query(
            """
            SELECT current_setting('server_version'), pg_is_in_recovery(),
                current_setting('max_prepared_transactions'),
                (SELECT count(*) FROM pg_prepared_xacts), current_setting('fsync'),
                current_user, round(extract(epoch FROM clock_timestamp())),
                current_setting('server_version_num'), (SELECT system_identifier
                    FROM pg_control_system())
            """, timeout: .seconds(10))
        func text(_ column: Int) -> String { row.text(row: 0, column: column) ?? "" }
        var faults: [String] = []
        if text(1) == "t" { faults.append("it is a standby; give the primary's address") }
        if text(4) != "on", !allowsFsyncOff {
            faults.append("fsync is off: nothing it says would survive a crash; turn it on")
        }
        if (Int(text(7)) ?? 0) < 150_000 { faults.append("PostgreSQL 15 or later is needed") }
        faults += clock(text(6))
        let limit = Int(text(2)) ?? 0
        let used = Int(text(3)) ?? 0
        if isParticipant {
            if limit == 0 {
                faults.append("max_prepared_transactions is 0; set it to 100, say, and restart")
            } else if used >= limit {
                faults.append("all \(limit) slots for prepared transactions are in use")
            } else if text(1) == "f" {
                faults += await trial(connection)
            }
        }
        let slots = isParticipant ? ", \(used) of \(limit) slots in use" : ""
        return Findings(
            summary: "PostgreSQL \(text(0)), as \(text(5)), system \(text(8))\(slots)",
            faults: faults)
    }

    private static func clock(_ seconds: String) -> [String] {
        guard let theirs = Int64(seconds) else { return [] }
        let ours = Int64(WallClock.seconds)
        guard abs(theirs - ours) > 5 else { return [] }
        return ["its clock is \(theirs - ours) s from this one; times shown to people will differ"]
    }

    @LoopActor
    private static func trial(_ connection: PostgresConnection) async -> [String] {
        let gid = "tandem-check:\(UInt64.random(in: .min ... .max))"
        do {
            let replies = try await connection.execute(
                [
                    [
                        Command("BEGIN"), Command("SELECT pg_current_xact_id()"),
                        Command("PREPARE TRANSACTION '\(gid)'", cached: false),
                    ],
                    [Command("ROLLBACK PREPARED '\(gid)'", cached: false)],
                ], timeout: .seconds(10))
            for case .failed(let message) in replies.joined() {
                return ["a prepare-and-roll-back trial failed: \(message.message)"]
            }
            return []
        } catch {
            return ["a prepare-and-roll-back trial failed: \(error)"]
        }
    }
}
